package command

import (
	"context"
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

// recovers cuts a client off and asks for its session again, over whichever transport
// works.
func (v *verifier) recovers(ctx context.Context) error {
	transport := client.TransportWebSocket
	if v.connects(transport)(ctx) != nil {
		transport = client.TransportPolling
		if err := v.connects(transport)(ctx); err != nil {
			return err
		}
	}
	o := v.options(transport)
	o.NoReconnection = false
	s, err := v.open(ctx, o)
	if err != nil {
		return err
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

// eventBy asks for a heartbeat and waits for it. It comes as every event does, and
// depends on nobody's doing anything. A server that does not know the request sends
// one by itself sooner or later.
func (v *verifier) eventBy(transport string) func(context.Context) error {
	return func(ctx context.Context) error {
		s, err := v.open(ctx, v.options(transport))
		if err != nil {
			return err
		}
		defer func() { _ = s.Close() }()
		beat, lost := make(chan struct{}), make(chan error, 1)
		client.On(s, "heartbeat-ping", func(struct{}) { close(beat) }, client.Once)
		s.OnDisconnect(func(reason client.Reason, err error) { lost <- fmt.Errorf("disconnected: %s (%w)", reason, err) })
		if err := s.Emit("heartbeat-request"); err != nil {
			return fmt.Errorf("ask for an event: %w", err)
		}
		select {
		case <-beat:
			return nil
		case err := <-lost:
			return fmt.Errorf("%w; %w", err, errRoute)
		case <-ctx.Done():
			return errors.New("the event that was asked for did not come; a proxy may hold messages back")
		}
	}
}
