package engineio

import (
	"context"
	"io"
	"net/http"
	"strings"
	"testing"
)

// poller answers a client's requests: the handshake, and polls when it is told to.
type poller struct {
	polls chan *http.Response // one is the answer to the next poll
	idle  chan struct{}       // gets a value each time idle connections are closed
}

func newPoller() *poller {
	return &poller{polls: make(chan *http.Response), idle: make(chan struct{}, 10)}
}

func answerOf(status int, body string) *http.Response {
	return &http.Response{StatusCode: status, Header: http.Header{}, Body: io.NopCloser(strings.NewReader(body))}
}

func (p *poller) RoundTrip(r *http.Request) (*http.Response, error) {
	switch {
	case !r.URL.Query().Has("sid"):
		return answerOf(200, `0{"sid":"a","upgrades":[],"pingInterval":60000,"pingTimeout":60000}`), nil
	case r.Method == http.MethodPost:
		return answerOf(200, "ok"), nil
	}
	select {
	case a := <-p.polls:
		return a, nil
	case <-r.Context().Done():
		return nil, r.Context().Err()
	}
}

func (p *poller) CloseIdleConnections() { p.idle <- struct{}{} }

// ended is a receiver that tells why its session ended.
type ended chan Reason

func (e ended) OnMessage([]byte, bool)         {}
func (e ended) OnClose(reason Reason, _ error) { e <- reason }

// A session that broke leaves nothing for the next one to stumble over: what it sends on
// an idle connection that died in silence is lost.
func TestClosesIdleConnectionsBeforeItTellsOfABreak(t *testing.T) {
	p, end := newPoller(), make(ended, 1)
	c, err := Dial(t.Context(), "http://server/", DialOptions{HTTPClient: &http.Client{Transport: p}}, func(*Client) Receiver { return end })
	if err != nil {
		t.Fatal(err)
	}
	p.polls <- answerOf(http.StatusBadGateway, "")
	if reason := <-end; reason != ReasonTransportError || len(p.idle) != 1 {
		t.Errorf("ended with %q, idle connections closed %d times", reason, len(p.idle))
	}
	c.Shutdown(t.Context())
}

func TestKeepsIdleConnectionsWhenItIsClosed(t *testing.T) {
	p, end := newPoller(), make(ended, 1)
	c, err := Dial(context.Background(), "http://server/", DialOptions{HTTPClient: &http.Client{Transport: p}}, func(*Client) Receiver { return end })
	if err != nil {
		t.Fatal(err)
	}
	c.Shutdown(t.Context())
	if reason := <-end; reason != ReasonForcedClose || len(p.idle) != 0 {
		t.Errorf("ended with %q, idle connections closed %d times", reason, len(p.idle))
	}
}
