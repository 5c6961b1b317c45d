package websocket

import (
	"encoding/binary"
	"errors"
	"fmt"
	"unicode/utf8"
)

// Close codes (RFC 6455, section 7.4.1, and the IANA registry).
const (
	CloseNormal          = 1000
	CloseGoingAway       = 1001
	CloseProtocolError   = 1002
	CloseUnsupported     = 1003
	CloseNoStatus        = 1005 // never sent: the close frame carried no code
	CloseAbnormal        = 1006 // never sent: there was no close frame
	CloseInvalidPayload  = 1007
	ClosePolicyViolation = 1008
	CloseTooBig          = 1009
	CloseMandatoryExt    = 1010
	CloseInternalError   = 1011
	CloseServiceRestart  = 1012
	CloseTryAgainLater   = 1013
	CloseBadGateway      = 1014
)

// Errors of sending, and reasons that Handler.OnClose gets.
var (
	// ErrClosed: the connection is closed or closing; nothing was sent.
	ErrClosed = errors.New("websocket: connection closed")
	// ErrSlow: the peer read too slowly and Options.MaxQueuedBytes was exceeded. The
	// connection is cut without a close frame, which could not be delivered anyway.
	ErrSlow = errors.New("websocket: peer reads too slowly")
	// ErrCloseTimeout: the peer did not answer a close frame in Options.CloseTimeout.
	ErrCloseTimeout = errors.New("websocket: close handshake timed out")
	// ErrMessageTimeout: a message did not arrive whole in Options.MessageTimeout.
	ErrMessageTimeout = errors.New("websocket: message took too long to arrive")
	// ErrNoMemory: there was no room for what had arrived of a message, or waited for
	// the peer, or it had to make room for others: see Options.Charge.
	ErrNoMemory = errors.New("websocket: no memory for what the peer does not finish or take")
	// ErrHandlerPanic: the connection was closed with 1011 because its handler panicked.
	ErrHandlerPanic = errors.New("websocket: handler panicked")
)

// CloseError is what OnClose gets when the peer's close frame arrived, whoever
// closed first. Code is CloseNoStatus when the frame carried none.
type CloseError struct {
	Code   int
	Reason string
}

// Error implements error.
func (e *CloseError) Error() string {
	if e.Reason == "" {
		return fmt.Sprintf("websocket: closed by peer with %d", e.Code)
	}
	return fmt.Sprintf("websocket: closed by peer with %d (%s)", e.Code, e.Reason)
}

// ProtocolError is what OnClose gets when the peer violated the protocol or one of
// its limits. Code is the close code that the peer was told.
type ProtocolError struct {
	Code   int
	Reason string
}

// Error implements error.
func (e *ProtocolError) Error() string {
	return fmt.Sprintf("websocket: peer broke the protocol: %s (%d)", e.Reason, e.Code)
}

// ValidCloseCode reports whether a close frame may carry code (RFC 6455, sections
// 7.4.1 and 7.4.2): registered codes that are not reserved for local use, and the
// ranges for libraries and applications.
func ValidCloseCode(code int) bool {
	switch {
	case code >= 3000 && code <= 4999:
		return true
	case code >= CloseNormal && code <= CloseUnsupported:
		return true
	case code >= CloseInvalidPayload && code <= CloseBadGateway:
		return true
	default:
		return false
	}
}

// appendCloseFrame appends a close frame. Code 0 or CloseNoStatus makes an empty
// one; other codes that may not be sent become CloseInternalError; a reason
// is shortened to what a control frame holds, at a character's boundary.
func appendCloseFrame(b []byte, code int, reason string) []byte {
	if code == 0 || code == CloseNoStatus {
		return append(b, bitFin|byte(opClose), 0)
	}
	if !ValidCloseCode(code) {
		code = CloseInternalError
	}
	if !utf8.ValidString(reason) {
		reason = ""
	}
	for len(reason) > maxControlPayload-2 {
		_, size := utf8.DecodeLastRuneInString(reason)
		reason = reason[:len(reason)-size]
	}
	b = append(b, bitFin|byte(opClose), byte(2+len(reason)))
	b = binary.BigEndian.AppendUint16(b, uint16(code))
	return append(b, reason...)
}

// parseClose decodes a close frame's payload (section 5.5.1). The second result is
// what the peer did wrong, or nil.
func parseClose(p []byte) (*CloseError, *ProtocolError) {
	if len(p) == 0 {
		return &CloseError{Code: CloseNoStatus}, nil
	}
	if len(p) == 1 {
		return nil, &ProtocolError{CloseProtocolError, "close frame of one byte"}
	}
	code := int(binary.BigEndian.Uint16(p))
	if !ValidCloseCode(code) {
		return nil, &ProtocolError{CloseProtocolError, "invalid close code"}
	}
	if !utf8.Valid(p[2:]) {
		return nil, &ProtocolError{CloseInvalidPayload, "close reason is not UTF-8"}
	}
	return &CloseError{Code: code, Reason: string(p[2:])}, nil
}
