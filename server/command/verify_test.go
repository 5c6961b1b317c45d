package command

import (
	"bytes"
	"context"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
)

// The checks wait for each other only where they must: a server that answers nobody
// before ten of them have asked passes them.
func TestVerifyLooksAtEverythingAtOnce(t *testing.T) {
	const enough = 10
	var asking atomic.Int64
	all := make(chan struct{})
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if asking.Add(1) == enough {
			close(all)
		}
		select {
		case <-all:
		case <-r.Context().Done():
		}
		http.NotFound(w, r)
	}))
	defer s.Close()
	var out bytes.Buffer
	err := (&verifyCommand{URL: []string{s.URL}}).Run(t.Context(), output{&out, io.Discard})
	if err == nil || strings.Contains(out.String(), "deadline") || !strings.Contains(out.String(), "404") {
		t.Errorf("%v:\n%s", err, out.String())
	}
	http.DefaultClient.CloseIdleConnections()
}

// Whoever ends it early is told how far it came, and of no fault that there may not be.
func TestVerifySaysThatItWasInterrupted(t *testing.T) {
	ctx, interrupt := context.WithCancel(t.Context())
	var once sync.Once
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		once.Do(interrupt)
		<-r.Context().Done()
	}))
	defer s.Close()
	for _, asJSON := range []bool{false, true} {
		var out bytes.Buffer
		err := (&verifyCommand{URL: []string{s.URL}, JSON: asJSON}).Run(ctx, output{&out, io.Discard})
		if err == nil || !strings.Contains(err.Error(), "interrupted: 0 of ") || strings.Contains(out.String(), "✗") || strings.Contains(out.String(), "fault") {
			t.Errorf("%v:\n%s", err, out.String())
		}
	}
	http.DefaultClient.CloseIdleConnections()
}

// Nothing is waited for that can be asked for: the heartbeat of a server with the usual interval comes every 30 s, and
// the whole command has less.
func TestVerifyAsksForTheEventThatItWaitsFor(t *testing.T) {
	if verifyTimeout > verifyLimit || eventPatience > verifyLimit {
		t.Error("a check may take longer than the command")
	}
	url := serving(t, filled(t))
	var out bytes.Buffer
	err := (&verifyCommand{URL: []string{url}}).Run(t.Context(), output{&out, io.Discard})
	for _, want := range []string{"✓ events arrive by WebSocket", "✓ events arrive by long-polling", "✓ a client that was cut off gets its session back"} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("%v: no %q in\n%s", err, want, out.String())
		}
	}
	http.DefaultClient.CloseIdleConnections()
}
