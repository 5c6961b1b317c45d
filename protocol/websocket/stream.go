package websocket

import (
	"crypto/tls"
	"net"
	"time"
)

const streamReadBytes = 4 << 10

// stream is the link over any net.Conn: TLS without NewListener, pipes, systems without epoll. A
// goroutine reads; another one writes while there is something to write.
type stream struct {
	conn    Conn
	nc      net.Conn
	initial []byte // read before the upgrade; the reader's once it runs

	// Guarded by conn.mu.
	writing bool          // the writer runs
	timer   *time.Timer   // of the close handshake
	orderly bool          // ended after all was written
	resumed chan struct{} // closed when the reader may go on; nil where it need not wait
}

var _ link = (*stream)(nil)

// newStream makes a connection; s.mu must be held and s not be closed.
func newStream(s *Server, nc net.Conn, h Handler, initial []byte) *Conn {
	st := &stream{nc: nc, initial: initial}
	st.conn.server, st.conn.handler, st.conn.link = s, h, st
	s.streams[st] = struct{}{}
	s.running.Add(1) // until ended; covers the reader
	return &st.conn
}

func (st *stream) start() { go st.read() }

// read is the goroutine that reads and, at last, ends the connection.
func (st *stream) read() {
	if st.initial != nil {
		st.conn.receive(st.initial)
		st.initial = nil
	}
	buf := make([]byte, streamReadBytes)
	for st.conn.state.Load() != stateDead {
		st.awaitResume()
		if st.conn.resumed() {
			st.conn.receive(nil)
			continue
		}
		n, err := st.nc.Read(buf)
		if n > 0 {
			st.conn.receive(buf[:n])
		}
		if err != nil && n == 0 { // else it comes again: the handler may have paused before
			st.conn.fail(err)
		}
	}
	st.end()
}

// awaitResume waits while the connection is paused and not dead.
func (st *stream) awaitResume() {
	st.conn.mu.Lock()
	resumed := st.resumed
	st.conn.mu.Unlock()
	if resumed != nil {
		<-resumed
	}
}

func (st *stream) pause() {
	if st.conn.paused.Load() {
		st.resumed = make(chan struct{})
		return
	}
	st.wakeReader()
}

// wakeReader ends awaitResume; conn.mu must be held.
func (st *stream) wakeReader() {
	if st.resumed != nil {
		close(st.resumed)
		st.resumed = nil
	}
}

// end closes the connection and reports it. It runs on the reader's goroutine.
func (st *stream) end() {
	st.conn.mu.Lock()
	drained := st.orderly
	if st.timer != nil {
		st.timer.Stop()
	}
	st.conn.mu.Unlock()
	st.closeConn(drained)
	st.conn.finish()
	server := st.conn.server
	server.ended(st)
	server.running.Done()
}

// closeConn closes the net.Conn. TLS says goodbye only after an orderly end: it
// might wait for a peer that does not read.
func (st *stream) closeConn(drained bool) {
	if t, ok := st.nc.(*tls.Conn); ok && !drained {
		_ = t.NetConn().Close()
		return
	}
	_ = st.nc.Close()
}

// write never writes on the caller's goroutine: a net.Conn would block it.
func (st *stream) write([][]byte) (int, bool, error) { return 0, false, nil }

func (st *stream) writeOne([]byte) (int, error) { return 0, nil }

func (st *stream) kept() int { return 0 }

func (st *stream) later() { st.await() }

// drained need not do anything: only the writer empties the queue, and tells of it.
func (st *stream) drained() {}

func (st *stream) await() {
	if st.writing || st.conn.state.Load() == stateDead {
		return
	}
	st.writing = true
	st.conn.server.running.Add(1) // the reader holds the count above zero
	go st.drain()
}

// drain is the goroutine that writes until the queue is empty.
func (st *stream) drain() {
	defer st.conn.server.running.Done()
	c := &st.conn
	scratch := c.server.pools.scratchBuffer()
	defer c.server.pools.scratch.Put(scratch)
	defer c.tellDrained()
	var vector [maxVector][]byte
	c.mu.Lock()
	defer c.mu.Unlock()
	defer func() { st.writing, c.waiting = false, false }()
	for c.state.Load() != stateDead && c.out != nil {
		if c.corked && c.started {
			return // the reader flushes when its batch ends
		}
		bufs := net.Buffers(append(vector[:0], c.out.pending()[:min(maxVector, len(c.out.pending()))]...))
		c.mu.Unlock()
		n, err := st.writeBlocking(*scratch, bufs)
		c.mu.Lock()
		if c.state.Load() == stateDead {
			return
		}
		if n > 0 {
			c.wroteLocked(n)
		}
		if err != nil {
			c.failLocked(err)
			return
		}
		if c.out.bytes == 0 {
			c.drainedLocked()
		}
	}
}

// writeBlocking writes the first of bufs, up to gatherBytes, or more in a vector.
func (st *stream) writeBlocking(scratch []byte, bufs net.Buffers) (int, error) {
	if len(bufs) == 1 || len(bufs[0]) >= gatherBytes {
		return st.nc.Write(bufs[0])
	}
	return st.nc.Write(gather(scratch, bufs))
}

func (st *stream) closing() {
	if st.timer == nil {
		st.timer = time.AfterFunc(st.conn.server.opts.CloseTimeout, func() { st.conn.fail(ErrCloseTimeout) })
	}
}

func (st *stream) halfClose() {
	// Not for TLS, whose CloseWrite may wait for the peer: the close frame says it too.
	if t, ok := st.nc.(*net.TCPConn); ok {
		_ = t.CloseWrite()
	}
}

func (st *stream) shut(drained bool) {
	st.orderly = drained
	st.wakeReader()
	if !st.conn.started {
		st.conn.started = true
		go st.end()
		return
	}
	// Wake the goroutines; the reader then closes. A deadline that has passed does it
	// without blocking, which closing a TLS connection might.
	if err := st.nc.SetDeadline(time.Unix(1, 0)); err != nil {
		_ = st.nc.Close()
	}
}
