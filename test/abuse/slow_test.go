package abuse

import (
	"fmt"
	"net"
	"strings"
	"sync"
	"testing"
)

func slowHeader(s *target) error {
	c, err := s.open()
	if err != nil {
		return err
	}
	defer c.Close()
	return c.dribble("GET / HTTP/1.1\r\nHost: x\r\nX-Slow: " + strings.Repeat("x", 1000))
}

func slowBody(path, kind string) func(*target) error {
	return func(s *target) error {
		c, err := s.open()
		if err != nil {
			return err
		}
		defer c.Close()
		if err := c.write("POST " + path + " HTTP/1.1\r\nHost: x\r\nContent-Type: " + kind + "\r\nContent-Length: 100000\r\n\r\n"); err != nil {
			return err
		}
		return c.dribble("--x\r\n" + strings.Repeat("x", 1000))
	}
}

// slowBodyOf sends a body that the request does not want, and that never ends.
func slowBodyOf(line string) func(*target) error {
	return func(s *target) error {
		c, err := s.open()
		if err != nil {
			return err
		}
		defer c.Close()
		if err := c.write(line + " HTTP/1.1\r\nHost: x\r\nContent-Length: 100000\r\n\r\n"); err != nil {
			return err
		}
		if err := c.dribble(strings.Repeat("x", 1000)); err != nil {
			return fmt.Errorf("%s: %w", line, err)
		}
		return nil
	}
}

func slowPayload(s *target) error {
	sid, c, err := s.handshake()
	if err != nil {
		return err
	}
	defer c.Close()
	if err := c.write("POST /socket.io/?EIO=4&transport=polling&sid=" + sid + " HTTP/1.1\r\nHost: x\r\nContent-Length: 100000\r\n\r\n"); err != nil {
		return err
	}
	return c.dribble(strings.Repeat("4", 1000))
}

func slowHandshake(s *target) error {
	c, err := s.open()
	if err != nil {
		return err
	}
	defer c.Close()
	return c.dribble("GET /socket.io/?EIO=4&transport=websocket HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n" + strings.Repeat("x", 1000))
}

func silence(s *target) error {
	c, err := s.open()
	if err != nil {
		return err
	}
	defer c.Close()
	return c.ended()
}

func neverJoin(s *target) error {
	c, err := s.webSocket("")
	if err != nil {
		return err
	}
	defer c.Close()
	return c.ended()
}

// deafStreams opens event streams, makes events, and reads none.
func deafStreams(t *testing.T, s *target, n int) {
	for range n {
		c, err := s.open()
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		if err := c.write("GET /api/events HTTP/1.1\r\nHost: x\r\n\r\n"); err != nil {
			t.Fatal(err)
		}
	}
	eventually(t, "the streams are open", func() bool { return s.metric(`podium_connections{transport="sse"}`) == float64(n) })
	for i := range 50 {
		if err := s.submit(fmt.Sprint("event ", i, strings.Repeat("x", 1500))); err != nil {
			t.Fatal(err)
		}
	}
}

// unusedSessions opens long-polling sessions and forgets them. Where the attack goes on before the server has ended those
// of the last time, its limit on connections of one address is reached, and refusing them is right.
func unusedSessions(t *testing.T, s *target, n int) {
	const hands = 40
	var wait sync.WaitGroup
	for range hands {
		wait.Go(func() {
			c, err := s.open()
			if err != nil {
				t.Error(err)
				return
			}
			defer c.Close()
			for range n / hands {
				if err := c.write("GET /socket.io/?EIO=4&transport=polling HTTP/1.1\r\nHost: x\r\nX-Large: " + strings.Repeat("x", 8000) + "\r\n\r\n"); err != nil {
					t.Error(err)
					return
				}
				if _, err := c.answer(); err != nil && !strings.Contains(err.Error(), "Too many connections") {
					t.Error(err)
					return
				}
			}
		})
	}
	wait.Wait()
}

func abandonedPoll(s *target) error {
	sid, c, err := s.handshake()
	if err != nil {
		return err
	}
	defer c.Close()
	if err := c.post(sid, "40"); err != nil {
		return err
	}
	for range 2 { // the first brings the answer to CONNECT, the second waits
		if err := c.write("GET /socket.io/?EIO=4&transport=polling&sid=" + sid + " HTTP/1.1\r\nHost: x\r\n\r\n"); err != nil {
			return err
		}
	}
	_, err = c.answer()
	if tcp, ok := c.Conn.(*net.TCPConn); ok {
		_ = tcp.SetLinger(0) // gone without a word
	}
	return err
}

func unfinishedProbe(s *target) error {
	sid, c, err := s.handshake()
	if err != nil {
		return err
	}
	defer c.Close()
	probe, err := s.webSocket("&sid=" + sid)
	if err != nil {
		return err
	}
	defer probe.Close()
	if err := probe.say("2probe"); err != nil {
		return err
	}
	return probe.ended() // with the session, whose pings nobody answers
}
