package socketio

import (
	"maps"
	"slices"
	"sync"
	"sync/atomic"
)

// Registrar is where handlers are registered: a [Namespace], whose handlers
// all its sockets share at no cost per socket, or a single [Socket].
type Registrar interface {
	hookTable() *hooks
}

var (
	_ Registrar = (*Namespace)(nil)
	_ Registrar = (*Socket)(nil)
	_ Registrar = (*Server)(nil)
)

// hooks are the handlers and listeners of a namespace or a socket. They are
// read without a lock and replaced whole.
type hooks struct {
	mu    sync.Mutex // serialises changes
	table atomic.Pointer[hookTable]
}

// hookTable is immutable once stored.
type hookTable struct {
	events        map[string][]*handler
	any, anyOut   []*listener
	intercept     []*interceptor
	middleware    []*middleware
	connection    []*connectionHook
	admission     []func(*Socket) error
	disconnecting []*disconnectHook
	disconnect    []*disconnectHook
	rooms         []*roomHook
	serverSide    map[string][]*serverHandler
}

type handler struct {
	run        func(e *Event)
	inline     bool
	once       bool
	concurrent bool
	keeps      bool        // may keep the event beyond its call
	used       atomic.Bool // a once handler that ran
	home       *hooks
	name       string
}

type (
	listener       struct{ f func(*Socket, string, Args) }
	middleware     struct{ f func(*Event) error }
	connectionHook struct {
		f      func(*Socket)
		inline bool
	}
	disconnectHook struct{ f func(*Socket, Reason) }
	serverHandler  struct{ f func(*ServerEvent) }
)

var noHooks hookTable

// load returns the current table, never nil.
func (h *hooks) load() *hookTable {
	if h == nil {
		return &noHooks
	}
	if t := h.table.Load(); t != nil {
		return t
	}
	return &noHooks
}

// change replaces the table by a changed copy.
func (h *hooks) change(f func(t *hookTable)) {
	h.mu.Lock()
	defer h.mu.Unlock()
	t := *h.load()
	f(&t)
	h.table.Store(&t)
}

// with returns list with e at its end, leaving list alone.
func with[E any](list []E, e E) []E { return append(slices.Clip(list), e) }

// without returns list without e, leaving list alone.
func without[E comparable](list []E, e E) []E {
	return slices.DeleteFunc(slices.Clone(list), func(x E) bool { return x == e })
}

func withKey[E any](m map[string][]E, key string, e E) map[string][]E {
	out := maps.Clone(m)
	if out == nil {
		out = make(map[string][]E)
	}
	out[key] = with(out[key], e)
	return out
}

func withoutKey[E comparable](m map[string][]E, key string, e E) map[string][]E {
	out := maps.Clone(m)
	if rest := without(out[key], e); len(rest) > 0 {
		out[key] = rest
	} else {
		delete(out, key)
	}
	return out
}

// add registers an event handler and returns what removes it.
func (h *hooks) add(event string, hd *handler) (remove func()) {
	hd.home, hd.name = h, event
	h.change(func(t *hookTable) { t.events = withKey(t.events, event, hd) })
	return func() { hd.remove() }
}

func (hd *handler) remove() {
	hd.home.change(func(t *hookTable) { t.events = withoutKey(t.events, hd.name, hd) })
}

// off removes all handlers of an event, or of every event where it is "".
func (h *hooks) off(event string) {
	h.change(func(t *hookTable) {
		if event == "" {
			t.events = nil
			return
		}
		t.events = maps.Clone(t.events)
		delete(t.events, event)
	})
}

func (h *hooks) onAny(f func(*Socket, string, Args), outgoing, prepend bool) (remove func()) {
	l := &listener{f}
	h.change(func(t *hookTable) {
		list := &t.any
		if outgoing {
			list = &t.anyOut
		}
		if prepend {
			*list = append([]*listener{l}, *list...)
		} else {
			*list = with(*list, l)
		}
	})
	return func() {
		h.change(func(t *hookTable) { t.any, t.anyOut = without(t.any, l), without(t.anyOut, l) })
	}
}

func (h *hooks) use(f func(*Event) error) {
	h.change(func(t *hookTable) { t.middleware = with(t.middleware, &middleware{f}) })
}

func (h *hooks) onDisconnect(f func(*Socket, Reason), leaving bool) (remove func()) {
	d := &disconnectHook{f}
	h.change(func(t *hookTable) {
		if leaving {
			t.disconnecting = with(t.disconnecting, d)
		} else {
			t.disconnect = with(t.disconnect, d)
		}
	})
	return func() {
		h.change(func(t *hookTable) {
			t.disconnecting, t.disconnect = without(t.disconnecting, d), without(t.disconnect, d)
		})
	}
}
