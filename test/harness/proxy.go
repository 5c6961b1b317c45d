package harness

import (
	"net"
	"sync"
	"testing"
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
	p := &Proxy{listener: l, target: target, links: make(map[*link]struct{})}
	p.work.Go(p.accept)
	t.Cleanup(func() {
		_ = l.Close()
		p.Reset(true)
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
	both.Go(func() { l.pass(l.client, l.server) })
	both.Go(func() { l.pass(l.server, l.client) })
	p.work.Go(func() {
		both.Wait()
		l.reset()
		p.mu.Lock()
		defer p.mu.Unlock()
		delete(p.links, l)
	})
}

// pass copies one direction. The end of from is the end of to, unless muted.
func (l *link) pass(from, to *net.TCPConn) {
	buffer := make([]byte, 16<<10)
	for {
		n, err := from.Read(buffer)
		l.mu.Lock()
		muted := l.muted
		l.mu.Unlock()
		if !muted && n > 0 {
			_, _ = to.Write(buffer[:n]) // whoever is gone is found by reading
		}
		if err == nil {
			continue
		}
		if !muted {
			_ = to.Close()
		}
		return
	}
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
