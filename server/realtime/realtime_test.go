package realtime_test

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"

	"podium/contest"
	"podium/protocol/client"
	"podium/protocol/limits"
	"podium/server/realtime"
	"podium/store/bolt"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// bubble is the service with its store in a synctest bubble: connections are
// pipes and the clock is virtual. It ends only when no goroutine is left.
type bubble struct {
	*testing.T
	rt    *realtime.Realtime
	store *contest.Contest
	conns chan net.Conn
	reads atomic.Int64 // of the event log
}

// countedReads is a store that counts how often its event log is read.
type countedReads struct {
	*bolt.Store
	reads *atomic.Int64
}

func (c countedReads) Events(after uint64, limit int) ([]contest.Event, error) {
	c.reads.Add(1)
	return c.Store.Events(after, limit)
}

// Accept implements net.Listener.
func (b *bubble) Accept() (net.Conn, error) {
	c, ok := <-b.conns
	if !ok {
		return nil, net.ErrClosed
	}
	return c, nil
}

// Close implements net.Listener.
func (b *bubble) Close() error { return nil }

// Addr implements net.Listener.
func (b *bubble) Addr() net.Addr { return &net.TCPAddr{} }

// inBubble runs f with the contract's heartbeats: 30 s and 15 s.
func inBubble(t *testing.T, f func(*bubble)) {
	dir := t.TempDir()
	synctest.Test(t, func(t *testing.T) {
		db, err := bolt.Open(filepath.Join(dir, "podium.db"), bolt.Options{})
		if err != nil {
			t.Fatal(err)
		}
		b := &bubble{T: t, store: contest.New(db), conns: make(chan net.Conn)}
		b.rt = realtime.New(realtime.Options{
			Contest: contest.New(countedReads{db, &b.reads}), Payload: func(_ string, payload []byte) ([]byte, error) { return payload, nil },
			Key: make([]byte, 32), HeartbeatInterval: 30 * time.Second, HeartbeatTimeout: 15 * time.Second,
			MaxMissed: 1000, MaxAge: 5 * time.Minute, CleanupInterval: time.Minute,
			Loops:  -1, // a loop waits in the kernel, which the bubble does not see
			Limits: &limits.Limits{Addresses: &limits.Addresses{}}, Streams: limits.NewGate("streams", 0, 0),
			Now: time.Now, Logger: slog.New(slog.DiscardHandler),
		})
		mux := http.NewServeMux()
		mux.Handle("/socket.io/", b.rt)
		mux.HandleFunc("/api/events", func(w http.ResponseWriter, r *http.Request) {
			if err := b.rt.Stream(w, r); err != nil {
				t.Error(err)
			}
		})
		web := &http.Server{Handler: mux}
		served := make(chan error, 1)
		go func() { served <- web.Serve(b) }()
		f(b)
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		if err := errors.Join(b.rt.Shutdown(ctx), db.Close()); err != nil {
			t.Error(err)
		}
		close(b.conns)
		_ = web.Close()
		<-served
	})
}

func TestClientsThatDoNotReadTheirHandshakesKeepNobodyOut(t *testing.T) {
	inBubble(t, func(b *bubble) {
		handshake := func(query string) net.Conn {
			client, server := net.Pipe() // which has no buffer: what is not read is not written
			b.conns <- server
			if _, err := fmt.Fprintf(client, "GET /socket.io/?%s HTTP/1.1\r\nHost: x\r\n\r\n", query); err != nil {
				b.Fatal(err)
			}
			synctest.Wait()
			return client
		}
		for range 4 * runtime.GOMAXPROCS(0) {
			for _, query := range []string{"EIO=4&transport=polling", "EIO=4&transport=polling&sid=x&sid=", "EIO=5"} {
				defer handshake(query).Close()
			}
		}
		began := time.Now()
		honest := handshake("EIO=4&transport=polling")
		defer honest.Close()
		if res, err := http.ReadResponse(bufio.NewReader(honest), nil); err != nil || res.StatusCode != http.StatusOK {
			b.Error("handshake:", err)
		}
		if took := time.Since(began); took > 0 {
			b.Errorf("an honest handshake waited for %v", took)
		}
	})
}

// peer is a client over a WebSocket over a pipe, whose cable can be pulled.
type peer struct {
	socket    *client.Socket
	transport *client.Transport
	cable     *cable

	mu     sync.Mutex // guards the fields below
	beats  bool       // it answers heartbeat-ping
	events []string   // what arrived, without heartbeat-ping
	pings  int        // Engine.IO pings that it answered
}

// cable is the client's end of a pipe. When it is pulled nothing comes and nothing goes
// any more, and the other end does not hear of its closing.
type cable struct {
	net.Conn
	pulled chan struct{}
}

func (c *cable) out() bool {
	select {
	case <-c.pulled:
		return true
	default:
		return false
	}
}

func (c *cable) Read(b []byte) (int, error) {
	for {
		n, err := c.Conn.Read(b)
		if err != nil || !c.out() {
			return n, err
		}
	}
}

func (c *cable) Write(b []byte) (int, error) {
	if c.out() {
		return len(b), nil
	}
	return c.Conn.Write(b)
}

func (c *cable) Close() error {
	if c.out() {
		return c.Conn.SetDeadline(time.Unix(1, 0)) // which ends Read
	}
	return c.Conn.Close()
}

// connect joins the namespace.
func (b *bubble) connect() *peer {
	b.Helper()
	p := new(peer)
	p.transport = &client.Transport{Loops: -1, DialContext: func(context.Context, string, string) (net.Conn, error) {
		near, far := net.Pipe()
		p.cable = &cable{near, make(chan struct{})}
		b.conns <- far
		return p.cable, nil
	}}
	s, err := client.New("http://x", client.Options{
		Transport: p.transport, Transports: []string{client.TransportWebSocket}, NoReconnection: true,
		Trace: &client.Trace{Ping: func() { p.mu.Lock(); p.pings++; p.mu.Unlock() }},
	})
	if err != nil {
		b.Fatal(err)
	}
	p.socket = s
	s.OnAny(p.take)
	if err := s.Connect(b.Context()); err != nil {
		b.Fatal(err)
	}
	synctest.Wait()
	return p
}

func (p *peer) take(e *client.Event) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if e.Name != "heartbeat-ping" {
		p.events = append(p.events, fmt.Sprint(e.Name, " ", e.Args))
	} else if p.beats {
		_ = p.socket.Emit("heartbeat-pong") // where it is disconnected nobody waits for it
	}
}

// close ends the client, and its end of the pipe where the cable was pulled.
func (p *peer) close() {
	_ = p.socket.Close()
	p.transport.Close()
	_ = p.cable.Conn.Close()
}

func (p *peer) answersHeartbeats(yes bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.beats = yes
}

func (p *peer) answered() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.pings
}

// A connection whose other end is gone without a word (no FIN, no RST, nothing
// is read) counts as unhealthy while its pong is overdue and is closed within
// 45 s of its last sign of life; one that answers stays.
func TestAPulledCableIsFoundWithin45Seconds(t *testing.T) {
	inBubble(t, func(b *bubble) {
		stays, goes := b.connect(), b.connect()
		for goes.answered() == 0 { // the worst moment is right after a pong
			time.Sleep(10 * time.Millisecond)
			synctest.Wait()
		}
		close(goes.cable.pulled)
		pulled := time.Now()
		if f := b.rt.Stats(); f.Active != 2 || f.Unhealthy != 0 {
			t.Fatalf("before: %d connections, %d unhealthy", f.Active, f.Unhealthy)
		}
		mostUnhealthy := 0
		for b.rt.Stats().Active == 2 {
			time.Sleep(100 * time.Millisecond)
			synctest.Wait()
			mostUnhealthy = max(mostUnhealthy, b.rt.Stats().Unhealthy)
			if time.Since(pulled) > time.Hour {
				t.Fatal("never found")
			}
		}
		f := b.rt.Stats()
		if found := time.Since(pulled); found > 45*time.Second {
			t.Errorf("found after %v", found)
		}
		if mostUnhealthy != 1 || f.Active != 1 || f.PingTimeouts != 1 {
			t.Errorf("%d unhealthy at most, then %d connections, %d ping timeouts", mostUnhealthy, f.Active, f.PingTimeouts)
		}
		time.Sleep(5 * time.Minute)
		synctest.Wait()
		if f := b.rt.Stats(); f.Active != 1 || f.Unhealthy != 0 || stays.answered() < 9 {
			t.Errorf("the other: %d connections, %d unhealthy, %d pongs", f.Active, f.Unhealthy, stays.answered())
		}
		stays.close()
		goes.close()
	})
}

// Whoever answered application heartbeats and stops is told once and counts as
// unhealthy until it answers again; whoever never answered is healthy.
func TestAClientThatStopsAnsweringHeartbeatsIsToldAndCounted(t *testing.T) {
	inBubble(t, func(b *bubble) {
		never, sometimes := b.connect(), b.connect()
		sometimes.answersHeartbeats(true)
		wait := func(d time.Duration) {
			time.Sleep(d)
			synctest.Wait()
		}
		unhealthy := func() float64 {
			w := httptest.NewRecorder()
			if err := b.rt.Metrics(w, nil); err != nil {
				t.Fatal(err)
			}
			var body struct{ Connections map[string]float64 }
			if err := json.Unmarshal(w.Body.Bytes(), &body); err != nil {
				t.Fatal(err)
			}
			if c := body.Connections; c["active"] != 2 || c["healthy"]+c["unhealthy"] != c["active"] {
				t.Errorf("connections: %v", c)
			}
			return body.Connections["unhealthy"]
		}
		wait(95 * time.Second)
		if n := unhealthy(); n != 0 {
			t.Errorf("%v unhealthy while all answer", n)
		}
		sometimes.answersHeartbeats(false)
		wait(5 * time.Minute)
		if n := unhealthy(); n != 1 {
			t.Errorf("%v unhealthy, want the one that stopped", n)
		}
		if len(sometimes.events) != 1 || !strings.HasPrefix(sometimes.events[0], `heartbeat-expired [{"lastSeen":`) ||
			!strings.Contains(sometimes.events[0], `"timeout":15000`) {
			t.Errorf("it was told %q", sometimes.events)
		}
		if len(never.events) != 0 {
			t.Errorf("the one that never answered was told %q", never.events)
		}
		sometimes.answersHeartbeats(true)
		wait(35 * time.Second)
		if n := unhealthy(); n != 0 {
			t.Errorf("%v unhealthy when it answers again", n)
		}
		never.close()
		sometimes.close()
	})
}

// stream asks for an event stream, and returns its connection and what answered.
func (b *bubble) stream() (net.Conn, *http.Response) {
	client, server := net.Pipe()
	b.conns <- server
	if _, err := fmt.Fprint(client, "GET /api/events HTTP/1.1\r\nHost: x\r\n\r\n"); err != nil {
		b.Fatal(err)
	}
	res, err := http.ReadResponse(bufio.NewReader(client), nil)
	if err != nil {
		b.Fatal(err)
	}
	return client, res
}

// A quiet event stream is sent comments, so that proxies keep it open.
func TestAQuietEventStreamIsSentComments(t *testing.T) {
	inBubble(t, func(b *bubble) {
		client, res := b.stream()
		if res.Header.Get("Content-Type") != "text/event-stream" {
			t.Fatal(res)
		}
		began := time.Now()
		lines := bufio.NewScanner(res.Body)
		comments := 0
		for comments < 3 && lines.Scan() {
			if strings.HasPrefix(lines.Text(), ":") {
				comments++
			}
		}
		if took := time.Since(began); comments != 3 || took != 45*time.Second {
			t.Errorf("%d comments in %v, want one each 15 s", comments, took)
		}
		_ = client.Close()
		synctest.Wait()
	})
}

// A browser's EventSource never asks again where it was answered with an error.
func TestAnEventStreamOfAServerThatStopsIsSentElsewhere(t *testing.T) {
	inBubble(t, func(b *bubble) {
		if err := b.rt.Announce(b.Context()); err != nil {
			t.Fatal(err)
		}
		client, res := b.stream()
		body, err := io.ReadAll(res.Body)
		if err != nil || res.StatusCode != http.StatusOK || res.Header.Get("Content-Type") != "text/event-stream" || !res.Close ||
			!strings.HasPrefix(string(body), "retry: ") || strings.Contains(string(body), "id:") {
			t.Errorf("%v, %v, %q", err, res, body)
		}
		_ = client.Close()
		synctest.Wait()
	})
}

// What was committed and announced by nobody, as a commit whose outcome was open
// and that counts after all, is delivered with the next cleaning.
func TestAnEventThatNobodyPublishedIsDeliveredLater(t *testing.T) {
	inBubble(t, func(b *bubble) {
		p := b.connect()
		sub := contest.Submission{ID: "1-aaaaaa", Category: "best", Status: contest.Approved}
		if _, _, err := b.store.Submit(t.Context(), sub, contest.Once{}, nil); err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Minute)
		synctest.Wait()
		p.mu.Lock()
		if len(p.events) != 1 || !strings.Contains(p.events[0], "1-aaaaaa") {
			t.Errorf("within a minute it got %q", p.events)
		}
		p.mu.Unlock()
		p.close()
	})
}

// However many streams there are, an event is read for all of them at once: each reading
// is a way to the database where several machines share one.
func TestEventStreamsShareWhatIsReadOfTheLog(t *testing.T) {
	inBubble(t, func(b *bubble) {
		const streams = 40
		var got atomic.Int64
		for range streams {
			client, server := net.Pipe()
			defer client.Close()
			b.conns <- server
			if _, err := fmt.Fprint(client, "GET /api/events HTTP/1.1\r\nHost: x\r\n\r\n"); err != nil {
				t.Fatal(err)
			}
			go func() {
				for lines := bufio.NewScanner(client); lines.Scan(); {
					if lines.Text() == "event: newSubmission" {
						got.Add(1)
					}
				}
			}()
		}
		synctest.Wait()
		before := b.reads.Load()
		for i, id := range []string{"1-aaaaaa", "2-aaaaaa"} {
			sub := contest.Submission{ID: id, Category: "best", Status: contest.Approved}
			if _, _, err := b.store.Submit(t.Context(), sub, contest.Once{}, nil); err != nil {
				t.Fatal(err)
			}
			b.rt.Publish()
			synctest.Wait()
			if n := got.Load(); n != int64(i+1)*streams {
				t.Errorf("event %d came to %d streams", i+1, n)
			}
		}
		if n := b.reads.Load() - before; n > streams/4 {
			t.Errorf("two events for %d streams were read %d times", streams, n)
		}
	})
}

// A reader that was too slow for the log is told that it missed something.
func TestAnEventStreamThatFellBehindTheLogIsReset(t *testing.T) {
	inBubble(t, func(b *bubble) {
		client, res := b.stream()
		lines := bufio.NewScanner(res.Body)
		for lines.Scan() && !strings.HasPrefix(lines.Text(), "id: ") {
			continue
		}
		for _, id := range []string{"1-aaaaaa", "2-aaaaaa", "3-aaaaaa"} {
			sub := contest.Submission{ID: id, Category: "best", Status: contest.Approved}
			if _, _, err := b.store.Submit(t.Context(), sub, contest.Once{}, nil); err != nil {
				t.Fatal(err)
			}
			b.rt.Publish()
			synctest.Wait() // nobody reads: the stream waits with the first
		}
		if _, err := b.store.TrimEvents(t.Context(), time.Time{}, 1); err != nil {
			t.Fatal(err)
		}
		var got []string
		for len(got) < 3 && lines.Scan() {
			if name, ok := strings.CutPrefix(lines.Text(), "event: "); ok {
				got = append(got, name)
			} else if strings.HasPrefix(lines.Text(), ": ") {
				break
			}
		}
		if fmt.Sprint(got) != "[newSubmission reset newSubmission]" {
			t.Errorf("it got %v, want the first, a reset, and the third", got)
		}
		_ = client.Close()
		synctest.Wait()
	})
}
