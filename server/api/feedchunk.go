package api

import (
	"bytes"
	"encoding/binary"
	"hash/crc32"
	"io"
	"sync"
	"sync/atomic"

	"github.com/klauspost/compress/flate"

	"podium/contest"
	"podium/server/answer"
)

const (
	// chunkRows and chunkBytes are where a chunk is full.
	chunkRows  = 64
	chunkBytes = 32 << 10
)

// feedChunk is a run of neighbouring items of a category, newest first. It is
// what versions of the feed share: one that changed is another chunk. Only
// whether its bytes are kept can change.
type feedChunk struct {
	rows     []feedRow
	encoded  atomic.Pointer[[]byte]       // the items with commas between them; nil where they are not kept
	deflated atomic.Pointer[deflatedData] // nil until somebody wants them compressed
}

// feedRow is an item of a chunk.
type feedRow struct {
	id        string
	sequence  uint64 // descending in a category
	createdAt int64
	hash      uint64 // of the record that it was read from; 0 where that is not known
	from, to  int    // bytes of the chunk
}

// newChunk puts items together. rows gets the places of its bytes anew.
func newChunk(rows []feedRow, items [][]byte) *feedChunk {
	size := len(items)
	for _, item := range items {
		size += len(item)
	}
	body := make([]byte, 0, size)
	for i, item := range items {
		if i > 0 {
			body = append(body, ',')
		}
		rows[i].from = len(body)
		body = append(body, item...)
		rows[i].to = len(body)
	}
	k := &feedChunk{rows: rows}
	k.encoded.Store(&body)
	return k
}

// items are the chunk's items, or nil where they are not kept.
func (k *feedChunk) items() [][]byte {
	body := k.encoded.Load()
	if body == nil {
		return nil
	}
	items := make([][]byte, 0, len(k.rows)+1)
	for _, r := range k.rows {
		items = append(items, (*body)[r.from:r.to])
	}
	return items
}

// drop lets go of the bytes.
func (k *feedChunk) drop() {
	k.encoded.Store(nil)
	k.deflated.Store(nil)
}

// full reports whether a chunk of so much should be two.
func full(rows int, size int64) bool { return rows >= chunkRows || size >= chunkBytes }

// size is how many bytes the items have.
func (k *feedChunk) size() int64 { return int64(k.rows[len(k.rows)-1].to) }

// feedItemBytes encodes the item of a submission.
func (c *API) feedItemBytes(sub *contest.Submission) ([]byte, error) {
	return answer.Encode(c.feedItem(sub))
}

// load returns the rows of a chunk with their bytes: k's own, or where they are not
// kept, what the store has of them now.
func (c *API) load(k *feedChunk) ([]feedRow, []byte, error) {
	if body := k.encoded.Load(); body != nil {
		return k.rows, *body, nil
	}
	c.feed.reading.Lock()
	defer c.feed.reading.Unlock()
	ids := make([]string, len(k.rows))
	for i, r := range k.rows {
		ids[i] = r.id
	}
	found, err := c.Contest.Named(ids...)
	if err != nil {
		return nil, nil, storeError(err)
	}
	var rows []feedRow
	var items [][]byte
	for _, r := range k.rows {
		sub, ok := found[r.id]
		if !ok || sub.Status != contest.Approved {
			continue // it went since, or its record is damaged
		}
		item, err := c.feedItemBytes(&sub)
		if err != nil {
			return nil, nil, err
		}
		rows, items = append(rows, r), append(items, item)
	}
	return rows, *newChunk(rows, items).encoded.Load(), nil
}

// deflatedData is a part of a gzip stream.
type deflatedData struct {
	stream []byte // deflate blocks that end at a byte and refer to nothing before them
	sum    uint32 // CRC-32 of what they hold
	size   int    // bytes that they hold
	shift  uint32 // what a sum is multiplied with when these are appended
}

var deflaters = sync.Pool{New: func() any {
	w, _ := flate.NewWriter(io.Discard, 3) // 3 is a level that there is
	return w
}}

// deflate compresses the items of a chunk that is kept.
func (k *feedChunk) deflate() *deflatedData {
	if d := k.deflated.Load(); d != nil {
		return d
	}
	body := k.encoded.Load()
	if body == nil { // dropped since: whoever asked has it loaded
		return nil
	}
	d := deflateBytes(*body)
	k.deflated.Store(d)
	return d
}

func deflateBytes(data []byte) *deflatedData {
	var out bytes.Buffer
	w := deflaters.Get().(*flate.Writer)
	w.Reset(&out)
	w.Write(data) // a bytes.Buffer takes everything
	w.Flush()     // to the end of a byte (RFC 1951, 3.2.4)
	deflaters.Put(w)
	return &deflatedData{stream: bytes.Clone(out.Bytes()), sum: crc32.ChecksumIEEE(data), size: len(data), shift: shiftOf(len(data))}
}

// storedBytes is a short text as it is, in a block without compression.
func storedBytes(text []byte) *deflatedData {
	n := uint16(len(text))
	stream := append(binary.LittleEndian.AppendUint16(binary.LittleEndian.AppendUint16([]byte{0}, n), ^n), text...)
	return &deflatedData{stream: stream, sum: crc32.ChecksumIEEE(text), size: len(text), shift: shiftOf(len(text))}
}

// gzipStream puts parts together to one gzip member (RFC 1952).
type gzipStream struct {
	w    io.Writer
	sum  uint32
	size uint32
}

func (g *gzipStream) begin() error {
	_, err := g.w.Write([]byte{0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 255})
	return err
}

func (g *gzipStream) part(d *deflatedData) error {
	g.sum = multiply(d.shift, g.sum) ^ d.sum
	g.size += uint32(d.size)
	_, err := g.w.Write(d.stream)
	return err
}

// gzipFrame is what begin and end write, in bytes.
const gzipFrame = 10 + 5 + 8

func (g *gzipStream) end() error {
	last := []byte{1, 0, 0, 0xff, 0xff} // an empty block, the final one
	last = binary.LittleEndian.AppendUint32(last, g.sum)
	_, err := g.w.Write(binary.LittleEndian.AppendUint32(last, g.size))
	return err
}

// A CRC-32 is a polynomial modulo another, the bits in reverse order: the highest
// bit is 1. Appending n bytes multiplies it with x to the power of 8n.

// multiply multiplies two of them.
func multiply(a, b uint32) (product uint32) {
	for bit := uint32(1) << 31; bit != 0; bit >>= 1 {
		if a&bit != 0 {
			product ^= b
		}
		b = b>>1 ^ crc32.IEEE&-(b&1)
	}
	return product
}

// shiftOf is x to the power of 8n.
func shiftOf(n int) uint32 {
	power, square := uint32(1)<<31, uint32(1)<<23 // x⁰ and x⁸
	for ; n > 0; n >>= 1 {
		if n&1 != 0 {
			power = multiply(square, power)
		}
		square = multiply(square, square)
	}
	return power
}
