package bolt

import (
	"bytes"
	"fmt"
	"io"
	"strings"
	"time"
)

// Every page of a file is looked at before bbolt sees it: bbolt believes what
// it reads, and where that is wrong it panics, reads beyond the file, or walks
// in circles. Here each page is read once, within the bounds of the file.

// maxDepth bounds how far branches lead down. A file of 2^48 bytes needs 10.
const maxDepth = 64

// walker goes through a tree of pages. What it cannot read it leaves out.
type walker struct {
	file *pageFile
	seen []bool // by page: it was reached
	read int    // pages that were reached and are whole

	// found is called for each key of a top-level bucket, nil for none. What it
	// gets is valid until it returns.
	found func(bucket string, key, value []byte)
	// opened is called for each top-level bucket, nil for none.
	opened func(bucket string, sequence uint64)
	// hole is called for each page or part of one that cannot be read, with the
	// bucket it belonged to, "" for the list of buckets itself.
	hole func(bucket string, err error)

	rest  func(time.Duration) // called after some pages
	steps int
	began time.Time
}

func newWalker(file *pageFile) *walker {
	w := &walker{file: file, seen: make([]bool, file.count), began: time.Now()}
	for id := range min(2, len(w.seen)) {
		w.seen[id] = true // the meta pages
	}
	return w
}

// stepPages is how many pages are looked at in a step.
const stepPages = 128

func (w *walker) step() {
	if w.steps++; w.rest == nil || w.steps < stepPages {
		return
	}
	w.steps = 0
	w.rest(time.Since(w.began))
	w.began = time.Now()
}

// take notes that a page and those it flows over into are part of the tree, and
// reports whether none was before.
func (w *walker) take(p page) bool {
	for id := p.id; id < p.id+p.pages; id++ {
		if w.seen[id] {
			return false
		}
	}
	for id := p.id; id < p.id+p.pages; id++ {
		w.seen[id] = true
	}
	w.read += int(p.pages)
	return true
}

// bounds are the keys that a part of a tree may hold: from low on, and below
// high where that is not nil.
type bounds struct{ low, high []byte }

// tree goes through the pages below one, whose keys are within bounds.
func (w *walker) tree(bucket string, id uint64, within bounds, depth int) {
	p, err := w.file.read(id, leafPage, branchPage)
	switch {
	case err == nil && depth > maxDepth:
		err = fmt.Errorf("page %d lies too deep", id)
	case err == nil && !w.take(p):
		err = fmt.Errorf("page %d belongs to two places", id)
	}
	if err != nil {
		if id < uint64(len(w.seen)) {
			w.seen[id] = true
		}
		w.hole(bucket, err)
		return
	}
	w.step()
	if p.flags == leafPage {
		w.leaf(bucket, &p, within, depth)
	} else {
		w.branch(bucket, &p, within, depth)
	}
}

// elements calls f for the elements of a page that can be read, are in order
// and within bounds.
func (w *walker) elements(bucket string, p *page, within bounds, f func(e, next element)) {
	var ahead element
	last := within.low
	list := make([]element, 0, p.count)
	for i := range p.count {
		e, err := p.element(i)
		switch {
		case err != nil:
		case i > 0 && bytes.Compare(e.key, last) <= 0 && len(list) > 0, bytes.Compare(e.key, within.low) < 0, within.high != nil && bytes.Compare(e.key, within.high) >= 0:
			err = fmt.Errorf("element %d of page %d is not in its place", i, p.id)
		}
		if err != nil {
			w.hole(bucket, err)
			continue
		}
		last = e.key
		list = append(list, e)
	}
	for i, e := range list {
		ahead = element{key: within.high}
		if i+1 < len(list) {
			ahead = list[i+1]
		}
		f(e, ahead)
	}
}

func (w *walker) branch(bucket string, p *page, within bounds, depth int) {
	if p.count == 0 {
		w.hole(bucket, fmt.Errorf("page %d leads nowhere", p.id))
	}
	w.elements(bucket, p, within, func(e, next element) {
		w.tree(bucket, e.child, bounds{e.key, next.key}, depth+1)
	})
}

func (w *walker) leaf(bucket string, p *page, within bounds, depth int) {
	w.elements(bucket, p, within, func(e, _ element) {
		switch {
		case e.bucket:
			w.bucket(bucket, e, depth)
		case bucket == "":
			w.hole("", fmt.Errorf("page %d names the part %.20q, which is none", p.id, e.key))
		case w.found != nil:
			w.found(bucket, e.key, e.value)
		}
	})
}

// bucket goes through a bucket, by its entry in the list of buckets. The store
// has none within others.
func (w *walker) bucket(within string, e element, depth int) {
	name := string(e.key)
	switch {
	case within != "":
		w.hole(within, fmt.Errorf("there is a part %.20q within it", e.key))
		return
	case len(e.value) < bucketHead:
		w.hole(name, fmt.Errorf("its entry is cut off"))
		return
	}
	if w.opened != nil {
		w.opened(name, order.Uint64(e.value[8:]))
	}
	if root := order.Uint64(e.value); root != 0 {
		w.tree(name, root, bounds{}, depth+1)
		return
	}
	p, err := inline(e.value)
	if err != nil {
		w.hole(name, err)
		return
	}
	w.leaf(name, &p, bounds{}, depth)
}

// verdict says what was found when the pages of a file were looked at.
type verdict struct {
	meta    meta
	emptied bool     // the file was there, and of length zero
	heads   int      // meta pages that are valid, of two
	faults  []string // sentences, at most maxFaults
	whole   int      // pages that are whole, free ones and meta pages included
	free    int      // pages that are free
	lost    []uint64 // pages that nothing leads to
}

func (v *verdict) fault(format string, args ...any) {
	if len(v.faults) < maxFaults {
		v.faults = append(v.faults, fmt.Sprintf(format, args...))
	}
}

// err is nil for a file that bbolt can be trusted with.
func (v *verdict) err() error {
	if len(v.faults) == 0 {
		return nil
	}
	return fmt.Errorf("%w: %d of its %d pages are whole. %s", ErrDamaged, v.whole, v.meta.pages, strings.Join(v.faults[:min(3, len(v.faults))], " "))
}

// sentences are what a check says.
func (v *verdict) sentences() []string {
	found := v.faults
	if v.heads == 1 {
		found = append(found, "One of the file's two meta pages is damaged: the newest change may be lost.")
	}
	if len(v.lost) > 0 {
		found = append(found, fmt.Sprintf("%d pages of the file belong to nothing; podium check --compact frees them.", len(v.lost)))
	}
	if len(v.faults) > 0 {
		found = append(found, fmt.Sprintf("%d of the file's %d pages are whole.", v.whole, v.meta.pages))
	}
	return found
}

// verify looks at every page that a meta page leads to. Nobody may write the
// file meanwhile, unless a reading transaction holds what it looks at. rest is
// called after each step of about a millisecond, if not nil.
func verify(file io.ReaderAt, size int64, m meta, heads int, rest func(time.Duration)) verdict {
	v := verdict{meta: m, heads: heads, whole: heads}
	pages := newPageFile(file, size, m)
	if end := int64(m.pages) * m.pageSize; size < end {
		v.fault("The file was cut off: %d of %d bytes are there.", size, end)
	}
	w := newWalker(pages)
	w.rest = rest
	w.hole = func(bucket string, err error) {
		if bucket == "" {
			v.fault("The list of the file's parts is damaged: %v.", err)
		} else {
			v.fault("The part %.20q is damaged: %v.", bucket, err)
		}
	}
	w.tree("", m.root, bounds{}, 0)
	v.whole += w.read
	v.freePages(pages, w.seen)
	if len(v.faults) > 0 {
		return v // what belongs to damaged pages is not lost
	}
	for id, seen := range w.seen {
		if !seen {
			v.lost = append(v.lost, uint64(id))
		}
	}
	return v
}

// freePages looks at the list of free pages, and notes them in seen.
func (v *verdict) freePages(pages *pageFile, seen []bool) {
	list, free, err := pages.freePages(v.meta.freelist)
	if err != nil {
		v.fault("The list of free pages is damaged: %v.", err)
		return
	}
	v.free = len(free)
	for id := list.id; id < list.id+list.pages; id++ {
		if seen[id] {
			v.fault("The list of free pages is damaged: page %d belongs to two places.", id)
		}
		seen[id] = true
	}
	v.whole += int(list.pages) + len(free)
	for _, id := range free {
		if seen[id] {
			v.fault("The list of free pages is damaged: page %d is free and in use.", id)
		}
		seen[id] = true
	}
}
