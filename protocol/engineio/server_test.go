package engineio_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/coder/websocket"
	"go.uber.org/goleak"

	"podium/protocol/engineio"
	ours "podium/protocol/websocket"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// echo sends every message back and notes why its session ended.
type echo struct {
	session *engineio.Session
	closed  chan engineio.Reason
}

func (e *echo) OnMessage(data []byte, binary bool) {
	m := engineio.Text(data)
	if binary {
		m = engineio.Binary(data)
	}
	_ = e.session.Send(m)
}

func (e *echo) OnClose(reason engineio.Reason, _ error) { e.closed <- reason }

// server is an engine whose sessions echo.
type server struct {
	*testing.T
	engine *engineio.Server
	http   *httptest.Server
	mu     sync.Mutex
	opened []*echo
}

func serve(t *testing.T, o engineio.Options) *server {
	s := &server{T: t}
	s.engine = engineio.NewServer(o, func(session *engineio.Session) engineio.Receiver {
		e := &echo{session, make(chan engineio.Reason, 2)}
		s.mu.Lock()
		defer s.mu.Unlock()
		s.opened = append(s.opened, e)
		return e
	})
	s.http = httptest.NewUnstartedServer(s.engine)
	if strings.HasPrefix(t.Name(), underTLS) {
		s.http.Listener = ours.NewListener(s.http.Listener)
		s.http.StartTLS()
	} else {
		s.http.Start()
	}
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
		defer cancel()
		if err := s.engine.Shutdown(ctx); err != nil {
			t.Errorf("shutdown: %v", err)
		}
		s.http.Close()
		s.http.Client().CloseIdleConnections()
	})
	return s
}

// last is the receiver of the newest session.
func (s *server) last() *echo {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.opened[len(s.opened)-1]
}

func (s *server) do(method, query, body string) (int, string) {
	s.Helper()
	req, err := http.NewRequestWithContext(s.Context(), method, s.http.URL+"/engine.io/?"+query, strings.NewReader(body))
	if err != nil {
		s.Fatal(err)
	}
	res, err := s.http.Client().Do(req)
	if err != nil {
		s.Fatal(err)
	}
	defer res.Body.Close()
	all, err := io.ReadAll(res.Body)
	if err != nil {
		s.Fatal(err)
	}
	return res.StatusCode, string(all)
}

// open makes a long-polling session and returns the query that names it.
func (s *server) open() string {
	s.Helper()
	_, body := s.do("GET", "EIO=4&transport=polling", "")
	var h struct{ SID string }
	if err := json.Unmarshal([]byte(body[1:]), &h); err != nil {
		s.Fatalf("handshake %q: %v", body, err)
	}
	return "EIO=4&transport=polling&sid=" + h.SID
}

func (s *server) dial(query string) *websocket.Conn {
	s.Helper()
	c, _, err := websocket.Dial(s.Context(), s.http.URL+"/engine.io/?"+query, &websocket.DialOptions{HTTPClient: s.http.Client()})
	if err != nil {
		s.Fatal(err)
	}
	s.Cleanup(func() { _ = c.CloseNow() })
	return c
}

func (s *server) read(c *websocket.Conn) string {
	s.Helper()
	_, data, err := c.Read(s.Context())
	if err != nil {
		s.Fatal(err)
	}
	return string(data)
}

func (s *server) write(c *websocket.Conn, text string) {
	s.Helper()
	if err := c.Write(s.Context(), websocket.MessageText, []byte(text)); err != nil {
		s.Fatal(err)
	}
}

func (s *server) wantClosed(e *echo, want engineio.Reason) {
	s.Helper()
	select {
	case got := <-e.closed:
		if got != want {
			s.Errorf("session ended with %q, want %q", got, want)
		}
	case <-time.After(10 * time.Second):
		s.Fatal("the session did not end")
	}
}

func TestRefusesWithTheOfficialErrors(t *testing.T) {
	s := serve(t, engineio.Options{AllowRequest: func(r *http.Request) error {
		if r.URL.Query().Has("deny") {
			return engineio.ErrForbidden
		}
		return nil
	}})
	sid := strings.Split(s.open(), "sid=")[1]
	for _, c := range []struct {
		method, query string
		status        int
		body          string
	}{
		{"GET", "EIO=4&transport=abc", 400, `{"code":0,"message":"Transport unknown"}`},
		{"GET", "EIO=4", 400, `{"code":0,"message":"Transport unknown"}`},
		{"GET", "EIO=4&transport=polling&sid=abc", 400, `{"code":1,"message":"Session ID unknown"}`},
		{"POST", "EIO=4&transport=polling", 400, `{"code":2,"message":"Bad handshake method"}`},
		{"GET", "EIO=4&transport=websocket", 400, `{"code":3,"message":"Bad request"}`},
		{"GET", "EIO=4&transport=websocket&sid=" + sid, 400, `{"code":3,"message":"Bad request"}`},
		{"GET", "EIO=4&transport=polling&deny=1", 403, `{"code":4,"message":"Forbidden"}`},
		{"GET", "EIO=3&transport=polling", 400, `{"code":5,"message":"Unsupported protocol version"}`},
		{"GET", "transport=polling", 400, `{"code":5,"message":"Unsupported protocol version"}`},
	} {
		status, body := s.do(c.method, c.query, "")
		if status != c.status || body != c.body {
			t.Errorf("%s %s: %d %s, want %d %s", c.method, c.query, status, body, c.status, c.body)
		}
	}
}

func TestPollingCarriesTextAndBinaryBothWays(t *testing.T) {
	s := serve(t, engineio.Options{})
	q := s.open()
	body := "4héllo\x1ebAQID\x1e4" + strings.Repeat("x", 3000)
	if status, answer := s.do("POST", q, body); status != 200 || answer != "ok" {
		t.Fatalf("POST: %d %q", status, answer)
	}
	if _, got := s.do("GET", q, ""); got != body {
		t.Errorf("poll got %.60q, want %.60q", got, body)
	}
}

func TestWebSocketCarriesTextAndBinaryBothWays(t *testing.T) {
	s := serve(t, engineio.Options{})
	c := s.dial("EIO=4&transport=websocket")
	if open := s.read(c); !strings.HasPrefix(open, `0{"sid":"`) {
		t.Fatalf("open packet %q", open)
	}
	s.write(c, "4hi")
	if got := s.read(c); got != "4hi" {
		t.Errorf("got %q", got)
	}
	if err := c.Write(t.Context(), websocket.MessageBinary, []byte{1, 2, 3}); err != nil {
		t.Fatal(err)
	}
	if kind, got, err := c.Read(t.Context()); err != nil || kind != websocket.MessageBinary || !bytes.Equal(got, []byte{1, 2, 3}) {
		t.Errorf("got %v %v %v", kind, got, err)
	}
}

func TestAnUpgradeLosesAndReordersNothing(t *testing.T) {
	s := serve(t, engineio.Options{})
	q := s.open()
	session := s.last().session
	sent := 0
	send := func(n int) {
		for range n {
			if err := session.Send(engineio.Text(fmt.Append(nil, sent))); err != nil {
				t.Error(err)
			}
			sent++
		}
	}
	var got []string
	take := func(payload string) {
		for p := range strings.SplitSeq(payload, "\x1e") {
			if strings.HasPrefix(p, "4") {
				got = append(got, p[1:])
			}
		}
	}
	send(3)
	c := s.dial(strings.Replace(q, "polling", "websocket", 1))
	s.write(c, "2probe")
	send(3)
	if pong := s.read(c); pong != "3probe" {
		t.Fatalf("probe answered with %q", pong)
	}
	_, payload := s.do("GET", q, "")
	take(payload)
	send(3)
	s.write(c, "5")
	s.write(c, "4x") // its echo comes after what was queued
	for {
		p := s.read(c)
		if p == "4x" {
			break
		}
		take(p)
	}
	send(3)
	for len(got) < sent {
		take(s.read(c))
	}
	for i, g := range got {
		if g != fmt.Sprint(i) {
			t.Fatalf("message %d is %s: %v", i, g, got)
		}
	}
	if session.Transport() != engineio.TransportWebSocket {
		t.Errorf("transport is %s", session.Transport())
	}
	if status, _ := s.do("GET", q, ""); status != 400 {
		t.Errorf("a poll after the upgrade got %d", status)
	}
}

// The queue of a client that takes no binary takes a while to be given to its
// WebSocket: what is sent in the very moment of the change must not overtake it.
func TestWhatIsSentAtTheEndOfAnUpgradeFollowsWhatWasQueued(t *testing.T) {
	const queued, size = 100, 16 << 10
	s := serve(t, engineio.Options{MaxQueuedBytes: 4 * queued * size})
	q := s.open()
	session := s.last().session
	for range queued {
		if err := session.Send(engineio.Binary(make([]byte, size))); err != nil {
			t.Fatal(err)
		}
	}
	c := s.dial(strings.Replace(q, "polling", "websocket&b64=1", 1))
	s.write(c, "2probe")
	if pong := s.read(c); pong != "3probe" {
		t.Fatalf("probe answered with %q", pong)
	}
	sent := make(chan error, 1)
	go func() {
		for session.Transport() != engineio.TransportWebSocket && t.Context().Err() == nil {
			runtime.Gosched()
		}
		sent <- session.Send(engineio.Text([]byte("last")))
	}()
	s.write(c, "5")
	for i := range queued {
		if got := s.read(c); !strings.HasPrefix(got, "bAAAA") {
			t.Fatalf("%.10q came before %d of %d queued messages", got, queued-i, queued)
		}
	}
	if got := s.read(c); got != "4last" {
		t.Errorf("got %.10q", got)
	}
	if err := <-sent; err != nil {
		t.Error(err)
	}
}

// The time for an upgrade is over in the moment when the packet that completes it is
// handled: whichever counts, what is queued arrives.
func TestNothingIsLostWhereAnUpgradeIsGivenUpAtItsEnd(t *testing.T) {
	s := serve(t, engineio.Options{})
	q := s.open()
	session := s.last().session
	c := s.dial(strings.Replace(q, "polling", "websocket", 1))
	s.write(c, "2probe")
	if pong := s.read(c); pong != "3probe" {
		t.Fatalf("probe answered with %q", pong)
	}
	if err := session.Send(engineio.Text([]byte("hello"))); err != nil {
		t.Fatal(err)
	}
	conn, timer := session.Upgrade()
	release := session.Hold()
	defer release()
	s.write(c, "5")
	waitUntil(t, "the end of the upgrade is handled", func() bool { return engineio.Blocked("(*probe).OnMessage") })
	timer.Reset(0)
	waitUntil(t, "the upgrade is given up, or about to be", func() bool {
		return conn.Send() != nil || engineio.Blocked("(*probe).giveUp")
	})
	release()
	var got string
	if _, data, err := c.Read(t.Context()); err == nil {
		got = string(data)
	}
	for got == "" || got == "6" { // the upgrade was given up: the session still polls
		_, got = s.do("GET", q, "")
	}
	if got != "4hello" {
		t.Errorf("got %q", got)
	}
}

func TestAPendingPollIsEndedByAnUpgrade(t *testing.T) {
	s := serve(t, engineio.Options{})
	q := s.open()
	answered := make(chan string)
	go func() {
		_, body := s.do("GET", q, "")
		answered <- body
	}()
	c := s.dial(strings.Replace(q, "polling", "websocket", 1))
	s.write(c, "2probe")
	if pong := s.read(c); pong != "3probe" {
		t.Errorf("probe answered with %q", pong)
	}
	c.CloseRead(t.Context()) // it reads, and answers the ping
	if body := <-answered; body != "6" {
		t.Errorf("poll answered with %q, want a noop", body)
	}
}

func TestAFailedProbeLeavesTheSessionPolling(t *testing.T) {
	s := serve(t, engineio.Options{})
	q := s.open()
	c := s.dial(strings.Replace(q, "polling", "websocket", 1))
	s.write(c, "2probe")
	s.read(c)
	_ = c.CloseNow()
	s.do("POST", q, "4still here")
	for {
		if _, body := s.do("GET", q, ""); body != "6" { // noops until the server has seen the close
			if body != "4still here" {
				t.Errorf("got %q", body)
			}
			return
		}
	}
}

// The clients of these WebSockets answer no close frame.
func TestASessionHasOneWebSocketThatWantsToTakeItOver(t *testing.T) {
	s := serve(t, engineio.Options{})
	upgrade := strings.Replace(s.open(), "polling", "websocket", 1)
	const handshake = "Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n"
	s.connect().ask("GET", upgrade, handshake, "")
	waitUntil(t, "the first is there", func() bool { return s.engine.Stats().WebSocket.Connections == 1 })
	for range 20 {
		c := s.connect()
		c.ask("GET", upgrade, handshake, "")
		if res, err := http.ReadResponse(c.in, nil); err != nil || res.StatusCode != http.StatusSwitchingProtocols {
			t.Fatal("upgrade:", err)
		}
		_ = c.SetReadDeadline(time.Now().Add(10 * time.Second))
		if rest, err := io.ReadAll(c.in); err != nil || string(rest) != "\x88\x00" {
			t.Fatalf("not closed at once: %q %v", rest, err)
		}
	}
	if n := s.engine.Stats().WebSocket.Connections; n != 1 {
		t.Errorf("%d WebSockets are open", n)
	}
}

func TestMisuseOfPollingEndsTheSession(t *testing.T) {
	for name, misuse := range map[string]func(*server, string) int{
		"an invalid packet": func(s *server, q string) int { status, _ := s.do("POST", q, "abc"); return status },
		"an empty payload":  func(s *server, q string) int { status, _ := s.do("POST", q, ""); return status },
		"no UTF-8":          func(s *server, q string) int { status, _ := s.do("POST", q, "4\xff"); return status },
	} {
		t.Run(name, func(t *testing.T) {
			s := serve(t, engineio.Options{})
			q := s.open()
			if status := misuse(s, q); status != 400 {
				t.Errorf("got %d, want 400", status)
			}
			if status, _ := s.do("GET", q, ""); status != 400 {
				t.Errorf("a poll after it got %d, want 400", status)
			}
			s.wantClosed(s.last(), engineio.ReasonParseError)
		})
	}
}

func TestTwoPollsAtOnceEndTheSession(t *testing.T) {
	s := serve(t, engineio.Options{})
	q := s.open()
	results := make(chan string, 2)
	for range 2 {
		go func() {
			status, body := s.do("GET", q, "")
			results <- fmt.Sprint(status, body)
		}()
	}
	a, b := <-results, <-results
	if a > b {
		a, b = b, a
	}
	if a != "2001" || b != "400" {
		t.Errorf("answers %q and %q, want 200 with a close packet, and a bare 400", a, b)
	}
	s.wantClosed(s.last(), engineio.ReasonTransportError)
}

func TestTooLargePayloads(t *testing.T) {
	s := serve(t, engineio.Options{MaxPayload: 100})
	q := s.open()
	if status, _ := s.do("POST", q, "4"+strings.Repeat("x", 100)); status != 413 {
		t.Errorf("POST got %d, want 413", status)
	}
	s.wantClosed(s.last(), engineio.ReasonTransportError)
	if status, body := s.do("POST", q, "4x"); status != 400 || !strings.Contains(body, "Session ID unknown") {
		t.Errorf("another POST got %d %q", status, body)
	}
	c := s.dial("EIO=4&transport=websocket")
	s.read(c)
	s.write(c, "4"+strings.Repeat("x", 100))
	if _, _, err := c.Read(t.Context()); websocket.CloseStatus(err) != websocket.StatusMessageTooBig {
		t.Errorf("WebSocket ended with %v", err)
	}
}

func TestHeartbeatOverBothTransports(t *testing.T) {
	s := serve(t, engineio.Options{PingInterval: 30 * time.Millisecond, PingTimeout: time.Second})
	q := s.open()
	for range 3 {
		if _, body := s.do("GET", q, ""); body != "2" {
			t.Fatalf("poll got %q, want a ping", body)
		}
		s.do("POST", q, "3")
	}
	if s.last().session.RTT() <= 0 {
		t.Error("no round trip was measured")
	}
	s.wantClosed(s.last(), engineio.ReasonPingTimeout) // nobody answers the next

	c := s.dial("EIO=4&transport=websocket")
	s.read(c)
	for range 3 {
		if ping := s.read(c); ping != "2" {
			t.Fatalf("got %q, want a ping", ping)
		}
		s.write(c, "3")
	}
	s.wantClosed(s.last(), engineio.ReasonPingTimeout)
}

func TestCloseFromEitherSide(t *testing.T) {
	s := serve(t, engineio.Options{})
	q := s.open()
	s.do("POST", q, "1")
	s.wantClosed(s.last(), engineio.ReasonTransportClose)

	q = s.open()
	e := s.last()
	_ = e.session.Send(engineio.Text([]byte("bye")))
	e.session.Close()
	if err := e.session.Send(engineio.Text(nil)); err != engineio.ErrClosed {
		t.Errorf("Send after Close: %v", err)
	}
	if _, body := s.do("GET", q, ""); body != "4bye" {
		t.Errorf("the poll after Close got %q", body)
	}
	if _, body := s.do("GET", q, ""); body != "6\x1e1" {
		t.Errorf("the last poll got %q", body)
	}
	s.wantClosed(e, engineio.ReasonForcedClose)

	c := s.dial("EIO=4&transport=websocket")
	s.read(c)
	_ = c.CloseNow()
	s.wantClosed(s.last(), engineio.ReasonTransportClose)
}

func TestAClientThatDoesNotFetchIsCut(t *testing.T) {
	s := serve(t, engineio.Options{MaxQueuedBytes: 1000})
	s.open()
	e := s.last()
	var err error
	for range 20 {
		if err = e.session.Send(engineio.Binary(make([]byte, 100))); err != nil {
			break
		}
	}
	if err != engineio.ErrSlow {
		t.Errorf("Send returned %v, want ErrSlow", err)
	}
	s.wantClosed(e, engineio.ReasonTransportError)
}

func TestCORS(t *testing.T) {
	s := serve(t, engineio.Options{CORS: &engineio.CORS{Origins: []string{"https://a.example"}, Credentials: true}})
	get := func(method, origin string) http.Header {
		req, _ := http.NewRequestWithContext(t.Context(), method, s.http.URL+"/?EIO=4&transport=polling", nil)
		req.Header.Set("Origin", origin)
		res, err := http.DefaultClient.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		res.Body.Close()
		return res.Header
	}
	if got := get("GET", "https://a.example").Get("Access-Control-Allow-Origin"); got != "https://a.example" {
		t.Errorf("allowed origin got %q", got)
	}
	if got := get("GET", "https://b.example").Get("Access-Control-Allow-Origin"); got != "" {
		t.Errorf("other origin got %q", got)
	}
	if got := get("OPTIONS", "https://a.example").Get("Access-Control-Allow-Methods"); got != "GET,HEAD,PUT,PATCH,POST,DELETE" {
		t.Errorf("preflight methods %q", got)
	}
	_, res, err := websocket.Dial(t.Context(), s.http.URL+"/?EIO=4&transport=websocket", &websocket.DialOptions{
		HTTPHeader: http.Header{"Origin": {"https://b.example"}},
	})
	if err == nil || res == nil || res.StatusCode != 400 {
		t.Errorf("WebSocket of another origin: %v", err)
	}
}

func TestNodeIDIsInTheSessionID(t *testing.T) {
	s := serve(t, engineio.Options{NodeID: "m1"})
	sid := strings.Split(s.open(), "sid=")[1]
	if engineio.NodeOf(sid) != "m1" || len(sid) != len("m1~")+20 {
		t.Errorf("session id %q", sid)
	}
}

func TestShutdownMayBeCalledAgain(t *testing.T) {
	s := serve(t, engineio.Options{}) // which shuts down once more at the end
	s.open()
	for range 2 {
		if err := s.engine.Shutdown(t.Context()); err != nil {
			t.Error(err)
		}
	}
}

// A handshake may have been let in before Shutdown is called and be answered after it.
func TestNoSessionOpensOnceTheServerIsShutDown(t *testing.T) {
	deciding, decide := make(chan struct{}), make(chan struct{})
	s := serve(t, engineio.Options{AllowRequest: func(*http.Request) error {
		close(deciding)
		<-decide
		return nil
	}})
	answered := make(chan string)
	go func() {
		status, body := s.do("GET", "EIO=4&transport=polling", "")
		answered <- fmt.Sprint(status, body)
	}()
	<-deciding
	if err := s.engine.Shutdown(t.Context()); err != nil {
		t.Error(err)
	}
	close(decide)
	if got := <-answered; got != `400{"code":3,"message":"Bad request"}` {
		t.Errorf("the handshake got %s", got)
	}
	if n := s.engine.Stats().Sessions; n != 0 || len(s.opened) != 0 {
		t.Errorf("%d sessions are open, %d were opened", n, len(s.opened))
	}
}

// held is a receiver whose OnMessage takes until it is released.
type held struct {
	began, release, closed chan struct{}
}

func (h *held) OnMessage([]byte, bool)         { close(h.began); <-h.release }
func (h *held) OnClose(engineio.Reason, error) { close(h.closed) }

func TestShutdownWaitsUntilAReceiverThatIsBusyWasTold(t *testing.T) {
	var observed bool
	o := engineio.Options{Observer: engineio.Observer{
		Closed: func(*engineio.Session, engineio.Reason) { observed = true },
	}}
	inBubble(t, o, func(b *bubble) {
		h := &held{make(chan struct{}), make(chan struct{}), make(chan struct{})}
		b.receiver = h
		b.open(4)
		b.post("4x")
		<-h.began
		down := make(chan error, 1)
		go func() { down <- b.engine.Shutdown(b.Context()) }()
		sleep(time.Minute)
		if len(down) > 0 {
			t.Error("Shutdown did not wait")
		}
		close(h.release)
		if err := <-down; err != nil {
			t.Error(err)
		}
		select {
		case <-h.closed:
		default:
			t.Error("Shutdown returned before the receiver was told")
		}
		if !observed {
			t.Error("Shutdown returned before the observer was told")
		}
	})
}

// fragile is a receiver that panics.
type fragile struct{ closed chan engineio.Reason }

func (fragile) OnMessage([]byte, bool)               { panic(http.ErrAbortHandler) }
func (f fragile) OnClose(r engineio.Reason, _ error) { f.closed <- r }

func TestAReceiverThatPanickedIsToldOfTheEnd(t *testing.T) {
	f := fragile{make(chan engineio.Reason, 1)}
	var session *engineio.Session
	engine := engineio.NewServer(engineio.Options{}, func(s *engineio.Session) engineio.Receiver {
		session = s
		return f
	})
	engine.ServeHTTP(httptest.NewRecorder(), httptest.NewRequestWithContext(t.Context(), "GET", "/?EIO=4&transport=polling", nil))
	func() {
		defer func() { _ = recover() }() // as net/http does
		engine.ServeHTTP(httptest.NewRecorder(), httptest.NewRequestWithContext(t.Context(), "POST",
			"/?EIO=4&transport=polling&sid="+session.ID(), strings.NewReader("4x")))
	}()
	if err := engine.Shutdown(t.Context()); err != nil {
		t.Error(err)
	}
	select {
	case <-f.closed:
	default:
		t.Error("OnClose was not called")
	}
}
