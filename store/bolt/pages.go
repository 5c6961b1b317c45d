package bolt

import (
	"encoding/binary"
	"fmt"
	"hash/fnv"
	"io"
	"runtime"
)

// The first two pages of a bbolt file are its meta pages. What is needed of
// them here: behind a page header of 16 bytes stand magic (4), version (4),
// page size (4), flags (4), root page (8), root sequence (8), freelist page
// (8), first page never used (8), transaction (8), checksum (8).
const (
	headBytes = 16
	metaBytes = 64
	boltMagic = 0xED0CDAED
)

// The kinds of pages, as their heads name them.
const (
	branchPage   = 0x01
	leafPage     = 0x02
	freelistPage = 0x10
)

// order is how bbolt writes numbers: as the machine has them in memory.
var order = binary.NativeEndian

// meta is what a meta page says.
type meta struct {
	pageSize int64
	root     uint64 // the page on which the names of the buckets begin
	freelist uint64 // the first page of the list of free pages
	pages    uint64 // pages in use or free; the file must hold that many
	txid     uint64
}

// parseMeta reads a meta page, and reports whether it is valid.
func parseMeta(page []byte) (meta, bool) {
	if len(page) < headBytes+metaBytes {
		return meta{}, false
	}
	body := page[headBytes : headBytes+metaBytes]
	sum := fnv.New64a()
	_, _ = sum.Write(body[:metaBytes-8])
	if order.Uint32(body) != boltMagic || sum.Sum64() != order.Uint64(body[56:]) {
		return meta{}, false
	}
	m := meta{
		pageSize: int64(order.Uint32(body[8:])),
		root:     order.Uint64(body[16:]),
		freelist: order.Uint64(body[32:]),
		pages:    order.Uint64(body[40:]),
		txid:     order.Uint64(body[48:]),
	}
	return m, m.pageSize >= 512 && m.pageSize <= 1<<24 && m.pages >= 4 && m.pages < 1<<40 && m.root < m.pages
}

// readMetas returns the valid meta pages of a file, the newest first: two of a
// sound one.
func readMetas(file io.ReaderAt) (metas []meta) {
	head := make([]byte, headBytes+metaBytes)
	take := func(offset int64) {
		if _, err := file.ReadAt(head, offset); err != nil {
			return
		}
		if m, ok := parseMeta(head); ok {
			metas = append(metas, m)
		}
	}
	take(0)
	if len(metas) > 0 {
		take(metas[0].pageSize)
		if len(metas) == 2 && metas[1].txid > metas[0].txid {
			metas[0], metas[1] = metas[1], metas[0]
		}
		return metas
	}
	for size := int64(1024); size <= 1<<24 && len(metas) == 0; size *= 2 {
		take(size)
	}
	return metas
}

// readMeta returns the newest valid meta page of a file.
func readMeta(file io.ReaderAt) (meta, bool) {
	metas := readMetas(file)
	if len(metas) == 0 {
		return meta{}, false
	}
	return metas[0], true
}

func metaPageSize(file io.ReaderAt) int64 {
	m, ok := readMeta(file)
	if !ok {
		return 0
	}
	return m.pageSize
}

// pageFile reads pages without believing what they say: everything is within
// the bounds of the file, or an error.
type pageFile struct {
	from  io.ReaderAt
	size  int64  // of a page, in bytes
	count uint64 // of pages
}

// newPageFile reads the pages that a meta page knows of and that are there.
func newPageFile(from io.ReaderAt, size int64, m meta) *pageFile {
	return &pageFile{from: from, size: m.pageSize, count: min(m.pages, uint64(size/m.pageSize))}
}

// page is a leaf, a branch, or a list of free pages, with the pages that it
// flows over into.
type page struct {
	id    uint64
	flags uint16
	count int
	pages uint64 // itself and those it flows over into
	data  []byte // from its head on
}

// head reads the head of a page of one of the given kinds.
func (f *pageFile) head(id uint64, kinds ...uint16) (page, error) {
	if id < 2 || id >= f.count {
		return page{}, fmt.Errorf("page %d is not among the %d pages of the file", id, f.count)
	}
	var head [headBytes]byte
	if _, err := f.from.ReadAt(head[:], int64(id)*f.size); err != nil {
		return page{}, fmt.Errorf("page %d cannot be read: %w", id, noEnd(err))
	}
	return f.parseHead(id, head[:], kinds)
}

// parseHead judges a page's head: number (8), kind (2), elements (2), pages
// that it flows over into (4).
func (f *pageFile) parseHead(id uint64, head []byte, kinds []uint16) (page, error) {
	p := page{id: id, flags: order.Uint16(head[8:]), count: int(order.Uint16(head[10:])), pages: 1 + uint64(order.Uint32(head[12:]))}
	known := false
	for _, kind := range kinds {
		known = known || p.flags == kind
	}
	switch {
	case order.Uint64(head) != id || !known:
		return page{}, fmt.Errorf("page %d does not hold what was written to it", id)
	case p.pages > f.count-id:
		return page{}, fmt.Errorf("page %d flows over the end of the file", id)
	}
	return p, nil
}

// read reads a page of one of the given kinds, whole.
func (f *pageFile) read(id uint64, kinds ...uint16) (page, error) {
	if id < 2 || id >= f.count {
		return page{}, fmt.Errorf("page %d is not among the %d pages of the file", id, f.count)
	}
	data := make([]byte, f.size)
	if _, err := f.from.ReadAt(data, int64(id)*f.size); err != nil {
		return page{}, fmt.Errorf("page %d cannot be read: %w", id, noEnd(err))
	}
	p, err := f.parseHead(id, data, kinds)
	if err != nil {
		return page{}, err
	}
	if p.pages > 1 {
		data = make([]byte, int64(p.pages)*f.size)
		if _, err := f.from.ReadAt(data, int64(id)*f.size); err != nil {
			return page{}, fmt.Errorf("page %d cannot be read to its end: %w", id, noEnd(err))
		}
	}
	p.data = data
	if p.flags != freelistPage && headBytes+elementBytes*p.count > len(data) {
		return page{}, fmt.Errorf("page %d says that it has more elements than fit", id)
	}
	return p, nil
}

// noEnd names the end of a file for people.
func noEnd(err error) error {
	if err == io.EOF || err == io.ErrUnexpectedEOF {
		return fmt.Errorf("the file was cut off")
	}
	return err
}

// elementBytes is the size of what leads to a key, on leaves and branches
// alike. A leaf's: flags (4), where the key begins from here (4), its length
// (4), that of the value behind it (4). A branch's: where the key begins (4),
// its length (4), the page (8).
const elementBytes = 16

// element is a key of a page with what belongs to it.
type element struct {
	key, value []byte // value: of a leaf
	bucket     bool   // the value of a leaf is the head of a bucket
	child      uint64 // of a branch
}

// element returns the element i of a leaf or a branch.
func (p *page) element(i int) (element, error) {
	at := headBytes + elementBytes*i
	raw := p.data[at : at+elementBytes]
	var e element
	var from, key, value uint64
	if p.flags == branchPage {
		from, key = uint64(order.Uint32(raw)), uint64(order.Uint32(raw[4:]))
		e.child = order.Uint64(raw[8:])
	} else {
		e.bucket = order.Uint32(raw)&1 != 0
		from, key, value = uint64(order.Uint32(raw[4:])), uint64(order.Uint32(raw[8:])), uint64(order.Uint32(raw[12:]))
	}
	from += uint64(at)
	if from < uint64(headBytes+elementBytes*p.count) || from+key+value > uint64(len(p.data)) {
		return element{}, fmt.Errorf("element %d of page %d lies outside of it", i, p.id)
	}
	if key == 0 {
		return element{}, fmt.Errorf("element %d of page %d has no key", i, p.id)
	}
	e.key, e.value = p.data[from:from+key:from+key], p.data[from+key:from+key+value:from+key+value]
	return e, nil
}

// bucketHead is the size of a bucket's head: its first page (8), its sequence
// (8). A small bucket has no page: it is behind its head, as a page would be.
const bucketHead = 16

// inline returns the page behind a bucket's head.
func inline(value []byte) (page, error) {
	data := value[bucketHead:]
	if len(data) < headBytes {
		return page{}, fmt.Errorf("a small bucket is cut off")
	}
	p := page{flags: order.Uint16(data[8:]), count: int(order.Uint16(data[10:])), data: data}
	if p.flags != leafPage || headBytes+elementBytes*p.count > len(data) {
		return page{}, fmt.Errorf("a small bucket does not hold what was written to it")
	}
	return p, nil
}

// freePages reads the list of free pages.
func (f *pageFile) freePages(id uint64) (list page, free []uint64, err error) {
	p, err := f.read(id, freelistPage)
	if err != nil {
		return p, nil, err
	}
	ids, n := p.data[headBytes:], uint64(p.count)
	if n == 0xFFFF { // the number does not fit the head, and stands before the list
		n, ids = order.Uint64(ids), ids[8:]
	}
	if n > uint64(len(ids)/8) {
		return p, nil, fmt.Errorf("page %d says that it has more elements than fit", id)
	}
	last := uint64(1)
	for i := range n {
		one := order.Uint64(ids[8*i:])
		if one <= last || one >= f.count {
			return p, nil, fmt.Errorf("page %d lists the page %d where it does not belong", id, one)
		}
		last = one
		free = append(free, one)
	}
	return p, free, nil
}

// initialMapping is the address space to reserve. Windows would make the file
// that large, and systems of 32 bits have not enough of it.
func initialMapping() int {
	if runtime.GOOS == "windows" || ^uint(0)>>32 == 0 {
		return 0
	}
	return mappedBytes
}
