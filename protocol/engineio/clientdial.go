package engineio

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"podium/protocol/websocket"
)

// DialOptions configures a [Client]. The zero value is useful, but that it has no
// WebSocket.
type DialOptions struct {
	// Protocol is the Engine.IO protocol version: 4, or 3 for Socket.IO servers up to
	// 2.x. Zero means 4.
	Protocol int
	// Transports are tried in order. Nil means polling, and WebSocket by upgrade.
	Transports []string
	// TryAllTransports has the next transport tried where the first fails to open.
	TryAllTransports bool
	// NoUpgrade keeps a session on the transport that opened it.
	NoUpgrade bool
	// HTTPClient makes the requests, the WebSocket handshakes too. Its Timeout must
	// exceed the server's ping interval, which is how long a poll may take. When the
	// session ends without having been closed here, the idle connections of HTTPClient are
	// closed. Nil means [http.DefaultClient].
	HTTPClient *http.Client
	// WebSocket carries the WebSocket connections. Nil means that there are none.
	WebSocket *websocket.Client
	// Header is sent with each request.
	Header http.Header
	// RequestTimeout bounds each request of long-polling. Zero means none: the
	// heartbeat ends a session whose server is silent.
	RequestTimeout time.Duration
	// CloseTimeout bounds what remains to be sent after Close. Zero means 5 s.
	CloseTimeout time.Duration
	// MaxMessageBytes bounds the answer to a poll. Zero means 100 MiB. For WebSocket
	// see the options of WebSocket.
	MaxMessageBytes int64
	// OnPing is called for each of the server's pings, OnUpgrade when the session has
	// moved to WebSocket, and OnUpgradeError where it could not. They must not block.
	OnPing         func()
	OnUpgrade      func()
	OnUpgradeError func(error)

	open func(*Client) Receiver
}

func (o DialOptions) withDefaults() DialOptions {
	if o.Transports == nil {
		o.Transports = []string{TransportPolling, TransportWebSocket}
	}
	if o.WebSocket == nil {
		o.Transports = slices.DeleteFunc(slices.Clone(o.Transports), func(t string) bool { return t == TransportWebSocket })
	}
	if o.HTTPClient == nil {
		o.HTTPClient = http.DefaultClient
	}
	if o.CloseTimeout <= 0 {
		o.CloseTimeout = 5 * time.Second
	}
	if o.MaxMessageBytes <= 0 {
		o.MaxMessageBytes = 100 << 20
	}
	return o
}

// upgradable reports whether the session may move to WebSocket.
func (o *DialOptions) upgradable() bool {
	return !o.NoUpgrade && slices.Contains(o.Transports, TransportWebSocket)
}

// Dial opens a session with the server at rawURL, whose scheme is http, https, ws or
// wss, and whose path is the server's, such as /socket.io/; its query goes with every
// request. ctx bounds the opening.
//
// When the session opens, open is called with it and returns the receiver of its
// messages; what the server sent meanwhile follows. open must not block.
func Dial(ctx context.Context, rawURL string, o DialOptions, open func(*Client) Receiver) (*Client, error) {
	o = o.withDefaults()
	o.open = open
	target, err := url.Parse(rawURL)
	if err != nil {
		return nil, fmt.Errorf("engineio: %w", err)
	}
	switch target.Scheme {
	case "http", "https":
	case "ws", "wss":
		target.Scheme = "http" + strings.TrimPrefix(target.Scheme, "ws")
	default:
		return nil, fmt.Errorf("engineio: URL %q has none of the schemes http, https, ws and wss", target.Redacted())
	}
	if target.Host == "" {
		return nil, fmt.Errorf("engineio: URL %q names no host", target.Redacted())
	}
	target.Fragment = ""
	var cd codec = codecV4{}
	switch o.Protocol {
	case 0, 4:
	case 3:
		cd = codecV3{}
	default:
		return nil, fmt.Errorf("engineio: unknown protocol %d", o.Protocol)
	}
	err = errors.New("engineio: no transport to try")
	for i, transport := range o.Transports {
		if i > 0 && (!o.TryAllTransports || ctx.Err() != nil) {
			break
		}
		// A client that failed is not used again: something of it may still be ending.
		c := &Client{opts: o, codec: cd, requests: requests{target: *target}}
		c.ctx, c.cancel = context.WithCancel(context.Background())
		switch transport {
		case TransportPolling:
			err = c.openPolling(ctx)
		case TransportWebSocket:
			err = c.openWebSocket(ctx)
		default:
			err = fmt.Errorf("engineio: unknown transport %q", transport)
		}
		if err == nil {
			return c, nil
		}
		c.close(ReasonTransportError, err)
		c.work.Wait()
		o.HTTPClient.CloseIdleConnections()
	}
	return nil, err
}

// requests makes the session's requests.
type requests struct {
	target url.URL
}

// url is the address for a transport. cache is what keeps caches from answering.
func (r *requests) url(version int, transport, sid, cache string) string {
	u := r.target
	query := make([]byte, 0, 128)
	if u.RawQuery != "" {
		query = append(append(query, u.RawQuery...), '&')
	}
	query = append(query, "EIO="...)
	query = append(query, byte('0'+version))
	query = append(append(query, "&transport="...), transport...)
	if cache != "" {
		query = append(append(query, "&t="...), cache...)
	}
	if sid != "" {
		query = append(append(query, "&sid="...), url.QueryEscape(sid)...)
	}
	u.RawQuery = string(query)
	return u.String()
}
