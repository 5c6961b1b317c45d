package webtransport

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"errors"
	"io"
	"math/big"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/quic-go/quic-go"
	"github.com/quic-go/quic-go/http3"
	wt "github.com/quic-go/webtransport-go"

	"podium/protocol/budget"
	"podium/protocol/engineio"
)

const patience = 20 * time.Second

// certificate is one for the loopback interface, of the kind that browsers take by its
// hash: ECDSA, and valid for less than two weeks.
func certificate(t testing.TB) tls.Certificate {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "podium test"},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(10 * 24 * time.Hour),
		DNSNames: []string{"localhost"}, IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
		KeyUsage: x509.KeyUsageDigitalSignature, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}
}

// receiver echoes, and notes why its session ended.
type receiver struct {
	session *engineio.Session
	closed  chan engineio.Reason
}

func (r *receiver) OnMessage(data []byte, binary bool) {
	m := engineio.Text(data)
	if binary {
		m = engineio.Binary(data)
	}
	_ = r.session.Send(m)
}

func (r *receiver) OnClose(reason engineio.Reason, _ error) { r.closed <- reason }

// server is an Engine.IO server that echoes, over HTTP and WebTransport.
type server struct {
	testing.TB
	engine *engineio.Server
	quic   *Server
	http   *httptest.Server
	url    string // of WebTransport
	opened chan *receiver
	stop   func()

	keepAlive time.Duration // of clients
}

func serve(t testing.TB, eo engineio.Options, o Options) *server {
	t.Helper()
	s := &server{TB: t, opened: make(chan *receiver, 1000)}
	if eo.Transports == nil {
		eo.Transports = []string{"polling", "websocket", Transport}
	}
	s.engine = engineio.NewServer(eo, func(session *engineio.Session) engineio.Receiver {
		r := &receiver{session, make(chan engineio.Reason, 2)}
		s.opened <- r
		return r
	})
	if o.Handler == nil {
		o.Handler = s.engine
	}
	if o.TLS == nil {
		o.TLS = &tls.Config{Certificates: []tls.Certificate{certificate(t)}}
	}
	s.quic = NewServer(o)
	s.http = httptest.NewServer(o.Handler)
	udp, err := net.ListenUDP("udp", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		t.Fatal(err)
	}
	s.url = "https://" + udp.LocalAddr().String() + "/engine.io/"
	served := make(chan error, 1)
	go func() { served <- s.quic.Serve(udp) }()
	s.stop = sync.OnceFunc(func() {
		ctx, cancel := context.WithTimeout(context.Background(), patience)
		defer cancel()
		if err := errors.Join(s.engine.Shutdown(ctx), s.quic.Shutdown(ctx)); err != nil {
			t.Errorf("shut down: %v", err)
		}
		if err := <-served; !errors.Is(err, http.ErrServerClosed) {
			t.Errorf("Serve returned %v", err)
		}
		s.http.Close()
		http.DefaultClient.CloseIdleConnections()
	})
	t.Cleanup(s.stop)
	return s
}

// next is the newest session's receiver.
func (s *server) next() *receiver {
	s.Helper()
	select {
	case r := <-s.opened:
		return r
	case <-time.After(patience):
		s.Fatal("no session was opened")
		return nil
	}
}

func (r *receiver) wantClosed(t testing.TB, want engineio.Reason) {
	t.Helper()
	select {
	case got := <-r.closed:
		if got != want {
			t.Errorf("the session ended with %q, want %q", got, want)
		}
	case <-time.After(patience):
		t.Fatal("the session did not end")
	}
}

// do sends a request over HTTP.
func (s *server) do(method, query, body string) string {
	s.Helper()
	req, err := http.NewRequest(method, s.http.URL+"/engine.io/?EIO=4&transport=polling"+query, strings.NewReader(body))
	if err != nil {
		s.Fatal(err)
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		s.Fatal(err)
	}
	defer res.Body.Close()
	all, err := io.ReadAll(res.Body)
	if err != nil {
		s.Fatal(err)
	}
	return string(all)
}

// client is a client of WebTransport that writes frames as it likes.
type client struct {
	testing.TB
	transport *wt.Transport
	conn      *quic.Conn
	session   *wt.Session
	stream    *wt.Stream
	packets   packetReader
}

// clientTLS trusts any certificate.
var clientTLS = &tls.Config{InsecureSkipVerify: true, NextProtos: []string{http3.NextProtoH3}} // #nosec G402 -- of a test

// tryDial opens a session of WebTransport.
func (s *server) tryDial(header http.Header) (*client, *http.Response, error) {
	c := &client{TB: s.TB}
	config := &quic.Config{EnableDatagrams: true, EnableStreamResetPartialDelivery: true, KeepAlivePeriod: s.keepAlive}
	c.transport = &wt.Transport{
		TLSClientConfig: clientTLS, QUICConfig: config,
		DialAddr: func(ctx context.Context, addr string, tlsConfig *tls.Config, config *quic.Config) (*quic.Conn, error) {
			conn, err := quic.DialAddr(ctx, addr, tlsConfig, config)
			c.conn = conn
			return conn, err
		},
	}
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	res, session, err := c.transport.Dial(ctx, s.url, header)
	if err != nil {
		_ = c.transport.Close()
		return nil, res, err
	}
	c.session = session
	s.Cleanup(func() {
		_ = session.CloseWithError(0, "")
		_ = c.conn.CloseWithError(0, "")
		_ = c.transport.Close()
	})
	return c, res, nil
}

// dial is tryDial, and opens the stream.
func (s *server) dial() *client {
	s.Helper()
	c, _, err := s.tryDial(nil)
	if err != nil {
		s.Fatal(err)
	}
	c.open()
	return c
}

func (c *client) open() {
	c.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	var err error
	if c.stream, err = c.session.OpenStreamSync(ctx); err != nil {
		c.Fatal(err)
	}
	_ = c.stream.SetReadDeadline(time.Now().Add(patience))
	c.packets = packetReader{
		from: c.stream, limit: 1 << 30, began: func() {}, done: func() {},
		charge: func(func()) *budget.Charge { return nil },
	}
}

// connect opens an Engine.IO session.
func (s *server) connect() (*client, *receiver) {
	s.Helper()
	c := s.dial()
	c.say("0")
	if open := c.next(); !strings.HasPrefix(open, `0{"sid":"`) {
		s.Fatalf("the open packet is %q", open)
	}
	return c, s.next()
}

// say sends packets; those that begin with "b" are binary.
func (c *client) say(packets ...string) {
	c.Helper()
	for _, p := range packets {
		c.write(frame(p))
	}
}

func (c *client) write(b []byte) {
	c.Helper()
	if _, err := c.stream.Write(b); err != nil {
		c.Fatal(err)
	}
}

func (c *client) tryNext() (string, error) {
	data, isBinary, err := c.packets.next()
	if isBinary {
		return "b" + string(data), err
	}
	return string(data), err
}

func (c *client) next() string {
	c.Helper()
	p, err := c.tryNext()
	if err != nil {
		c.Fatal(err)
	}
	return p
}

// wantClosed wants the server to close the session, with code 0.
func (c *client) wantClosed() {
	c.Helper()
	select {
	case <-c.session.Context().Done():
	case <-time.After(patience):
		c.Fatal("the session was not closed")
	}
	_, err := c.session.AcceptStream(context.Background())
	if closed := (*wt.SessionError)(nil); !errors.As(err, &closed) || closed.ErrorCode != 0 || !closed.Remote {
		c.Errorf("the session ended with %v", err)
	}
}
