package postgres

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/jackc/pgx/v5"
)

const (
	// pollEvery is how often it is asked for what is new where nobody is notified.
	pollEvery = 25 * time.Millisecond
	// echoWithin is how long a notification to oneself may take.
	echoWithin = 2 * time.Second
	// pingEvery is how often a connection that brings nothing is asked whether it is there.
	pingEvery = time.Second
	// retryEvery is how often a database that is away is tried.
	retryEvery = 50 * time.Millisecond
)

// bell wakes those who wait for something.
type bell struct {
	mu sync.Mutex    // guards ch
	ch chan struct{} // closed when it rings
}

// next returns a channel that is closed when the bell rings next.
func (b *bell) next() <-chan struct{} {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.ch == nil {
		b.ch = make(chan struct{})
	}
	return b.ch
}

func (b *bell) ring() {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.ch != nil {
		close(b.ch)
		b.ch = nil
	}
}

// watch rings the bells until the engine ends.
func (e *Engine) watch() {
	for poll := e.o.Poll; e.life.Err() == nil; {
		if poll {
			_ = e.poll() // whatever ended it, the next try comes after a pause
			poll = e.o.Poll
		} else {
			poll = errors.Is(e.listen(), errNoEcho)
		}
		if !poll {
			e.pause(e.life, retryEvery)
		}
	}
}

var errNoEcho = errors.New("a notification to oneself did not arrive")

// listen rings as it is notified, until the connection breaks.
func (e *Engine) listen() error {
	config := e.pool.Config().ConnConfig
	config.OnNotification = nil // keep them for WaitForNotification
	conn, err := pgx.ConnectConfig(e.life, config)
	if err != nil {
		return err
	}
	defer func() {
		ctx, cancel := context.WithTimeout(context.Background(), time.Second)
		defer cancel()
		_ = conn.Close(ctx) // nothing is lost with it
	}()
	if err := e.echo(conn); err != nil {
		return err
	}
	e.events.ring() // something may have come before
	e.letters.ring()
	for {
		ctx, cancel := context.WithTimeout(e.life, pingEvery)
		n, err := conn.WaitForNotification(ctx)
		quiet := ctx.Err() != nil
		cancel()
		switch {
		case err == nil && n.Payload == "e":
			e.events.ring()
		case err == nil && n.Payload == "l":
			e.letters.ring()
		case err == nil:
		case !quiet || e.life.Err() != nil:
			return err
		default:
			ctx, cancel := context.WithTimeout(e.life, patience)
			_, err := conn.Exec(ctx, `select 1`)
			cancel()
			if err != nil {
				return err
			}
		}
	}
}

// echo listens, and sees whether a notification that another connection sends arrives.
func (e *Engine) echo(conn *pgx.Conn) error {
	ctx, cancel := context.WithTimeout(e.life, echoWithin)
	defer cancel()
	if _, err := conn.Exec(ctx, `listen `+e.schema); err != nil {
		return err
	}
	if err := e.exec(ctx, `select pg_notify({channel}, 'echo')`); err != nil {
		return err
	}
	_, err := conn.WaitForNotification(ctx)
	if err == nil || ctx.Err() == nil || e.life.Err() != nil {
		return err
	}
	if !conn.IsClosed() {
		stop, cancel := context.WithTimeout(e.life, time.Second)
		defer cancel()
		_, _ = conn.Exec(stop, `unlisten `+e.schema) // of whichever connection the pooler took
	}
	return errNoEcho
}

// poll rings as the counters move, until the database is away.
func (e *Engine) poll() error {
	for events, letters := int64(-1), int64(-1); ; {
		ctx, cancel := e.within(e.life, patience)
		var last, mail int64
		err := e.pool.QueryRow(ctx, e.sql(`select (select last from {s}.head), coalesce((select last from {s}.mail), 0)`)).Scan(&last, &mail)
		cancel()
		if err != nil {
			return err
		}
		if last != events {
			e.events.ring()
		}
		if mail != letters {
			e.letters.ring()
		}
		events, letters = last, mail
		if !e.pause(e.life, pollEvery) {
			return errClosed
		}
	}
}
