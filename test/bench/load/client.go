package main

import (
	"bufio"
	"bytes"
	"compress/flate"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"time"
)

// patience is how long a client waits for what is to come next. What has not
// come by then is counted as lost.
const patience = 8 * time.Second

// client is one Socket.IO client over a WebSocket. It answers pings.
type client struct {
	conn     net.Conn
	r        *bufio.Reader
	buf      []byte
	greeting string      // the packet that answered CONNECT
	last     int         // the number of the last broadcast
	inflate  *decompress // nil: permessage-deflate was not agreed on
}

// openWebSocket makes a WebSocket; query is added to the URL.
func openWebSocket(addr, query, header string) (*client, error) {
	conn, err := connectTo(addr)
	if err != nil {
		return nil, err
	}
	c := &client{conn: conn, r: bufio.NewReaderSize(conn, 1024)}
	if err := c.upgrade(addr, query, header); err != nil {
		conn.Close()
		return nil, err
	}
	return c, nil
}

func (c *client) upgrade(addr, query, header string) error {
	addr = strings.TrimPrefix(addr, overTLS)
	_ = c.conn.SetDeadline(time.Now().Add(patience))
	_, err := fmt.Fprintf(c.conn, "GET /socket.io/?EIO=4&transport=websocket%s HTTP/1.1\r\nHost: %s\r\nConnection: Upgrade\r\n"+
		"Upgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n%s\r\n", query, addr, header)
	if err != nil {
		return err
	}
	status, err := c.r.ReadString('\n')
	if err != nil {
		return err
	}
	if !strings.Contains(status, " 101 ") {
		return fmt.Errorf("handshake: %s", status)
	}
	for line := ""; line != "\r\n"; {
		if line, err = c.r.ReadString('\n'); err != nil {
			return err
		}
		if strings.HasPrefix(strings.ToLower(line), "sec-websocket-extensions: permessage-deflate") {
			c.inflate = &decompress{}
		}
	}
	return nil
}

// dial opens a WebSocket and joins the main namespace.
func dial(addr string) (*client, error) { return dialWith(addr, "") }

// dialWith is dial with further header fields.
func dialWith(addr, header string) (*client, error) {
	c, err := openWebSocket(addr, "", header)
	if err != nil {
		return nil, err
	}
	if err := c.join(); err != nil {
		c.conn.Close()
		return nil, err
	}
	return c, nil
}

func (c *client) join() error {
	if open, err := c.read(); err != nil || open[0] != '0' {
		return errors.Join(err, errors.New("no open packet"))
	}
	if err := c.write("40"); err != nil {
		return err
	}
	m, err := c.next()
	if err == nil && !bytes.HasPrefix(m, []byte("40")) {
		err = fmt.Errorf("joining was answered with %q", m)
	}
	c.greeting = string(m)
	return errors.Join(err, c.conn.SetDeadline(time.Time{}))
}

// write sends text messages, all in one write. The mask is zero, which is legal
// and saves the load program's CPU.
func (c *client) write(messages ...string) error {
	var b []byte
	for _, m := range messages {
		b = append(b, 0x81)
		if len(m) < 126 {
			b = append(b, 0x80|byte(len(m)))
		} else {
			b = binary.BigEndian.AppendUint16(append(b, 0x80|126), uint16(len(m)))
		}
		b = append(append(b, 0, 0, 0, 0), m...)
	}
	_, err := c.conn.Write(b)
	return err
}

// read returns the next WebSocket message, valid until the next call.
func (c *client) read() ([]byte, error) {
	var head [2]byte
	if _, err := io.ReadFull(c.r, head[:]); err != nil {
		return nil, err
	}
	n := int(head[1] & 0x7f)
	switch n {
	case 126:
		var long [2]byte
		if _, err := io.ReadFull(c.r, long[:]); err != nil {
			return nil, err
		}
		n = int(binary.BigEndian.Uint16(long[:]))
	case 127:
		var long [8]byte
		if _, err := io.ReadFull(c.r, long[:]); err != nil {
			return nil, err
		}
		n = int(binary.BigEndian.Uint64(long[:]))
	}
	if head[0]&0x0f == 8 || n == 0 {
		return nil, io.EOF
	}
	if cap(c.buf) < n {
		c.buf = make([]byte, n)
	}
	c.buf = c.buf[:n]
	if _, err := io.ReadFull(c.r, c.buf); err != nil {
		return nil, err
	}
	if head[0]&0x40 != 0 && c.inflate != nil {
		return c.inflate.message(c.buf)
	}
	return c.buf, nil
}

// decompress undoes permessage-deflate, also where the server uses what it sent
// before as a dictionary (RFC 7692, section 7.2.2).
type decompress struct {
	flat   io.ReadCloser
	window []byte
	out    bytes.Buffer
}

func (d *decompress) message(packed []byte) ([]byte, error) {
	src := io.MultiReader(bytes.NewReader(packed), strings.NewReader("\x00\x00\xff\xff\x01\x00\x00\xff\xff"))
	if d.flat == nil {
		d.flat = flate.NewReader(src)
	} else if err := d.flat.(flate.Resetter).Reset(src, d.window); err != nil {
		return nil, err
	}
	d.out.Reset()
	if _, err := d.out.ReadFrom(d.flat); err != nil {
		return nil, err
	}
	d.window = append(d.window, d.out.Bytes()...)
	d.window = d.window[max(0, len(d.window)-32<<10):]
	return d.out.Bytes(), nil
}

// next is read without pings, which it answers.
func (c *client) next() ([]byte, error) {
	for {
		m, err := c.read()
		if err != nil || m[0] != '2' {
			return m, err
		}
		if err := c.write("3"); err != nil {
			return nil, err
		}
	}
}

// wait gives the client its time to read what comes next.
func (c *client) wait() { _ = c.conn.SetReadDeadline(time.Now().Add(patience)) }

// expect reads n messages that begin with a prefix.
func (c *client) expect(n int, prefix string) (lost int) {
	for i := range n {
		m, err := c.next()
		if err != nil || !bytes.HasPrefix(m, []byte(prefix)) {
			return n - i
		}
	}
	return 0
}

// numbered reads n broadcasts of size bytes whose numbers follow on each other,
// or, in rooms that get only some, rise by step.
func (c *client) numbered(n, size, step int) (lost int) {
	for i := range n {
		m, err := c.next()
		if err != nil {
			return n - i
		}
		if got := number(m, size); got < 0 || c.last != 0 && got != c.last+step {
			return n - i
		} else {
			c.last = got
		}
	}
	return 0
}

// number is that of the broadcast m, or -1 where m is none, or not whole.
func number(m []byte, size int) int {
	const prefix = `42["m","`
	if len(m) < len(prefix)+size+2 || string(m[:len(prefix)]) != prefix {
		return -1
	}
	return digits(m[len(prefix):])
}

// digits is the number that b's first ten bytes say, or -1.
func digits(b []byte) int {
	n := 0
	for _, d := range b[:10] {
		if d < '0' || d > '9' {
			return -1
		}
		n = n*10 + int(d-'0')
	}
	return n
}

// crowd connects n clients, 16 at a time.
func crowd(r *running, n int) ([]*client, error) {
	return gather(n, 16, func(int) (*client, error) { return dial(r.addr) })
}

// gather makes n clients, some at a time.
func gather[T interface{ leave() }](n, atOnce int, dial func(i int) (T, error)) ([]T, error) {
	clients := make([]T, n)
	made := make([]bool, n)
	err := parallel(n, atOnce, func(i int) (err error) {
		clients[i], err = dial(i)
		made[i] = err == nil
		return err
	})
	if err != nil {
		for i, c := range clients {
			if made[i] {
				c.leave()
			}
		}
		return nil, err
	}
	return clients, nil
}

func (c *client) leave() { c.conn.Close() }

func leave[T interface{ leave() }](clients []T) {
	for _, c := range clients {
		c.leave()
	}
}
