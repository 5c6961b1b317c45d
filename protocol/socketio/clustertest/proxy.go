package clustertest

import (
	"net"
	"sync"
	"testing"
	"time"
)

// proxy stands between a server and the service, and does what networks do.
type proxy struct {
	addr   string
	target string
	l      net.Listener
	work   sync.WaitGroup

	mu       sync.Mutex // guards the fields below
	conns    map[net.Conn]bool
	held     chan struct{} // not nil: nothing goes through until it is closed
	cut      bool          // the next answer breaks its connection instead
	lag      time.Duration // what goes through takes so long
	refusing bool
	closed   bool
}

func newProxy(t testing.TB, target string) *proxy {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	p := &proxy{addr: l.Addr().String(), target: target, l: l, conns: make(map[net.Conn]bool)}
	p.work.Go(p.accept)
	t.Cleanup(p.close)
	return p
}

func (p *proxy) close() {
	p.hold(false)
	p.mu.Lock()
	p.closed = true
	p.mu.Unlock()
	_ = p.l.Close()
	p.breakAll()
	p.work.Wait()
}

func (p *proxy) accept() {
	for {
		in, err := p.l.Accept()
		if err != nil {
			return
		}
		out, err := net.DialTimeout("tcp", p.target, 5*time.Second)
		if err != nil {
			_ = in.Close()
			continue
		}
		if !p.add(in, out) {
			_, _ = in.Close(), out.Close()
			continue
		}
		p.work.Go(func() { p.copy(out, in, false) })
		p.work.Go(func() { p.copy(in, out, true) })
	}
}

func (p *proxy) add(conns ...net.Conn) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.refusing || p.closed {
		return false
	}
	for _, c := range conns {
		p.conns[c] = true
	}
	return true
}

// copy passes bytes on. answers says that they come from the service.
func (p *proxy) copy(to, from net.Conn, answers bool) {
	defer to.Close()
	defer from.Close()
	b := make([]byte, 32<<10)
	for {
		n, err := from.Read(b)
		if err != nil {
			return
		}
		p.mu.Lock()
		held, cut, lag := p.held, p.cut && answers, p.lag
		if cut {
			p.cut = false
		}
		p.mu.Unlock()
		if cut {
			return
		}
		if held != nil {
			<-held
		}
		time.Sleep(lag)
		if _, err := to.Write(b[:n]); err != nil {
			return
		}
	}
}

// hold stops everything, or lets it through again: nothing is lost.
func (p *proxy) hold(on bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if on == (p.held != nil) {
		return
	}
	if on {
		p.held = make(chan struct{})
		return
	}
	close(p.held)
	p.held = nil
}

// slow makes everything take its time.
func (p *proxy) slow(lag time.Duration) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.lag = lag
}

// cutAnswers breaks the connection on which the next answer comes.
func (p *proxy) cutAnswers() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.cut = true
}

// refuse breaks all connections and lets none be made, or ends that.
func (p *proxy) refuse(on bool) {
	p.mu.Lock()
	p.refusing = on
	p.mu.Unlock()
	if on {
		p.breakAll()
	}
}

func (p *proxy) breakAll() {
	p.mu.Lock()
	defer p.mu.Unlock()
	for c := range p.conns {
		_ = c.Close()
	}
	clear(p.conns)
}
