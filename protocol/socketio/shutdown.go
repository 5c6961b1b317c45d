package socketio

import (
	"context"
	"errors"
	"fmt"
)

// Shutdown ends the server: sockets disconnect with [ReasonServerShutdown] in
// a way that clients come back from, session records are saved, and Shutdown
// returns when every handler has returned, or with ctx's error when ctx ends
// first. It must not be called from a handler. Calling it again waits for the
// first call and returns what that returned.
//
//  1. no new connections, so that the list of sockets is complete
//  2. sockets close, which remembers their sessions
//  3. connections close, after what was queued for them
//  4. handlers finish
//  5. session records are saved, and the server leaves its cluster
func (srv *Server) Shutdown(ctx context.Context) error {
	srv.ending.Do(func() { srv.endErr = srv.shutdown(ctx) })
	return srv.endErr
}

func (srv *Server) shutdown(ctx context.Context) error {
	srv.mu.Lock()
	srv.closed = true
	clients := make([]*client, 0, len(srv.clients))
	for c := range srv.clients {
		clients = append(clients, c)
	}
	srv.mu.Unlock()
	for _, c := range clients {
		c.end(ReasonServerShutdown)
	}
	errs := []error{srv.engine.Shutdown(ctx)}
	for _, c := range clients {
		c.conn.Close()
	}
	if !srv.workers.wait(ctx.Done()) {
		errs = append(errs, fmt.Errorf("socketio: waiting for handlers: %w", ctx.Err()))
	}
	if srv.publisher != nil {
		srv.publisher.stop()
	}
	if srv.sessions != nil {
		errs = append(errs, srv.sessions.stop(ctx))
	}
	if srv.cluster != nil {
		errs = append(errs, srv.cluster.stop())
	}
	if srv.forwarder != nil {
		srv.forwarder.transport.CloseIdleConnections()
	}
	return errors.Join(errs...)
}
