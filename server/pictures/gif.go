package pictures

import (
	"bytes"
	"compress/lzw"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
)

// gifPicture is the first frame of a GIF on its screen. It is read here and not by
// image/gif, which refuses what browsers show: data behind the last pixel, and
// extensions that it does not know.
type gifPicture struct {
	width, height           int // of the screen
	left, top, across, down int // of the frame
	colours                 [256][3]byte
	interlaced              bool
	codes                   byte   // the bits of the shortest code
	blocks                  []byte // the frame's data
}

var errGIF = errors.New("the GIF has no frame")

// openGIF looks for the first frame (GIF89a, 18–20). A screen that is smaller than
// the frame is made as large, as browsers do.
func openGIF(data []byte) (*gifPicture, error) {
	if len(data) < 13 {
		return nil, errGIF
	}
	g := &gifPicture{width: int(binary.LittleEndian.Uint16(data[6:])), height: int(binary.LittleEndian.Uint16(data[8:]))}
	global, at := colourTable(data, 13, data[10])
	transparent := -1
	for at+11 <= len(data) {
		switch data[at] {
		case 0x2c:
			return g, g.frame(data, at, global, transparent)
		case 0x21:
			if data[at+1] == 0xf9 && data[at+2] >= 4 && data[at+3]&1 != 0 {
				transparent = int(data[at+6])
			}
			for at += 2; at < len(data) && data[at] != 0; at += 1 + int(data[at]) {
			}
			at++
		default:
			return nil, errGIF
		}
	}
	return nil, errGIF
}

// colourTable returns the colours at a place, where the flags say that there are any,
// and what follows.
func colourTable(data []byte, at int, flags byte) (table []byte, next int) {
	if flags&0x80 == 0 {
		return nil, at
	}
	next = at + 3<<(flags&7+1)
	return data[min(at, len(data)):min(next, len(data))], next
}

// frame reads the frame's header at a place. What is transparent, and what has no
// colour, is white.
func (g *gifPicture) frame(data []byte, at int, table []byte, transparent int) error {
	field := func(i int) int { return int(binary.LittleEndian.Uint16(data[at+i:])) }
	g.left, g.top, g.across, g.down = field(1), field(3), field(5), field(7)
	g.interlaced = data[at+9]&0x40 != 0
	own, next := colourTable(data, at+10, data[at+9])
	if own != nil {
		table = own
	}
	if g.across == 0 || g.down == 0 || len(table) < 3 || next >= len(data) {
		return errGIF
	}
	for i := range g.colours {
		g.colours[i] = [3]byte{255, 255, 255}
		if 3*i+3 <= len(table) && i != transparent {
			copy(g.colours[i][:], table[3*i:])
		}
	}
	g.codes, g.blocks = data[next], data[next+1:]
	g.width, g.height = max(g.width, g.left+g.across), max(g.height, g.top+g.down)
	return nil
}

// need is what decoding takes, in bytes.
func (g *gifPicture) need() int64 { return int64(g.across)*int64(g.down) + 3*int64(g.width) + 1<<16 }

// Close implements decoder.
func (g *gifPicture) Close() error { return nil }

// Rows implements decoder.
func (g *gifPicture) Rows(_ bool, start func(w, h int), each func(row []byte)) error {
	if g.codes < 2 || g.codes > 8 {
		return fmt.Errorf("codes of %d bits", g.codes)
	}
	codes := lzw.NewReader(&subBlocks{rest: g.blocks}, lzw.LSB, int(g.codes))
	defer codes.Close()
	pixels := make([]byte, g.across*g.down)
	if _, err := io.ReadFull(codes, pixels); err != nil {
		return fmt.Errorf("read the frame: %w", err)
	}
	start(g.width, g.height)
	lines, row := g.lines(), make([]byte, 3*g.width)
	for y := range g.height {
		for i := range row {
			row[i] = 255
		}
		if y >= g.top && y < g.top+g.down {
			to := row[3*g.left:]
			for x, index := range pixels[lines(y-g.top)*g.across:][:g.across] {
				copy(to[3*x:], g.colours[index][:])
			}
		}
		each(row)
	}
	return nil
}

// lines tells where in the data a line of the frame is. (GIF89a, appendix E)
func (g *gifPicture) lines() func(y int) int {
	if !g.interlaced {
		return func(y int) int { return y }
	}
	every := func(start, step int) int { return max(0, (g.down-start+step-1)/step) } // lines of a pass
	return func(y int) int {
		switch {
		case y%8 == 0:
			return y / 8
		case y%8 == 4:
			return every(0, 8) + y/8
		case y%4 == 2:
			return every(0, 8) + every(4, 8) + y/4
		}
		return every(0, 8) + every(4, 8) + every(2, 4) + y/2
	}
}

// subBlocks reads data that comes in blocks of up to 255 bytes, up to an empty one.
type subBlocks struct {
	rest  []byte
	block bytes.Reader
}

// Read implements io.Reader.
func (s *subBlocks) Read(p []byte) (int, error) {
	if err := s.next(); err != nil {
		return 0, err
	}
	return s.block.Read(p)
}

// ReadByte implements io.ByteReader.
func (s *subBlocks) ReadByte() (byte, error) {
	if err := s.next(); err != nil {
		return 0, err
	}
	return s.block.ReadByte()
}

// next makes sure that the block has something left.
func (s *subBlocks) next() error {
	if s.block.Len() > 0 {
		return nil
	}
	if len(s.rest) == 0 || s.rest[0] == 0 {
		return io.EOF
	}
	end := min(1+int(s.rest[0]), len(s.rest))
	s.block.Reset(s.rest[1:end])
	s.rest = s.rest[end:]
	if s.block.Len() == 0 {
		return io.ErrUnexpectedEOF
	}
	return nil
}
