package client

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync/atomic"

	"podium/protocol/socketio/parser"
)

// HandlerOption changes how a handler is called.
type HandlerOption uint8

const (
	// Inline runs the handler in place, on the goroutine that reads the connection, where
	// nothing of its socket is waiting. It must be cheap and must not block: with a
	// shared [Transport] other connections wait for it.
	Inline HandlerOption = 1 << iota
	// Once removes the handler after its first event.
	Once
)

// Event is an event that the server sent.
type Event struct {
	Socket *Socket
	Name   string
	Args   parser.Args

	id    int64
	acked atomic.Bool
}

// WantsAck reports whether the server asked for an acknowledgement.
func (e *Event) WantsAck() bool { return e.id != parser.NoID }

// Ack sends the acknowledgement, at any time, from any goroutine, once. It returns
// [ErrDisconnected] where the socket is not connected any more.
func (e *Event) Ack(args ...any) error {
	if e.id == parser.NoID {
		return ErrNoAck
	}
	if e.acked.Swap(true) {
		return ErrAcked
	}
	s := e.Socket
	p := parser.Packet{Type: parser.Ack, Namespace: s.namespace, ID: e.id, Args: args}
	ms, err := s.manager.opts.Parser.Encode(&p)
	if err != nil {
		e.acked.Store(false)
		return err
	}
	s.manager.mu.Lock()
	defer s.manager.mu.Unlock()
	if !s.sendLocked(ms) {
		return ErrDisconnected
	}
	return nil
}

// fail reports a handler's error and, where the server waits, tells it as much as it may
// know.
func (e *Event) fail(err error) {
	answer := ackError{Error: "internal error"}
	public := (*Error)(nil)
	switch {
	case errors.As(err, &public):
		answer = ackError{public.Message, public.Data}
	case errors.Is(err, errArguments):
		answer.Error = "invalid arguments"
	}
	if public == nil {
		e.Socket.manager.opts.Logger.Warn("client: event not handled", "event", e.Name, "error", err)
	}
	if e.Ack(answer) == nil || answer.Data == nil {
		return
	}
	_ = e.Ack(ackError{Error: answer.Error}) // its data could not be encoded
}

// ackError is the one argument of an acknowledgement that tells of an error.
type ackError struct {
	Error string `json:"error"`
	Data  any    `json:"data,omitempty"`
}

var errArguments = errors.New("arguments do not fit")

// handler is what is registered for an event, or for any.
type handler struct {
	event  string
	run    func(*Event)
	inline bool
	once   bool
	spent  atomic.Bool
}

// hooks is what is registered on a socket. It is not changed: a new one replaces it.
type hooks struct {
	events       map[string][]*handler
	any          []*handler
	anyOut       []*hook[func(string, parser.Args)]
	connect      []*hook[func()]
	connectError []*hook[func(error)]
	disconnect   []*hook[func(Reason, error)]
}

// hook is a function that can be told from another.
type hook[F any] struct{ run F }

var noHooks hooks

func (s *Socket) loadHooks() *hooks {
	if h := s.hooks.Load(); h != nil {
		return h
	}
	return &noHooks
}

// change replaces the hooks by a copy that f has changed. f may be called several times.
func (s *Socket) change(f func(h *hooks)) {
	for {
		old := s.hooks.Load()
		h := hooks{}
		if old != nil {
			h = *old
		}
		f(&h)
		if s.hooks.CompareAndSwap(old, &h) {
			return
		}
	}
}

// with returns list with x at its end or, where first is set, its beginning. list is not changed.
func with[T any](list []T, x T, first bool) []T {
	if first {
		return append([]T{x}, list...)
	}
	return append(slices.Clone(list), x)
}

func without[T comparable](list []T, x T) []T {
	return slices.DeleteFunc(slices.Clone(list), func(y T) bool { return x == y })
}

func (h *hooks) setEvent(event string, list []*handler) {
	events := make(map[string][]*handler, len(h.events)+1)
	for name, l := range h.events {
		events[name] = l
	}
	events[event] = list
	if len(list) == 0 {
		delete(events, event)
	}
	h.events = events
}

func (s *Socket) register(event string, run func(*Event), opts []HandlerOption) (remove func()) {
	hd := &handler{event: event, run: run}
	for _, o := range opts {
		hd.inline = hd.inline || o&Inline != 0
		hd.once = hd.once || o&Once != 0
	}
	s.change(func(h *hooks) { h.setEvent(event, with(h.events[event], hd, false)) })
	return func() { s.unregister(hd) }
}

func (s *Socket) unregister(hd *handler) {
	s.change(func(h *hooks) { h.setEvent(hd.event, without(h.events[hd.event], hd)) })
}

// On registers f for an event and returns what removes it. The event's first argument is
// decoded into A; [parser.Args2] and [parser.Args3] take several, [parser.Args] takes all
// of them undecoded, struct{} none. An argument that is missing is the zero A, and
// further ones are ignored. Where arguments do not fit A, f is not called and
// Options.Logger is told.
//
// A socket's handlers run one after another in the order of its events, on a goroutine
// that exists while there are events to handle, unless [Inline] says otherwise. They
// may block: only their socket waits.
func On[A any](s *Socket, event string, f func(a A), opts ...HandlerOption) (remove func()) {
	return s.register(event, func(e *Event) {
		var a A
		if err := parser.DecodeInto(e.Args, &a); err != nil {
			e.fail(fmt.Errorf("%w: %w", errArguments, err))
			return
		}
		f(a)
	}, opts)
}

// OnAck is On for events that are acknowledged with what f returns: R as the one
// argument, [parser.Args2], [parser.Args3] and [parser.Args] as several, struct{} as none.
//
// Where f returns an error, or panics, and the server waits, the answer is {"error":
// message, "data": …} for an [*Error], and "internal error" for anything else, of which
// Options.Logger is told.
func OnAck[A, R any](s *Socket, event string, f func(a A) (R, error), opts ...HandlerOption) (remove func()) {
	return s.register(event, func(e *Event) {
		answered := false
		defer func() {
			if !answered {
				e.fail(errors.New("handler panicked"))
			}
		}()
		var a A
		err := parser.DecodeInto(e.Args, &a)
		if err != nil {
			err = fmt.Errorf("%w: %w", errArguments, err)
		}
		var r R
		if err == nil {
			r, err = f(a)
		}
		if err == nil && e.WantsAck() {
			err = e.Ack(parser.ResultArgs(&r)...)
			if errors.Is(err, ErrDisconnected) || errors.Is(err, ErrAcked) {
				err = nil
			}
		}
		answered = true
		if err != nil {
			e.fail(err)
		}
	}, opts)
}

// OnEvent registers a handler that sees the whole event, and may acknowledge it later.
// Unless it is [Inline], it may keep the event.
func OnEvent(s *Socket, event string, f func(e *Event), opts ...HandlerOption) (remove func()) {
	return s.register(event, f, opts)
}

// Off removes the handlers of an event, or of all events where event is "".
func (s *Socket) Off(event string) {
	s.change(func(h *hooks) {
		if event == "" {
			h.events = nil
		} else {
			h.setEvent(event, nil)
		}
	})
}

// OnAny registers f for every event, to be called before the event's own handlers, and
// returns what removes it.
func (s *Socket) OnAny(f func(e *Event)) (remove func()) { return s.onAny(f, false) }

// PrependAny is OnAny in front of those registered before.
func (s *Socket) PrependAny(f func(e *Event)) (remove func()) { return s.onAny(f, true) }

func (s *Socket) onAny(f func(e *Event), first bool) func() {
	hd := &handler{run: f}
	s.change(func(h *hooks) { h.any = with(h.any, hd, first) })
	return func() { s.change(func(h *hooks) { h.any = without(h.any, hd) }) }
}

// OnAnyOutgoing registers f for every event that leaves, and returns what removes it.
func (s *Socket) OnAnyOutgoing(f func(event string, args parser.Args)) (remove func()) {
	return s.onAnyOutgoing(f, false)
}

// PrependAnyOutgoing is OnAnyOutgoing in front of those registered before.
func (s *Socket) PrependAnyOutgoing(f func(event string, args parser.Args)) (remove func()) {
	return s.onAnyOutgoing(f, true)
}

func (s *Socket) onAnyOutgoing(f func(string, parser.Args), first bool) func() {
	k := &hook[func(string, parser.Args)]{f}
	s.change(func(h *hooks) { h.anyOut = with(h.anyOut, k, first) })
	return func() { s.change(func(h *hooks) { h.anyOut = without(h.anyOut, k) }) }
}

// OnConnect registers f for when the socket is connected, each time, and returns what
// removes it. Events that were waiting are handled first.
func (s *Socket) OnConnect(f func()) (remove func()) {
	k := &hook[func()]{f}
	s.change(func(h *hooks) { h.connect = with(h.connect, k, false) })
	return func() { s.change(func(h *hooks) { h.connect = without(h.connect, k) }) }
}

// OnConnectError registers f for when the socket could not be connected, and returns what
// removes it. A [*ConnectError] is the server's refusal, after which the socket is not
// active any more; after other errors it tries again.
func (s *Socket) OnConnectError(f func(err error)) (remove func()) {
	k := &hook[func(error)]{f}
	s.change(func(h *hooks) { h.connectError = with(h.connectError, k, false) })
	return func() { s.change(func(h *hooks) { h.connectError = without(h.connectError, k) }) }
}

// OnDisconnect registers f for when the socket is not connected any more, and returns what
// removes it. err is the cause where there is one beyond the reason.
func (s *Socket) OnDisconnect(f func(reason Reason, err error)) (remove func()) {
	k := &hook[func(Reason, error)]{f}
	s.change(func(h *hooks) { h.disconnect = with(h.disconnect, k, false) })
	return func() { s.change(func(h *hooks) { h.disconnect = without(h.disconnect, k) }) }
}

// Call emits an event, waits for the acknowledgement as [Socket.EmitWithAck] does, and
// decodes its first argument into R ([parser.Args2] and its like take several).
func Call[R any](ctx context.Context, s *Socket, event string, args ...any) (R, error) {
	var r R
	answer, err := s.EmitWithAck(ctx, event, args...)
	if err != nil {
		return r, err
	}
	if err := parser.DecodeInto(answer, &r); err != nil {
		return r, fmt.Errorf("client: acknowledgement of %q: %w", event, err)
	}
	return r, nil
}

// onEventLocked takes an event; Manager.mu must be held.
func (s *Socket) onEventLocked(p *parser.Packet, after *later) {
	if !s.connected {
		e := &Event{Socket: s, Name: p.Event, Args: p.Values.Clone(), id: p.ID}
		s.received = append(s.received, e)
		return
	}
	s.noteOffsetLocked(p.Values, p.ID)
	h := s.loadHooks()
	list := h.events[p.Event]
	if len(list) == 0 && len(h.any) == 0 {
		return
	}
	inline := len(h.any) == 0 && !slices.ContainsFunc(list, func(hd *handler) bool { return !hd.inline })
	e := &Event{Socket: s, Name: p.Event, Args: p.Values, id: p.ID}
	if inline && s.turns.begin() {
		after.add(func() { s.turns.inPlace(e.dispatch) })
		return
	}
	e.Args = p.Values.Clone()
	s.turns.post(e.dispatch)
}

// dispatch calls the handlers.
func (e *Event) dispatch() {
	h := e.Socket.loadHooks()
	for _, hd := range h.any {
		e.Socket.turns.guard(func() { hd.run(e) })
	}
	for _, hd := range h.events[e.Name] {
		if hd.once {
			if hd.spent.Swap(true) {
				continue
			}
			e.Socket.unregister(hd)
		}
		e.Socket.turns.guard(func() { hd.run(e) })
	}
}

// noteOffsetLocked notes the offset of an event, by which the server knows what was
// missed: its last argument, where that is a string. Events that ask for an
// acknowledgement have none. (Socket.IO protocol v5, "Connection state recovery")
//
// It is noted as the event is taken, before its handlers have run: they will, and the
// server must not send it again meanwhile.
func (s *Socket) noteOffsetLocked(args parser.Args, id int64) {
	if s.pid == "" || id != parser.NoID || len(args) == 0 {
		return
	}
	last := args[len(args)-1]
	if parser.IsString(last) {
		_ = last.Decode(&s.offset) // it is a string
	}
}
