package engineio_test

import (
	"bytes"
	"fmt"
	"io"
	"net/http"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"podium/protocol/engineio"
)

// direct is a server that reads polls itself, and a client whose poll waits on a direct
// connection. seen counts the requests of sessions that passed through the handlers.
func direct(t *testing.T, o engineio.Options) (s *server, c *rawClient, q string, seen *atomic.Int32) {
	seen = new(atomic.Int32)
	o.DirectPolls = true
	o.Headers = func(h http.Header, _ *http.Request) {
		seen.Add(1)
		h.Set("X-Mine", "1")
	}
	s, c, q = parked(t, o, "")
	return s, c, q, seen
}

// exchange sends a text to the client, which polls again.
func (c *rawClient) exchange(q, text string) *http.Response {
	c.Helper()
	if err := c.last().session.Send(engineio.Text([]byte(text))); err != nil {
		c.Fatal(err)
	}
	res, body := c.answer()
	if body != "4"+text || res.StatusCode != http.StatusOK {
		c.Fatalf("%q was answered with %s %.100q", text, res.Status, body)
	}
	c.ask("GET", q, "", "")
	waitUntil(c.T, "the next poll waits", func() bool { return c.engine.Stats().Parked == 1 })
	return res
}

func TestTheNextPollsAreReadWithoutTheHandlers(t *testing.T) {
	s, c, q, seen := direct(t, engineio.Options{})
	before := seen.Load()
	first := c.exchange(q, "a").Header
	for i := range 5 {
		next := c.exchange(q, fmt.Sprint(i)).Header
		for name := range first {
			if name != "Date" && next.Get(name) != first.Get(name) {
				t.Errorf("%s: %q, and before %q", name, next.Get(name), first.Get(name))
			}
		}
	}
	if first.Get("X-Mine") != "1" || first.Get("Cache-Control") != "no-store" || first.Get("Date") == "" {
		t.Errorf("header %v", first)
	}
	if n := seen.Load() - before; n != 0 {
		t.Errorf("%d polls passed through the handlers", n)
	}
	waitUntil(t, "six requests were read without net/http", func() bool { return s.engine.Stats().Direct == 6 })
}

func TestAPostIsReadWithoutTheHandlersOnceOneHasPassedThem(t *testing.T) {
	for name, o := range map[string]engineio.Options{
		"allowed":     {},
		"not allowed": {AllowPost: func(*engineio.Session) bool { return false }},
	} {
		t.Run(name, func(t *testing.T) {
			s, c, q, seen := direct(t, o)
			_ = s.last().session.Send(engineio.Text([]byte("x")))
			c.answer()
			for _, body := range []string{"4a", "4b", "4cc", "4d\x1e4e"} {
				before := seen.Load()
				c.ask("POST", q, "", body)
				if res, ok := c.answer(); ok != "ok" || res.Header.Get("X-Mine") != "1" || res.Header.Get("Content-Type") != "text/html" {
					t.Fatalf("POST of %q: %v %q", body, res, ok)
				}
				if passed, want := seen.Load() > before, body == "4a" || o.AllowPost != nil; passed != want {
					t.Errorf("POST of %q passed through the handlers: %v", body, passed)
				}
				c.ask("GET", q, "", "")
				_, echo := c.answer()
				if echo != body {
					t.Fatalf("the echo of %q is %q", body, echo)
				}
				c.ask("GET", q, "", "") // this one waits, and the connection is direct from then on
				waitUntil(t, "the poll waits", func() bool { return s.engine.Stats().Parked == 1 })
				_ = s.last().session.Send(engineio.Text([]byte("x")))
				c.answer()
			}
		})
	}
}

// What is unusual is left to net/http and the handlers, and is answered as ever.
func TestWhatIsUnusualPassesThroughTheHandlers(t *testing.T) {
	const head = " HTTP/1.1\r\nHost: x\r\n"
	for name, send := range map[string]func(c *rawClient, q string){
		"another header":  func(c *rawClient, q string) { c.ask("GET", q, "Cookie: a=b\r\n", "") },
		"another query":   func(c *rawClient, q string) { c.ask("GET", q+"&x=1", "", "") },
		"another host":    func(c *rawClient, q string) { fmt.Fprintf(c, "GET /engine.io/?%s HTTP/1.1\r\nHost: y\r\n\r\n", q) },
		"another path":    func(c *rawClient, q string) { fmt.Fprintf(c, "GET /other/?%s%s\r\n", q, head) },
		"bare line feeds": func(c *rawClient, q string) { fmt.Fprintf(c, "GET /engine.io/?%s HTTP/1.1\nHost: x\n\n", q) },
		"a chunked body": func(c *rawClient, q string) {
			fmt.Fprintf(c, "GET /engine.io/?%s%sTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", q, head)
		},
		"an absolute URL":   func(c *rawClient, q string) { fmt.Fprintf(c, "GET http://x/engine.io/?%s%s\r\n", q, head) },
		"piece by piece":    func(c *rawClient, q string) { c.dribble("GET /engine.io/?" + q + head + "Content-Length: 0\r\n\r\n") },
		"a very long field": func(c *rawClient, q string) { c.ask("GET", q, "X: "+strings.Repeat("x", 20_000)+"\r\n", "") },
	} {
		t.Run(name, func(t *testing.T) {
			s, c, q, seen := direct(t, engineio.Options{})
			c.exchange(q, "a")
			_ = s.last().session.Send(engineio.Text([]byte("b")))
			c.answer()
			before := seen.Load()
			send(c, q)
			waitUntil(t, "the poll came to the handlers", func() bool { return seen.Load() > before })
			_ = s.last().session.Send(engineio.Text([]byte("c")))
			if _, body := c.answer(); body != "4c" {
				t.Errorf("answered with %q", body)
			}
		})
	}
}

// dribble writes b in pieces, the first of which comes alone.
func (c *rawClient) dribble(b string) {
	if _, err := io.WriteString(c.Conn, b[:1]); err != nil {
		c.Fatal(err)
	}
	waitUntil(c.T, "net/http has the connection", func() bool { return c.engine.DirectConnections(c.last().session) == 0 })
	if _, err := io.WriteString(c.Conn, b[1:]); err != nil {
		c.Fatal(err)
	}
}

func TestARefusalOfADirectConnectionIsNetHTTPs(t *testing.T) {
	for request, want := range map[string]int{
		"GET / HTTP/9.9\r\n\r\n":                   505,
		"GET /engine.io/ HTTP/1.1\r\n\r\n":         400, // no Host
		"GET / HTTP/1.1\r\nHost: x\r\nbad\r\n\r\n": 400,
		"POST /engine.io/?%s HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nab": 400,
	} {
		s, c, q, _ := direct(t, engineio.Options{})
		_ = s.last().session.Send(engineio.Text([]byte("b")))
		c.answer()
		if strings.Contains(request, "%s") {
			request = fmt.Sprintf(request, q)
		}
		if _, err := io.WriteString(c.Conn, request); err != nil {
			t.Fatal(err)
		}
		if res, _ := c.answer(); res.StatusCode != want {
			t.Errorf("%q: %s, want %d", request, res.Status, want)
		}
	}
}

func TestAParseErrorOnADirectConnectionEndsTheSession(t *testing.T) {
	s, c, q, _ := direct(t, engineio.Options{})
	for _, body := range []string{"4a", "4b"} {
		c.exchange(q, "x")
		_ = s.last().session.Send(engineio.Text([]byte("y")))
		c.answer()
		c.ask("POST", q, "", body)
		c.answer()
		c.ask("GET", q, "", "")
		c.answer()
		c.ask("GET", q, "", "")
		waitUntil(t, "the poll waits", func() bool { return s.engine.Stats().Parked == 1 })
	}
	c.exchange(q, "x")
	_ = s.last().session.Send(engineio.Text([]byte("y")))
	c.answer()
	c.ask("POST", q, "", "?")
	if res, body := c.answer(); res.StatusCode != http.StatusBadRequest || !strings.Contains(body, "Bad request") || !res.Close {
		t.Errorf("answered with %s %q", res.Status, body)
	}
	s.wantClosed(s.last(), engineio.ReasonParseError)
}

func TestALargeAnswerArrivesOverADirectConnection(t *testing.T) {
	for _, size := range []int{10_000, 100_000, 3_000_000} {
		s, c, q, _ := direct(t, engineio.Options{})
		c.exchange(q, "a")
		big := bytes.Repeat([]byte("x"), size)
		for range 3 {
			if err := s.last().session.Send(engineio.Text(big)); err != nil {
				t.Fatal(err)
			}
			if _, body := c.answer(); len(body) != size+1 {
				t.Fatalf("%d bytes, want %d", len(body), size+1)
			}
			c.ask("GET", q, "", "")
			waitUntil(t, "the poll waits", func() bool { return s.engine.Stats().Parked == 1 })
		}
		c.exchange(q, "z")
	}
}

func TestAPanicOfAReceiverEndsItsDirectSessionAlone(t *testing.T) {
	s, c, q, _ := direct(t, engineio.Options{Observer: engineio.Observer{Received: func(_ *engineio.Session, size int) {
		if size == 5 {
			panic("five")
		}
	}}})
	c.exchange(q, "a")
	_ = s.last().session.Send(engineio.Text([]byte("y")))
	c.answer()
	c.ask("POST", q, "", "4a")
	c.answer()
	c.ask("GET", q, "", "")
	c.answer()
	c.ask("GET", q, "", "")
	waitUntil(t, "the poll waits", func() bool { return s.engine.Stats().Parked == 1 })
	c.exchange(q, "x")
	_ = s.last().session.Send(engineio.Text([]byte("y")))
	c.answer()
	c.ask("POST", q, "", "4fives")
	if res, _ := c.answer(); res.StatusCode != http.StatusInternalServerError {
		t.Errorf("answered with %s", res.Status)
	}
	s.wantClosed(s.last(), engineio.ReasonTransportError)
}

func TestAConnectionThatRestsGoesBack(t *testing.T) {
	s, c, q, seen := direct(t, engineio.Options{})
	c.exchange(q, "a")
	_ = s.last().session.Send(engineio.Text([]byte("b")))
	c.answer()
	waitUntil(t, "net/http has the connection", func() bool { return s.engine.DirectConnections(s.last().session) == 0 })
	before := seen.Load()
	c.ask("GET", q, "", "")
	waitUntil(t, "the poll came to the handlers", func() bool { return seen.Load() > before })
	c.exchangeLast(q)
}

func (c *rawClient) exchangeLast(string) {
	c.Helper()
	_ = c.last().session.Send(engineio.Text([]byte("last")))
	if _, body := c.answer(); body != "4last" {
		c.Errorf("answered with %q", body)
	}
}

// Many clients poll, post and are sent to at the same time, over connections that the
// engine reads, while others go back and forth.
func TestNothingIsLostOverDirectConnections(t *testing.T) {
	s := serve(t, engineio.Options{ParkAfter: time.Millisecond, DirectPolls: true})
	const clients, messages = 6, 200
	var all sync.WaitGroup
	for n := range clients {
		q := s.open()
		session, gets, posts := s.last().session, s.connect(), s.connect()
		_ = gets.SetDeadline(time.Now().Add(60 * time.Second))
		_ = posts.SetDeadline(time.Now().Add(60 * time.Second))
		all.Go(func() {
			for i := range messages {
				header := ""
				if n == 0 && i%7 == 0 {
					header = "X: y\r\n"
				}
				if err := posts.postOnce(q, header, fmt.Sprint("4", i)); err != nil {
					t.Error(err)
					return
				}
				waitForWriting(session, i%3*50)
			}
		})
		all.Go(func() {
			if err := gets.collect(q, messages); err != nil {
				t.Error(err)
			}
		})
	}
	all.Wait()
	if s.engine.Stats().Direct == 0 && runtime.GOOS == "linux" {
		t.Error("nothing was read without net/http")
	}
}

// postOnce posts a body, with no helper that ends the test.
func (c *rawClient) postOnce(q, header, body string) error {
	if _, err := fmt.Fprintf(c.Conn, "POST /engine.io/?%s HTTP/1.1\r\nHost: x\r\n%sContent-Length: %d\r\n\r\n%s", q, header, len(body), body); err != nil {
		return err
	}
	res, err := http.ReadResponse(c.in, nil)
	if err != nil {
		return err
	}
	if said, err := io.ReadAll(res.Body); err != nil || string(said) != "ok" {
		return fmt.Errorf("POST: %q, %w", said, err)
	}
	return nil
}

// Clients of browsers add a "t" to each poll, with another value each time.
func TestPollsThatDifferInTheirTimeAloneAreTheSame(t *testing.T) {
	s, c, q, seen := direct(t, engineio.Options{})
	c.exchange(q+"&t=first", "a") // what is asked for is read by the handlers
	// net/http gets a connection back whose request comes in pieces, or late, as where the
	// machine is busy: four in a row then begin anew.
	polls := func() bool {
		before, read := seen.Load(), s.engine.Stats().Direct
		for i := range 4 {
			c.exchange(fmt.Sprintf("%s&t=x%d", q, i), "b")
		}
		return seen.Load() == before && s.engine.Stats().Direct == read+4
	}
	waitUntil(t, "four requests in a row were read without net/http", polls)
	before := seen.Load()
	c.exchange(q+"&t=a%20b", "c")
	waitUntil(t, "one passed through the handlers", func() bool { return seen.Load() == before+1 })
}

// A poll and the end of its connection can be seen at the same time.
func TestAClientThatLeavesRightAfterItsPollEndsItsDirectSession(t *testing.T) {
	for range 20 {
		s, c, q, _ := direct(t, engineio.Options{})
		c.exchange(q, "a")
		if err := s.last().session.Send(engineio.Text([]byte("b"))); err != nil {
			t.Fatal(err)
		}
		c.answer()
		c.ask("GET", q, "", "")
		_ = c.Close()
		s.wantClosed(s.last(), engineio.ReasonTransportError)
	}
}
