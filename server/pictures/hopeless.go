package pictures

import (
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

func (h *hopeless) has(name string, now version) bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	known, found := h.known[name]
	return found && now == known
}

func (h *hopeless) add(name string, now version) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.known == nil || len(h.known) >= mostHopeless {
		h.known = map[string]version{}
	}
	h.known[name] = now
}
