package client_test

import (
	"bufio"
	"bytes"
	"context"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"io"
	"log/slog"
	"math/rand/v2"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"go.uber.org/goleak"

	"podium/protocol/client"
	"podium/protocol/engineio"
	"podium/protocol/socketio"
	"podium/protocol/socketio/msgpack"
	"podium/protocol/websocket"
)

func TestMain(m *testing.M) {
	goleak.VerifyTestMain(m, goleak.Cleanup(func(code int) {
		shared.end()
		os.Exit(code)
	}))
}

// wait bounds everything a test waits for.
const wait = 20 * time.Second

// backend is a kind of server that the behaviour suite runs against.
type backend struct {
	name  string
	eio3  bool
	start func(t *testing.T, o serverOptions) *server
}

// serverOptions are what a test asks of a server.
type serverOptions struct {
	Msgpack  bool
	Recovery bool
	Pings    bool // every 100 ms
	TLS      bool
	Path     string // where it is mounted
	// Compression has WebSockets compress everything, MaxPayload bound what is received.
	Compression bool
	MaxPayload  int
	// Alone has it be this test's alone, which may kill it.
	Alone bool
}

// server is a server that runs, with the handlers of testdata/server.js.
type server struct {
	url     string
	roots   *x509.CertPool                        // who signed its certificate, with serverOptions.TLS
	say     func(room, event string, args ...any) // emits to a room
	kill    func()                                // ends it as a crash does
	restart func()                                // starts it again at the same address, knowing nothing
}

var backends = []backend{
	{name: "ours", start: startOurs},
	{name: "ours EIO3", eio3: true, start: startOurs},
	{name: "node 4.8", start: startNode("socket.io")},
	{name: "node 3.1", start: startNode("socket.io-3.1")},
	{name: "node 2.5", eio3: true, start: startNode("socket.io-2.5")},
}

// modes are the ways in which a connection may go.
var modes = map[string]func(*client.Options){
	"polling":   func(o *client.Options) { o.Transports = []string{client.TransportPolling} },
	"websocket": func(o *client.Options) { o.Transports = []string{client.TransportWebSocket} },
	"upgrade":   func(*client.Options) {},
}

// everywhere runs a test against each server over each transport.
func everywhere(t *testing.T, so serverOptions, f func(t *testing.T, srv *server, o client.Options)) {
	everyServer(t, so, func(t *testing.T, srv *server, o client.Options) {
		for name, mode := range modes {
			t.Run(name, func(t *testing.T) {
				o := o
				mode(&o)
				f(t, srv, o)
			})
		}
	})
}

// everyServer runs a test against each server.
func everyServer(t *testing.T, so serverOptions, f func(t *testing.T, srv *server, o client.Options)) {
	for _, b := range backends {
		t.Run(b.name, func(t *testing.T) {
			srv := b.start(t, so)
			o := fast()
			o.EIO3 = b.eio3
			if so.Msgpack {
				o.Parser = msgpack.Parser{}
			}
			f(t, srv, o)
		})
	}
}

// fast are options that do not wait long.
func fast() client.Options {
	return client.Options{Logger: slog.New(slog.DiscardHandler), ReconnectionDelay: 10 * time.Millisecond, ReconnectionDelayMax: 50 * time.Millisecond}
}

// startOurs runs our server with the handlers of testdata/server.js.
func startOurs(t *testing.T, so serverOptions) *server {
	o := socketio.Options{Engine: engineio.Options{AllowEIO3: true}}
	if so.Msgpack {
		o.Parser = msgpack.Parser{}
	}
	if so.Recovery {
		o.Recovery = &socketio.Recovery{Log: &socketio.MemoryLog{}}
	}
	if so.Pings {
		o.Engine.PingInterval = 100 * time.Millisecond
	}
	if so.Compression {
		o.Engine.Compression = &websocket.Compression{Threshold: -1}
	}
	o.Engine.MaxPayload = int64(so.MaxPayload)
	var srv *socketio.Server
	var hs *httptest.Server
	s := &server{say: func(room, event string, args ...any) {
		if err := srv.To(room).Emit(event, args...); err != nil {
			t.Errorf("say: %v", err)
		}
	}}
	start := func(address string) {
		srv = socketio.NewServer(o)
		serveNamespace(srv.Of("/"))
		serveNamespace(srv.Of("/chat"))
		srv.Of("/refused").Use(func(*socketio.Socket) error {
			return &socketio.Error{Message: "not you", Data: map[string]int{"code": 7}}
		})
		var handler http.Handler = srv
		if so.Path != "" {
			mux := http.NewServeMux()
			mux.Handle(so.Path, srv)
			handler = mux
		}
		hs = httptest.NewUnstartedServer(handler)
		_ = hs.Listener.Close()
		var err error
		if hs.Listener, err = net.Listen("tcp", address); err != nil {
			t.Fatal(err)
		}
		if !so.TLS {
			hs.Start()
			return
		}
		hs.EnableHTTP2 = true
		hs.StartTLS()
		s.roots = x509.NewCertPool()
		s.roots.AddCert(hs.Certificate())
	}
	s.kill = func() {
		// Its connections break first, so that the server says nothing in order.
		_ = hs.Listener.Close()
		hs.CloseClientConnections()
		ctx, cancel := context.WithCancel(context.Background())
		cancel()
		_ = srv.Shutdown(ctx) // is cut short
		hs.Close()
	}
	s.restart = func() { start(strings.TrimPrefix(s.url, "http://")) }
	start("127.0.0.1:0")
	s.url = hs.URL
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), wait)
		defer cancel()
		if err := srv.Shutdown(ctx); err != nil {
			t.Errorf("shut down: %v", err)
		}
		hs.Close()
	})
	return s
}

func serveNamespace(n *socketio.Namespace) {
	socketio.OnEvent(n, "echo", func(e *socketio.Event) {
		if e.WantsAck() {
			_ = e.Ack(e.Args.Any()...)
		} else {
			_ = e.Socket.Emit("echo", e.Args.Any()...)
		}
	})
	socketio.On(n, "ask", func(s *socketio.Socket, a socketio.Args) {
		var event string
		_ = a.Get(0).Decode(&event)
		go func() {
			if answer, err := s.EmitWithAck(s.Context(), event, a[1:].Any()...); err == nil {
				_ = s.Emit("answer", answer.Any()...)
			}
		}()
	})
	socketio.On(n, "burst", func(s *socketio.Socket, count int) {
		for i := range count {
			_ = s.Emit("n", i)
		}
	})
	socketio.OnEvent(n, "silent", func(*socketio.Event) {})
	socketio.On(n, "kick", func(s *socketio.Socket, _ struct{}) { s.Disconnect(false) })
	socketio.On(n, "kick all", func(s *socketio.Socket, _ struct{}) { s.Disconnect(true) })
	socketio.On(n, "drop", func(s *socketio.Socket, _ struct{}) { s.Conn().Close() })
	socketio.OnAck(n, "about", func(s *socketio.Socket, _ struct{}) (any, error) {
		h := s.Handshake()
		query, headers := map[string]string{}, map[string]string{}
		for name, v := range h.Query {
			query[name] = v[0]
		}
		for name, v := range h.Header {
			headers[strings.ToLower(name)] = v[0]
		}
		return map[string]any{"auth": h.Auth, "query": query, "headers": headers, "transport": s.Conn().Transport()}, nil
	})
	socketio.OnAck(n, "id", func(s *socketio.Socket, _ struct{}) (string, error) { return s.ID(), nil })
	socketio.OnAck(n, "date", func(*socketio.Socket, struct{}) (socketio.Args2[time.Time, map[string]any], error) {
		epoch := time.Unix(0, 0).UTC()
		return socketio.Args2[time.Time, map[string]any]{A: epoch, B: map[string]any{"date": epoch}}, nil
	})
	socketio.On(n, "say", func(s *socketio.Socket, a socketio.Args) {
		var room, event string
		_ = a.Decode(&room, &event)
		_ = s.To(room).Emit(event, a[2:].Any()...)
	})
	socketio.OnAck(n, "join", func(s *socketio.Socket, room string) (struct{}, error) { s.Join(room); return struct{}{}, nil })
}

// modules is where the official packages are.
var modules, _ = filepath.Abs("../../test/node_modules")

// needNode skips a test where Node or a package is missing, unless it is required.
func needNode(t *testing.T, pkg string) {
	t.Helper()
	_, err := exec.LookPath("node")
	if err == nil {
		_, err = os.Stat(filepath.Join(modules, pkg))
	}
	if err == nil {
		return
	}
	if os.Getenv("PODIUM_TEST_REQUIRE") != "" {
		t.Fatalf("needs Node and %s (npm install --prefix test): %v", pkg, err)
	}
	t.Skipf("needs Node and %s (npm install --prefix test): %v", pkg, err)
}

// startNode runs testdata/server.js on an official server, or returns the one that runs
// with these options already: Node takes long to start.
func startNode(pkg string) func(*testing.T, serverOptions) *server {
	return func(t *testing.T, so serverOptions) *server {
		needNode(t, pkg)
		if so.Alone {
			n := new(node)
			t.Cleanup(n.kill)
			return n.serve(t, pkg, so)
		}
		return shared.server(t, pkg, so)
	}
}

// sharedNodes are the official servers that tests share, until the last one has ended.
type sharedNodes struct {
	mu      sync.Mutex // guards the fields below
	nodes   []*node
	servers map[string]*server
}

var shared sharedNodes

func (s *sharedNodes) server(t *testing.T, pkg string, so serverOptions) *server {
	t.Helper()
	s.mu.Lock()
	defer s.mu.Unlock()
	key := fmt.Sprint(pkg, so)
	if s.servers[key] == nil {
		n := new(node)
		s.nodes = append(s.nodes, n)
		if s.servers == nil {
			s.servers = make(map[string]*server)
		}
		s.servers[key] = n.serve(t, pkg, so)
	}
	return s.servers[key]
}

func (s *sharedNodes) end() {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, n := range s.nodes {
		n.kill()
	}
}

// node is a process of testdata/server.js.
type node struct {
	args []string
	cmd  *exec.Cmd

	mu sync.Mutex // guards in
	in io.WriteCloser
}

// serve runs it.
func (n *node) serve(t *testing.T, pkg string, so serverOptions) *server {
	t.Helper()
	o := map[string]any{"allowEIO3": true}
	if so.Msgpack {
		o["msgpack"] = true
	}
	if so.Recovery {
		o["connectionStateRecovery"] = map[string]any{}
	}
	if so.Pings {
		o["pingInterval"] = 100
	}
	if so.Path != "" {
		o["path"] = so.Path
	}
	if so.Compression {
		o["perMessageDeflate"] = map[string]int{"threshold": 0}
	}
	if so.MaxPayload > 0 {
		o["maxHttpBufferSize"] = so.MaxPayload
	}
	s := &server{}
	scheme := "http://"
	if so.TLS {
		scheme = "https://"
		o["tls"], s.roots = certificate(t)
	}
	text, err := json.Marshal(o)
	if err != nil {
		t.Fatal(err)
	}
	n.args = []string{"testdata/server.js", pkg, string(text)}
	s.url = scheme + "127.0.0.1:" + n.start(t, "0")
	s.say = func(room, event string, args ...any) {
		n.order(map[string]any{"room": room, "event": event, "args": args})
	}
	s.kill = n.kill
	s.restart = func() { n.start(t, s.url[strings.LastIndexByte(s.url, ':')+1:]) }
	return s
}

// start runs it and returns its port, once it listens there.
func (n *node) start(t *testing.T, port string) string {
	t.Helper()
	n.cmd = exec.Command("node", append(n.args, port)...)
	n.cmd.Env = append(os.Environ(), "NODE_PATH="+modules)
	n.cmd.Stderr = os.Stderr
	in, err := n.cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := n.cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := n.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	n.mu.Lock()
	n.in = in
	n.mu.Unlock()
	got, err := bufio.NewReader(out).ReadString('\n')
	if err != nil {
		t.Fatalf("server did not start: %v", err)
	}
	return strings.TrimSpace(got)
}

func (n *node) order(o any) {
	n.mu.Lock()
	defer n.mu.Unlock()
	_ = json.NewEncoder(n.in).Encode(o)
}

func (n *node) kill() {
	if n.cmd == nil || n.cmd.Process == nil {
		return
	}
	_ = n.cmd.Process.Kill()
	_ = n.cmd.Wait()
}

// certificate is the key and certificate of httptest's servers, as Node takes them.
func certificate(t *testing.T) (pair map[string]string, roots *x509.CertPool) {
	t.Helper()
	hs := httptest.NewTLSServer(nil)
	defer hs.Close()
	own := hs.TLS.Certificates[0]
	key, err := x509.MarshalPKCS8PrivateKey(own.PrivateKey)
	if err != nil {
		t.Fatal(err)
	}
	roots = x509.NewCertPool()
	roots.AddCert(hs.Certificate())
	return map[string]string{
		"key":  string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: key})),
		"cert": string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: own.Certificate[0]})),
	}, roots
}

// connect dials and has the test end with everything of it.
func connect(t *testing.T, url string, o client.Options) *client.Socket {
	t.Helper()
	s := unconnected(t, url, o)
	mustConnect(t, s)
	return s
}

// unconnected makes a socket that does not connect yet.
func unconnected(t *testing.T, url string, o client.Options) *client.Socket {
	t.Helper()
	s, err := client.New(url, o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() })
	return s
}

func mustConnect(t *testing.T, s *client.Socket) {
	t.Helper()
	if err := s.Connect(within(t)); err != nil {
		t.Fatal(err)
	}
}

// within is a context that bounds a test's waiting.
func within(t *testing.T) context.Context {
	ctx, cancel := context.WithTimeout(t.Context(), wait)
	t.Cleanup(cancel)
	return ctx
}

// receive takes the next value of a channel.
func receive[T any](t *testing.T, from <-chan T) T {
	t.Helper()
	select {
	case v := <-from:
		return v
	case <-time.After(wait):
		t.Fatal("nothing came")
		panic("unreachable")
	}
}

// arrivals has an event's first argument go to a channel.
func arrivals[T any](s *client.Socket, event string) <-chan T {
	c := make(chan T, 10_000)
	client.On(s, event, func(v T) { c <- v })
	return c
}

// disconnects has the reasons of disconnects go to a channel.
func disconnects(s *client.Socket) <-chan client.Reason {
	c := make(chan client.Reason, 100)
	s.OnDisconnect(func(r client.Reason, _ error) { c <- r })
	return c
}

// connects counts the connects of a socket into a channel.
func connects(s *client.Socket) <-chan struct{} {
	c := make(chan struct{}, 100)
	s.OnConnect(func() { c <- struct{}{} })
	return c
}

// until polls until ok, within bounds.
func until(t *testing.T, what string, ok func() bool) {
	t.Helper()
	for end := time.Now().Add(wait); !ok(); time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("not in time: %s", what)
		}
	}
}

// cable is a TCP proxy whose connections can be reset.
type cable struct {
	listener net.Listener
	to       string
	delay    time.Duration // up to so much for each piece, either way
	piece    int           // the most bytes that pass as one

	mu    sync.Mutex // guards what follows
	conns map[net.Conn]struct{}
	down  bool // new connections are refused
	work  sync.WaitGroup
}

func newCable(t *testing.T, url string) *cable {
	t.Helper()
	return newSlowCable(t, url, 0, 32<<10)
}

// newSlowCable is newCable of a network that is slow and cuts what it carries into pieces.
func newSlowCable(t *testing.T, url string, delay time.Duration, piece int) *cable {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	c := &cable{listener: l, to: strings.TrimPrefix(url, "http://"), delay: delay, piece: piece, conns: map[net.Conn]struct{}{}}
	c.work.Go(c.accept)
	t.Cleanup(func() {
		_ = l.Close()
		c.cut(true)
		c.work.Wait()
	})
	return c
}

func (c *cable) url() string { return "http://" + c.listener.Addr().String() }

func (c *cable) accept() {
	for {
		near, err := c.listener.Accept()
		if err != nil {
			return
		}
		c.work.Go(func() { c.carry(near) })
	}
}

func (c *cable) carry(near net.Conn) {
	far, err := net.Dial("tcp", c.to)
	if err != nil {
		_ = near.Close()
		return
	}
	c.mu.Lock()
	if c.down {
		c.mu.Unlock()
		reset(near)
		_ = far.Close()
		return
	}
	c.conns[near], c.conns[far] = struct{}{}, struct{}{}
	c.mu.Unlock()
	c.work.Go(func() { c.pump(far, near) })
	c.pump(near, far)
}

func (c *cable) pump(to, from net.Conn) {
	buf := make([]byte, c.piece)
	for {
		n, err := from.Read(buf)
		if n > 0 {
			if c.delay > 0 {
				time.Sleep(rand.N(c.delay))
			}
			_, _ = to.Write(buf[:n])
		}
		if err != nil {
			break
		}
	}
	_ = to.Close()
	_ = from.Close()
	c.mu.Lock()
	delete(c.conns, to)
	delete(c.conns, from)
	c.mu.Unlock()
}

// cut resets all connections. down says whether new ones are refused from now on.
func (c *cable) cut(down bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.down = down
	for conn := range c.conns {
		reset(conn)
	}
}

// cutUntil resets connections until something has come from ch: a session over polling
// does not notice a reset between two polls.
func (c *cable) cutUntil(t *testing.T, ch <-chan struct{}) {
	t.Helper()
	until(t, "connected again", func() bool {
		c.cut(false)
		select {
		case <-ch:
			return true
		case <-time.After(200 * time.Millisecond):
			return false
		}
	})
}

// reset closes a connection so that its peer gets a reset.
func reset(conn net.Conn) {
	if tcp, ok := conn.(*net.TCPConn); ok {
		_ = tcp.SetLinger(0)
	}
	_ = conn.Close()
}

// webSocketBreaker dials connections of which WebSockets break after so many pieces in
// either direction, the first two times.
type webSocketBreaker struct {
	after  int
	broken atomic.Int64
}

func (b *webSocketBreaker) dial(ctx context.Context, network, address string) (net.Conn, error) {
	conn, err := new(net.Dialer).DialContext(ctx, network, address)
	if err != nil {
		return nil, err
	}
	return &breakingConn{Conn: conn, breaker: b}, nil
}

type breakingConn struct {
	net.Conn
	breaker   *webSocketBreaker
	webSocket atomic.Bool
	pieces    atomic.Int64
}

func (c *breakingConn) Write(p []byte) (int, error) {
	if bytes.Contains(p, []byte("Upgrade: websocket")) {
		c.webSocket.Store(true)
	}
	c.count()
	return c.Conn.Write(p)
}

func (c *breakingConn) Read(p []byte) (int, error) {
	n, err := c.Conn.Read(p)
	c.count()
	return n, err
}

func (c *breakingConn) count() {
	if c.webSocket.Load() && c.pieces.Add(1) == int64(c.breaker.after) && c.breaker.broken.Add(1) <= 2 {
		reset(c.Conn)
	}
}

// slowPosts is an HTTP client whose POSTs wait until release is closed, but for the first
// one, which asks for the namespace.
func slowPosts(t *testing.T, release <-chan struct{}) *http.Client {
	base := &http.Transport{}
	t.Cleanup(base.CloseIdleConnections)
	posts := 0 // they come one after another
	return &http.Client{Transport: roundTripper(func(r *http.Request) (*http.Response, error) {
		if r.Method == http.MethodPost {
			if posts++; posts > 1 {
				<-release
			}
		}
		return base.RoundTrip(r)
	})}
}
