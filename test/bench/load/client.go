package main

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
)

// client is one Socket.IO client over a WebSocket. It answers pings and checks
// nothing that costs much: the load must not be the bottleneck.
type client struct {
	conn net.Conn
	r    *bufio.Reader
	buf  []byte
}

// dial opens a WebSocket and joins the main namespace.
func dial(addr string) (*client, error) {
	conn, err := net.Dial("tcp", addr)
	if err != nil {
		return nil, err
	}
	c := &client{conn: conn, r: bufio.NewReaderSize(conn, 1024)}
	if err := c.join(addr); err != nil {
		conn.Close()
		return nil, err
	}
	return c, nil
}

func (c *client) join(addr string) error {
	_, err := fmt.Fprintf(c.conn, "GET /socket.io/?EIO=4&transport=websocket HTTP/1.1\r\nHost: %s\r\nConnection: Upgrade\r\n"+
		"Upgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n", addr)
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
	}
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
	return err
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
	_, err := io.ReadFull(c.r, c.buf)
	return c.buf, err
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
