package server

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net/http"
	"slices"

	"podium/protocol/webtransport"
	"podium/server/listen"
)

// offersQUIC reports whether WebTransport is among the transports.
func (s *Settings) offersQUIC() bool { return slices.Contains(s.Transports, webtransport.Transport) }

// quicServer serves WebTransport. A nil one serves nothing.
type quicServer struct {
	server *webtransport.Server
	served chan error
}

// serveQUIC serves WebTransport at the front's port, where it is offered. What comes by
// it goes the way of all requests for Socket.IO; nothing else is served there.
func (s *Server) serveQUIC(front *listen.Front) (*quicServer, error) {
	packets := front.Packets()
	if packets == nil {
		return nil, nil
	}
	certificate, err := tls.LoadX509KeyPair(s.settings.TLSCert, s.settings.TLSKey)
	if err != nil {
		return nil, fmt.Errorf("serve WebTransport: %w", err)
	}
	q := &quicServer{served: make(chan error, 1)}
	q.server = webtransport.NewServer(webtransport.Options{
		Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if r.URL.Path != socketPath {
				http.NotFound(w, r)
				return
			}
			s.handler.ServeHTTP(w, r)
		}),
		TLS:         &tls.Config{Certificates: []tls.Certificate{certificate}},
		Connections: s.limits.quic, Memory: s.limits.memory.messages,
		MaxHeader: int(s.settings.MaxHeader), HandshakeTimeout: s.settings.HeaderTimeout, Logger: s.log,
	})
	go func() { q.served <- q.server.Serve(packets) }()
	return q, nil
}

// stop ends it, when the sessions have ended.
func (q *quicServer) stop(ctx context.Context) error {
	if q == nil {
		return nil
	}
	err := q.server.Shutdown(ctx)
	if served := <-q.served; !errors.Is(served, http.ErrServerClosed) {
		err = errors.Join(err, served)
	}
	return err
}
