package bolt

import (
	"encoding/binary"
	"fmt"
	"strings"
)

// Records start with a byte that gives their version, then their fields in
// fixed order: numbers as varints, texts and bytes with their length before
// them. A reader of version n reads all versions up to n.

// errRecord: a stored record cannot be read.
var errRecord = fmt.Errorf("%w: a record cannot be read", ErrDamaged)

func appendText(b []byte, text string) []byte {
	b = binary.AppendUvarint(b, uint64(len(text)))
	return append(b, text...)
}

func appendBytes(b, data []byte) []byte {
	b = binary.AppendUvarint(b, uint64(len(data)))
	return append(b, data...)
}

// recordReader takes fields off a record. After the first failure every
// further field is zero; finish reports it.
type recordReader struct {
	rest   []byte
	failed bool
}

func (r *recordReader) uint() uint64 {
	value, n := binary.Uvarint(r.rest)
	if n <= 0 {
		r.fail()
		return 0
	}
	r.rest = r.rest[n:]
	return value
}

// view returns bytes that are only valid within the transaction.
func (r *recordReader) view() []byte {
	n := r.uint()
	if n > uint64(len(r.rest)) {
		r.fail()
		return nil
	}
	value := r.rest[:n]
	r.rest = r.rest[n:]
	return value
}

func (r *recordReader) text() string { return string(r.view()) }

func (r *recordReader) bytes() []byte {
	view := r.view()
	if view == nil {
		return nil
	}
	return append([]byte{}, view...)
}

func (r *recordReader) fail() {
	r.failed = true
	r.rest = nil
}

// finish reports a record that was too short, or too long.
func (r *recordReader) finish() error {
	if r.failed || len(r.rest) > 0 {
		return errRecord
	}
	return nil
}

func uint64Key(n uint64) []byte { return binary.BigEndian.AppendUint64(nil, n) }

func readUint64(value []byte) (uint64, bool) {
	if len(value) != 8 {
		return 0, false
	}
	return binary.BigEndian.Uint64(value), true
}

func containsText(text, part string) bool { return strings.Contains(text, part) }
