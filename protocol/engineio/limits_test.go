package engineio_test

import (
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"podium/protocol/engineio"
)

func TestABodyThatArrivesTooSlowlyEndsItsConnection(t *testing.T) {
	s := serve(t, engineio.Options{BodyTimeout: 50 * time.Millisecond})
	q := s.open()
	c := s.connect()
	if _, err := fmt.Fprintf(c.Conn, "POST /engine.io/?%s HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\n4slow", q); err != nil {
		t.Fatal(err)
	}
	s.wantClosed(s.last(), engineio.ReasonTransportError)
	_ = c.SetReadDeadline(time.Now().Add(10 * time.Second))
	if answer, err := io.ReadAll(c); err != nil || !strings.HasPrefix(string(answer), "HTTP/1.1 408 ") {
		t.Errorf("answered with %q, and then %v", answer, err)
	}
}

func TestTheBodyOfAPollThatNeverArrivesEndsItsConnection(t *testing.T) {
	s := serve(t, engineio.Options{BodyTimeout: 50 * time.Millisecond})
	q := s.open()
	c := s.connect()
	if _, err := fmt.Fprintf(c.Conn, "GET /engine.io/?%s HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\n", q); err != nil {
		t.Fatal(err)
	}
	if err := s.last().session.Send(engineio.Text([]byte("x"))); err != nil {
		t.Fatal(err)
	}
	_ = c.SetReadDeadline(time.Now().Add(10 * time.Second))
	if _, err := io.Copy(io.Discard, c); err != nil {
		t.Errorf("the connection stays open: %v", err)
	}
}

func TestABodyInTimeLeavesItsConnectionOpen(t *testing.T) {
	s := serve(t, engineio.Options{BodyTimeout: 100 * time.Millisecond, ParkAfter: -1})
	q := s.open()
	c := s.connect()
	c.ask("POST", q, "", "4a")
	if _, body := c.answer(); body != "ok" {
		t.Fatalf("POST: %q", body)
	}
	c.ask("GET", q, "", "")
	if _, body := c.answer(); body != "4a" {
		t.Fatalf("the echo: %q", body)
	}
	c.ask("GET", q, "", "")
	select {
	case reason := <-s.last().closed:
		t.Fatalf("a poll after a POST was ended: %s", reason)
	case <-time.After(300 * time.Millisecond): // three times what a body may take
	}
	if err := s.last().session.Send(engineio.Text([]byte("later"))); err != nil {
		t.Fatal(err)
	}
	if _, body := c.answer(); body != "4later" {
		t.Fatalf("the poll: %q", body)
	}
}

func TestPollsAreHeldOnlyWhereTheyAreAllowedTo(t *testing.T) {
	for name, after := range map[string]time.Duration{"in handlers": -1, "parked": time.Millisecond} {
		t.Run(name, func(t *testing.T) {
			var held atomic.Int64
			s := serve(t, engineio.Options{
				ParkAfter: after,
				AllowPoll: func(*engineio.Session) bool {
					if held.Add(1) > 1 {
						held.Add(-1)
						return false
					}
					return true
				},
				Observer: engineio.Observer{PollEnded: func(*engineio.Session) { held.Add(-1) }},
			})
			first, c := s.open(), s.connect()
			one := s.last()
			c.ask("GET", first, "", "")
			waitUntil(t, "a poll is held", func() bool { return held.Load() == 1 })
			if status, body := s.do("GET", s.open(), ""); status != http.StatusServiceUnavailable || !strings.Contains(body, "Too many polls") {
				t.Errorf("a second poll: %d %q", status, body)
			}
			s.wantClosed(s.last(), engineio.ReasonTransportError)
			if err := one.session.Send(engineio.Text([]byte("x"))); err != nil {
				t.Fatal(err)
			}
			if _, body := c.answer(); body != "4x" {
				t.Errorf("the first: %q", body)
			}
			waitUntil(t, "none is held", func() bool { return held.Load() == 0 })
			c.ask("GET", first, "", "")
			waitUntil(t, "a poll is held", func() bool { return held.Load() == 1 })
			_ = c.Close()
			waitUntil(t, "the poll of a client that left is not held", func() bool { return held.Load() == 0 })
		})
	}
}

func TestOnlyWhatKeepReturnsIsKept(t *testing.T) {
	s := serve(t, engineio.Options{Keep: func(r *http.Request) *http.Request {
		return &http.Request{RemoteAddr: "192.0.2.1:1", URL: r.URL, Header: http.Header{"A": r.Header["A"]}}
	}})
	c := s.connect()
	c.ask("GET", "EIO=4&transport=polling", "A: b\r\nLarge: "+strings.Repeat("x", 3000)+"\r\n", "")
	c.answer()
	kept := s.last().session.Request()
	if kept.Address != "192.0.2.1:1" || kept.Header().Get("A") != "b" || kept.Header().Get("Large") != "" {
		t.Errorf("kept %+v", kept)
	}
}

func TestAFloodOfPacketsThatAreNoMessagesEndsTheSession(t *testing.T) {
	for _, options := range []engineio.Options{{}, {MaxIdlePackets: 1}} {
		s := serve(t, options)
		q := s.open()
		c := s.connect()
		flood := strings.Repeat("6\x1e3\x1e", 100)
		c.ask("POST", q, "", "4before\x1e"+flood+"4after")
		if _, body := c.answer(); body != "ok" {
			t.Fatalf("POST: %q", body)
		}
		if options.MaxIdlePackets == 0 {
			c.ask("GET", q, "", "")
			if _, body := c.answer(); body != "4before\x1e4after" {
				t.Errorf("without a bound: %q", body)
			}
			continue
		}
		s.wantClosed(s.last(), engineio.ReasonTransportError)
		if got := s.engine.Stats().TooIdle; got != 1 {
			t.Errorf("%d sessions are counted", got)
		}
	}
}

// Both handshakes have been let in before either of them has opened its session.
func TestSessionsAreBoundedWhereHandshakesComeTogether(t *testing.T) {
	var waiting atomic.Int64
	s := serve(t, engineio.Options{MaxSessions: 1, NewID: func(*http.Request) (string, error) {
		n := waiting.Add(1)
		waitUntil(t, "both are being opened", func() bool { return waiting.Load() == 2 })
		return fmt.Sprint("session", n), nil
	}})
	statuses := make(chan int, 2)
	for range 2 {
		go func() {
			status, _ := s.do("GET", "EIO=4&transport=polling", "")
			statuses <- status
		}()
	}
	if a, b := <-statuses, <-statuses; a+b != http.StatusOK+http.StatusServiceUnavailable {
		t.Errorf("the handshakes got %d and %d", a, b)
	}
	if n := s.engine.Stats().Sessions; n != 1 {
		t.Errorf("%d sessions are open", n)
	}
}
