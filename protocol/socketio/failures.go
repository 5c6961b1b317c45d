package socketio

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"runtime/debug"

	"podium/protocol/socketio/parser"
)

// Stage is where handling an event or a socket failed.
type Stage string

// The stages, in the order in which a socket and an event pass them.
const (
	StageMiddleware      Stage = "middleware"       // Namespace.Use
	StageConnection      Stage = "connection"       // OnConnection
	StageIntercept       Stage = "interceptor"      // Intercept
	StageListener        Stage = "listener"         // OnAny and OnAnyOutgoing
	StageEventMiddleware Stage = "event middleware" // Socket.Use, Namespace.UseEvents
	StageArguments       Stage = "arguments"        // they do not fit the handler's type
	StageHandler         Stage = "handler"          // On, OnAck, OnEvent
	StageAck             Stage = "acknowledgement"  // a result, or the data of an Error, cannot be encoded
	StageDisconnect      Stage = "disconnect"       // OnDisconnecting, OnDisconnect
)

// HandlerError is what [Options.OnError] is told when something that the application
// registered failed.
type HandlerError struct {
	Event string // "" where it was no event: middleware of a namespace, say
	Stage Stage
	Err   error // as it was returned; a *PanicError where it panicked
}

// Error returns the stage, the event and the error's text.
func (e *HandlerError) Error() string {
	if e.Event == "" {
		return fmt.Sprintf("socketio: %s: %v", e.Stage, e.Err)
	}
	return fmt.Sprintf("socketio: %s of event %q: %v", e.Stage, e.Event, e.Err)
}

// Unwrap returns Err.
func (e *HandlerError) Unwrap() error { return e.Err }

// PanicError is a panic as an error.
type PanicError struct {
	Value any
	Stack []byte // as [runtime/debug.Stack] returns it
}

// Error returns the value's text.
func (e *PanicError) Error() string { return fmt.Sprintf("panic: %v", e.Value) }

// Unwrap returns the value, where it is an error.
func (e *PanicError) Unwrap() error {
	err, _ := e.Value.(error)
	return err
}

// forPeer returns the error in err whose text is meant for the peer, or nil.
func forPeer(err error) *Error {
	var public *Error
	if errors.As(err, &public) {
		return public // nil, perhaps, where somebody returned a nil *Error as an error
	}
	return nil
}

// guard calls f and survives its panic, as net/http does for requests.
func (srv *Server) guard(s *Socket, stage Stage, f func()) {
	_ = srv.try(s, stage, "", func() error { f(); return nil }) // it was reported
}

// try calls f, whose error it returns, and reports its panic.
func (srv *Server) try(s *Socket, stage Stage, event string, f func() error) (err error) {
	defer func() {
		if r := recover(); r != nil {
			p := &PanicError{r, debug.Stack()}
			err = p
			srv.reportError(s, &HandlerError{event, stage, p})
		}
	}()
	return f()
}

// report passes an error on that no caller waits for.
func (s *Socket) report(err error) { s.nsp.server.reportError(s, err) }

// reportError tells OnError, or the log: panics always, with their stack, and at
// level warn what an application returned and did not mean for the peer.
func (srv *Server) reportError(s *Socket, err error) {
	level, attrs := slog.LevelDebug, []any{"socket", s}
	var h *HandlerError
	var p *PanicError
	if errors.As(err, &h) {
		if h.Event != "" {
			attrs = append(attrs, "event", h.Event)
		}
		attrs = append(attrs, "stage", string(h.Stage))
		if err := h.Err; errors.As(err, &p) {
			level = slog.LevelError
			attrs = append(attrs, "panic", p.Value, "stack", string(p.Stack))
		} else if attrs = append(attrs, "error", err); forPeer(err) == nil && h.Stage != StageArguments {
			level = slog.LevelWarn
		}
	} else {
		attrs = append(attrs, "error", err)
	}
	if p != nil || srv.opts.OnError == nil {
		srv.opts.Logger.Log(context.Background(), level, "socket.io", attrs...)
	}
	if srv.opts.OnError != nil {
		srv.tellOnError(s, err, h)
	}
}

// tellOnError calls OnError: for a listener of outgoing events on another goroutine,
// since the one that sends may hold locks that OnError needs.
func (srv *Server) tellOnError(s *Socket, err error, h *HandlerError) {
	if h != nil && h.Stage == StageListener && h.Event == "" {
		srv.workers.start(func() { srv.opts.OnError(s, err) })
		return
	}
	srv.opts.OnError(s, err)
}

// failed notes that handling the event failed. Behind interceptors it is for them to
// say what becomes of it.
func (e *Event) failed(stage Stage, err error) {
	h := &HandlerError{e.Name, stage, err}
	if e.outcome != nil {
		e.outcome.errs = append(e.outcome.errs, h)
		return
	}
	e.conclude(h)
}

// conclude reports an error and, where the peer waits, tells it as much as it may
// know.
func (e *Event) conclude(h *HandlerError) {
	e.Socket.report(h)
	if e.id == parser.NoID {
		return
	}
	args := defaultAckError(h)
	if f := e.Socket.nsp.server.opts.AckError; f != nil {
		args = f(h)
	}
	err := e.Ack(args...)
	if err == nil || errors.Is(err, ErrDisconnected) || errors.Is(err, ErrAcked) {
		return
	}
	e.Socket.report(&HandlerError{e.Name, StageAck, err})
	_ = e.Ack(ackError{Error: internalError}) // the peer may be gone
}

// internalError is what the peer is told of an error that is not meant for it.
const internalError = "internal error"

// ackError is the one argument of an acknowledgement that tells of an error.
type ackError struct {
	Error string `json:"error"`
	Data  any    `json:"data,omitempty"`
}

// defaultAckError is what [Options.AckError] is by default.
func defaultAckError(h *HandlerError) []any {
	if public := forPeer(h.Err); public != nil {
		return []any{ackError{public.Message, public.Data}}
	}
	if h.Stage == StageArguments {
		return []any{ackError{Error: "invalid arguments"}}
	}
	return []any{ackError{Error: internalError}}
}
