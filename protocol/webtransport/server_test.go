package webtransport

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/quic-go/quic-go/http3"

	"podium/protocol/budget"
	"podium/protocol/engineio"
	"podium/protocol/limits"
	"podium/protocol/socketio"
)

func TestASessionOverWebTransport(t *testing.T) {
	s := serve(t, engineio.Options{}, Options{})
	c, r := s.connect()
	if got := r.session.Transport(); got != "webtransport" {
		t.Errorf("the transport is %q", got)
	}
	if got := r.session.Request().Addr().String(); got != "127.0.0.1" {
		t.Errorf("the client's address is %s", got)
	}
	for _, p := range []string{"4hi", "b\x00\x01\xff", "4" + strings.Repeat("é", 50_000), "b" + strings.Repeat("x", 300_000), "4"} {
		c.say(p)
		if got := c.next(); got != p {
			t.Fatalf("%d bytes, %.20q, came back as %d, %.20q", len(p), p, len(got), got)
		}
	}
	c.say("1")
	r.wantClosed(t, engineio.ReasonTransportClose)
	c.wantClosed()
}

func TestTheClientClosesTheSession(t *testing.T) {
	for name, leave := range map[string]func(*client){
		"the session":    func(c *client) { _ = c.session.CloseWithError(7, "bye") },
		"its stream":     func(c *client) { _ = c.stream.Close() },
		"the connection": func(c *client) { _ = c.conn.CloseWithError(0, "") },
	} {
		t.Run(name, func(t *testing.T) {
			s := serve(t, engineio.Options{}, Options{})
			c, r := s.connect()
			leave(c)
			r.wantClosed(t, engineio.ReasonTransportClose)
		})
	}
}

func TestWhatIsNoPacketEndsTheSession(t *testing.T) {
	for name, c := range map[string]struct {
		frames string
		want   engineio.Reason
	}{
		"no length":                  {"\x00", engineio.ReasonParseError},
		"a length beyond MaxPayload": {"\x7e\x03\xe9", engineio.ReasonParseError},
		"a length beyond all":        {"\x7f\xff\xff\xff\xff\xff\xff\xff\xff", engineio.ReasonParseError},
		"no UTF-8":                   {"\x02\x34\xff", engineio.ReasonParseError},
		"an unknown type":            {"\x01x", engineio.ReasonParseError},
		"a ping":                     {"\x012", engineio.ReasonTransportError},
	} {
		t.Run(name, func(t *testing.T) {
			s := serve(t, engineio.Options{MaxPayload: 1000}, Options{})
			client, r := s.connect()
			client.write([]byte(c.frames))
			r.wantClosed(t, c.want)
			client.wantClosed()
		})
	}
}

func TestAnUpgradeFromPolling(t *testing.T) {
	s := serve(t, engineio.Options{}, Options{})
	open := s.do("GET", "", "")
	if !strings.Contains(open, `"upgrades":["websocket","webtransport"]`) {
		t.Errorf("the open packet is %s", open)
	}
	r := s.next()
	query := "&sid=" + r.session.ID()
	c := s.dial()
	c.say(`0{"sid":"`+r.session.ID()+`"}`, "2probe")
	if got := c.next(); got != "3probe" {
		t.Fatalf("the probe is answered with %q", got)
	}
	if got := s.do("GET", query, ""); got != "6" {
		t.Errorf("the poll is answered with %q", got)
	}
	_ = r.session.Send(engineio.Text([]byte("queued")))
	c.say("5", "4hello")
	if got := []string{c.next(), c.next()}; !slices.Equal(got, []string{"4queued", "4hello"}) {
		t.Errorf("got %q", got)
	}
	if got := r.session.Transport(); got != "webtransport" {
		t.Errorf("the transport is %q", got)
	}
}

func TestHandshakesThatAreRefused(t *testing.T) {
	s := serve(t, engineio.Options{UpgradeTimeout: 300 * time.Millisecond}, Options{HandshakeTimeout: 300 * time.Millisecond})
	for name, open := range map[string]func(*client){
		"an unknown session": func(c *client) { c.open(); c.say(`0{"sid":"nobody"}`) },
		"no open packet":     func(c *client) { c.open(); c.say("4hi") },
		"no packet":          func(c *client) { c.open(); c.write([]byte{0}) },
		"nothing":            func(c *client) { c.open() },
		"half a packet":      func(c *client) { c.open(); c.write([]byte{5, '0'}) },
		"no stream":          func(*client) {},
	} {
		t.Run(name, func(t *testing.T) {
			c, _, err := s.tryDial(nil)
			if err != nil {
				t.Fatal(err)
			}
			open(c)
			c.wantClosed()
		})
	}
	if n := s.engine.Stats().Opened; n != 0 {
		t.Errorf("%d sessions were opened", n)
	}
}

func TestOriginsAreJudgedAsForWebSocket(t *testing.T) {
	s := serve(t, engineio.Options{CORS: &engineio.CORS{Origins: []string{"https://a.example"}}}, Options{})
	for origin, want := range map[string]int{"": 200, "https://a.example": 200, "https://b.example": 403, strings.TrimSuffix(s.url, "/engine.io/"): 200} {
		h := http.Header{}
		if origin != "" {
			h.Set("Origin", origin)
		}
		_, res, err := s.tryDial(h)
		if res == nil || res.StatusCode != want {
			t.Errorf("%q is answered with %v, %v; want %d", origin, res, err, want)
		}
	}
}

// What stands in front of the server sees these requests too, and can keep them out.
func TestMiddlewareJudgesRequests(t *testing.T) {
	io := socketio.NewServer(socketio.Options{Engine: engineio.Options{Transports: []string{"polling", Transport}}})
	io.Use(func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if r.Header.Get("Authorization") != "secret" {
				http.Error(w, "no", http.StatusUnauthorized)
				return
			}
			next.ServeHTTP(struct{ http.ResponseWriter }{w}, r)
		})
	})
	s := serve(t, engineio.Options{}, Options{Handler: io})
	t.Cleanup(func() { _ = io.Shutdown(context.Background()) })
	if _, res, err := s.tryDial(nil); err == nil || res == nil || res.StatusCode != http.StatusUnauthorized {
		t.Errorf("without authorization: %v, %v", res, err)
	}
	c, _, err := s.tryDial(http.Header{"Authorization": {"secret"}})
	if err != nil {
		t.Fatal(err)
	}
	c.open()
	c.say("0")
	if got := c.next(); !strings.HasPrefix(got, `0{"sid"`) {
		t.Errorf("the open packet is %q", got)
	}
	c.say("40")
	if got := c.next(); !strings.HasPrefix(got, `40{"sid"`) {
		t.Errorf("joining a namespace is answered with %q", got)
	}
}

func TestNothingElseIsServedOverHTTP3(t *testing.T) {
	s := serve(t, engineio.Options{}, Options{})
	h3 := &http3.Transport{TLSClientConfig: clientTLS}
	defer h3.Close()
	res, err := (&http.Client{Transport: h3, Timeout: patience}).Get(s.url + "?EIO=4&transport=polling")
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	if res.StatusCode != http.StatusMisdirectedRequest {
		t.Errorf("a GET is answered with %d", res.StatusCode)
	}
}

func TestASlowClientIsGivenUp(t *testing.T) {
	s := serve(t, engineio.Options{MaxQueuedBytes: 100_000}, Options{})
	_, r := s.connect() // which reads nothing more
	var err error
	for n := 0; err == nil && n < 10_000; n++ {
		err = r.session.Send(engineio.Binary(make([]byte, 10_000)))
		runtime.Gosched()
	}
	if !errors.Is(err, engineio.ErrSlow) {
		t.Errorf("sending without end: %v", err)
	}
	r.wantClosed(t, engineio.ReasonTransportError)
}

func TestAPacketThatTakesTooLongEndsTheSession(t *testing.T) {
	s := serve(t, engineio.Options{BodyTimeout: 100 * time.Millisecond}, Options{})
	c, r := s.connect()
	c.say("4one")
	c.next()
	c.write([]byte{100, '4'})
	r.wantClosed(t, engineio.ReasonTransportError)
}

func TestWhatWasSentArrivesBeforeTheEnd(t *testing.T) {
	s := serve(t, engineio.Options{}, Options{})
	for round := range 5 {
		c, r := s.connect()
		for n := range 100 {
			_ = r.session.Send(engineio.Text(fmt.Appendf(nil, "%d-%s", n, strings.Repeat("x", 1000))))
		}
		r.session.Close()
		r.wantClosed(t, engineio.ReasonForcedClose)
		for n := range 100 {
			if got, err := c.tryNext(); err != nil || !strings.HasPrefix(got, fmt.Sprintf("4%d-", n)) {
				t.Fatalf("round %d: message %d is %.20q, %v", round, n, got, err)
			}
		}
		if got, err := c.tryNext(); err != io.EOF {
			t.Errorf("after all: %q, %v", got, err)
		}
		c.wantClosed()
	}
}

func TestConnectionsAreBounded(t *testing.T) {
	gate := limits.NewGate("quic", 2, 10)
	s := serve(t, engineio.Options{}, Options{Connections: gate})
	first, _ := s.connect()
	s.connect()
	if _, _, err := s.tryDial(nil); err == nil {
		t.Error("a third connection of the address was accepted")
	}
	_ = first.session.CloseWithError(0, "")
	waitFor(t, "a place", func() bool { return gate.Count() < 2 })
	s.connect()
	s.stop()
	waitFor(t, "no places taken", func() bool { return gate.Count() == 0 })
}

// A client that sends much gets a larger window, where there is memory for it; where
// there is none, it sends in smaller pieces, and all arrives.
func TestWindowsGrowWithinTheMemory(t *testing.T) {
	for name, size := range map[string]int64{"roomy": 8 << 20, "none": 1} {
		t.Run(name, func(t *testing.T) {
			machine := budget.New(size)
			s := serve(t, engineio.Options{}, Options{Memory: machine.Share("quic", size)})
			c, _ := s.connect()
			for range 4 {
				p := "b" + strings.Repeat("x", 500_000)
				c.say(p)
				if got := c.next(); got != p {
					t.Fatalf("%d bytes came back", len(got))
				}
			}
			if held := machine.Held(); (held > 0) != (size > 1) || held > largestWindow {
				t.Errorf("%d bytes are charged", held)
			}
			s.stop()
			waitFor(t, "everything given back", func() bool { return machine.Held() == 0 })
		})
	}
}

func TestShutdownEndsConnectionsOfEveryKind(t *testing.T) {
	s := serve(t, engineio.Options{}, Options{})
	c, r := s.connect()
	silent, _, err := s.tryDial(nil)
	if err != nil {
		t.Fatal(err)
	}
	last := make(chan string, 1)
	go func() {
		p, _ := c.tryNext() // what was read by the end of the session is all there is
		last <- p
	}()
	_ = r.session.Send(engineio.Text([]byte("last")))
	began := time.Now()
	s.stop()
	if took := time.Since(began); took > 5*time.Second {
		t.Errorf("it took %s", took)
	}
	if got := <-last; got != "4last" {
		t.Errorf("got %q", got)
	}
	r.wantClosed(t, engineio.ReasonShutdown)
	<-silent.conn.Context().Done()
	udp, err := net.ListenUDP("udp", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		t.Fatal(err)
	}
	if err := s.quic.Serve(udp); !errors.Is(err, http.ErrServerClosed) {
		t.Errorf("serving after the shutdown: %v", err)
	}
}

// Who shuts down WebTransport alone ends its sessions too.
func TestShutdownAloneEndsSessions(t *testing.T) {
	s := serve(t, engineio.Options{}, Options{})
	_, r := s.connect()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	if err := s.quic.Shutdown(ctx); err != nil {
		t.Error(err)
	}
	r.wantClosed(t, engineio.ReasonTransportClose)
}

func waitFor(t testing.TB, what string, ok func() bool) {
	t.Helper()
	for deadline := time.Now().Add(patience); !ok(); {
		if time.Now().After(deadline) {
			t.Fatalf("waited for %s in vain", what)
		}
		time.Sleep(5 * time.Millisecond) // between two looks
	}
}
