package harness

import (
	"bytes"
	"net"
	"sync"
	"testing"
	"time"
)

// Proxy passes TCP connections on to a server, and treats them as bad Wi-Fi
// does.
type Proxy struct {
	listener net.Listener
	target   string
	work     sync.WaitGroup

	mu    sync.Mutex // guards the fields below
	away  bool       // connections are reset
	mutes bool       // connections are muted, new ones too
	links map[*link]struct{}
	delay time.Duration // of what the server says
	flows chan struct{} // closed where bytes pass
}

// link is one connection through a proxy.
type link struct {
	client, server *net.TCPConn

	mu    sync.Mutex // guards muted
	muted bool       // what comes is swallowed, and neither end hears of the other's end
}

// StartProxy listens on a free port for a server's address until the test ends.
func StartProxy(t *testing.T, target string) *Proxy {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	p := &Proxy{listener: l, target: target, links: make(map[*link]struct{}), flows: make(chan struct{})}
	close(p.flows)
	p.work.Go(p.accept)
	t.Cleanup(func() {
		_ = l.Close()
		p.Reset(true)
		p.Flow()
		p.work.Wait()
	})
	return p
}

func (p *Proxy) URL() string { return "http://" + p.listener.Addr().String() }

func (p *Proxy) accept() {
	for {
		client, err := p.listener.Accept()
		if err != nil {
			return
		}
		p.mu.Lock()
		away := p.away
		p.mu.Unlock()
		if away {
			abort(client.(*net.TCPConn))
			continue
		}
		server, err := net.Dial("tcp", p.target)
		if err != nil { // the server is down: the client sees what it would see
			abort(client.(*net.TCPConn))
			continue
		}
		p.join(&link{client: client.(*net.TCPConn), server: server.(*net.TCPConn)})
	}
}

// join passes on what comes over both ends until one is closed.
func (p *Proxy) join(l *link) {
	p.mu.Lock()
	if p.away {
		p.mu.Unlock()
		l.reset()
		return
	}
	p.links[l] = struct{}{}
	l.muted = p.mutes
	p.mu.Unlock()
	var both sync.WaitGroup
	both.Go(func() { p.pass(l, l.client, l.server) })
	both.Go(func() { p.pass(l, l.server, l.client) })
	p.work.Go(func() {
		both.Wait()
		l.reset()
		p.mu.Lock()
		defer p.mu.Unlock()
		delete(p.links, l)
	})
}

// piece is what was read at once, and when.
type piece struct {
	at   time.Time
	data []byte
}

// pass copies one direction. The end of from is the end of to, unless muted.
func (p *Proxy) pass(l *link, from, to *net.TCPConn) {
	pieces := make(chan piece, 256)
	p.work.Go(func() {
		for one := range pieces {
			p.hold(one.at, from == l.server)
			_, _ = to.Write(one.data) // whoever is gone is found by reading
		}
		if !l.isMuted() {
			_ = to.Close()
		}
	})
	defer close(pieces)
	buffer := make([]byte, 16<<10)
	for {
		n, err := from.Read(buffer)
		if n > 0 && !l.isMuted() {
			pieces <- piece{time.Now(), bytes.Clone(buffer[:n])}
		}
		if err != nil {
			return
		}
	}
}

// hold returns when a piece that came at a time may go on.
func (p *Proxy) hold(at time.Time, answer bool) {
	p.mu.Lock()
	delay, flows := p.delay, p.flows
	p.mu.Unlock()
	<-flows
	if answer {
		time.Sleep(time.Until(at.Add(delay)))
	}
}

func (l *link) isMuted() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.muted
}

// abort closes with a reset rather than in good order.
func abort(c *net.TCPConn) {
	_ = c.SetLinger(0) // closed already: nothing to do
	_ = c.Close()
}

func (l *link) reset() {
	abort(l.client)
	abort(l.server)
}

// Reset cuts every connection, and where away is set every new one, until back.
func (p *Proxy) Reset(away bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.away = away
	for l := range p.links {
		l.reset()
	}
}

// Back lets connections through again.
func (p *Proxy) Back() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.away = false
}

// Mute swallows what connections carry, also those that a client opens until
// unmute. The server goes on believing in its end when the client closes its own.
func (p *Proxy) Mute() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.mutes = true
	for l := range p.links {
		l.mu.Lock()
		l.muted = true
		l.mu.Unlock()
	}
}

// Unmute lets new connections through. Those that were muted stay so.
func (p *Proxy) Unmute() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.mutes = false
}

// Delay has all that the server says arrive so much later.
func (p *Proxy) Delay(d time.Duration) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.delay = d
}

// Stall holds up what connections carry, and new ones, until Flow: nothing is lost.
func (p *Proxy) Stall() {
	p.mu.Lock()
	defer p.mu.Unlock()
	select {
	case <-p.flows:
		p.flows = make(chan struct{})
	default:
	}
}

// Flow lets through what Stall holds up.
func (p *Proxy) Flow() {
	p.mu.Lock()
	defer p.mu.Unlock()
	select {
	case <-p.flows:
	default:
		close(p.flows)
	}
}
