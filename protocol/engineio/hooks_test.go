package engineio_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/coder/websocket"

	"podium/protocol/engineio"
)

// The hook for a handshake comes before that for every answer, and neither is
// called for what belongs to no session.
func TestHeaderHooksAreCalledForAnswersOfSessionsInOrder(t *testing.T) {
	var mu sync.Mutex // guards calls
	var calls []string
	note := func(name string) func(http.Header, *http.Request) {
		return func(h http.Header, r *http.Request) {
			mu.Lock()
			defer mu.Unlock()
			calls = append(calls, name+" "+r.Method)
			h.Set("Last-Hook", name)
		}
	}
	s := serve(t, engineio.Options{
		InitialHeaders: note("initial"), Headers: note("every"),
		Cookie: &http.Cookie{Name: "io"}, CORS: &engineio.CORS{Origins: []string{"*"}},
	})
	s.do("GET", "EIO=4&transport=tobi", "")
	s.do("GET", "EIO=4&transport=polling&sid=nobody", "")
	s.ask("OPTIONS", map[string]string{"Origin": "https://a.example"})
	if len(calls) != 0 {
		t.Errorf("called for refusals: %q", calls)
	}
	q := s.open()
	s.do("POST", q, "4x")
	s.do("GET", q, "")
	s.dial(strings.Replace(q, "polling", "websocket", 1))
	c, res, err := websocket.Dial(t.Context(), s.http.URL+"/?EIO=4&transport=websocket", nil)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = c.CloseNow() }()
	if got := res.Header; got.Get("Last-Hook") != "every" || got.Get("Set-Cookie") != "" {
		t.Errorf("a WebSocket's handshake has %v", got)
	}
	mu.Lock()
	defer mu.Unlock()
	want := "initial GET,every GET,every POST,every GET,every GET,initial GET,every GET"
	if got := strings.Join(calls, ","); got != want {
		t.Errorf("called %s, want %s", got, want)
	}
}

func TestSessionIDsCanBeMadeByTheProgram(t *testing.T) {
	var id string
	var fail error
	s := serve(t, engineio.Options{NewID: func(*http.Request) (string, error) { return id, fail }})
	handshake := func() (int, string) { return s.do("GET", "EIO=4&transport=polling", "") }
	const refused = `{"code":3,"message":"Bad request"}`
	id = "CustomId1"
	if status, body := handshake(); status != 200 || !strings.HasPrefix(body, `0{"sid":"CustomId1",`) {
		t.Errorf("%d %s", status, body)
	}
	first := s.last().session
	if status, body := handshake(); status != 400 || body != refused {
		t.Errorf("an id in use: %d %s", status, body)
	}
	if c, _, err := websocket.Dial(t.Context(), s.http.URL+"/?EIO=4&transport=websocket", nil); err == nil {
		if _, _, err := c.Read(t.Context()); err == nil {
			_, _, err = c.Read(t.Context())
			if websocket.CloseStatus(err) != websocket.StatusTryAgainLater {
				t.Errorf("an id in use, over WebSocket: %v", err)
			}
		}
	}
	if found, _ := s.engine.Session("CustomId1"); found != first {
		t.Error("the first session was hurt")
	}
	for _, id = range []string{"", `a"b`, "a b", strings.Repeat("x", 129)} {
		if status, body := handshake(); status != 400 || body != refused {
			t.Errorf("id %q: %d %s", id, status, body)
		}
	}
	id, fail = "another", errors.New("no")
	if status, body := handshake(); status != 400 || body != refused {
		t.Errorf("an error: %d %s", status, body)
	}
}

func TestAMessageMayBeLargerThanTheQueueOfAClientThatPolls(t *testing.T) {
	s := serve(t, engineio.Options{MaxQueuedBytes: 1000})
	q := s.open()
	large := strings.Repeat("x", 5000)
	session := s.last().session
	if err := session.Send(engineio.Text([]byte(large))); err != nil {
		t.Fatal(err)
	}
	if _, body := s.do("GET", q, ""); body != "4"+large {
		t.Errorf("the poll got %d bytes", len(body))
	}
	if err := session.Send(engineio.Text([]byte("x"))); err != nil {
		t.Fatal(err)
	}
	if err := session.Send(engineio.Text([]byte(large))); err != engineio.ErrSlow {
		t.Errorf("behind another message: %v, want ErrSlow", err)
	}
}

func TestABurstIsDeliveredAsItsClientPolls(t *testing.T) {
	const size = 900_000
	for name, first := range map[string]bool{"while a poll waits": true, "between two polls": false} {
		t.Run(name, func(t *testing.T) {
			s := serve(t, engineio.Options{})
			q := s.open()
			session := s.last().session
			got := make(chan int, 100)
			poll := func() {
				_, body := s.do("GET", q, "")
				got <- strings.Count("\x1e"+body, "\x1e4")
			}
			if first {
				go poll()
				waitUntil(t, "a poll waits", session.Writable)
			} else {
				_ = session.Send(engineio.Text([]byte("x")))
				poll()
				<-got
			}
			for i := range 20 {
				if err := session.Send(engineio.Text(bytes.Repeat([]byte("x"), size))); err != nil {
					t.Fatalf("message %d: %v", i, err)
				}
			}
			if !first {
				go poll()
			}
			for left := 20; left > 0; {
				left -= <-got
				if left > 0 {
					go poll()
				}
			}
		})
	}
}

func TestAClientThatPollsNoMoreHasOneBoundOnly(t *testing.T) {
	inBubble(t, engineio.Options{MaxQueuedBytes: 1000}, func(b *bubble) {
		b.open(4)
		send := func(n int) error { return b.session.Send(engineio.Text(make([]byte, n))) }
		_ = send(1)
		b.get()
		_ = send(1)
		if err := send(2000); err != nil {
			t.Error("a client that has just polled:", err)
		}
		sleep(6 * time.Second)
		if err := send(1); err != engineio.ErrSlow {
			t.Errorf("a client that is away: %v, want ErrSlow", err)
		}
	})
}

// hidden is a ResponseWriter of which nothing but its methods is known.
type hidden struct{ http.ResponseWriter }

func TestAConnectionThatCannotBeTakenOverIsToldOfOnce(t *testing.T) {
	var log strings.Builder
	var mu sync.Mutex // guards log
	s := serve(t, engineio.Options{Logger: slog.New(slog.NewTextHandler(locked{&mu, &log}, nil))})
	inner := s.http.Config.Handler
	s.http.Config.Handler = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { inner.ServeHTTP(hidden{w}, r) })
	q := s.open()
	for _, query := range []string{strings.Replace(q, "polling", "websocket", 1), "EIO=4&transport=websocket"} {
		_, res, err := websocket.Dial(t.Context(), s.http.URL+"/?"+query, nil)
		if err == nil || res == nil || res.StatusCode != http.StatusInternalServerError {
			t.Errorf("%s: %v, %v; want status 500", query, res, err)
		}
	}
	s.do("POST", q, "4hello")
	if _, body := s.do("GET", q, ""); body != "4hello" {
		t.Errorf("the session goes on with %q", body)
	}
	mu.Lock()
	defer mu.Unlock()
	if n := strings.Count(log.String(), "level=WARN"); n != 1 || !strings.Contains(log.String(), "Hijack") {
		t.Errorf("%d warnings: %s", n, log.String())
	}
}

// locked is a writer for several goroutines.
type locked struct {
	mu *sync.Mutex
	w  io.Writer
}

func (l locked) Write(b []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.w.Write(b)
}

func TestNothingIsKeptOfAContextThatKeepDrops(t *testing.T) {
	s := serve(t, engineio.Options{
		Keep: func(r *http.Request) *http.Request { return r.WithContext(context.Background()) },
	})
	s.open()
	if got := s.last().session.Request().Context; got != context.Background() {
		t.Errorf("kept %v", got)
	}
}

func TestADrainOfThePollsQueueIsToldOf(t *testing.T) {
	drained := make(chan *engineio.Session, 10)
	s := serve(t, engineio.Options{Observer: engineio.Observer{Drained: func(s *engineio.Session) { drained <- s }}})
	q := s.open()
	session := s.last().session
	for range 3 {
		if err := session.Send(engineio.Text([]byte("x"))); err != nil {
			t.Fatal(err)
		}
	}
	if len(drained) != 0 {
		t.Error("told of a drain while three messages wait")
	}
	if _, body := s.do("GET", q, ""); body != "4x\x1e4x\x1e4x" {
		t.Errorf("the poll got %q", body)
	}
	if got := <-drained; got != session || got.Buffered() != 0 {
		t.Errorf("told of %v, with %d bytes waiting", got, got.Buffered())
	}
}

// Who waited for a drain while the client was polling learns of it where the queue
// moves to a WebSocket and leaves there.
func TestADrainIsToldOfWhereTheQueueLeavesByAnUpgrade(t *testing.T) {
	drained := make(chan *engineio.Session, 10)
	s := serve(t, engineio.Options{Observer: engineio.Observer{Drained: func(s *engineio.Session) { drained <- s }}})
	q := s.open()
	session := s.last().session
	c := s.dial(strings.Replace(q, "polling", "websocket", 1))
	s.write(c, "2probe")
	if got := s.read(c); got != "3probe" {
		t.Fatalf("got %q", got)
	}
	for range len(drained) {
		<-drained
	}
	_ = session.Send(engineio.Text([]byte("x")))
	s.write(c, "5")
	if got := s.read(c); got != "4x" {
		t.Errorf("got %q", got)
	}
	if got := <-drained; got != session {
		t.Errorf("told of %v", got)
	}
}

func TestSessionsStayOnTheirTransportWhereUpgradesAreOff(t *testing.T) {
	s := serve(t, engineio.Options{NoUpgrades: true})
	if _, body := s.do("GET", "EIO=4&transport=polling", ""); !strings.Contains(body, `"upgrades":[]`) {
		t.Errorf("the handshake offers an upgrade: %s", body)
	}
	s = serve(t, engineio.Options{Transports: []string{engineio.TransportWebSocket}})
	if status, _ := s.do("GET", "EIO=4&transport=polling", ""); status != http.StatusBadRequest {
		t.Errorf("polling has status %d where it is not among the transports", status)
	}
}

func TestTheObserverIsToldOfTheLifeOfASession(t *testing.T) {
	told := make(chan string, 10)
	s := serve(t, engineio.Options{Observer: engineio.Observer{
		Opened:   func(s *engineio.Session) { told <- "opened over " + s.Transport() },
		Upgraded: func(s *engineio.Session) { told <- "upgraded to " + s.Transport() },
		Closed:   func(s *engineio.Session, r engineio.Reason) { told <- "closed: " + string(r) },
	}})
	q := s.open()
	c := s.dial(strings.Replace(q, "polling", "websocket", 1))
	s.write(c, "2probe")
	s.read(c)
	s.write(c, "5")
	for _, want := range []string{"opened over polling", "upgraded to websocket"} {
		if got := <-told; got != want {
			t.Errorf("told %q, want %q", got, want)
		}
	}
	s.write(c, "1")
	if got := <-told; got != "closed: transport close" {
		t.Errorf("told %q", got)
	}
}

// closing is a receiver that ends its session as soon as there is one.
type closing struct{}

func (closing) OnMessage([]byte, bool)         {}
func (closing) OnClose(engineio.Reason, error) {}

func TestTheObserverIsToldOfTheOpeningBeforeTheEnd(t *testing.T) {
	told := make(chan string, 4)
	engine := engineio.NewServer(engineio.Options{Observer: engineio.Observer{
		Opened: func(*engineio.Session) { told <- "opened" },
		Closed: func(*engineio.Session, engineio.Reason) { told <- "closed" },
	}}, func(s *engineio.Session) engineio.Receiver { s.Close(); return closing{} })
	web := httptest.NewServer(engine)
	defer web.Close()
	c, _, err := websocket.Dial(t.Context(), web.URL+"/?EIO=4&transport=websocket", nil)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = c.CloseNow() }()
	if first, second := <-told, <-told; first != "opened" || second != "closed" {
		t.Errorf("told %s, then %s", first, second)
	}
	_ = c.CloseNow()
	if err := engine.Shutdown(t.Context()); err != nil {
		t.Error(err)
	}
}
