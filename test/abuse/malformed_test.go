package abuse

import (
	"bytes"
	"compress/flate"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
)

func giantFrame(s *target) error {
	c, err := s.webSocket("")
	if err != nil {
		return err
	}
	defer c.Close()
	head := binary.BigEndian.AppendUint64([]byte{0x80 | opText, 0x80 | 127}, 1<<40)
	if err := c.write(string(head) + "\x00\x00\x00\x00" + strings.Repeat("x", 1000)); err != nil {
		return err
	}
	return c.dismissed()
}

func giantHeader(s *target) error {
	c, err := s.open()
	if err != nil {
		return err
	}
	defer c.Close()
	_ = c.write("GET / HTTP/1.1\r\nHost: x\r\nX-Giant: " + strings.Repeat("x", 300<<10) + "\r\n\r\n") // may be cut off
	return c.ended()
}

func nestedJSON(s *target) error {
	c, err := s.joined()
	if err != nil {
		return err
	}
	defer c.Close()
	if err := c.say(`42["x",` + strings.Repeat("[", 100_000) + strings.Repeat("]", 100_000) + "]"); err != nil && !closed(err) {
		return err
	}
	if err := c.dismissed(); err != nil {
		return err
	}
	return s.refused("POST", "/api/login", "application/json", strings.Repeat(`{"a":`, 700))
}

func missingAttachments(s *target) error {
	for _, text := range []string{`450-["x"]`, `451-["x",{"_placeholder":true,"num":7}]`, `4599999999-["x"]`} {
		c, err := s.joined()
		if err != nil {
			return err
		}
		defer c.Close()
		_ = c.say(text)
		_ = c.write(frame(opBinary, false, "attachment"))
		_ = c.say(`451-["x",{"_placeholder":true,"num":0}]`, `42["instead of it"]`)
		if err := c.dismissed(); err != nil {
			return fmt.Errorf("%s: %w", text, err)
		}
	}
	return nil
}

func strayAttachments(s *target) error {
	c, err := s.joined()
	if err != nil {
		return err
	}
	defer c.Close()
	_ = c.write(frame(opBinary, false, strings.Repeat("x", 100_000)))
	return c.dismissed()
}

func strayAcks(s *target) error {
	c, err := s.joined()
	if err != nil {
		return err
	}
	defer c.Close()
	for i := range 100 {
		if err := c.say(fmt.Sprintf(`43%d["never asked"]`, i*7919)); err != nil {
			return err
		}
	}
	return c.alive()
}

func manyNamespaces(s *target) error {
	c, err := s.joined()
	if err != nil {
		return err
	}
	defer c.Close()
	for i := range 900 {
		if err := c.say(fmt.Sprintf(`40/made-up-%d,{"x":"%s"}`, i, strings.Repeat("x", 500))); err != nil {
			return err
		}
	}
	return c.alive()
}

func prototypes(s *target) error {
	c, err := s.joined()
	if err != nil {
		return err
	}
	defer c.Close()
	err = c.say(`42["__proto__",{"__proto__":{"polluted":true}}]`, `42["constructor",{"constructor":{"prototype":{}}}]`,
		`42["toString"]`, `42["hasOwnProperty",null]`, `40/__proto__,{"__proto__":{"admin":true}}`, `42["heartbeat-pong",{"__proto__":1}]`)
	if err != nil {
		return err
	}
	if err := c.alive(); err != nil {
		return err
	}
	return s.refused("POST", "/api/submit", "multipart/form-data; boundary=x",
		"--x\r\nContent-Disposition: form-data; name=\"category\"\r\n\r\n__proto__\r\n--x--\r\n")
}

func invalidUTF8(s *target) error {
	c, err := s.joined()
	if err != nil {
		return err
	}
	defer c.Close()
	_ = c.say("42[\"\xff\xfe\xc0\x80\"]")
	if err := c.dismissed(); err != nil {
		return err
	}
	sid, p, err := s.handshake()
	if err != nil {
		return err
	}
	defer p.Close()
	if err := p.post(sid, "42[\"\xff\xfe\"]"); err == nil {
		return errors.New("a payload that is no UTF-8 was taken")
	}
	return nil
}

// bomb is a frame that inflates to 50 MB.
var bomb = sync.OnceValue(func() string {
	var b bytes.Buffer
	w, err := flate.NewWriter(&b, flate.BestCompression)
	if err != nil {
		panic(err)
	}
	_, _ = w.Write([]byte(`42["`)) // to memory
	_, _ = io.CopyN(w, zeros{}, 50<<20)
	_ = w.Flush()
	return frame(opText, true, strings.TrimSuffix(b.String(), "\x00\x00\xff\xff"))
})

func compressedBomb(s *target) error {
	c, err := s.webSocketWith("", "Sec-WebSocket-Extensions: permessage-deflate\r\n")
	if err != nil {
		return err
	}
	defer c.Close()
	_ = c.write(bomb())
	return c.dismissed()
}

// zeros is an endless text of one letter.
type zeros struct{}

func (zeros) Read(p []byte) (int, error) {
	for i := range p {
		p[i] = '0'
	}
	return len(p), nil
}

// fragments sends a message byte by byte, with pings between, and then one that
// never ends.
func fragments(s *target) error {
	c, err := s.joined()
	if err != nil {
		return err
	}
	defer c.Close()
	piece := func(op byte, last bool, text string) string {
		b := []byte(frame(op, false, text))
		if !last {
			b[0] &^= 0x80
		}
		return string(b)
	}
	text := `42["x","` + strings.Repeat("y", 1000) + `"]`
	var all strings.Builder
	for i := range text {
		op := byte(0)
		if i == 0 {
			op = opText
		}
		all.WriteString(piece(op, i == len(text)-1, text[i:i+1]))
	}
	if err := c.write(all.String()); err != nil {
		return err
	}
	if err := c.alive(); err != nil {
		return err
	}
	if err := c.write(piece(opText, false, "4")); err != nil {
		return err
	}
	for range 20 {
		if c.write(piece(0, false, strings.Repeat("z", 100_000))) != nil {
			break
		}
	}
	return c.dismissed()
}

func garbage(s *target) error {
	c, err := s.open()
	if err != nil {
		return err
	}
	defer c.Close()
	_ = c.write(strings.Repeat("GET /health HTTP/1.1\r\nHost: x\r\n\r\n", 20) + strings.Repeat("\x16\x03\x01\x00garbage\r\n\r\n", 100))
	return c.ended()
}

// closed reports whether an error says that the server closed the connection.
func closed(err error) bool {
	var op *net.OpError
	return errors.As(err, &op) && !op.Timeout()
}

// refused sends a request that must be answered with 4xx.
func (s *target) refused(method, path, kind, body string) error {
	c, err := s.open()
	if err != nil {
		return err
	}
	defer c.Close()
	if err := c.write(fmt.Sprintf("%s %s HTTP/1.1\r\nHost: x\r\nContent-Type: %s\r\nContent-Length: %d\r\n\r\n%s", method, path, kind, len(body), body)); err != nil {
		return err
	}
	res, err := http.ReadResponse(c.in, nil)
	if err != nil {
		return err
	}
	defer res.Body.Close()
	if res.StatusCode < 400 || res.StatusCode > 499 {
		return fmt.Errorf("%s %s: %s", method, path, res.Status)
	}
	return nil
}
