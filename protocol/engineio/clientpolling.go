package engineio

import (
	"bytes"
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
	"time"

	"podium/protocol/websocket"
)

// openPolling opens the session by a request.
// (Engine.IO protocol v4, "Protocol", "HTTP long-polling")
func (c *Client) openPolling(ctx context.Context) error {
	body, binary, err := c.request(ctx, http.MethodGet, nil, false)
	if err != nil {
		return err
	}
	err = c.onPayload(body, binary)
	c.mu.Lock()
	opening := c.state == clientOpening
	if !opening && err == nil {
		c.pollLocked()
	}
	c.mu.Unlock()
	switch {
	case opening && err == nil:
		return fmt.Errorf("%w: answer to the handshake is empty", ErrInvalidPacket)
	case opening:
		return c.ofOldServer(body, binary, err)
	case err != nil:
		c.fail(err) // the receiver is told
	}
	return nil
}

// ofOldServer is err, or tells that the answer is that of a server of protocol 3, which
// looks for no version in the request.
func (c *Client) ofOldServer(body []byte, binary bool, err error) error {
	if c.codec.version() == 3 {
		return err
	}
	old := false
	_ = codecV3{}.decodePayload(body, binary, func(p packet) bool {
		old = p.kind == packetOpen
		return false
	})
	if !old {
		return err
	}
	return fmt.Errorf("%w: the server speaks protocol 3", ErrUnsupportedProtocol)
}

// onPayload handles the packets of an answer.
func (c *Client) onPayload(body []byte, binary bool) error {
	var failed error
	err := c.codec.decodePayload(body, binary, func(p packet) bool {
		failed = c.onPacket(p)
		return failed == nil
	})
	if err != nil {
		return err
	}
	return failed
}

// pollLocked begins to poll; mu must be held.
func (c *Client) pollLocked() {
	if c.state == clientPolling && !c.polling {
		c.polling = true
		c.work.Go(c.poll)
	}
}

// poll is the goroutine that polls until the session ends, or is about to move to its
// WebSocket.
func (c *Client) poll() {
	for {
		body, binary, err := c.request(c.ctx, http.MethodGet, nil, false)
		if err == nil {
			err = c.onPayload(body, binary)
		}
		c.mu.Lock()
		if err != nil || c.state != clientPolling {
			c.polling = false
			c.calmLocked()
			c.mu.Unlock()
			if err != nil {
				c.fail(err)
			}
			return
		}
		c.mu.Unlock()
	}
}

// postLocked begins to send what is queued; mu must be held.
func (c *Client) postLocked() {
	if c.posting || len(c.queue) == 0 || c.state != clientPolling && c.state != clientClosing {
		return
	}
	c.posting = true
	c.work.Go(c.post)
}

// post is the goroutine that sends until nothing is queued, or the session is about to
// move to its WebSocket.
func (c *Client) post() {
	var err error
	for {
		c.mu.Lock()
		if err != nil || len(c.queue) == 0 || c.state != clientPolling && c.state != clientClosing {
			c.posting = false
			c.calmLocked()
			if c.state == clientClosing {
				c.endLocked() // the server knows of the end
			}
			c.mu.Unlock()
			if err != nil {
				c.fail(err)
			}
			return
		}
		packets := c.queue[:c.fitting()]
		c.queue = c.queue[len(packets):]
		if len(c.queue) == 0 {
			c.queue = nil
		}
		c.mu.Unlock()
		body, binary := c.codec.appendPayload(nil, packets, false)
		_, _, err = c.request(c.ctx, http.MethodPost, body, binary)
	}
}

// fitting is the number of queued messages that the server takes in one POST.
// (Engine.IO protocol v4, "Handshake": maxPayload)
func (c *Client) fitting() int {
	if c.maxPayload <= 0 {
		return len(c.queue)
	}
	size := 0
	for i, m := range c.queue {
		size += 1 + len(m.Payload())
		if m.Op() == websocket.OpBinary {
			size += 1 + base64.StdEncoding.EncodedLen(len(m.Payload())) - len(m.Payload())
		}
		if i > 0 && size-1 > c.maxPayload {
			return i
		}
	}
	return len(c.queue)
}

// calmLocked tells the upgrade that neither a poll nor a POST is under way any more;
// mu must be held.
func (c *Client) calmLocked() {
	if c.quiet != nil && !c.polling && !c.posting {
		close(c.quiet)
		c.quiet = nil
	}
}

// request makes one request and returns the answer's body. binary says on the way in
// and out that a body is no text.
func (c *Client) request(ctx context.Context, method string, send []byte, binary bool) ([]byte, bool, error) {
	if d := c.opts.RequestTimeout; d > 0 {
		bounded, cancel := context.WithTimeout(ctx, d)
		defer cancel()
		ctx = bounded
	}
	cache := strconv.FormatInt(time.Now().UnixNano(), 36)
	r, err := http.NewRequestWithContext(ctx, method, c.requests.url(c.codec.version(), TransportPolling, c.id, cache), bytes.NewReader(send))
	if err != nil {
		return nil, false, fmt.Errorf("engineio: make request: %w", err)
	}
	if method == http.MethodGet {
		// With a body, if an empty one, net/http does not repeat the request where the
		// connection breaks: what the server sent in the answer that was lost would be
		// missing, and nobody would know.
		r.Body, r.GetBody = io.NopCloser(bytes.NewReader(nil)), nil
	}
	c.opts.addHeader(r)
	r.Header.Set("Accept", "*/*")
	if method == http.MethodPost && binary {
		r.Header.Set("Content-Type", "application/octet-stream")
	} else if method == http.MethodPost {
		r.Header.Set("Content-Type", "text/plain;charset=UTF-8")
	}
	res, err := c.opts.HTTPClient.Do(r)
	if err != nil {
		return nil, false, fmt.Errorf("engineio: %s: %w", method, err)
	}
	defer func() { _ = res.Body.Close() }()
	got, err := io.ReadAll(io.LimitReader(res.Body, c.opts.MaxMessageBytes+1))
	if err != nil {
		return nil, false, fmt.Errorf("engineio: read answer: %w", err)
	}
	if res.StatusCode != http.StatusOK {
		return nil, false, serverError(res.StatusCode, got[:min(len(got), 1024)])
	}
	if int64(len(got)) > c.opts.MaxMessageBytes {
		return nil, false, errors.New("engineio: answer is larger than MaxMessageBytes")
	}
	return got, strings.HasPrefix(res.Header.Get("Content-Type"), "application/octet-stream"), nil
}

// addHeader adds the caller's fields to a request.
func (o *DialOptions) addHeader(r *http.Request) {
	for name, values := range o.Header {
		name = http.CanonicalHeaderKey(name)
		if name == "Host" && len(values) > 0 {
			r.Host = values[0]
			continue
		}
		r.Header[name] = append([]string(nil), values...)
	}
}
