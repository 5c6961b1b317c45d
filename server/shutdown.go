package server

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"sync"
	"time"
)

// stop ends everything, in the order that loses nothing.
func (s *Server) stop(srv, metrics *http.Server) error {
	began := time.Now()
	ctx, cancel := context.WithTimeout(context.Background(), s.settings.ShutdownGrace)
	defer cancel()
	// 1. Readiness is 503: whoever sends visitors here is told to stop.
	s.observe.Stopping()
	// 2. Clients are told while their connections are still good, so that their
	// pages can say what is going on.
	err := s.realtime.Announce()
	// 3. No new connections. In the background, because it also waits for
	// polls and streams, which step 5 ends.
	closed := make(chan error, 1)
	go func() { closed <- srv.Shutdown(ctx) }()
	// 4. Requests in flight finish: a submission that has been read is stored,
	// answered, and still announced to everybody who is connected.
	s.requests.wait(ctx)
	// 5. Connections end in a way that clients connect again, and their
	// sessions are saved.
	err = errors.Join(err, s.realtime.Shutdown(ctx))
	s.requests.wait(ctx) // those that came on connections that were open already
	err = errors.Join(err, finish(srv, closed))
	if metrics != nil {
		err = errors.Join(err, metrics.Close())
	}
	// 6. Nothing changes any more: the last state is backed up. A backup that
	// fails must not keep the server from stopping cleanly.
	if e := s.backups.TakeIfChanged(ctx); e != nil {
		s.log.Error("the backup before the stop failed", "error", e)
	}
	// 7. Last what they all write to; every change was synced when it was
	// answered.
	err = errors.Join(err, s.Close())
	s.log.Info("stopped", "took", time.Since(began).Round(time.Millisecond).String())
	if err != nil {
		return fmt.Errorf("stop: %w", err)
	}
	return nil
}

// lastWords is how long connections that are not idle have to become so, once
// nothing runs on them.
const lastWords = 100 * time.Millisecond

// finish waits for the server's own shutdown, whose outcome comes through
// closed, and cuts what it would wait for in vain: browsers open connections on
// which they ask nothing, and net/http gives each of them five seconds.
func finish(srv *http.Server, closed <-chan error) error {
	select {
	case err := <-closed:
		return err
	case <-time.After(lastWords):
	}
	err := srv.Close()
	if e := <-closed; !errors.Is(e, context.DeadlineExceeded) {
		err = errors.Join(err, e)
	}
	return err
}

// inFlight counts the requests that a stop waits for. The zero value is ready.
type inFlight struct {
	mu    sync.Mutex // guards all below
	count int
	empty chan struct{} // closed when count is 0; nil while nobody waits
}

func (f *inFlight) enter() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.count++
}

func (f *inFlight) leave() {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.count--; f.count == 0 && f.empty != nil {
		close(f.empty)
		f.empty = nil
	}
}

// wait returns when no request is running, or ctx ended.
func (f *inFlight) wait(ctx context.Context) {
	f.mu.Lock()
	if f.count == 0 {
		f.mu.Unlock()
		return
	}
	if f.empty == nil {
		f.empty = make(chan struct{})
	}
	empty := f.empty
	f.mu.Unlock()
	select {
	case <-empty:
	case <-ctx.Done():
	}
}
