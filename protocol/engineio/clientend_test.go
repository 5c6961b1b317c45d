package engineio

import (
	"context"
	"errors"
	"io"
	"net/http"
	"strings"
	"testing"
)

// poller answers a client's requests: the handshake, and polls when it is told to.
type poller struct {
	polls chan *http.Response // one is the answer to the next poll
	post  int                 // the status that POSTs are answered with
	idle  chan struct{}       // gets a value each time idle connections are closed
}

func newPoller() *poller {
	return &poller{polls: make(chan *http.Response), post: http.StatusOK, idle: make(chan struct{}, 10)}
}

func answerOf(status int, body string) *http.Response {
	return &http.Response{StatusCode: status, Header: http.Header{}, Body: io.NopCloser(strings.NewReader(body))}
}

func (p *poller) RoundTrip(r *http.Request) (*http.Response, error) {
	switch {
	case !r.URL.Query().Has("sid"):
		return answerOf(200, `0{"sid":"a","upgrades":[],"pingInterval":60000,"pingTimeout":60000}`), nil
	case r.Method == http.MethodPost:
		return answerOf(p.post, "ok"), nil
	}
	select {
	case a := <-p.polls:
		return a, nil
	case <-r.Context().Done():
		return nil, r.Context().Err()
	}
}

func (p *poller) CloseIdleConnections() { p.idle <- struct{}{} }

// end is why a session ended.
type end struct {
	reason Reason
	err    error
}

// ended is a receiver that tells why its session ended.
type ended chan end

func (e ended) OnMessage([]byte, bool)           {}
func (e ended) OnClose(reason Reason, err error) { e <- end{reason, err} }

// A session that broke leaves nothing for the next one to stumble over: what it sends on
// an idle connection that died in silence is lost.
func TestClosesIdleConnectionsBeforeItTellsOfABreak(t *testing.T) {
	p, ends := newPoller(), make(ended, 1)
	c, err := Dial(t.Context(), "http://server/", DialOptions{HTTPClient: &http.Client{Transport: p}}, func(*Client) Receiver { return ends })
	if err != nil {
		t.Fatal(err)
	}
	p.polls <- answerOf(http.StatusBadGateway, "")
	if end := <-ends; end.reason != ReasonTransportError || len(p.idle) != 1 {
		t.Errorf("ended with %q, idle connections closed %d times", end.reason, len(p.idle))
	}
	c.Shutdown(t.Context())
}

func TestKeepsIdleConnectionsWhenItIsClosed(t *testing.T) {
	p, ends := newPoller(), make(ended, 1)
	c, err := Dial(context.Background(), "http://server/", DialOptions{HTTPClient: &http.Client{Transport: p}}, func(*Client) Receiver { return ends })
	if err != nil {
		t.Fatal(err)
	}
	c.Shutdown(t.Context())
	if end := <-ends; end.reason != ReasonForcedClose || len(p.idle) != 0 {
		t.Errorf("ended with %q, idle connections closed %d times", end.reason, len(p.idle))
	}
}

// What the server says of a POST that it does not take is why the session ended.
func TestEndsWithTheAnswerToAPostThatIsRefused(t *testing.T) {
	p, ends := newPoller(), make(ended, 1)
	p.post = http.StatusRequestEntityTooLarge
	c, err := Dial(t.Context(), "http://server/", DialOptions{HTTPClient: &http.Client{Transport: p}}, func(*Client) Receiver { return ends })
	if err != nil {
		t.Fatal(err)
	}
	if err := c.Send(control("4too large")); err != nil {
		t.Fatal(err)
	}
	end := <-ends
	var answer *ServerError
	if !errors.As(end.err, &answer) || answer.Status != http.StatusRequestEntityTooLarge || end.reason != ReasonTransportError {
		t.Errorf("ended with %q, %v", end.reason, end.err)
	}
	c.Shutdown(t.Context())
}

func TestAFailedHandshakeNamesThePackageOnce(t *testing.T) {
	_, err := Dial(t.Context(), "http://server/", DialOptions{
		HTTPClient: &http.Client{Transport: stranger{}}, Transports: []string{TransportPolling},
	}, func(*Client) Receiver { return make(ended, 1) })
	if err == nil || strings.Count(err.Error(), "engineio: ") != 1 {
		t.Errorf("over polling: %v", err)
	}
	err = failed("handshake", errTransportClosed)
	if err.Error() != "engineio: handshake: connection closed by the server" || !errors.Is(err, errTransportClosed) {
		t.Errorf("over WebSocket: %v", err)
	}
}

// stranger answers as no Engine.IO server does.
type stranger struct{}

func (stranger) RoundTrip(*http.Request) (*http.Response, error) {
	return answerOf(200, "hello"), nil
}
