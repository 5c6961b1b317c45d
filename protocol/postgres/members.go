package postgres

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/jackc/pgx/v5"

	"podium/protocol/internal/outbox"
	"podium/protocol/internal/roster"
	"podium/protocol/socketio"
)

// How members know of each other: each has a row, which it writes every second. One that
// has not for longer is gone, unless this one could not look either.
const (
	beatEvery = time.Second
	goneAfter = 5 * time.Second
)

// letter is what a message is sent as.
type letter struct {
	Message *socketio.Message `json:"m,omitempty"`
	Left    string            `json:"left,omitempty"` // a member that says good-bye
}

// membership is one server's place among those of the schema.
type membership struct {
	engine *Engine
	self   socketio.Member
	node   socketio.Node
	data   []byte // self as JSON
	outbox *outbox.Outbox[post]
	life   context.Context
	end    context.CancelFunc
	work   sync.WaitGroup

	read int64 // up to which letter; owned by receive

	others *roster.Roster // and when the row of each was last seen to be new

	mu    sync.Mutex // guards the fields below
	beat  time.Time  // when the row was last written
	since time.Time  // from when on it was written without a break
}

// post is a letter on its way out.
type post struct {
	to   string
	data []byte
}

var _ socketio.Cluster = (*membership)(nil)

// Join is what [socketio.Options].Cluster takes.
func (e *Engine) Join(self socketio.Member, node socketio.Node) (socketio.Cluster, error) {
	data, err := json.Marshal(self)
	if err != nil {
		return nil, fmt.Errorf("postgres: join the cluster: %w", err)
	}
	m := &membership{engine: e, self: self, node: node, data: data, others: roster.New()}
	m.outbox = outbox.New(m.put)
	m.life, m.end = context.WithCancel(e.life)
	ctx, cancel := e.within(m.life, patience)
	defer cancel()
	// What is sent before the others can know of this server is not for it.
	err = e.pool.QueryRow(ctx, e.sql(`select coalesce((select last from {s}.mail), 0)`)).Scan(&m.read)
	if err == nil {
		err = m.look(ctx)
	}
	if err != nil {
		m.end()
		return nil, fmt.Errorf("postgres: join the cluster: %w", err)
	}
	m.work.Go(m.receive)
	m.work.Go(m.stay)
	return m, nil
}

// look writes this member's row, and reads those of others.
func (m *membership) look(ctx context.Context) error {
	ctx, cancel := m.engine.within(ctx, patience)
	defer cancel()
	rows, err := m.engine.pool.Query(ctx, m.engine.sql(`with own as (
			insert into {s}.members (id, seen, data) values ($1, clock_timestamp(), $2)
			on conflict (id) do update set seen = excluded.seen, data = excluded.data
		)
		select data, extract(epoch from clock_timestamp() - seen)::float8 from {s}.members
		where id <> $1 and seen > clock_timestamp() - interval '5 seconds'`), m.self.ID, m.data)
	if err != nil {
		return err
	}
	type seen struct {
		Data []byte
		Age  float64 // in seconds
	}
	list, err := pgx.CollectRows(rows, pgx.RowToStructByPos[seen])
	if err != nil {
		return err
	}
	now := time.Now()
	m.beaten(now)
	for _, row := range list {
		var member socketio.Member
		if json.Unmarshal(row.Data, &member) == nil {
			m.others.Meet(member, now.Add(-time.Duration(row.Age*float64(time.Second))))
		}
	}
	return nil
}

// beaten notes that the row was written.
func (m *membership) beaten(now time.Time) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if now.Sub(m.beat) > 2*beatEvery {
		m.since = now
	}
	m.beat = now
}

// Members implements [socketio.Cluster]. It asks the database, and so knows of a server
// as soon as that has joined.
func (m *membership) Members(ctx context.Context, _ string) ([]socketio.Member, error) {
	if err := m.look(ctx); err != nil {
		return nil, fmt.Errorf("postgres: look for members: %w", err)
	}
	return m.others.Members(), nil
}

// stay keeps this member's row new, and looks whose is not.
func (m *membership) stay() {
	for m.engine.pause(m.life, beatEvery) {
		if m.look(m.life) != nil {
			continue // the next one may get through
		}
		for _, id := range m.silent() {
			m.drop(id)
		}
	}
}

// silent returns the members that are gone.
func (m *membership) silent() []string {
	m.mu.Lock()
	since := m.since
	m.mu.Unlock()
	if time.Since(since) < goneAfter {
		return nil // the others may have been cut off as this one was
	}
	return m.others.Silent(goneAfter)
}

func (m *membership) drop(id string) {
	if m.others.Drop(id) {
		m.node.Left(id)
	}
}

// Send implements [socketio.Cluster]. It returns when the database has the message.
func (m *membership) Send(ctx context.Context, msg *socketio.Message) error {
	return m.post(ctx, msg.To, &letter{Message: msg})
}

// post sends a letter, behind those that were posted before: many at a time leave in one
// transaction.
func (m *membership) post(ctx context.Context, to string, l *letter) error {
	data, err := json.Marshal(l)
	if err != nil {
		return fmt.Errorf("postgres: encode a message: %w", err)
	}
	if err := m.outbox.Do(ctx, post{to, data}); err != nil {
		return fmt.Errorf("postgres: send a message: %w", err)
	}
	return nil
}

// maxLetters is how many letters are read at once.
const maxLetters = 256

// putLetters numbers letters in the order of commits, as the log does entries. The
// counter begins with the time, and so is never less than it was after a crash, which
// empties the tables of letters.
const putLetters = `with h as (
		insert into {s}.mail as m (last) values ((extract(epoch from clock_timestamp()) * 1000000)::bigint + $1)
		on conflict (one) do update set last = m.last + $1 returning last - $1 as base
	)
	insert into {s}.letters (n, sender, receiver, data)
	select h.base + u.i, $2, u.receiver, u.data from h, unnest($3::text[], $4::bytea[]) with ordinality as u (receiver, data, i)`

// put stores letters, and tells everybody to look.
func (m *membership) put(ctx context.Context, batch []post) []error {
	to, data := make([]string, len(batch)), make([][]byte, len(batch))
	for i, p := range batch {
		to[i], data[i] = p.to, p.data
	}
	ctx, cancel := m.engine.within(ctx, patience)
	defer cancel()
	var b pgx.Batch
	b.Queue(m.engine.sql(putLetters), int64(len(batch)), m.self.ID, to, data)
	b.Queue(m.engine.sql(`select pg_notify({channel}, 'l')`))
	if err := m.engine.pool.SendBatch(ctx, &b).Close(); err != nil {
		return slices.Repeat([]error{err}, len(batch))
	}
	return nil
}

// receive takes letters until the membership ends.
func (m *membership) receive() {
	for m.life.Err() == nil {
		rung := m.engine.letters.next() // before it reads: what comes afterwards rings
		n, err := m.take()
		if err != nil {
			m.engine.pause(m.life, retryEvery)
			continue
		}
		if n == maxLetters {
			continue
		}
		timer := time.NewTimer(beatEvery) // nothing depends on notifications
		select {
		case <-rung:
		case <-timer.C:
		case <-m.life.Done():
		}
		timer.Stop()
	}
}

// takeLetters is one statement, so that all it says is of one moment.
const takeLetters = `select h.last, l.n, l.data from {s}.mail h left join lateral (
		select n, data from {s}.letters where n > $1 and sender <> $2 and receiver in ('', $2) order by n limit $3
	) l on true order by l.n`

// take reads letters and delivers them, and returns how many there were.
func (m *membership) take() (count int, err error) {
	ctx, cancel := m.engine.within(m.life, patience)
	defer cancel()
	rows, err := m.engine.pool.Query(ctx, m.engine.sql(takeLetters), m.read, m.self.ID, int64(maxLetters))
	if err != nil {
		return 0, err
	}
	var letters [][]byte
	read := m.read
	for rows.Next() {
		var last int64
		var n *int64
		var data []byte
		if err := rows.Scan(&last, &n, &data); err != nil {
			rows.Close()
			return 0, err
		}
		if n == nil {
			read = max(read, last)
			continue
		}
		letters = append(letters, data)
		read = last // nothing else up to there is for this member
		if len(letters) == maxLetters {
			read = *n
		}
	}
	if err := rows.Err(); err != nil {
		return 0, err
	}
	m.read = max(m.read, read)
	for _, data := range letters {
		var l letter
		if json.Unmarshal(data, &l) != nil {
			continue // of a newer version
		}
		switch {
		case l.Message != nil:
			m.node.Deliver(l.Message)
		case l.Left != "":
			m.drop(l.Left)
		}
	}
	return len(letters), nil
}

// Close implements [socketio.Cluster].
func (m *membership) Close() error {
	ctx, cancel := m.engine.within(m.life, time.Second)
	defer cancel()
	err := m.engine.exec(ctx, `delete from {s}.members where id = $1`, m.self.ID)
	err = errors.Join(err, m.post(ctx, "", &letter{Left: m.self.ID}))
	m.outbox.Close()
	m.end()
	m.work.Wait()
	return err
}
