package api

import (
	"crypto/sha256"
	"fmt"
	"hash"
	"io"
	"slices"
)

// fieldOrder are the text fields of a submission in the order in which the page sends
// them, before the photo.
var fieldOrder = []string{"category", "caption", "name", "phone", "credit", "terms", "guest"}

// digest takes in a submission as it arrives, so that another with the same
// Idempotency-Key can be told from the same one sent again. Nil takes in nothing.
type digest struct {
	arrived hash.Hash         // of the parts in the order in which they came
	came    []string          // their names
	fields  map[string][]byte // as they were sent
}

func newDigest() *digest { return &digest{arrived: sha256.New(), fields: map[string][]byte{}} }

// field takes in a text field as it was sent.
func (d *digest) field(name string, value []byte) {
	if d == nil {
		return
	}
	d.came, d.fields[name] = append(d.came, name), value
	writeField(d.arrived, name, value)
}

// photo takes in what is read of the photo.
func (d *digest) photo(r io.Reader) io.Reader {
	if d == nil {
		return r
	}
	d.came = append(d.came, "photo")
	return io.TeeReader(r, d.arrived)
}

// sums returns what stands for the submission, whatever order its parts came in. photo
// is read again where that was another order than the page's, and is at its beginning
// afterwards; it may be nil. Earlier is what stood for the submission until that
// order ceased to count: answers that were given by it are kept for a day.
func (d *digest) sums(photo io.ReadSeeker) (content, earlier []byte, err error) {
	earlier = d.arrived.Sum(nil)
	if slices.IsSortedFunc(d.came, func(a, b string) int { return place(a) - place(b) }) {
		return earlier, earlier, nil
	}
	ordered := sha256.New()
	for _, name := range fieldOrder {
		if value, sent := d.fields[name]; sent {
			writeField(ordered, name, value)
		}
	}
	if photo != nil {
		if _, err := io.Copy(ordered, photo); err != nil {
			return nil, nil, fmt.Errorf("read the photo for its digest: %w", err)
		}
		if _, err := photo.Seek(0, io.SeekStart); err != nil {
			return nil, nil, fmt.Errorf("rewind the photo: %w", err)
		}
	}
	return ordered.Sum(nil), earlier, nil
}

// place is where a part stands in the page's order.
func place(name string) int {
	if n := slices.Index(fieldOrder, name); n >= 0 {
		return n
	}
	return len(fieldOrder) // the photo
}

func writeField(h hash.Hash, name string, value []byte) {
	fmt.Fprintf(h, "%s %d ", name, len(value)) // a hash takes everything
	h.Write(value)
}
