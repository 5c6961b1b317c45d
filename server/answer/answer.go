// Package answer writes the contest's JSON answers and reads its JSON bodies,
// the same way for every room: errors are {"error":"<sentence>"} with the
// status that the contract names.
//
// Values come in and bytes go out, or the other way round. It knows no routes.
package answer

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"net/http"
	"strconv"
	"time"
)

// Error is an answer that is not what was asked for. Handlers return it;
// Write writes it.
type Error struct {
	Status   int
	Sentence string        // for a person, without anything private in it
	Retry    time.Duration // when to try again; 0 says nothing about it
	Cause    error         // for the log; nil where the sentence says it all
	// Code names the refusal for pages that say it in another language, in the
	// header Podium-Error; "" where none does.
	Code string
}

// Coded gives e its code and returns it.
func (e *Error) Coded(code string) *Error {
	e.Code = code
	return e
}

func (e *Error) Error() string {
	if e.Cause != nil {
		return e.Sentence + ": " + e.Cause.Error()
	}
	return e.Sentence
}

func (e *Error) Unwrap() error { return e.Cause }

// New returns an Error.
func New(status int, format string, args ...any) *Error {
	return &Error{Status: status, Sentence: fmt.Sprintf(format, args...)}
}

// Malformed is the 400 for a request that is not one, which only a program's
// mistake or an old page brings about.
func Malformed(format string, args ...any) *Error {
	return New(http.StatusBadRequest, format, args...).Coded("malformed")
}

// Because returns an Error with its cause, which only the log sees.
func Because(cause error, status int, sentence string) *Error {
	return &Error{Status: status, Sentence: sentence, Cause: cause}
}

// Later is the 429 for somebody who asks too much, with the time to wait.
func Later(wait time.Duration, sentence string) *Error {
	return &Error{Status: http.StatusTooManyRequests, Sentence: sentence, Retry: wait}
}

// ErrUnauthorized is what every admin route answers without a session.
var ErrUnauthorized = New(http.StatusUnauthorized, "Unauthorized").Coded("unauthorized")

// ErrNoRoute and ErrNoPage are the answers where there is nothing.
var (
	ErrNoRoute = New(http.StatusNotFound, "There is no such route.").Coded("malformed")
	ErrNoPage  = New(http.StatusNotFound, "There is no such page.").Coded("gone")
)

// Write writes e.
func (e *Error) Write(w http.ResponseWriter) {
	if e.Code != "" {
		w.Header().Set("Podium-Error", e.Code)
	}
	if e.Retry > 0 {
		w.Header().Set("Retry-After", strconv.Itoa(max(1, int(math.Ceil(e.Retry.Seconds())))))
	}
	JSON(w, e.Status, struct {
		Error string `json:"error"`
	}{e.Sentence})
}

// JSON writes v with status. An answer that can't be encoded is a 500.
func JSON(w http.ResponseWriter, status int, v any) {
	body, err := Encode(v)
	if err != nil {
		status, body = http.StatusInternalServerError, []byte(`{"error":"The answer could not be written."}`)
	}
	Bytes(w, status, body)
}

// Encode is v as JSON. Unlike json.Marshal it leaves <, > and & as they are: our
// answers are no markup, and six bytes for one are a cheap way to make us send and
// keep much.
func Encode(v any) ([]byte, error) {
	var b bytes.Buffer
	encoder := json.NewEncoder(&b)
	encoder.SetEscapeHTML(false)
	if err := encoder.Encode(v); err != nil {
		return nil, err
	}
	return bytes.TrimSuffix(b.Bytes(), []byte("\n")), nil
}

// Bytes writes a body that is JSON already, with status.
func Bytes(w http.ResponseWriter, status int, body []byte) {
	Pieces(w, status, [][]byte{body})
}

// Pieces is Bytes for a body in pieces, which are not put together in memory.
func Pieces(w http.ResponseWriter, status int, pieces [][]byte) {
	size := 0
	for _, piece := range pieces {
		size += len(piece)
	}
	h := w.Header()
	h.Set("Content-Type", "application/json; charset=utf-8")
	if h.Get("Cache-Control") == "" {
		h.Set("Cache-Control", "no-store")
	}
	h.Set("Content-Length", strconv.Itoa(size))
	w.WriteHeader(status)
	for _, piece := range pieces {
		if _, err := w.Write(piece); err != nil {
			return // the client is gone
		}
	}
}

// Success is the body of answers that say nothing else.
type Success struct {
	Success bool `json:"success"`
}

// OK is {"success":true}.
var OK = Success{Success: true}

// Read reads the JSON object of a request's body, of at most limit bytes, into
// a pointer to a struct. What is no object, malformed, or of other types than
// the struct's is an Error 400; what is too long is one of 413.
func Read(w http.ResponseWriter, r *http.Request, limit int64, into any) error {
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, limit))
	if err != nil {
		return ReadError(err)
	}
	body = bytes.TrimSpace(body)
	if len(body) == 0 {
		return Malformed("The request has no body; a JSON object belongs there.")
	}
	if body[0] != '{' {
		return Malformed("The body must be a JSON object.")
	}
	if err := json.Unmarshal(body, into); err != nil {
		var kind *json.UnmarshalTypeError
		if errors.As(err, &kind) && kind.Field != "" {
			return Malformed("The field %q has the wrong type.", kind.Field)
		}
		return Malformed("The body is not valid JSON.")
	}
	return nil
}

// ReadError makes the error of reading a body into an answer.
func ReadError(err error) error {
	var own *Error
	if errors.As(err, &own) {
		return own
	}
	var large *http.MaxBytesError
	if errors.As(err, &large) {
		return Because(err, http.StatusRequestEntityTooLarge, "The request is too large.").Coded("tooLarge")
	}
	return Because(err, http.StatusBadRequest, "The request's body could not be read to its end.").Coded("brokenOff")
}
