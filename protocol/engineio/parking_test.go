package engineio_test

import (
	"bufio"
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"net/http"
	"runtime"
	"strings"
	"testing"
	"time"

	"podium/protocol/engineio"
)

// rawClient is one HTTP connection, over which requests can be sent without
// waiting for their answers.
type rawClient struct {
	*server
	net.Conn
	in *bufio.Reader
}

func (s *server) connect() *rawClient {
	s.Helper()
	c, err := net.Dial("tcp", s.http.Listener.Addr().String())
	if err != nil {
		s.Fatal(err)
	}
	if s.http.TLS != nil {
		c = tls.Client(c, &tls.Config{InsecureSkipVerify: true})
	}
	s.Cleanup(func() { _ = c.Close() })
	return &rawClient{s, c, bufio.NewReader(c)}
}

func (c *rawClient) ask(method, query, header, body string) {
	c.Helper()
	if _, err := fmt.Fprintf(c.Conn, "%s /engine.io/?%s HTTP/1.1\r\nHost: x\r\n%sContent-Length: %d\r\n\r\n%s", method, query, header, len(body), body); err != nil {
		c.Fatal(err)
	}
}

func (c *rawClient) answer() (*http.Response, string) {
	c.Helper()
	_ = c.SetReadDeadline(time.Now().Add(10 * time.Second))
	res, err := http.ReadResponse(c.in, nil)
	if err != nil {
		c.Fatal(err)
	}
	body, err := io.ReadAll(res.Body)
	if err != nil {
		c.Fatal(err)
	}
	return res, string(body)
}

// waitUntil waits for a condition, for at most ten seconds.
func waitUntil(t *testing.T, what string, condition func() bool) {
	t.Helper()
	for deadline := time.Now().Add(10 * time.Second); !condition(); runtime.Gosched() {
		if time.Now().After(deadline) {
			t.Fatal("waited in vain until ", what)
		}
	}
}

// parked is a server with one session and its poll, parked.
func parked(t *testing.T, o engineio.Options, header string) (*server, *rawClient, string) {
	if runtime.GOOS != "linux" {
		t.Skip("polls are parked on Linux only")
	}
	o.ParkAfter = time.Millisecond
	s := serve(t, o)
	q := s.open()
	c := s.connect()
	c.ask("GET", q, header, "")
	waitUntil(t, "the poll is parked", func() bool { return s.engine.Stats().Parked == 1 })
	return s, c, q
}

// bothWays tests what holds for parked polls with requests that net/http reads, and with
// those that the engine reads itself.
func bothWays(t *testing.T, test func(*testing.T, engineio.Options)) {
	t.Run("net/http", func(t *testing.T) { test(t, engineio.Options{}) })
	t.Run("direct", func(t *testing.T) { test(t, engineio.Options{DirectPolls: true}) })
}

func TestAParkedPollIsAnsweredAndItsConnectionServesOn(t *testing.T) {
	bothWays(t, func(t *testing.T, o engineio.Options) {
		s, c, q := parked(t, o, "")
		for i := range 3 {
			waitUntil(t, "the poll is parked", func() bool { return s.engine.Stats().Parked == 1 })
			text := fmt.Sprint("hello", i)
			if err := s.last().session.Send(engineio.Text([]byte(text))); err != nil {
				t.Fatal(err)
			}
			res, body := c.answer()
			if res.StatusCode != 200 || body != "4"+text || res.Header.Get("Content-Type") != "text/plain; charset=UTF-8" ||
				res.Header.Get("Cache-Control") != "no-store" || res.Header.Get("Date") == "" {
				t.Fatalf("answer %d %v %q", res.StatusCode, res.Header, body)
			}
			c.ask("POST", q, "", "4x") // on the same connection
			if _, body := c.answer(); body != "ok" {
				t.Fatalf("POST on the connection of a parked poll: %q", body)
			}
			c.ask("GET", q, "", "")
			if _, body := c.answer(); body != "4x" {
				t.Fatalf("the echo: %q", body)
			}
			c.ask("GET", q, "", "")
		}
	})
}

func TestAServerStopsAtOnceWhosePollsWereParked(t *testing.T) {
	bothWays(t, func(t *testing.T, o engineio.Options) {
		for name, wait := range map[string]bool{"with a poll that waits": true, "between two polls": false} {
			t.Run(name, func(t *testing.T) {
				s, c, _ := parked(t, o, "")
				if !wait {
					if err := s.last().session.Send(engineio.Text([]byte("x"))); err != nil {
						t.Fatal(err)
					}
					c.answer() // the connection is a new one to its server
					waitUntil(t, "it went back", func() bool { return s.engine.Stats().Parked == 0 })
				}
				began := time.Now()
				if err := s.engine.Shutdown(t.Context()); err != nil {
					t.Fatal(err)
				}
				http.DefaultClient.CloseIdleConnections()
				if err := s.http.Config.Shutdown(t.Context()); err != nil {
					t.Fatal(err)
				}
				if took := time.Since(began); took > 3*time.Second { // net/http waits five for a request on a new connection
					t.Errorf("the stop took %v", took)
				}
			})
		}
	})
}

func TestPipelinedPollsOnOneConnectionAreWrappedOnce(t *testing.T) {
	bothWays(t, func(t *testing.T, o engineio.Options) {
		s, c, q := parked(t, o, "")
		const polls = 20
		var pipelined strings.Builder
		for range polls {
			fmt.Fprintf(&pipelined, "GET /engine.io/?%s HTTP/1.1\r\nHost: x\r\n\r\n", q)
		}
		if _, err := c.Write([]byte(pipelined.String())); err != nil {
			t.Fatal(err)
		}
		for i := range polls + 1 {
			waitUntil(t, "the poll is parked", func() bool { return s.engine.Stats().Parked == 1 })
			if n := s.last().session.Wrappers(); n > 1 {
				t.Fatalf("after %d polls their connection is wrapped %d times", i, n)
			}
			if err := s.last().session.Send(engineio.Text([]byte(fmt.Sprint(i)))); err != nil {
				t.Fatal(err)
			}
			if _, body := c.answer(); body != fmt.Sprint("4", i) {
				t.Fatalf("poll %d got %q", i, body)
			}
		}
	})
}

func TestAParkedPollThatIsCancelledEndsTheSession(t *testing.T) {
	bothWays(t, func(t *testing.T, o engineio.Options) {
		s, c, _ := parked(t, o, "")
		_ = c.Close()
		s.wantClosed(s.last(), engineio.ReasonTransportError)
		waitUntil(t, "nothing is parked", func() bool { return s.engine.Stats().Parked == 0 })
	})
}

func TestAParkedPollGetsTheHeadersThatItAskedFor(t *testing.T) {
	bothWays(t, func(t *testing.T, o engineio.Options) {
		o.CORS = &engineio.CORS{Origins: []string{"https://a.example"}}
		o.Headers = func(h http.Header, _ *http.Request) { h.Set("X-Mine", "1\r\nX-Bad: 1") }
		s, c, _ := parked(t, o, "Origin: https://a.example\r\nAccept-Encoding: gzip\r\nConnection: close\r\n")
		if err := s.last().session.Send(engineio.Text(make([]byte, 5000))); err != nil {
			t.Fatal(err)
		}
		res, _ := c.answer()
		h := res.Header
		if h.Get("Access-Control-Allow-Origin") != "https://a.example" || h.Get("X-Mine") == "" || h.Get("X-Bad") != "" ||
			h.Get("Content-Encoding") != "gzip" || !res.Close {
			t.Errorf("headers %v", h)
		}
		if _, err := c.in.ReadByte(); err != io.EOF {
			t.Errorf("the connection was to be closed: %v", err)
		}
	})
}

func TestARequestSentBeforeAParkedPollIsAnsweredIsServedAfterIt(t *testing.T) {
	bothWays(t, func(t *testing.T, o engineio.Options) {
		s, c, q := parked(t, o, "")
		c.ask("POST", q, "", "4early")
		if err := s.last().session.Send(engineio.Text([]byte("a"))); err != nil {
			t.Fatal(err)
		}
		if _, body := c.answer(); body != "4a" {
			t.Errorf("poll: %q", body)
		}
		if _, body := c.answer(); body != "ok" {
			t.Errorf("POST: %q", body)
		}
	})
}

func TestASecondPollEndsASessionWhosePollIsParked(t *testing.T) {
	bothWays(t, func(t *testing.T, o engineio.Options) {
		s, c, q := parked(t, o, "")
		if status, _ := s.do("GET", q, ""); status != 400 {
			t.Errorf("second poll: %d", status)
		}
		if _, body := c.answer(); body != "1" {
			t.Errorf("first poll: %q", body)
		}
	})
}

func TestAPollIsParkedWhileItsSessionUpgrades(t *testing.T) {
	bothWays(t, func(t *testing.T, o engineio.Options) {
		s, c, q := parked(t, o, "")
		w := s.dial(strings.Replace(q, "polling", "websocket", 1))
		s.write(w, "2probe")
		if got := s.read(w); got != "3probe" {
			t.Errorf("probe: %q", got)
		}
		w.CloseRead(t.Context()) // it reads, and answers the ping
		if _, body := c.answer(); body != "6" {
			t.Errorf("poll: %q", body)
		}
	})
}

func TestShutdownAnswersParkedPolls(t *testing.T) {
	bothWays(t, func(t *testing.T, o engineio.Options) {
		s, c, _ := parked(t, o, "")
		if err := s.engine.Shutdown(t.Context()); err != nil {
			t.Fatal(err)
		}
		if _, body := c.answer(); body != "1" {
			t.Errorf("poll: %q", body)
		}
		s.engine = engineio.NewServer(engineio.Options{}, nil) // what is left to shut down
	})
}

// Messages are sent in the moment when polls are being parked, answered and
// given back: all arrive, once and in order.
func TestNothingIsLostBetweenParkingAndAnswering(t *testing.T) {
	bothWays(t, func(t *testing.T, o engineio.Options) {
		o.ParkAfter = 200 * time.Microsecond
		s := serve(t, o)
		const clients, messages = 8, 300
		done := make(chan error, clients)
		for range clients {
			q := s.open()
			session, c := s.last().session, s.connect()
			_ = c.SetDeadline(time.Now().Add(30 * time.Second))
			go func() {
				for i := range messages {
					if err := session.Send(engineio.Text(fmt.Append(nil, i))); err != nil {
						done <- err
						return
					}
					waitForWriting(session, i%3*150)
				}
			}()
			go func() { done <- c.collect(q, messages) }()
		}
		for range clients {
			if err := <-done; err != nil {
				t.Fatal(err)
			}
		}
	})
}

// waitForWriting gives other goroutines some turns, until what was sent is taken.
func waitForWriting(s *engineio.Session, turns int) {
	for range turns {
		runtime.Gosched()
		if s.Buffered() == 0 {
			return
		}
	}
}

// collect polls until it has got n messages, and checks their order.
func (c *rawClient) collect(q string, n int) error {
	for next := 0; next < n; {
		if _, err := fmt.Fprintf(c.Conn, "GET /engine.io/?%s HTTP/1.1\r\nHost: x\r\n\r\n", q); err != nil {
			return err
		}
		res, err := http.ReadResponse(c.in, nil)
		if err != nil {
			return err
		}
		body, err := io.ReadAll(res.Body)
		if err != nil {
			return err
		}
		for p := range strings.SplitSeq(string(body), "\x1e") {
			if p != fmt.Sprint("4", next) {
				return fmt.Errorf("got %q (%d) instead of message %d", p, res.StatusCode, next)
			}
			next++
		}
	}
	return nil
}
