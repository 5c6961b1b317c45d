package bolt

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash/fnv"
	"io"
	"os"
	"runtime"
)

// The first two pages of a bbolt file are its meta pages. What is needed of
// them here: behind a page header of 16 bytes stand magic (4), version (4),
// page size (4), flags (4), root page (8), root sequence (8), freelist page
// (8), first page never used (8), transaction (8), checksum (8).
const (
	metaOffset = 16
	metaBytes  = 64
	boltMagic  = 0xED0CDAED
)

// meta is what a meta page says.
type meta struct {
	pageSize int64
	pages    int64 // pages in use or free; the file must hold that many
	txid     uint64
}

// parseMeta reads a meta page, and reports whether it is valid.
func parseMeta(page []byte) (meta, bool) {
	if len(page) < metaOffset+metaBytes {
		return meta{}, false
	}
	body := page[metaOffset : metaOffset+metaBytes]
	order := binary.NativeEndian
	sum := fnv.New64a()
	_, _ = sum.Write(body[:metaBytes-8])
	if order.Uint32(body) != boltMagic || sum.Sum64() != order.Uint64(body[56:]) {
		return meta{}, false
	}
	m := meta{
		pageSize: int64(order.Uint32(body[8:])),
		pages:    int64(order.Uint64(body[40:])),
		txid:     order.Uint64(body[48:]),
	}
	return m, m.pageSize >= 512 && m.pageSize <= 1<<24 && m.pages >= 4
}

// readMeta returns the newest valid meta page of a file.
func readMeta(file io.ReaderAt) (meta, bool) {
	best, found := meta{}, false
	head := make([]byte, metaOffset+metaBytes)
	take := func(offset int64) {
		if _, err := file.ReadAt(head, offset); err != nil {
			return
		}
		if m, ok := parseMeta(head); ok && (!found || m.txid > best.txid) {
			best, found = m, true
		}
	}
	take(0)
	if found {
		take(best.pageSize)
		return best, true
	}
	for size := int64(1024); size <= 1<<24; size *= 2 {
		take(size)
	}
	return best, found
}

func metaPageSize(file io.ReaderAt) int64 {
	m, ok := readMeta(file)
	if !ok {
		return 0
	}
	return m.pageSize
}

// checkFile refuses a file that bbolt would crash on: one that is no bbolt
// file, or shorter than it says, which a mapped read answers with a fault.
// A missing or empty file is fine unless it is to be read only.
func checkFile(path string, readOnly bool) error {
	file, err := os.Open(path)
	if errors.Is(err, os.ErrNotExist) && !readOnly {
		return nil
	}
	if err != nil {
		return fmt.Errorf("open the data file: %w", err)
	}
	defer file.Close()
	info, err := file.Stat()
	if err != nil {
		return fmt.Errorf("size of the data file: %w", err)
	}
	if info.Size() == 0 && !readOnly {
		return nil
	}
	if info.IsDir() {
		return fmt.Errorf("open %s: %w: it is a folder", path, ErrNotAStore)
	}
	m, ok := readMeta(file)
	if !ok {
		return fmt.Errorf("open %s: %w", path, ErrNotAStore)
	}
	if info.Size() < m.pages*m.pageSize {
		return fmt.Errorf("open %s: %w: it was cut off (%d of %d bytes are there)", path, ErrNotAStore, info.Size(), m.pages*m.pageSize)
	}
	return nil
}

// initialMapping is the address space to reserve. Windows would make the file
// that large, and systems of 32 bits have not enough of it.
func initialMapping() int {
	if runtime.GOOS == "windows" || ^uint(0)>>32 == 0 {
		return 0
	}
	return mappedBytes
}
