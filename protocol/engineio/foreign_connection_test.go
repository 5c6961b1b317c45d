package engineio_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"podium/protocol/budget"
	"podium/protocol/engineio"
)

// wire is a foreign connection in memory, with the client's end of it. It is its own
// Upgrader.
type wire struct {
	toServer chan string // binary ones behind a "b"
	toClient chan string
	closed   chan struct{}
	close    func()
	blocked  chan struct{} // where it is not nil, nothing is written until it is closed
	bounds   engineio.Bounds
}

func newWire() *wire {
	c := &wire{toServer: make(chan string), toClient: make(chan string, 1000), closed: make(chan struct{})}
	c.close = sync.OnceFunc(func() { close(c.closed) })
	return c
}

func (c *wire) Transport() string { return "carrier pigeon" }

func (c *wire) Upgrade(_ http.ResponseWriter, _ *http.Request, b engineio.Bounds) (engineio.Connection, error) {
	c.bounds = b
	return c, nil
}

func (c *wire) Read() ([]byte, bool, error) {
	select {
	case p := <-c.toServer:
		if p == "malformed" {
			return nil, false, engineio.ErrInvalidPacket
		}
		data, binary := strings.CutPrefix(p, "b")
		return []byte(data), binary, nil
	case <-c.closed:
		return nil, false, io.EOF
	}
}

func (c *wire) Write(ms []*engineio.Message) error {
	if c.blocked != nil {
		select {
		case <-c.blocked:
		case <-c.closed:
			return io.ErrClosedPipe
		}
	}
	for _, m := range ms {
		mark := ""
		if !bytes.HasPrefix(m.Payload(), []byte{'4'}) && len(m.Payload()) > 0 && m.Payload()[0] > '9' {
			mark = "b"
		}
		c.toClient <- mark + string(m.Payload())
	}
	return nil
}

func (c *wire) Close() { c.close() }

// connect has s serve a request for the wire, whose first packet is open.
func (c *wire) connect(t *testing.T, engine *engineio.Server, open string, header ...string) *httptest.ResponseRecorder {
	t.Helper()
	r := httptest.NewRequestWithContext(t.Context(), http.MethodConnect, "https://podium.example/engine.io/", nil)
	for i := 0; i+1 < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
	}
	w := httptest.NewRecorder()
	served := make(chan struct{})
	go func() {
		defer close(served)
		engine.ServeHTTP(w, engineio.WithUpgrader(r, c))
	}()
	if open != "" {
		c.say(open)
	}
	<-served
	return w
}

// say sends a packet, unless the connection is closed.
func (c *wire) say(packet string) {
	select {
	case c.toServer <- packet:
	case <-c.closed:
	}
}

func (c *wire) next(t *testing.T) string {
	t.Helper()
	select {
	case p := <-c.toClient:
		return p
	case <-time.After(10 * time.Second):
		t.Fatal("nothing arrived")
		return ""
	}
}

func (c *wire) wantClosed(t *testing.T) {
	t.Helper()
	select {
	case <-c.closed:
	case <-time.After(10 * time.Second):
		t.Fatal("the connection was not closed")
	}
}

var withPigeons = engineio.Options{Transports: []string{"polling", "websocket", "carrier pigeon"}}

func TestAForeignConnectionCarriesASession(t *testing.T) {
	s := serve(t, withPigeons)
	c := newWire()
	c.connect(t, s.engine, "0")
	if open := c.next(t); !strings.HasPrefix(open, `0{"sid":"`+s.last().session.ID()+`","upgrades":[],`) {
		t.Errorf("the open packet is %s", open)
	}
	session := s.last().session
	if got := session.Transport(); got != "carrier pigeon" {
		t.Errorf("the transport is %q", got)
	}
	for _, p := range []string{"4hi", "bxyz", "4there"} {
		c.say(p)
		if got := c.next(t); got != p {
			t.Errorf("%q came back as %q", p, got)
		}
	}
	if err := session.SendText([]byte("a"), []byte("b")); err != nil || c.next(t) != "4ab" {
		t.Errorf("SendText: %v", err)
	}
	c.close()
	s.wantClosed(s.last(), engineio.ReasonTransportClose)
	if err := session.Send(engineio.Text([]byte("late"))); !errors.Is(err, engineio.ErrClosed) {
		t.Errorf("sending after the end: %v", err)
	}
}

func TestAForeignConnectionsPacketsAreJudged(t *testing.T) {
	s := serve(t, withPigeons)
	for packet, reason := range map[string]engineio.Reason{
		"malformed": engineio.ReasonParseError, "x": engineio.ReasonParseError,
		"2": engineio.ReasonTransportError, "1": engineio.ReasonTransportClose,
	} {
		c := newWire()
		c.connect(t, s.engine, "0")
		c.say(packet)
		s.wantClosed(s.last(), reason)
		c.wantClosed(t)
	}
}

func TestAForeignConnectionIsRefused(t *testing.T) {
	pigeons := withPigeons.Transports
	cors := &engineio.CORS{Origins: []string{"https://a.example"}}
	deny := func(*http.Request) error { return engineio.ErrForbidden }
	for name, c := range map[string]struct {
		options engineio.Options
		open    string
		origin  string
		status  int // 200: the connection is made, and closed
	}{
		"not offered":                  {engineio.Options{}, "", "", 400},
		"another page's origin":        {engineio.Options{Transports: pigeons, CORS: cors}, "", "https://b.example", 403},
		"unknown session":              {withPigeons, `0{"sid":"nobody"}`, "", 200},
		"no session named":             {withPigeons, `0{}`, "", 200},
		"no JSON":                      {withPigeons, `0{"sid":`, "", 200},
		"no open packet":               {withPigeons, "2probe", "", 200},
		"a binary packet first":        {withPigeons, "b0", "", 200},
		"malformed":                    {withPigeons, "malformed", "", 200},
		"denied":                       {engineio.Options{Transports: pigeons, AllowRequest: deny}, "0", "", 200},
		"denied, of an allowed origin": {engineio.Options{Transports: pigeons, CORS: cors, AllowRequest: deny}, "0", "https://a.example", 200},
	} {
		t.Run(name, func(t *testing.T) {
			s := serve(t, c.options)
			w := newWire()
			answer := w.connect(t, s.engine, c.open, "Origin", c.origin)
			if answer.Code != c.status {
				t.Errorf("answered with %d %s", answer.Code, answer.Body)
			}
			if c.status == 200 {
				w.wantClosed(t)
			}
			if n := s.engine.Stats().Opened; n != 0 {
				t.Errorf("%d sessions were opened", n)
			}
		})
	}
}

// A query cannot name a foreign transport: only who serves one can.
func TestAForeignTransportCannotBeAskedForByAQuery(t *testing.T) {
	s := serve(t, withPigeons)
	if status, body := s.do("GET", "EIO=4&transport=carrier+pigeon", ""); status != 400 || !strings.Contains(body, "Transport unknown") {
		t.Errorf("answered with %d %s", status, body)
	}
}

func TestAPollingSessionMovesToAForeignConnection(t *testing.T) {
	s := serve(t, withPigeons)
	_, open := s.do("GET", "EIO=4&transport=polling", "")
	if !strings.Contains(open, `"upgrades":["websocket","carrier pigeon"]`) {
		t.Errorf("the open packet is %s", open)
	}
	session := s.last().session
	query := "EIO=4&transport=polling&sid=" + session.ID()
	c := newWire()
	c.connect(t, s.engine, `0{"sid":"`+session.ID()+`"}`)
	second := newWire()
	second.connect(t, s.engine, `0{"sid":"`+session.ID()+`"}`)
	second.wantClosed(t) // one at a time
	c.say("2probe")
	if got := c.next(t); got != "3probe" {
		t.Fatalf("the probe is answered with %q", got)
	}
	if _, body := s.do("GET", query, ""); body != "6" {
		t.Errorf("the poll is answered with %q", body)
	}
	_ = session.Send(engineio.Text([]byte("queued")))
	c.say("5")
	_ = session.Send(engineio.Text([]byte("sent")))
	if got := []string{c.next(t), c.next(t)}; !slices.Equal(got, []string{"4queued", "4sent"}) {
		t.Errorf("got %q", got)
	}
	c.say("4echo")
	if got := c.next(t); got != "4echo" || session.Transport() != "carrier pigeon" {
		t.Errorf("got %q over %s", got, session.Transport())
	}
	if n := s.engine.Stats().Upgraded; n != 1 {
		t.Errorf("%d upgrades are counted", n)
	}
	if status, body := s.do("GET", query, ""); status != 400 || !strings.Contains(body, "Bad request") {
		t.Errorf("a poll after the upgrade is answered with %d %s", status, body)
	}
}

func TestAForeignProbeThatFailsLeavesTheSessionPolling(t *testing.T) {
	for _, packet := range []string{"4too early", "2", "b2probe", "malformed"} {
		s := serve(t, withPigeons)
		query := s.open()
		c := newWire()
		c.connect(t, s.engine, `0{"sid":"`+s.last().session.ID()+`"}`)
		c.say(packet)
		c.wantClosed(t)
		s.do("POST", query, "4still here")
		if _, body := s.do("GET", query, ""); body != "4still here" {
			t.Errorf("after %q the poll is answered with %q", packet, body)
		}
	}
}

func TestAForeignClientThatTakesNothingIsGivenUp(t *testing.T) {
	o := withPigeons
	o.MaxQueuedBytes = 1000
	s := serve(t, o)
	c := newWire()
	c.connect(t, s.engine, "0")
	c.next(t)
	c.blocked = make(chan struct{})
	session := s.last().session
	var err error
	for n := 0; err == nil && n < 100; n++ {
		err = session.Send(engineio.Text(make([]byte, 100)))
	}
	if !errors.Is(err, engineio.ErrSlow) {
		t.Errorf("sending without end: %v", err)
	}
	s.wantClosed(s.last(), engineio.ReasonTransportError)
	c.wantClosed(t)
}

func TestWhatWaitsForAForeignClientIsCharged(t *testing.T) {
	machine := budget.New(1 << 20)
	o := withPigeons
	o.Memory = machine.Share("messages", 1<<20)
	s := serve(t, o)
	c := newWire()
	c.connect(t, s.engine, "0")
	c.next(t)
	c.blocked = make(chan struct{})
	session := s.last().session
	_ = session.Send(engineio.Text(make([]byte, 100_000)))
	_ = session.Send(engineio.Text(make([]byte, 100_000)))
	if held := machine.Held(); held < 200_000 {
		t.Errorf("%d bytes are charged", held)
	}
	close(c.blocked)
	c.next(t)
	c.next(t)
	deadline := time.Now().Add(10 * time.Second)
	for machine.Held() > 0 {
		if time.Now().After(deadline) {
			t.Fatalf("%d bytes are charged after all was written", machine.Held())
		}
		time.Sleep(time.Millisecond) // between two looks
	}
}

func TestAForeignConnectionIsClosedAfterWhatWasSent(t *testing.T) {
	s := serve(t, withPigeons)
	c := newWire()
	c.connect(t, s.engine, "0")
	c.next(t)
	session := s.last().session
	for range 10 {
		_ = session.Send(engineio.Text([]byte("last words")))
	}
	session.Close()
	s.wantClosed(s.last(), engineio.ReasonForcedClose)
	c.wantClosed(t)
	if len(c.toClient) != 10 {
		t.Errorf("%d messages arrived before the end", len(c.toClient))
	}
}

// Pausing stops the reading, and what the client says then arrives later.
func TestAForeignConnectionIsNotReadWhilePaused(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		engine, side, c := pigeonInBubble(t, withPigeons)
		side.session.Pause()
		go func() { c.say("4one"); c.say("4two") }()
		synctest.Wait()
		side.mu.Lock()
		if len(side.got) > 1 {
			t.Errorf("%q arrived in the pause", side.got)
		}
		side.mu.Unlock()
		side.session.Resume()
		synctest.Wait()
		if !slices.Equal(side.got, []string{"one", "two"}) {
			t.Errorf("%q arrived", side.got)
		}
		shutDown(t, engine, side, engineio.ReasonShutdown)
	})
}

func TestAForeignSessionHasTheHeartbeat(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		engine, side, c := pigeonInBubble(t, withPigeons)
		for range 3 {
			time.Sleep(25 * time.Second)
			synctest.Wait()
			if p := c.next(t); p != "2" {
				t.Fatalf("got %q for a ping", p)
			}
			c.say("3")
		}
		time.Sleep(46 * time.Second)
		synctest.Wait()
		if !side.ended() || side.reasons[0] != engineio.ReasonPingTimeout {
			t.Errorf("a silent client's session ended with %q", side.reasons)
		}
		c.wantClosed(t)
		shutDown(t, engine, side, engineio.ReasonPingTimeout)
	})
}

func TestAForeignConnectionThatSaysNothingIsClosed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		engine := engineio.NewServer(withPigeons, nil)
		c := newWire()
		began := time.Now()
		c.connect(t, engine, "")
		if took := time.Since(began); took != 10*time.Second {
			t.Errorf("it was closed after %s", took)
		}
		_ = engine.Shutdown(t.Context())
	})
}

func TestAForeignUpgradeThatTakesTooLongIsGivenUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		side := &serverSide{}
		engine := engineio.NewServer(withPigeons, func(s *engineio.Session) engineio.Receiver {
			side.session = s
			return side
		})
		engine.ServeHTTP(httptest.NewRecorder(), httptest.NewRequestWithContext(t.Context(), "GET", "/?EIO=4&transport=polling", nil))
		c := newWire()
		c.connect(t, engine, `0{"sid":"`+side.session.ID()+`"}`)
		c.say("2probe")
		time.Sleep(10*time.Second + time.Millisecond)
		synctest.Wait()
		c.wantClosed(t)
		if side.ended() || side.session.Transport() != "polling" {
			t.Errorf("ended %q over %s", side.reasons, side.session.Transport())
		}
		shutDown(t, engine, side, engineio.ReasonShutdown)
	})
}

// pigeonInBubble is a server with one session over a wire, whose open packet was taken.
func pigeonInBubble(t *testing.T, o engineio.Options) (*engineio.Server, *serverSide, *wire) {
	side := &serverSide{}
	engine := engineio.NewServer(o, func(s *engineio.Session) engineio.Receiver {
		side.session = s
		return side
	})
	c := newWire()
	c.connect(t, engine, "0")
	c.next(t)
	return engine, side, c
}

// shutDown shuts the server down and wants the session to have ended once, for reason.
func shutDown(t *testing.T, engine *engineio.Server, side *serverSide, reason engineio.Reason) {
	t.Helper()
	if err := engine.Shutdown(context.WithoutCancel(t.Context())); err != nil {
		t.Error(err)
	}
	if !slices.Equal(side.reasons, []engineio.Reason{reason}) {
		t.Errorf("the session ended with %q", side.reasons)
	}
}
