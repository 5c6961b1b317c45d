package pictures

import (
	"os"
	"path/filepath"
	"sync"
	"time"
)

// mostHopeless bounds the pictures that are remembered.
const mostHopeless = 4096

// hopeless remembers pictures whose small size could not be made, so that
// whoever asks for it again makes the server work only once. A file that was
// changed since is another picture.
type hopeless struct {
	mu    sync.Mutex // guards known
	known map[string]version
}

// version tells one content of a file from another.
type version struct {
	size int64
	at   time.Time
}

func versionOf(dir, name string) (version, error) {
	info, err := os.Stat(filepath.Join(dir, name))
	if err != nil {
		return version{}, err
	}
	return version{info.Size(), info.ModTime()}, nil
}

func (h *hopeless) has(dir, name string) bool {
	h.mu.Lock()
	known, found := h.known[name]
	h.mu.Unlock()
	if !found {
		return false
	}
	now, err := versionOf(dir, name)
	return err == nil && now == known
}

func (h *hopeless) add(dir, name string) {
	now, err := versionOf(dir, name)
	if err != nil {
		return // it is gone
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.known == nil || len(h.known) >= mostHopeless {
		h.known = map[string]version{}
	}
	h.known[name] = now
}
