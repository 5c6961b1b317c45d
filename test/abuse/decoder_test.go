package abuse

import (
	"bytes"
	"compress/zlib"
	"encoding/binary"
	"hash/crc32"
	"io"
	"sync"
)

// greyPNG is a PNG of 43 megapixels in 42 KB whose decoding takes more memory than its
// pixels: grey, with a transparent value, interlaced.
var greyPNG = sync.OnceValue(func() string {
	const side = 6550
	var out bytes.Buffer
	chunk := func(name string, data []byte) {
		_ = binary.Write(&out, binary.BigEndian, uint32(len(data))) // to memory, as all here
		body := append([]byte(name), data...)
		out.Write(body)
		_ = binary.Write(&out, binary.BigEndian, crc32.ChecksumIEEE(body))
	}
	var pixels bytes.Buffer
	w, err := zlib.NewWriterLevel(&pixels, zlib.BestCompression)
	if err != nil {
		panic(err)
	}
	for _, pass := range [...]struct{ x, y, dx, dy int }{{0, 0, 8, 8}, {4, 0, 8, 8}, {0, 4, 4, 8}, {2, 0, 4, 4}, {0, 2, 2, 4}, {1, 0, 2, 2}, {0, 1, 1, 2}} { // PNG, section 8.2
		wide, high := (side-pass.x+pass.dx-1)/pass.dx, (side-pass.y+pass.dy-1)/pass.dy
		_, _ = io.CopyN(w, none{}, int64(high)*int64(1+wide))
	}
	_ = w.Close()
	head := binary.BigEndian.AppendUint32(binary.BigEndian.AppendUint32(nil, side), side)
	out.WriteString("\x89PNG\r\n\x1a\n")
	chunk("IHDR", append(head, 8, 0, 0, 0, 1))
	chunk("tRNS", []byte{0, 9})
	chunk("IDAT", pixels.Bytes())
	chunk("IEND", nil)
	return out.String()
})

// none is an endless row of zero bytes.
type none struct{}

func (none) Read(p []byte) (int, error) {
	clear(p)
	return len(p), nil
}
