package clustertest_test

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"go.uber.org/goleak"

	"podium/protocol/socketio"
	"podium/protocol/socketio/clustertest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestMemory(t *testing.T) {
	clustertest.Run(t, func(*testing.T) clustertest.Setup {
		m := &socketio.MemoryCluster{Log: socketio.MemoryLog{MaxEntries: 1 << 20, MaxBytes: 1 << 30}}
		return clustertest.Setup{Open: func(testing.TB) clustertest.Engine { return openMortal(m) }}
	})
}

// mortal is what one server sees of a memory cluster: after its crash, nothing more.
type mortal struct {
	socketio.Appender
	socketio.SessionStore
	follower socketio.Follower
	dead     atomic.Bool

	mu      sync.Mutex // guards cluster
	cluster socketio.Cluster
}

var errDead = errors.New("the server has crashed")

func openMortal(m *socketio.MemoryCluster) clustertest.Engine {
	r := m.Recovery()
	e := &mortal{Appender: r.Log.(socketio.Appender), SessionStore: r.Sessions, follower: r.Log.(socketio.Follower)}
	r.Log, r.Sessions = e, e
	join := func(self socketio.Member, node socketio.Node) (socketio.Cluster, error) {
		c, err := m.Join(self, node)
		e.mu.Lock()
		defer e.mu.Unlock()
		e.cluster = c
		return onceClosed{c, e}, err
	}
	return clustertest.Engine{Join: join, Recovery: r, Close: e.close}
}

func (e *mortal) close() error {
	if e.dead.Swap(true) {
		return nil
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.cluster == nil {
		return nil
	}
	return e.cluster.Close()
}

func (e *mortal) Append(ctx context.Context, entries []socketio.Entry) error {
	if e.dead.Load() {
		return errDead
	}
	return e.Appender.Append(ctx, entries)
}

func (e *mortal) Follow(ctx context.Context, after uint64, limit int) ([]socketio.Entry, socketio.Position, error) {
	if e.dead.Load() {
		return nil, socketio.Position{}, errDead
	}
	return e.follower.Follow(ctx, after, limit)
}

func (e *mortal) SaveSessions(ctx context.Context, records []socketio.SessionRecord) error {
	if e.dead.Load() {
		return errDead
	}
	return e.SessionStore.SaveSessions(ctx, records)
}

func (e *mortal) TrimSessions(context.Context, time.Time, int) error { return nil }

// onceClosed is a cluster that the server closes, unless it has crashed.
type onceClosed struct {
	socketio.Cluster
	e *mortal
}

func (c onceClosed) Send(ctx context.Context, m *socketio.Message) error {
	if c.e.dead.Load() {
		return errDead
	}
	return c.Cluster.Send(ctx, m)
}

func (c onceClosed) Close() error { return c.e.close() }
