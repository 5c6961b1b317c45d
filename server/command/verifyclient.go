package command

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"

	"github.com/coder/websocket"
)

// session is a Socket.IO session over one transport, as far as verify needs it.
type session struct {
	pid  string // what the session is taken up by
	read func(context.Context) (packets []string, err error)
	end  func()
}

// separator stands between packets in a long-polling payload. (Engine.IO
// protocol v4, "HTTP long-polling")
const separator = "\x1e"

// exchange sends a request on a connection of its own, so that a proxy in
// front of several machines may take another one each time.
func (v *verifier) exchange(ctx context.Context, method, path, body string) (string, error) {
	req, err := http.NewRequestWithContext(ctx, method, v.base+path, strings.NewReader(body))
	if err != nil {
		return "", err
	}
	req.Close = true
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		return "", err
	}
	defer res.Body.Close()
	data, err := io.ReadAll(io.LimitReader(res.Body, 1<<20))
	if err == nil && res.StatusCode != http.StatusOK {
		err = fmt.Errorf("%s: %.100s", res.Status, data)
	}
	return string(data), err
}

// errRoute is the advice where requests of one session find different servers.
var errRoute = errors.New("requests of one session may reach different machines; give each its --node-id and use a proxy that replays or sticks")

// pollingSession opens a session by long-polling and joins the namespace.
func (v *verifier) pollingSession(ctx context.Context, auth string) (*session, error) {
	const path = "/socket.io/?EIO=4&transport=polling"
	answer, err := v.exchange(ctx, http.MethodGet, path, "")
	if err != nil {
		return nil, fmt.Errorf("the handshake failed: %w", err)
	}
	var open struct{ SID string }
	if !strings.HasPrefix(answer, "0") || json.Unmarshal([]byte(answer[1:]), &open) != nil {
		return nil, fmt.Errorf("the handshake is answered with %.100s", answer)
	}
	own := path + "&sid=" + open.SID
	s := &session{
		read: func(ctx context.Context) ([]string, error) {
			answer, err := v.exchange(ctx, http.MethodGet, own, "")
			if err != nil {
				return nil, fmt.Errorf("%w; %w", err, errRoute)
			}
			packets := strings.Split(answer, separator)
			for _, p := range packets {
				if p == "2" {
					if _, err := v.exchange(ctx, http.MethodPost, own, "3"); err != nil {
						return nil, fmt.Errorf("%w; %w", err, errRoute)
					}
				}
			}
			return packets, nil
		},
		// The connection is left as by a phone that lost its network: the
		// server finds out by itself.
		end: func() {},
	}
	if _, err := v.exchange(ctx, http.MethodPost, own, "40"+auth); err != nil {
		return nil, fmt.Errorf("%w; %w", err, errRoute)
	}
	return s, s.join(ctx)
}

// webSocketSession opens a session over WebSocket and joins the namespace.
func (v *verifier) webSocketSession(ctx context.Context, auth string) (*session, error) {
	c, _, err := websocket.Dial(ctx, v.base+"/socket.io/?EIO=4&transport=websocket", nil)
	if err != nil {
		return nil, fmt.Errorf("%w; a proxy may not pass Upgrade on", err)
	}
	s := &session{
		read: func(ctx context.Context) ([]string, error) {
			_, data, err := c.Read(ctx)
			if err == nil && string(data) == "2" {
				err = c.Write(ctx, websocket.MessageText, []byte("3"))
			}
			return []string{string(data)}, err
		},
		end: func() { _ = c.CloseNow() },
	}
	if err := c.Write(ctx, websocket.MessageText, []byte("40"+auth)); err != nil {
		s.end()
		return nil, err
	}
	if err := s.join(ctx); err != nil {
		s.end()
		return nil, err
	}
	return s, nil
}

// join waits for the answer to CONNECT and notes what the session is called.
func (s *session) join(ctx context.Context) error {
	for {
		packets, err := s.read(ctx)
		if err != nil {
			return err
		}
		for _, p := range packets {
			if data, ok := strings.CutPrefix(p, "40"); ok {
				var answer struct{ PID string }
				if err := json.Unmarshal([]byte(data), &answer); err != nil {
					return fmt.Errorf("CONNECT is answered with %.100s", p)
				}
				s.pid = answer.PID
				return nil
			}
			if strings.HasPrefix(p, "44") {
				return fmt.Errorf("CONNECT is refused: %.100s", p)
			}
		}
	}
}

// polling connects by long-polling.
func (v *verifier) polling(ctx context.Context) error {
	_, err := v.pollingSession(ctx, "")
	return err
}

// webSocket connects over WebSocket.
func (v *verifier) webSocket(ctx context.Context) error {
	s, err := v.webSocketSession(ctx, "")
	if err != nil {
		return err
	}
	s.end()
	return nil
}

// stickyTries is how many requests of a session are sent, each on a connection
// of its own.
const stickyTries = 8

func (v *verifier) sticky(ctx context.Context) error {
	answer, err := v.exchange(ctx, http.MethodGet, "/socket.io/?EIO=4&transport=polling", "")
	if err != nil {
		return err
	}
	var open struct{ SID string }
	if !strings.HasPrefix(answer, "0") || json.Unmarshal([]byte(answer[1:]), &open) != nil {
		return fmt.Errorf("the handshake is answered with %.100s", answer)
	}
	own := "/socket.io/?EIO=4&transport=polling&sid=" + open.SID
	for n := range stickyTries {
		packet := "40"
		if n > 0 {
			packet = "3" // a pong does no harm
		}
		if _, err := v.exchange(ctx, http.MethodPost, own, packet); err != nil {
			return fmt.Errorf("%w; %w", err, errRoute)
		}
	}
	return nil
}

// recovers cuts a client off and asks for its session again.
func (v *verifier) recovers(ctx context.Context) error {
	open := v.webSocketSession
	before, err := open(ctx, "")
	if err != nil {
		open = v.pollingSession
		if before, err = open(ctx, ""); err != nil {
			return err
		}
	}
	before.end()
	if before.pid == "" {
		return errors.New("the server names no session; recovery is switched off")
	}
	after, err := open(ctx, fmt.Sprintf(`{"pid":%q}`, before.pid))
	if err != nil {
		return err
	}
	after.end()
	if after.pid != before.pid {
		return errors.New("it got a new one; machines may not share the data, or the data was replaced")
	}
	return nil
}

// eventBy waits for the heartbeat, which is an event that does not depend on
// anybody's doing something.
func (v *verifier) eventBy(open func(context.Context, string) (*session, error)) func(context.Context) error {
	return func(short context.Context) error {
		var health struct {
			Config struct{ HeartbeatInterval int64 }
		}
		if _, body, err := v.get(short, "/api/realtime-health"); err != nil || json.Unmarshal(body, &health) != nil {
			return errors.New("/api/realtime-health does not say how often the heartbeat beats")
		}
		interval := time.Duration(health.Config.HeartbeatInterval) * time.Millisecond
		ctx, cancel := context.WithTimeout(v.ctx, interval+verifyTimeout)
		defer cancel()
		s, err := open(ctx, "")
		if err != nil {
			return err
		}
		defer s.end()
		for {
			packets, err := s.read(ctx)
			if ctx.Err() != nil {
				return fmt.Errorf("no heartbeat came within %s; a proxy may hold messages back", (interval + verifyTimeout).Round(time.Second))
			}
			if err != nil {
				return err
			}
			for _, p := range packets {
				if strings.HasPrefix(p, `42["heartbeat-ping"`) {
					return nil
				}
			}
		}
	}
}
