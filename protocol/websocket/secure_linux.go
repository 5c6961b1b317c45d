package websocket

import (
	"crypto/tls"
	"io"
	"net"
	"time"

	"golang.org/x/sys/unix"
)

const (
	// sealBytes is how much is encrypted at once: with what TLS adds it fits a buffer of
	// 16 KiB, also in the small records that crypto/tls begins with.
	sealBytes = 15 << 10
	// maxAnswers is what may wait for a peer that makes TLS answer and does not read.
	maxAnswers = 64 << 10
)

// secure is TLS on a socket of an event loop. crypto/tls is used as it is: to it, secure is
// the connection below, one that never blocks. Where there is nothing to read it says
// dryError, after which crypto/tls goes on where it was, be it within a record; and it takes
// all that is written, since a write that failed would be the last.
//
// Conn.mu is held in all methods, for reading can make TLS write: answers to updates of
// keys, and alerts.
type secure struct {
	tls    *tls.Conn
	socket *socket
	sealed *[]byte // records that are to be sent; nil for none
	sent   int     // bytes of sealed that the kernel has
	owed   int     // bytes at the head of the queue that are in sealed
	dry    bool    // the last read has taken all that the descriptor had; owned by the loop
}

var _ net.Conn = (*secure)(nil)

// read reads what there is, as plain bytes. more says that there may be yet more, also in
// what crypto/tls has read already, of which epoll knows nothing.
func (t *secure) read(buf []byte) (n int, more bool, err error) {
	c := &t.socket.conn
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.state.Load() == stateDead {
		return 0, false, nil
	}
	n, err = t.tls.Read(buf)
	switch {
	case err == errDry:
		err = nil
	case n > 0:
		more, err = true, nil // an end that came with it stays, and is told of when it is reached
	}
	if sendErr := t.answer(); err == nil {
		err = sendErr
	}
	return n, more, err
}

// answer sends what reading has made TLS write.
func (t *secure) answer() error {
	c := &t.socket.conn
	if t.sealed == nil {
		return nil
	}
	if !c.waiting {
		done, err := t.flush()
		if done || err != nil {
			return err
		}
		t.socket.arm(true)
	}
	if len(*t.sealed) > maxAnswers {
		return ErrSlow
	}
	return nil
}

// write encrypts the first of b, and sends it. Bytes count as written when the kernel has
// all of the records that they are in. Until then they are at the head of what is to be
// written, so that the connection knows truly what its peer has yet to take.
func (t *secure) write(b []byte) (int, error) {
	if done, err := t.flush(); !done {
		return 0, err
	}
	if t.owed == 0 {
		part := b[:min(len(b), sealBytes)]
		if _, err := t.tls.Write(part); err != nil {
			return 0, err
		}
		t.owed = len(part)
		if done, err := t.flush(); !done {
			return 0, err
		}
	}
	n := t.owed
	t.owed = 0
	return n, nil
}

// flush sends what is encrypted, and reports whether that was all.
func (t *secure) flush() (done bool, err error) {
	if t.sealed == nil {
		return true, nil
	}
	n, err := t.socket.send((*t.sealed)[t.sent:])
	if err != nil {
		return false, err
	}
	if t.sent += n; t.sent < len(*t.sealed) {
		return false, nil
	}
	t.drop()
	return true, nil
}

// drop gives the buffer of what was encrypted back.
func (t *secure) drop() {
	if t.sealed != nil {
		t.socket.conn.server.pools.freeMessage(t.sealed)
		t.sealed, t.sent = nil, 0
	}
}

// goodbye tells the peer that nothing more comes (close_notify), as far as there is room,
// and reports whether all was sent.
func (t *secure) goodbye() bool {
	_ = t.tls.CloseWrite() // it only reaches Write
	done, _ := t.flush()
	return done
}

// dryError is that there is nothing to read now. crypto/tls keeps every error of a read
// for ever, but those that say of themselves that they are temporary.
type dryError struct{}

var errDry error = dryError{}

func (dryError) Error() string   { return "websocket: nothing to read now" }
func (dryError) Timeout() bool   { return true }
func (dryError) Temporary() bool { return true }

// Read implements net.Conn for crypto/tls.
func (t *secure) Read(b []byte) (int, error) {
	for !t.dry {
		n, err := unix.Read(int(t.socket.fd), b)
		switch {
		case n > 0:
			t.dry = n < len(b)
			return n, nil
		case err == unix.EINTR:
		case err == unix.EAGAIN:
			t.dry = true
		case err != nil:
			return 0, err
		default:
			return 0, io.EOF
		}
	}
	return 0, errDry
}

// Write implements net.Conn for crypto/tls: it only keeps a copy.
func (t *secure) Write(b []byte) (int, error) {
	t.sealed = t.socket.conn.server.pools.grow(t.sealed, len(b))
	*t.sealed = append(*t.sealed, b...)
	return len(b), nil
}

// Close implements net.Conn. The descriptor is the loop's to close.
func (t *secure) Close() error { return nil }

// SetDeadline implements net.Conn. Nothing waits.
func (t *secure) SetDeadline(time.Time) error { return nil }

// SetReadDeadline implements net.Conn.
func (t *secure) SetReadDeadline(time.Time) error { return nil }

// SetWriteDeadline implements net.Conn.
func (t *secure) SetWriteDeadline(time.Time) error { return nil }

// LocalAddr implements net.Conn.
func (t *secure) LocalAddr() net.Addr { return bodyAddr{} }

// RemoteAddr implements net.Conn.
func (t *secure) RemoteAddr() net.Addr { return bodyAddr{} }
