package sockettest

import (
	"context"
	"errors"
	"net"
	"sync"
)

// Network carries connections in memory. All methods are safe for concurrent use.
type Network struct {
	accept chan net.Conn
	closed chan struct{}
	once   sync.Once // guards the closing of closed

	mu    sync.Mutex // guards the fields below
	down  bool
	thaw  chan struct{} // while frozen; closed when that ends
	conns map[*pipe]struct{}
}

var _ net.Listener = (*Network)(nil)

var errDown = errors.New("sockettest: network is down")

func newNetwork() *Network {
	return &Network{accept: make(chan net.Conn), closed: make(chan struct{}), conns: make(map[*pipe]struct{})}
}

// pipe is one end of a connection.
type pipe struct {
	net.Conn
	network *Network
	closed  chan struct{} // closed by Close, at the first call, and by a cut
	once    sync.Once     // guards the closing of closed
}

func newPipe(c net.Conn, n *Network) *pipe {
	return &pipe{Conn: c, network: n, closed: make(chan struct{})}
}

// end closes the end of the connection.
func (p *pipe) end() error {
	p.once.Do(func() { close(p.closed) })
	return p.Conn.Close()
}

// Write implements [net.Conn]. While the network is frozen it waits, and what is written
// then is lost where the connection has been cut meanwhile.
func (p *pipe) Write(b []byte) (int, error) {
	p.network.mu.Lock()
	thaw := p.network.thaw
	p.network.mu.Unlock()
	if thaw != nil {
		select {
		case <-thaw:
		case <-p.closed:
		}
	}
	return p.Conn.Write(b)
}

// Close implements [net.Conn].
func (p *pipe) Close() error {
	p.network.mu.Lock()
	delete(p.network.conns, p)
	p.network.mu.Unlock()
	return p.end()
}

// Dial connects to the server, whatever the address. It is a DialContext of
// client.Transport and http.Transport.
func (n *Network) Dial(ctx context.Context, _, _ string) (net.Conn, error) {
	near, far := net.Pipe()
	a, b := newPipe(near, n), newPipe(far, n)
	n.mu.Lock()
	if n.down {
		n.mu.Unlock()
		return nil, errDown
	}
	n.conns[a], n.conns[b] = struct{}{}, struct{}{}
	n.mu.Unlock()
	var err error
	select {
	case n.accept <- b:
		return a, nil
	case <-n.closed:
		err = net.ErrClosed
	case <-ctx.Done():
		err = ctx.Err()
	}
	_, _ = a.Close(), b.Close()
	return nil, err
}

// Freeze has nothing pass any more, without a word to either end, until Cut, Down or Up.
func (n *Network) Freeze() {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.thaw == nil {
		n.thaw = make(chan struct{})
	}
}

// thawLocked ends what Freeze began; mu must be held.
func (n *Network) thawLocked() {
	if n.thaw != nil {
		close(n.thaw)
		n.thaw = nil
	}
}

// Cut breaks all connections. Clients make new ones, unless the network is down.
func (n *Network) Cut() {
	n.mu.Lock()
	defer n.mu.Unlock()
	defer n.thawLocked()
	for p := range n.conns {
		_ = p.end()
	}
	clear(n.conns)
}

// Down breaks all connections and refuses new ones.
func (n *Network) Down() {
	n.mu.Lock()
	n.down = true
	n.mu.Unlock()
	n.Cut()
}

// Up ends what Down or Freeze began.
func (n *Network) Up() {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.thawLocked()
	n.down = false
}

// Accept implements [net.Listener].
func (n *Network) Accept() (net.Conn, error) {
	select {
	case c := <-n.accept:
		return c, nil
	case <-n.closed:
		return nil, net.ErrClosed
	}
}

// Close implements [net.Listener].
func (n *Network) Close() error {
	n.Up()
	n.once.Do(func() { close(n.closed) })
	return nil
}

// Addr implements [net.Listener].
func (n *Network) Addr() net.Addr { return address{} }

type address struct{}

func (address) Network() string { return "memory" }
func (address) String() string  { return "socket.test" }
