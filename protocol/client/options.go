package client

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/url"
	"strings"
	"time"

	"podium/protocol/socketio/parser"
)

// The names of the transports.
const (
	TransportPolling   = "polling"
	TransportWebSocket = "websocket"
)

// Options configures a [Manager], and by [New] and [Dial] also its socket. The zero
// value is useful and has the defaults of the official client.
type Options struct {
	// Path is where the server is mounted. "" means /socket.io/.
	Path string
	// Query is added to the URL of every request.
	Query url.Values
	// Header is sent with every request, the WebSocket handshake too.
	Header http.Header
	// Transports are tried in order. Nil means polling, and WebSocket by upgrade.
	Transports []string
	// TryAllTransports has the next transport tried where the first fails to open.
	TryAllTransports bool
	// NoUpgrade keeps a connection on the transport that opened it.
	NoUpgrade bool
	// RememberUpgrade begins with WebSocket after an upgrade has succeeded once, until
	// a connection fails.
	RememberUpgrade bool
	// EIO3 speaks Engine.IO protocol 3 and Socket.IO protocol 4, with servers up to 2.x.
	EIO3 bool
	// HTTPClient makes the requests, the WebSocket handshake among them: proxy, TLS,
	// cookies and authentication are its. Its Timeout must exceed the server's ping
	// interval, which is how long a poll may take. Nil means a client of Transport's,
	// without cookies. Give one with a Jar where a load balancer needs its cookie back.
	HTTPClient *http.Client
	// Transport holds the connections. Nil means one of the Manager's own. Programs of
	// many clients share one.
	Transport *Transport
	// Parser must be the server's. Nil means the official one, [parser.JSON].
	Parser parser.Parser

	// Timeout bounds each attempt to open a connection. Zero means 20 s; negative, none.
	Timeout time.Duration
	// RequestTimeout bounds each request of long-polling. Zero means none; the
	// heartbeat ends a connection whose server is silent.
	RequestTimeout time.Duration
	// CloseTimeout bounds what Close waits for what was emitted to leave. Zero means 5 s.
	CloseTimeout time.Duration

	// NoReconnection has a connection that ends not be opened again.
	NoReconnection bool
	// ReconnectionAttempts is after how many failures to give up. Zero means never.
	ReconnectionAttempts int
	// ReconnectionDelay is what the first attempt waits; each further one waits twice
	// as long, up to ReconnectionDelayMax. Zero means 1 s.
	ReconnectionDelay time.Duration
	// ReconnectionDelayMax bounds the delay. Zero means 5 s.
	ReconnectionDelayMax time.Duration
	// RandomizationFactor spreads each delay d over d·(1±factor), so that the clients
	// of a server that restarts do not come at the same time. Zero means 0.5; negative,
	// none.
	RandomizationFactor float64

	// Socket configures the socket that [New] and [Dial] make.
	Socket SocketOptions
	// Trace is told of what happens to the connection. Nil means nobody.
	Trace *Trace
	// Logger is told of handlers that panic, and of events whose arguments do not fit.
	// Nil means [slog.Default].
	Logger *slog.Logger
}

// SocketOptions configures a [Socket].
type SocketOptions struct {
	// Auth is sent when the socket connects: a struct or map that encodes to a JSON
	// object. With EIO3 it is sent as query of the namespace, and must be a
	// map[string]string; the main namespace takes Options.Query instead.
	Auth any
	// AuthFunc, where set, is asked for it at each connect, which it may take its time
	// for. An error counts as a refusal by the server. ctx ends when the Manager is closed.
	AuthFunc func(ctx context.Context) (any, error)
	// NoRecovery begins a new session at each connect, instead of offering the server
	// the one before.
	NoRecovery bool
	// Retries has every event that is not volatile be acknowledged, one at a time, and
	// be sent again where the answer does not come in AckTimeout or the connection
	// ends: up to Retries times more. The server may so get an event twice. Zero means none.
	Retries int
	// AckTimeout bounds the wait for an acknowledgement, beside the context. Zero means
	// none.
	AckTimeout time.Duration
}

// Trace is told of what happens to a Manager's connection. The functions are called one
// after another, in order, and may be nil.
type Trace struct {
	// Opened is called when a connection is open, and before any socket uses it.
	Opened func(transport string)
	// Upgraded is called when the connection has moved to WebSocket, and UpgradeFailed
	// where it could not.
	Upgraded      func()
	UpgradeFailed func(error)
	// Ping is called for each of the server's pings.
	Ping func()
	// Closed is called when a connection has ended, as OnDisconnect is.
	Closed func(reason Reason, err error)
	// Failed is called when a connection could not be opened.
	Failed func(error)
	// ReconnectAttempt is called before each attempt, which are counted from 1, and
	// Reconnected after one that succeeded; ReconnectFailed after the last one.
	ReconnectAttempt func(attempt int)
	Reconnected      func(attempt int)
	ReconnectFailed  func()
}

func (o Options) withDefaults() Options {
	if o.Path == "" {
		o.Path = "/socket.io/"
	}
	if !strings.HasPrefix(o.Path, "/") {
		o.Path = "/" + o.Path
	}
	if !strings.HasSuffix(o.Path, "/") {
		o.Path += "/"
	}
	if o.Parser == nil {
		o.Parser = parser.JSON{}
	}
	o.Timeout = orDefault(o.Timeout, 20*time.Second)
	o.CloseTimeout = orDefault(o.CloseTimeout, 5*time.Second)
	o.ReconnectionDelay = orDefault(o.ReconnectionDelay, time.Second)
	o.ReconnectionDelayMax = orDefault(o.ReconnectionDelayMax, 5*time.Second)
	if o.RandomizationFactor == 0 {
		o.RandomizationFactor = 0.5
	}
	if o.Trace == nil {
		o.Trace = new(Trace)
	}
	if o.Logger == nil {
		o.Logger = slog.Default()
	}
	return o
}

func orDefault(d, def time.Duration) time.Duration {
	if d == 0 {
		return def
	}
	return d
}

// target is the URL that requests are made of: rawURL's server, the path and query of
// the options. The second result is the path of rawURL.
func (o *Options) target(rawURL string) (address, path string, err error) {
	u, err := url.Parse(rawURL)
	if err != nil {
		return "", "", fmt.Errorf("client: %w", err)
	}
	switch u.Scheme {
	case "http", "https", "ws", "wss":
	default:
		return "", "", fmt.Errorf("client: URL %q has none of the schemes http, https, ws and wss", u.Redacted())
	}
	if u.Host == "" {
		return "", "", errors.New("client: URL names no host")
	}
	path = u.Path
	query := u.Query()
	for name, values := range o.Query {
		query[name] = values
	}
	u.Path, u.RawPath, u.Fragment = o.Path, "", ""
	u.RawQuery = query.Encode()
	return u.String(), path, nil
}
