package engineio

import (
	"errors"
	"slices"
	"time"

	"golang.org/x/sys/unix"
)

// Requests as they are read, and answers as they are written.

// read reads what has arrived on a connection that rests.
func (l *pollLoop) read(d *direct) {
	d.readable = false
	n, err := ignoringEINTR(func() (int, error) { return unix.Read(d.fd, l.in) })
	switch {
	case n > 0:
		l.unrest(d)
		d.readable = n == len(l.in)
		l.request(d, l.in[:n])
	case errors.Is(err, unix.EAGAIN):
	default:
		l.drop(d) // the client left, between two requests
	}
}

// request serves the request that b is, or has net/http do it.
func (l *pollLoop) request(d *direct, b []byte) {
	h, ok := l.server.readHead(b, &l.scratch)
	h.print = max(h.print+d.peer, 1)
	switch {
	case ok && h.post && h.length+h.body == len(b) && h.body >= 0 && l.post(d, h.print, b[h.length:]):
	case ok && !h.post && h.length == len(b) && l.await(d, h.print):
	default:
		d.session.deviated(true)
		l.giveBack(d, b)
		return
	}
	d.session.deviated(false)
	l.server.stats.direct.Add(1)
}

// write writes an answer and has d rest. done is called once, when it is written.
func (l *pollLoop) write(d *direct, b []byte, done func(error)) {
	n, err := ignoringEINTR(func() (int, error) { return unix.Write(d.fd, b) })
	if errors.Is(err, unix.EAGAIN) {
		n, err = 0, nil
	}
	if err == nil && n < len(b) {
		l.finish(d, slices.Clone(b[n:]), done)
		return
	}
	done(err)
	if err != nil {
		l.drop(d)
		return
	}
	l.rest(d)
}

// finish writes the rest of an answer with a goroutine that waits for the client, and
// gives the connection back.
func (l *pollLoop) finish(d *direct, rest []byte, done func(error)) {
	l.forget(d)
	l.leaving.Go(func() {
		conn, err := d.connection()
		if err == nil {
			_ = conn.SetWriteDeadline(time.Now().Add(l.server.opts.PingTimeout)) // it is a socket
			_, err = conn.Write(rest)
		}
		done(err)
		switch {
		case conn == nil:
		case err != nil || l.server.down.Load():
			_ = conn.Close()
		default:
			_ = conn.SetWriteDeadline(time.Time{})
			l.server.handback.give(d.home, conn, nil)
		}
	})
}

// refuse answers with a status other than 200 and closes the connection.
func (l *pollLoop) refuse(d *direct, header string, status int) {
	_, _ = unix.Write(d.fd, d.session.refusal(header, status)) // a client that takes nothing is not waited for
	l.drop(d)
}

// ignoringEINTR does what a signal has interrupted again.
func ignoringEINTR(do func() (int, error)) (n int, err error) {
	for {
		if n, err = do(); !errors.Is(err, unix.EINTR) {
			return n, err
		}
	}
}
