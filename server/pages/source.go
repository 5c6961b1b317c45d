package pages

import (
	"fmt"
	"io"
	"io/fs"
	"sync"
	"time"
)

const (
	// wholeFile is the largest file that is held in memory; larger ones are
	// streamed, uncompressed.
	wholeFile = 4 << 20
	// wholeTree is how much of a tree is held in memory in all.
	wholeTree = 32 << 20
	// settling is the age from which a file's time tells its states apart: a
	// file that is being written may change again within one tick of the clock.
	settling = 2 * time.Second
)

// source is a tree of files, read anew where they change.
type source struct {
	files fs.FS

	mu     sync.Mutex // guards the fields below
	assets map[string]*asset
	held   int64 // bytes of assets
}

// stamp tells states of a file apart. Its zero value means that there is none.
type stamp struct {
	modified time.Time
	size     int64
	exists   bool
}

// open returns a file as it is now. The caller releases it.
func (s *source) open(name string) (*asset, error) {
	file, err := s.files.Open(name)
	if err != nil {
		return nil, err
	}
	info, err := file.Stat()
	if err == nil && !info.Mode().IsRegular() {
		err = fs.ErrNotExist
	}
	if err != nil {
		file.Close()
		return nil, err
	}
	now := stampOf(info)
	if seeker, ok := file.(io.ReadSeeker); ok && now.size > wholeFile {
		return &asset{name: name, kind: kindOf(name), file: file, seeker: seeker, modified: now.modified,
			etag: fmt.Sprintf(`"%x-%x"`, now.modified.UnixNano(), now.size)}, nil
	}
	defer file.Close()
	s.mu.Lock()
	cached := s.assets[name]
	s.mu.Unlock()
	if cached != nil && cached.stamp == now {
		return cached, nil
	}
	data, err := io.ReadAll(file)
	if err != nil {
		return nil, err
	}
	a := newAsset(name, data)
	if a.stamp = now; time.Since(now.modified) > settling && int64(len(data)) == now.size {
		s.keep(name, a)
	}
	return a, nil
}

// keep holds a for the next request, and drops everything else when it gets
// too much.
func (s *source) keep(name string, a *asset) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if old := s.assets[name]; old != nil {
		s.held -= int64(len(old.data))
	}
	if s.held+int64(len(a.data)) > wholeTree {
		clear(s.assets)
		s.held = 0
	}
	s.assets[name] = a
	s.held += int64(len(a.data))
}

// stamp says which state of a file this is: it changes when the file does. An
// unsettled file is never the same twice.
func (s *source) stamp(name string) stamp {
	info, err := fs.Stat(s.files, name)
	if err != nil || !info.Mode().IsRegular() {
		return stamp{}
	}
	now := stampOf(info)
	if time.Since(now.modified) <= settling {
		now.modified = time.Now()
	}
	return now
}

func stampOf(info fs.FileInfo) stamp {
	return stamp{modified: info.ModTime(), size: info.Size(), exists: true}
}
