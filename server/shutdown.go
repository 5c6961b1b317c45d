package server

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"sync"
	"time"

	"podium/server/listen"
)

// stop ends everything, in the order that loses nothing.
func (s *Server) stop(front *listen.Front, quic *quicServer, metrics *http.Server) error {
	began := time.Now()
	var steps []any // what took how long, for the log
	done := func(step string) {
		steps = append(steps, step, time.Since(began).Round(time.Millisecond).String())
	}
	ctx, cancel := context.WithTimeout(context.Background(), s.settings.ShutdownGrace)
	defer cancel()
	// 1. Readiness is 503: whoever sends visitors here is told to stop.
	s.observe.Stopping()
	// 2. Clients are told while their connections are still good, so that their
	// pages can say what is going on: those that poll need a new request for it.
	err := s.realtime.Announce(ctx)
	done("announced")
	// 3. No new connections; those that were accepted are served.
	err = errors.Join(err, front.Refuse())
	// 4. Requests in flight finish: a submission that has been read is stored,
	// answered, and still announced to everybody who is connected.
	s.requests.wait(ctx)
	done("requests")
	// 5. The last state is backed up while the rest goes on: hardly anything
	// changes any more, and nobody is served before this is done.
	backedUp := s.beginLastBackup(ctx)
	// 6. Connections end in a way that clients connect again, and their
	// sessions are saved.
	err = errors.Join(err, s.realtime.Shutdown(ctx))
	err = errors.Join(err, quic.stop(ctx))
	done("clients")
	err = errors.Join(err, front.Drain(ctx, s.requests.none))
	if metrics != nil {
		err = errors.Join(err, metrics.Close())
	}
	done("connections")
	// A backup that fails must not keep the server from stopping cleanly.
	if e := backedUp(); e != nil {
		s.log.Error("the backup before the stop failed", "error", e)
	}
	done("backup")
	// 7. Last what they all write to; every change was synced when it was
	// answered.
	err = errors.Join(err, s.Close())
	done("store")
	s.log.Info("stopped", "took", time.Since(began).Round(time.Millisecond).String(), slog.Group("until", steps...))
	if err != nil {
		return fmt.Errorf("stop: %w", err)
	}
	return nil
}

// beginLastBackup begins to back up what changed. The function that it returns
// waits for that, backs up what requests that came late have changed since, and
// is to be called when nothing changes any more.
func (s *Server) beginLastBackup(ctx context.Context) (finish func() error) {
	if s.file == nil {
		return func() error { return nil } // a database goes on without this machine
	}
	s.file.Hurry()
	first := make(chan error, 1)
	go func() { first <- s.backups.TakeIfChanged(ctx) }()
	return func() error {
		if err := <-first; err != nil {
			return err
		}
		return s.backups.TakeIfChanged(ctx)
	}
}

// inFlight counts the requests that a stop waits for, those that began before
// it apart from those that came later: a stop must not wait for as long as
// people go on asking. The zero value is ready.
type inFlight struct {
	mu       sync.Mutex // guards all below
	stopping bool
	early    int // requests that began before the stop
	late     int
	empty    chan struct{} // closed when early is 0; nil while nobody waits
}

// enter counts a request in; what it returns counts it out.
func (f *inFlight) enter() (leave func()) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.stopping {
		f.late++
		return f.leaveLate
	}
	f.early++
	return f.leaveEarly
}

func (f *inFlight) leaveLate() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.late--
}

func (f *inFlight) leaveEarly() {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.early--; f.early == 0 && f.empty != nil {
		close(f.empty)
		f.empty = nil
	}
}

// none reports whether no request is running.
func (f *inFlight) none() bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.early+f.late == 0
}

// wait begins the stop. It returns when no request is running that began before
// it, or ctx ended. It is called once.
func (f *inFlight) wait(ctx context.Context) {
	f.mu.Lock()
	f.stopping = true
	if f.early == 0 {
		f.mu.Unlock()
		return
	}
	f.empty = make(chan struct{})
	empty := f.empty
	f.mu.Unlock()
	select {
	case <-empty:
	case <-ctx.Done():
	}
}
