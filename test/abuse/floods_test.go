package abuse

import (
	"bytes"
	"errors"
	"fmt"
	"image"
	"image/png"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"testing"
)

// neverRead makes the server answer much and reads none of it.
func neverRead(s *target) error {
	c, err := s.joined()
	if err != nil {
		return err
	}
	defer c.Close()
	if tcp, ok := c.Conn.(*net.TCPConn); ok {
		_ = tcp.SetReadBuffer(4096)
	}
	name := strings.Repeat("x", 20_000)
	for range 900 {
		if err := c.say("40/" + name + ","); err != nil {
			break // the server closed it
		}
	}
	return c.dismissed() // what it queued, and then the end
}

func flood(s *target) error {
	c, err := s.joined()
	if err != nil {
		return err
	}
	defer c.Close()
	burst := strings.Repeat(frame(opText, false, `42["heartbeat-pong"]`), 500)
	for range 20 {
		if c.write(burst) != nil {
			break
		}
	}
	return c.dismissed()
}

// pingFlood makes the server answer, and reads nothing until the end.
func pingFlood(s *target) error {
	c, err := s.joined()
	if err != nil {
		return err
	}
	defer c.Close()
	burst := strings.Repeat(frame(opPing, false, strings.Repeat("p", 125)), 200)
	for range 20 {
		if c.write(burst) != nil {
			return nil // the server closed it
		}
	}
	return c.alive()
}

// idleFlood sends what means nothing in the middle of a session: noops, and
// pongs that nobody waits for.
func idleFlood(s *target) error {
	c, err := s.joined()
	if err != nil {
		return err
	}
	defer c.Close()
	burst := strings.Repeat(frame(opText, false, "6")+frame(opText, false, "3"), 2000)
	for range 20 {
		if c.write(burst) != nil {
			break // the server closed it
		}
	}
	return c.dismissed()
}

// idlePayloads is idleFlood over long-polling, a hundred thousand packets a payload.
func idlePayloads(s *target) error {
	sid, c, err := s.handshake()
	if err != nil {
		return err
	}
	defer c.Close()
	payload := strings.Repeat("6\x1e3\x1e", 50_000) + "6"
	if err := c.post(sid, payload); err != nil {
		return err
	}
	if err := c.post(sid, "40"); err == nil {
		return errors.New("the session goes on")
	}
	return nil
}

// emptyMessages sends messages of nothing, of each kind; a client's ping is one
// in protocol 4, where only servers ping.
func emptyMessages(s *target) error {
	for _, text := range []string{frame(opText, false, ""), frame(opBinary, false, ""), frame(opText, false, "4"), frame(opText, false, "2"), frame(opPing, false, "")} {
		c, err := s.joined()
		if err != nil {
			return err
		}
		defer c.Close()
		for range 20 {
			if c.write(strings.Repeat(text, 1000)) != nil {
				break // the server closed it
			}
		}
		_ = c.say("40/are-you-there,") // likewise
		if err := c.answeredOrDismissed("44/are-you-there,"); err != nil {
			return fmt.Errorf("%q: %w", text, err)
		}
	}
	sid, p, err := s.handshake()
	if err != nil {
		return err
	}
	defer p.Close()
	if err := p.post(sid, strings.Repeat("\x1e", 100_000)); err == nil {
		return errors.New("a payload of nothing was taken")
	}
	return nil
}

// answeredOrDismissed waits for a text with that beginning, or the end.
func (c *raw) answeredOrDismissed(prefix string) error {
	for {
		op, text, err := c.read()
		if late, ok := err.(net.Error); ok && late.Timeout() {
			return errors.New("neither answered nor closed")
		}
		if err != nil || op == opClose || strings.HasPrefix(text, prefix) {
			return nil
		}
	}
}

// joinAndLeave goes in and out of a namespace until it is thrown out.
func joinAndLeave(s *target) error {
	c, err := s.joined()
	if err != nil {
		return err
	}
	defer c.Close()
	burst := strings.Repeat(frame(opText, false, "41")+frame(opText, false, "40"), 250)
	for range 20 {
		if c.write(burst) != nil {
			break
		}
	}
	return c.dismissed()
}

// ackFlood answers what was never asked, without a pause.
func ackFlood(s *target) error {
	c, err := s.joined()
	if err != nil {
		return err
	}
	defer c.Close()
	for n := range 20 {
		var burst strings.Builder
		for i := range 500 {
			burst.WriteString(frame(opText, false, fmt.Sprintf("43%d[]", n*500+i)))
		}
		if c.write(burst.String()) != nil {
			break
		}
	}
	return c.dismissed()
}

// comeAndGo opens a session and closes it, again and again.
func comeAndGo(s *target) error {
	for n := range 20 {
		c, err := s.joined()
		if err != nil {
			return err
		}
		switch n % 3 {
		case 0:
			err = c.say("41", "1")
		case 1:
			err = c.write(frame(opClose, false, "\x03\xe8"))
		}
		c.Close()
		if err != nil {
			return err
		}
	}
	return nil
}

// costlyReads asks for what takes most work: parts of the feed, pages of it,
// health and metrics, many requests at a time.
func costlyReads(t *testing.T, s *target, n int) {
	paths := []string{"/api/feed?since=1", "/api/feed?limit=100000", "/api/feed?category=best&limit=100000", "/api/feed", "/api/winners", "/health",
		"/api/realtime-metrics", "/api/realtime-health", "/api/join.svg", "/admin", "/categories.json", "/api/contest"}
	var wait sync.WaitGroup
	for range n {
		wait.Go(func() {
			c, err := s.open()
			if err != nil {
				t.Error(err)
				return
			}
			defer c.Close()
			for range 3 {
				for _, path := range paths {
					if err := c.write("GET " + path + " HTTP/1.1\r\nHost: x\r\n\r\n"); err != nil {
						t.Error(err)
						return
					}
				}
				for _, path := range paths {
					if err := c.skipAnswer(); err != nil {
						t.Errorf("%s: %v", path, err)
						return
					}
				}
			}
		})
	}
	wait.Wait()
}

// takeAnswer reads an answer, or a refusal in words.
func (c *raw) takeAnswer() error {
	res, err := http.ReadResponse(c.in, nil)
	if err != nil {
		return err
	}
	defer res.Body.Close()
	if res.StatusCode >= 500 && res.StatusCode != http.StatusServiceUnavailable {
		return errors.New(res.Status)
	}
	body, err := io.ReadAll(res.Body)
	if err == nil && res.StatusCode != http.StatusOK && !bytes.Contains(body, []byte(`{"error":`)) {
		return fmt.Errorf("%s: %s", res.Status, body)
	}
	return err
}

// skipAnswer reads an answer of any length.
func (c *raw) skipAnswer() error {
	res, err := http.ReadResponse(c.in, nil)
	if err != nil {
		return err
	}
	defer res.Body.Close()
	if res.StatusCode != http.StatusOK {
		return errors.New(res.Status)
	}
	_, err = io.Copy(io.Discard, res.Body)
	return err
}

// largePicture is a PNG of 25 megapixels in a few kilobytes.
var largePicture = sync.OnceValue(func() string {
	var b bytes.Buffer
	encoder := png.Encoder{CompressionLevel: png.BestCompression}
	if err := encoder.Encode(&b, image.NewGray(image.Rect(0, 0, 5000, 5000))); err != nil {
		panic(err)
	}
	return b.String()
})

// pictures sends some of a kind at once, which are taken or refused.
func pictures(kind func() string) func(*testing.T, *target, int) {
	return func(t *testing.T, s *target, n int) {
		body := "--x\r\nContent-Disposition: form-data; name=\"category\"\r\n\r\nbest\r\n--x\r\nContent-Disposition: form-data; name=\"photo\"; filename=\"a.png\"\r\n\r\n" +
			kind() + "\r\n--x--\r\n"
		each(func(s *target) error {
			c, err := s.open()
			if err != nil {
				return err
			}
			defer c.Close()
			if err := c.write(fmt.Sprintf("POST /api/submit HTTP/1.1\r\nHost: x\r\nContent-Type: multipart/form-data; boundary=x\r\nContent-Length: %d\r\n\r\n%s", len(body), body)); err != nil {
				return err
			}
			return c.takeAnswer()
		})(t, s, n)
	}
}

// guess tries a password.
func guess(s *target) error {
	c, err := s.open()
	if err != nil {
		return err
	}
	defer c.Close()
	const body = `{"password":"guess"}`
	if err := c.write(fmt.Sprintf("POST /api/login HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%s", len(body), body)); err != nil {
		return err
	}
	return c.takeAnswer()
}
