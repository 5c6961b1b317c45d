package command

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"time"

	"podium/protocol/client"
	"podium/protocol/engineio"
)

// errRoute is the advice where requests of one session find different servers.
var errRoute = errors.New("requests of one session may reach different machines; give each its --node-id and use a proxy that replays or sticks")

// options are those of a client over one transport. Each request of long-polling goes
// on a connection of its own, so that a proxy in front of several machines may take
// another one each time.
func (v *verifier) options(transport string) client.Options {
	apart := http.DefaultTransport.(*http.Transport).Clone()
	apart.DisableKeepAlives = true
	return client.Options{
		Transports:        []string{transport},
		HTTPClient:        &http.Client{Transport: apart},
		NoReconnection:    true,
		ReconnectionDelay: 50 * time.Millisecond,
		Logger:            slog.New(slog.DiscardHandler),
	}
}

// open connects a client by options; who calls it closes it.
func (v *verifier) open(ctx context.Context, o client.Options) (*client.Socket, error) {
	s, err := client.Dial(ctx, v.base, o)
	switch {
	case err == nil:
		return s, nil
	case errors.Is(err, client.ErrDisconnected), errors.Is(err, engineio.ErrUnknownSession):
		return nil, fmt.Errorf("%w; %w", err, errRoute) // it had been opened
	case o.Transports[0] == client.TransportWebSocket:
		return nil, fmt.Errorf("%w; a proxy may not pass Upgrade on", err)
	}
	return nil, fmt.Errorf("the handshake failed: %w", err)
}

// connects connects over a transport.
func (v *verifier) connects(transport string) func(context.Context) error {
	return func(ctx context.Context) error {
		s, err := v.open(ctx, v.options(transport))
		if err != nil {
			return err
		}
		return s.Close()
	}
}

// stickyTries is how many sessions are opened by long-polling, each of which takes four
// requests, each on a connection of its own.
const stickyTries = 4

func (v *verifier) sticky(ctx context.Context) error {
	for range stickyTries {
		if err := v.connects(client.TransportPolling)(ctx); err != nil {
			return err
		}
	}
	return nil
}

// recovers cuts a client off and asks for its session again.
func (v *verifier) recovers(ctx context.Context) error {
	o := v.options(client.TransportWebSocket)
	o.NoReconnection = false
	bounded, cancel := context.WithTimeout(ctx, verifyTimeout/3)
	defer cancel()
	s, err := v.open(bounded, o)
	if err != nil {
		o.Transports = []string{client.TransportPolling}
		if s, err = v.open(ctx, o); err != nil {
			return err
		}
	}
	defer func() { _ = s.Close() }()
	s.Manager().Reset()
	if err := s.Connect(ctx); err != nil {
		return err
	}
	if !s.Recovered() {
		return errors.New("it got a new one; recovery may be switched off, machines may not share the data, or the data was replaced")
	}
	return nil
}

// eventBy waits for the heartbeat, which is an event that does not depend on
// anybody's doing something.
func (v *verifier) eventBy(transport string) func(context.Context) error {
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
		s, err := v.open(ctx, v.options(transport))
		if err != nil {
			return err
		}
		defer func() { _ = s.Close() }()
		beat, lost := make(chan struct{}), make(chan error, 1)
		client.On(s, "heartbeat-ping", func(struct{}) { close(beat) }, client.Once)
		s.OnDisconnect(func(reason client.Reason, err error) { lost <- fmt.Errorf("disconnected: %s (%w)", reason, err) })
		select {
		case <-beat:
			return nil
		case err := <-lost:
			return fmt.Errorf("%w; %w", err, errRoute)
		case <-ctx.Done():
			return fmt.Errorf("no heartbeat came within %s; a proxy may hold messages back", (interval + verifyTimeout).Round(time.Second))
		}
	}
}
