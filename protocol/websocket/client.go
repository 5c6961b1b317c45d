package websocket

import (
	"context"
	"crypto/rand"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptrace"
	"strings"
	"time"
)

// Client opens connections to servers, and carries them as a [Server] carries those
// of its clients: on the same event loops, with the same Conn and Handler. What it
// sends is masked. Its methods are safe for concurrent use.
type Client struct {
	carrier *Server
}

// NewClient makes a client. Shutdown ends what it starts. With [Options.Compression]
// set it offers permessage-deflate.
func NewClient(o Options) *Client {
	s := NewServer(o)
	s.client = true
	return &Client{s}
}

// Stats returns the counters, as [Server.Stats] does.
func (cl *Client) Stats() Stats { return cl.carrier.Stats() }

// Shutdown closes all connections and refuses new ones, as [Server.Shutdown] does.
func (cl *Client) Shutdown(ctx context.Context) error { return cl.carrier.Shutdown(ctx) }

// Dial sends r, a GET request whose URL has the scheme http or https, by way of hc with
// the fields of the opening handshake added (RFC 6455, section 4.1), and takes the
// connection over. Proxies, TLS, cookies and redirects so are those of hc; nil means
// [http.DefaultClient]. The context of r bounds the handshake only. Nothing is read
// before Start.
//
// Where the server answers anything but a WebSocket, the error is a *HandshakeError.
func (cl *Client) Dial(hc *http.Client, r *http.Request, h Handler) (*Conn, error) {
	if hc == nil {
		hc = http.DefaultClient
	}
	var nc net.Conn // the last one that a redirect led to
	trace := &httptrace.ClientTrace{GotConn: func(i httptrace.GotConnInfo) { nc = i.Conn }}
	ctx := httptrace.WithClientTrace(r.Context(), trace)
	if hc.Timeout > 0 {
		// The client's own timeout would go on after the handshake.
		bounded, cancel := context.WithTimeout(ctx, hc.Timeout)
		defer cancel()
		ctx = bounded
		unbounded := *hc
		unbounded.Timeout = 0
		hc = &unbounded
	}
	r = r.Clone(ctx)
	key, err := cl.ask(r.Header)
	if err != nil {
		return nil, err
	}
	res, err := hc.Do(r)
	if err != nil {
		return nil, fmt.Errorf("websocket: handshake: %w", err)
	}
	extension, err := checkAnswer(res, key, cl.carrier.compression != nil)
	if err != nil {
		_ = res.Body.Close()
		return nil, err
	}
	body, ok := res.Body.(io.ReadWriteCloser)
	if !ok {
		_ = res.Body.Close()
		return nil, errors.New("websocket: the HTTP client's transport gives no connection away")
	}
	var initial []byte
	if nc == nil {
		nc = &bodyConn{ReadWriteCloser: body}
	} else if initial, err = drainBuffered(nc, body); err != nil {
		_ = body.Close()
		return nil, fmt.Errorf("websocket: handshake: %w", err)
	}
	c, err := cl.carrier.adopt(nc, h, initial, nil, extension)
	if err != nil {
		_ = body.Close()
		return nil, err
	}
	return c, nil
}

// ask adds the fields of the opening handshake to h and returns the key.
func (cl *Client) ask(h http.Header) (key string, err error) {
	var raw [16]byte
	if _, err := rand.Read(raw[:]); err != nil {
		return "", fmt.Errorf("websocket: make key: %w", err)
	}
	key = base64.StdEncoding.EncodeToString(raw[:])
	h.Set("Connection", "Upgrade")
	h.Set("Upgrade", "websocket")
	h.Set("Sec-WebSocket-Version", "13")
	h.Set("Sec-WebSocket-Key", key)
	if cl.carrier.compression != nil {
		h.Set("Sec-WebSocket-Extensions", "permessage-deflate; server_no_context_takeover; client_no_context_takeover")
	}
	return key, nil
}

// checkAnswer judges the answer by section 4.1, and reports whether it accepts compression.
func checkAnswer(res *http.Response, key string, offered bool) (deflate bool, err error) {
	refused := func(reason string) error { return &HandshakeError{res.StatusCode, reason} }
	if res.StatusCode != http.StatusSwitchingProtocols {
		text, _ := io.ReadAll(io.LimitReader(res.Body, 512)) // as far as it comes
		if s := strings.TrimSpace(string(text)); s != "" {
			return false, refused(s)
		}
		return false, refused(http.StatusText(res.StatusCode))
	}
	if !hasToken(res.Header["Upgrade"], "websocket") || !hasToken(res.Header["Connection"], "upgrade") {
		return false, refused("answer is not an upgrade to websocket")
	}
	if res.Header.Get("Sec-Websocket-Accept") != string(appendAccept(nil, key)) {
		return false, refused("answer does not fit the key")
	}
	extensions := res.Header["Sec-Websocket-Extensions"]
	if len(extensions) == 0 {
		return false, nil
	}
	if !offered || len(extensions) != 1 || !acceptable(extensions[0]) {
		return false, refused("answer has extensions that were not offered")
	}
	return true, nil
}

// acceptable reports whether the answer grants permessage-deflate on the terms that
// were offered: neither side carries its window over (RFC 7692, section 7.1.1). A
// smaller window than ours for what the server sends is no matter for the inflater.
func acceptable(extension string) bool {
	params := strings.Split(extension, ";")
	if strings.TrimSpace(params[0]) != "permessage-deflate" {
		return false
	}
	apart := false
	for _, p := range params[1:] {
		name, value, has := strings.Cut(strings.TrimSpace(p), "=")
		switch name {
		case "server_no_context_takeover":
			apart = !has
		case "client_no_context_takeover":
		case "server_max_window_bits":
			if !validWindow(value) {
				return false
			}
		default:
			return false
		}
	}
	return apart
}

// drainBuffered returns what net/http has read from nc beyond the answer. A deadline
// that has passed keeps the reading from waiting for more.
func drainBuffered(nc net.Conn, body io.Reader) ([]byte, error) {
	if err := nc.SetDeadline(time.Unix(1, 0)); err != nil {
		return nil, fmt.Errorf("set deadline: %w", err)
	}
	initial, err := io.ReadAll(body)
	var timeout net.Error
	if err != nil && !(errors.As(err, &timeout) && timeout.Timeout()) {
		return nil, err
	}
	if err == nil {
		return nil, io.ErrUnexpectedEOF
	}
	if err := nc.SetDeadline(time.Time{}); err != nil {
		return nil, fmt.Errorf("clear deadline: %w", err)
	}
	if len(initial) == 0 {
		return nil, nil
	}
	return initial, nil
}

// bodyConn is a connection of which a RoundTripper of somebody else's gives only the
// body away. It has no deadlines: to end it is to close it.
type bodyConn struct {
	io.ReadWriteCloser
}

var errNoDeadline = errors.New("websocket: connection has no deadlines")

func (*bodyConn) LocalAddr() net.Addr              { return bodyAddr{} }
func (*bodyConn) RemoteAddr() net.Addr             { return bodyAddr{} }
func (*bodyConn) SetDeadline(time.Time) error      { return errNoDeadline }
func (*bodyConn) SetReadDeadline(time.Time) error  { return errNoDeadline }
func (*bodyConn) SetWriteDeadline(time.Time) error { return errNoDeadline }

type bodyAddr struct{}

func (bodyAddr) Network() string { return "http" }
func (bodyAddr) String() string  { return "unknown" }
