package pictures

import (
	"sync"
	"time"
)

// mostHopeless bounds the pictures that are remembered, to two or three megabytes.
const mostHopeless = 16 << 10

// hopeless remembers pictures whose small size could not be made, so that
// whoever asks for it again makes the server work only once. A file that was
// changed since is another picture. Where there are too many, those go that
// nobody has asked for longest, as far as two generations tell: whoever brings
// many new ones does not make it forget those that are asked for.
type hopeless struct {
	mu         sync.Mutex // guards all below
	young, old map[string]version
}

// version tells one content of a file from another.
type version struct {
	size int64
	at   time.Time
}

func (h *hopeless) has(name string, now version) bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	if known, found := h.young[name]; found {
		return known == now
	}
	known, found := h.old[name]
	if !found || known != now {
		return false
	}
	h.addLocked(name, now)
	return true
}

func (h *hopeless) add(name string, now version) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.addLocked(name, now)
}

// addLocked makes the younger generation the older one where it is half of what may be
// remembered. mu must be held.
func (h *hopeless) addLocked(name string, now version) {
	if h.young == nil || len(h.young) >= mostHopeless/2 {
		h.young, h.old = map[string]version{}, h.young
	}
	h.young[name] = now
}
