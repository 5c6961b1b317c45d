package engineio

import (
	"encoding/json"
	"errors"
	"net/http"
	"strconv"
	"strings"
)

// Errors of sending.
var (
	// ErrClosed: the session is closed or closing; nothing was sent.
	ErrClosed = errors.New("engineio: session closed")
	// ErrSlow: the client takes its packets too slowly and Options.MaxQueuedBytes
	// was exceeded; the session was closed.
	ErrSlow = errors.New("engineio: client takes its packets too slowly")
)

// ErrInvalidPacket: what arrived is no packet. The session ends with "parse error".
var ErrInvalidPacket = errors.New("engineio: invalid packet")

// What clients do wrong.
var (
	errTooIdle    = errors.New("engineio: too many packets that are not messages")
	errHeartbeat  = errors.New("engineio: heartbeat in the wrong direction")
	errTwoPolls   = errors.New("engineio: two polls at the same time")
	errTwoPosts   = errors.New("engineio: two POSTs at the same time")
	errCancelled  = errors.New("engineio: poll was cancelled")
	errUnwritten  = errors.New("engineio: the answer to a poll was not written")
	errAborted    = errors.New("engineio: POST was cut off by the end of its session")
	errBinaryPost = errors.New("engineio: binary payload")
	errNoMemory   = errors.New("engineio: no memory for what the client does not finish or take")
	errProbeBroke = errors.New("engineio: WebSocket broke while the client waited to move to it")
	errPanic      = errors.New("engineio: a receiver panicked")
	errUnused     = errors.New("engineio: opened and never used")
)

// failed says what was being done when err came, with the name of the package once.
func failed(doing string, err error) error { return &failure{doing, err} }

type failure struct {
	doing string
	err   error
}

func (f *failure) Error() string {
	return "engineio: " + f.doing + ": " + strings.TrimPrefix(f.err.Error(), "engineio: ")
}

func (f *failure) Unwrap() error { return f.err }

// Reason says why a session ended, by the official names.
type Reason string

// The reasons.
const (
	ReasonTransportClose Reason = "transport close"      // the client closed, or went away in an orderly way
	ReasonTransportError Reason = "transport error"      // the connection broke, or the client misused its transport
	ReasonPingTimeout    Reason = "ping timeout"         // no pong within Options.PingTimeout
	ReasonParseError     Reason = "parse error"          // the client sent an invalid packet
	ReasonForcedClose    Reason = "forced close"         // Session.Close
	ReasonShutdown       Reason = "server shutting down" // Server.Shutdown
)

// Error is what a refused request is answered with: {"code":…,"message":…}.
type Error struct {
	Code    int    `json:"code"`
	Message string `json:"message"`
	// Name says more for Observer.Refused, as the official server's context does; the
	// client does not see it. It is "" where Code says all.
	Name string `json:"-"`
}

// The values of Error.Name.
const (
	NameTransportMismatch = "TRANSPORT_MISMATCH"  // the session, or a handshake, is over the other transport
	NameInvalidOrigin     = "INVALID_ORIGIN"      // CORS does not allow the page of the request's Origin
	NameIDGeneration      = "ID_GENERATION_ERROR" // NewID failed, or made no valid id
)

// Error implements error.
func (e *Error) Error() string { return "engineio: " + e.Message }

// Is reports whether target is an Error of the same code: texts may differ, as
// where AllowRequest gives its own.
func (e *Error) Is(target error) bool {
	t, ok := target.(*Error)
	return ok && t.Code == e.Code
}

// The official errors.
var (
	ErrUnknownTransport    = &Error{Code: 0, Message: "Transport unknown"}
	ErrUnknownSession      = &Error{Code: 1, Message: "Session ID unknown"}
	ErrBadHandshakeMethod  = &Error{Code: 2, Message: "Bad handshake method"}
	ErrBadRequest          = &Error{Code: 3, Message: "Bad request"}
	ErrForbidden           = &Error{Code: 4, Message: "Forbidden"}
	ErrUnsupportedProtocol = &Error{Code: 5, Message: "Unsupported protocol version"}
)

// Those of them that have a name.
var (
	errMismatch = &Error{ErrBadRequest.Code, ErrBadRequest.Message, NameTransportMismatch}
	errOrigin   = &Error{ErrForbidden.Code, ErrForbidden.Message, NameInvalidOrigin}
	errNewID    = &Error{ErrBadRequest.Code, ErrBadRequest.Message, NameIDGeneration}
)

// errFull refuses a handshake beyond Options.MaxSessions, with 503. The official
// server has no such limit, and no code for it.
var errFull = &Error{Code: 3, Message: "Too many sessions"}

// errTooManyPolls refuses a poll that Options.AllowPoll does, with 503.
var errTooManyPolls = &Error{Code: 3, Message: "Too many polls"}

// reject refuses a request that fits no session, and tells the observer.
func (srv *Server) reject(w http.ResponseWriter, r *http.Request, e *Error, webSocket bool) {
	if f := srv.opts.Observer.Refused; f != nil {
		f(r, e)
	}
	srv.refuse(w, e, webSocket)
}

// refuse answers a request with e: 403 for "Forbidden", 503 where there is no
// room, else 400. A WebSocket
// handshake gets the bare sentence, as the official server sends it.
func (srv *Server) refuse(w http.ResponseWriter, e *Error, webSocket bool) {
	if webSocket {
		w.Header().Set("Connection", "close")
		w.Header().Set("Content-Type", "text/html")
		w.Header().Set("Content-Length", strconv.Itoa(len(e.Message)))
		w.WriteHeader(http.StatusBadRequest)
		_, _ = w.Write([]byte(e.Message)) // the client may be gone
		return
	}
	status := http.StatusBadRequest
	if e.Code == ErrForbidden.Code {
		status = http.StatusForbidden
	}
	if e == errFull || e == errTooManyPolls {
		status = http.StatusServiceUnavailable
		w.Header().Set("Retry-After", "5")
	}
	body, err := json.Marshal(e)
	if err != nil {
		srv.opts.Logger.Error("encode refusal", "error", err)
	}
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_, _ = w.Write(body) // the client may be gone
}
