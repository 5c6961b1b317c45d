package main

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"time"
)

// poller is one Socket.IO client over long-polling. Like a browser it keeps a
// connection for the poll that waits and another for what it posts.
type poller struct {
	addr, query string
	gets, posts *exchange
	pending     bool // a GET is on its way
	packets     [][]byte
	last        int
}

// exchange is a kept-alive HTTP connection.
type exchange struct {
	conn net.Conn
	r    *bufio.Reader
}

func openExchange(addr string) (*exchange, error) {
	conn, err := connectTo(addr)
	if err != nil {
		return nil, err
	}
	e := &exchange{conn, bufio.NewReaderSize(conn, 1024)}
	e.wait()
	return e, nil
}

func (e *exchange) wait() { _ = e.conn.SetReadDeadline(time.Now().Add(patience)) }

// ask sends a request.
func (e *exchange) ask(method, addr, target, body string) error {
	head := method + " " + target + " HTTP/1.1\r\nHost: " + strings.TrimPrefix(addr, overTLS) + "\r\nAccept: */*\r\nUser-Agent: load\r\n"
	if method == http.MethodPost {
		head += fmt.Sprintf("Content-Type: text/plain;charset=UTF-8\r\nContent-Length: %d\r\n", len(body))
	}
	_, err := io.WriteString(e.conn, head+"\r\n"+body)
	return err
}

// answer reads the body of the response.
func (e *exchange) answer() ([]byte, error) {
	res, err := http.ReadResponse(e.r, nil)
	if err != nil {
		return nil, err
	}
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	if err == nil && res.StatusCode != http.StatusOK {
		err = fmt.Errorf("%s: %.100s", res.Status, body)
	}
	return body, err
}

// dialPolling opens a session and joins the main namespace.
func dialPolling(addr string) (*poller, error) {
	gets, err := openExchange(addr)
	if err != nil {
		return nil, err
	}
	p := &poller{addr: addr, query: "/socket.io/?EIO=4&transport=polling", gets: gets, posts: gets}
	if err := p.join(); err != nil {
		p.leave()
		return nil, err
	}
	return p, nil
}

func (p *poller) join() error {
	if err := p.gets.ask(http.MethodGet, p.addr, p.query, ""); err != nil {
		return err
	}
	open, err := p.gets.answer()
	if err != nil {
		return err
	}
	_, after, found := strings.Cut(string(open), `"sid":"`)
	if !found {
		return fmt.Errorf("no session in %q", open)
	}
	sid, _, _ := strings.Cut(after, `"`)
	p.query += "&sid=" + sid
	if err := p.post("40"); err != nil {
		return err
	}
	m, err := p.next()
	if err == nil && !bytes.HasPrefix(m, []byte("40")) {
		err = fmt.Errorf("joining was answered with %q", m)
	}
	return err
}

// second opens the connection for what is posted while a poll waits.
func (p *poller) second() error {
	e, err := openExchange(p.addr)
	if err == nil {
		p.posts = e
	}
	return err
}

// post sends packets.
func (p *poller) post(packets ...string) error {
	if err := p.posts.ask(http.MethodPost, p.addr, p.query, strings.Join(packets, "\x1e")); err != nil {
		return err
	}
	body, err := p.posts.answer()
	if err == nil && string(body) != "ok" {
		err = fmt.Errorf("posting was answered with %q", body)
	}
	return err
}

// arm sends a poll, unless one waits.
func (p *poller) arm() error {
	if p.pending {
		return nil
	}
	p.pending = true
	return p.gets.ask(http.MethodGet, p.addr, p.query, "")
}

// next is the next packet that is no ping, which it answers, and no noop.
func (p *poller) next() ([]byte, error) {
	for {
		for len(p.packets) > 0 {
			m := p.packets[0]
			p.packets = p.packets[1:]
			if len(m) == 0 || m[0] != '6' {
				return m, nil
			}
		}
		if err := p.arm(); err != nil {
			return nil, err
		}
		body, err := p.gets.answer()
		if err != nil {
			return nil, err
		}
		p.pending = false
		for packet := range bytes.SplitSeq(body, []byte{0x1e}) {
			if string(packet) != "2" {
				p.packets = append(p.packets, packet)
				continue
			}
			// At once: behind the next poll its answer would have to wait, where both share a connection.
			if err := p.post("3"); err != nil {
				return nil, err
			}
		}
	}
}

// numbered reads n broadcasts whose numbers follow on each other, and polls again.
func (p *poller) numbered(n, size int) (lost int) {
	for i := range n {
		m, err := p.next()
		if err != nil {
			return n - i
		}
		got := number(m, size)
		if got < 0 || p.last != 0 && got != p.last+1 {
			return n - i
		}
		p.last = got
	}
	if p.arm() != nil {
		return 1
	}
	return 0
}

func (p *poller) wait() {
	p.gets.wait()
	p.posts.wait()
}

func (p *poller) leave() {
	p.gets.conn.Close()
	p.posts.conn.Close()
}

// dialDefault connects as the official client does by default: a session over
// long-polling, and then the upgrade to a WebSocket.
func dialDefault(addr string) (*client, error) {
	p, err := dialPolling(addr)
	if err != nil {
		return nil, err
	}
	defer p.leave()
	_, sid, _ := strings.Cut(p.query, "&sid=")
	c, err := openWebSocket(addr, "&sid="+sid, "")
	if err != nil {
		return nil, err
	}
	if err := c.takeOver(p); err != nil {
		c.leave()
		return nil, err
	}
	return c, nil
}

// takeOver upgrades p's session. (Engine.IO protocol v4, "Upgrade")
func (c *client) takeOver(p *poller) error {
	c.wait()
	if err := p.arm(); err != nil {
		return err
	}
	if err := c.write("2probe"); err != nil {
		return err
	}
	if m, err := c.read(); err != nil || string(m) != "3probe" {
		return fmt.Errorf("the probe was answered with %q (%w)", m, err)
	}
	if body, err := p.gets.answer(); err != nil || string(body) != "6" {
		return fmt.Errorf("the last poll was answered with %q (%w)", body, err)
	}
	return c.write("5")
}
