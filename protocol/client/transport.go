package client

import (
	"context"
	"crypto/tls"
	"net"
	"net/http"
	"net/url"
	"sync"

	"podium/protocol/websocket"
)

// Transport holds connections: those of HTTP for use again, and WebSockets on an event
// loop, where an idle one costs about a kilobyte and no goroutine. Any number of Managers
// share one. Its fields must not be changed once it is in use. The zero value is useful.
//
// Whoever made a Transport closes it, after its Managers.
type Transport struct {
	// TLS is used for https and wss. Nil means the default.
	TLS *tls.Config
	// Proxy returns the proxy for a request. Nil means that of the environment, see
	// [http.ProxyFromEnvironment].
	Proxy func(*http.Request) (*url.URL, error)
	// DialContext makes the connections. Nil means a [net.Dialer].
	DialContext func(ctx context.Context, network, address string) (net.Conn, error)
	// Compression offers permessage-deflate to servers. Nil means not to.
	Compression *websocket.Compression
	// MaxMessageBytes bounds what is received as one message or answer. Zero means 100 MiB.
	MaxMessageBytes int64
	// Loops is the number of event loops (Linux, without TLS). Zero means 1; negative
	// means none: each connection then has a goroutine.
	Loops int

	once sync.Once // guards the making of what follows
	http *http.Transport
	ws   *websocket.Client
}

const maxMessageBytes = 100 << 20

func (t *Transport) start() {
	t.once.Do(func() {
		t.http = http.DefaultTransport.(*http.Transport).Clone()
		t.http.MaxIdleConns = 0 // no bound: each Manager needs two
		t.http.MaxIdleConnsPerHost = 1 << 20
		if t.Proxy != nil {
			t.http.Proxy = t.Proxy
		}
		if t.TLS != nil {
			t.http.TLSClientConfig = t.TLS.Clone()
		}
		if t.DialContext != nil {
			t.http.DialContext = t.DialContext
		}
		if t.MaxMessageBytes <= 0 {
			t.MaxMessageBytes = maxMessageBytes
		}
		t.ws = websocket.NewClient(websocket.Options{
			MaxMessageBytes: t.MaxMessageBytes,
			MaxQueuedBytes:  -1, // the heartbeat ends a connection that is stuck
			Compression:     t.Compression,
			Loops:           t.Loops,
		})
	})
}

// Close ends the connections and goroutines that are left.
func (t *Transport) Close() {
	t.start()
	ctx, cancel := context.WithCancel(context.Background())
	cancel() // a Manager that was closed has ended its connections in order
	_ = t.ws.Shutdown(ctx)
	t.http.CloseIdleConnections()
}
