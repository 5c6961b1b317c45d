package officialwire

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/jackc/pgx/v5"

	"podium/protocol/internal/nodewire"
	"podium/protocol/socketio"
)

// member is one server's place among them.
type member struct {
	*writer
	node socketio.Node
	life context.Context
	end  context.CancelFunc
	work sync.WaitGroup

	mu    sync.Mutex         // guards the fields below
	peers map[peer]time.Time // when others were heard last
	heard time.Time          // when anything was, also from this server
}

// peer is another server in a namespace: Node's have an id for each.
type peer struct{ namespace, uid string }

var _ socketio.Cluster = (*member)(nil)

// How long a server that comes waits for those that are there to say so, how often a
// connection that brings nothing is asked whether it is there, how long the database may
// take for an answer, and when it is tried again.
const (
	greetWait  = 100 * time.Millisecond
	pingEvery  = time.Second
	patience   = 4 * time.Second
	retryEvery = 100 * time.Millisecond
)

// enter makes the table, listens, and greets.
func (m *member) enter(ctx context.Context) error {
	if err := m.makeTable(ctx); err != nil {
		return err
	}
	conn, err := m.listen(ctx)
	if err != nil {
		return err
	}
	m.work.Go(func() { m.receive(conn) })
	m.work.Go(m.stay)
	m.work.Go(m.clean)
	if err := m.greet(ctx); err != nil {
		m.end()
		m.work.Wait()
		return err
	}
	m.pause(greetWait)
	return nil
}

// splitName takes the name of a table apart.
func splitName(name string) []string { return strings.Split(name, ".") }

// makeTable makes the table as Node's documentation has it. Two servers that do so at
// once can be in each other's way: the second try finds it.
func (m *member) makeTable(ctx context.Context) (err error) {
	for range 2 {
		if _, err = m.o.Pool.Exec(ctx, `select from `+m.o.table()+` limit 0`); err == nil {
			return nil
		}
		_, err = m.o.Pool.Exec(ctx, `create table if not exists `+m.o.table()+` (
			id bigserial unique, created_at timestamptz default now(), payload bytea)`)
		if err == nil {
			return nil
		}
	}
	return fmt.Errorf("make the table %s: %w", m.o.Table, err)
}

// listen opens a connection that is notified.
func (m *member) listen(ctx context.Context) (*pgx.Conn, error) {
	config := m.o.Pool.Config().ConnConfig.Copy()
	config.OnNotification = nil // they are for WaitForNotification
	conn, err := pgx.ConnectConfig(ctx, config)
	if err != nil {
		return nil, err
	}
	for _, nsp := range m.o.Namespaces {
		if _, err := conn.Exec(ctx, `listen `+pgx.Identifier{m.o.channel(nsp)}.Sanitize()); err != nil {
			hangUp(conn)
			return nil, fmt.Errorf("listen: %w", err)
		}
	}
	return conn, nil
}

func hangUp(conn *pgx.Conn) {
	ctx, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	_ = conn.Close(ctx) // nothing is lost with it
}

// greet says in every namespace that the server is there, and wants to know who else is.
func (m *member) greet(ctx context.Context) error {
	for _, nsp := range m.o.Namespaces {
		if err := m.signal(ctx, nodewire.KindGreeting, nsp); err != nil {
			return err
		}
	}
	return nil
}

// receive takes what is notified until the server leaves. A connection that breaks is
// made anew; what is notified meanwhile is lost.
func (m *member) receive(conn *pgx.Conn) {
	for {
		err := m.hear(conn)
		hangUp(conn)
		for conn = nil; conn == nil; conn = m.again() {
			if m.life.Err() != nil {
				return
			}
		}
		m.o.Logger.Info("socket.io cluster: listening again", "after", err)
	}
}

// again makes another connection, or returns nil after a moment.
func (m *member) again() *pgx.Conn {
	ctx, cancel := context.WithTimeout(m.life, patience)
	defer cancel()
	conn, err := m.listen(ctx)
	if err != nil {
		m.pause(retryEvery)
		return nil
	}
	m.work.Go(func() { // the answers come by this connection
		ctx, cancel := context.WithTimeout(m.life, patience)
		defer cancel()
		_ = m.greet(ctx) // else they hear of this server by its heartbeats
	})
	return conn
}

// hear takes what is notified until the connection breaks.
func (m *member) hear(conn *pgx.Conn) error {
	for {
		ctx, cancel := context.WithTimeout(m.life, pingEvery)
		n, err := conn.WaitForNotification(ctx)
		cancel()
		switch {
		case err == nil:
			m.take(n.Channel, n.Payload)
		case m.life.Err() != nil || !errors.Is(err, context.DeadlineExceeded):
			return err
		default:
			ctx, cancel := context.WithTimeout(m.life, patience)
			err := conn.Ping(ctx)
			cancel()
			if err != nil {
				return err
			}
		}
	}
}

func (m *member) pause(d time.Duration) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-m.life.Done():
	}
}

// take delivers what was notified, and passes over what cannot be read.
func (m *member) take(channel, payload string) {
	namespace, ok := strings.CutPrefix(channel, m.o.Prefix+"#")
	if !ok {
		return
	}
	letter, err := m.read(payload)
	if err == nil {
		letter.Namespace = namespace // which the official emitter does not say
		err = m.obey(letter)
	}
	if err != nil {
		m.o.Logger.Warn("socket.io cluster: a message was passed over", "from", channel, "error", err)
	}
}

// read reads a notification, and the row that it tells of.
func (m *member) read(payload string) (nodewire.Letter, error) {
	p, err := nodewire.Read([]byte(payload))
	if err != nil {
		return nodewire.Letter{}, err
	}
	letter, err := nodewire.ReadWhole(p)
	if err != nil || letter.UID == m.self {
		return letter, err
	}
	var head struct {
		ID json.RawMessage `json:"attachmentId"` // text, and a number from some
	}
	if err := p.Decode(&head); err != nil || head.ID == nil {
		return letter, err
	}
	id, err := strconv.ParseInt(strings.Trim(string(head.ID), `"`), 10, 64)
	if err != nil {
		return letter, fmt.Errorf("%w: attachment %s", nodewire.ErrShape, head.ID)
	}
	ctx, cancel := context.WithTimeout(m.life, patience)
	defer cancel()
	var row []byte
	if err := m.o.Pool.QueryRow(ctx, `select payload from `+m.o.table()+` where id = $1`, id).Scan(&row); err != nil {
		return letter, fmt.Errorf("attachment %d: %w", id, err)
	}
	if p, err = nodewire.Read(row); err != nil {
		return letter, err
	}
	return nodewire.ReadWhole(p)
}

// obey does what a letter says.
func (m *member) obey(l nodewire.Letter) error {
	m.note(l)
	if l.UID == m.self {
		return nil
	}
	switch l.Kind {
	case nodewire.KindFarewell:
		m.drop([]peer{{l.Namespace, l.UID}})
		return nil
	case nodewire.KindGreeting:
		m.work.Go(func() { // answering it must not hold up what comes next
			ctx, cancel := context.WithTimeout(m.life, patience)
			defer cancel()
			_ = m.signal(ctx, nodewire.KindHeartbeat, l.Namespace) // the next one does it too
		})
		return nil
	}
	msg, err := l.Message()
	if msg != nil {
		m.node.Deliver(msg)
	}
	return err
}

// note remembers that a server was heard.
func (m *member) note(l nodewire.Letter) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.heard = time.Now()
	if l.UID != m.self && l.UID != emitterID && l.UID != "" && l.Kind != nodewire.KindFarewell {
		m.peers[peer{l.Namespace, l.UID}] = m.heard
	}
}

// drop forgets servers that are gone.
func (m *member) drop(gone []peer) {
	m.mu.Lock()
	for _, p := range gone {
		delete(m.peers, p)
	}
	m.mu.Unlock()
	for _, p := range gone {
		m.node.Left(p.uid)
	}
}

// stay says again and again that the server is there, and looks who is not.
func (m *member) stay() {
	ticker := time.NewTicker(min(time.Second, m.o.HeartbeatInterval))
	defer ticker.Stop()
	for said := time.Now(); ; {
		select {
		case <-ticker.C:
		case <-m.life.Done():
			return
		}
		if time.Since(said) >= m.o.HeartbeatInterval {
			said = time.Now()
			ctx, cancel := context.WithTimeout(m.life, patience)
			for _, nsp := range m.o.Namespaces {
				_ = m.signal(ctx, nodewire.KindHeartbeat, nsp) // the next one may get through
			}
			cancel()
		}
		m.drop(m.silent())
	}
}

// silent returns the servers that are gone. Where this one hears nothing at all, not even
// itself, it is cut off, and nobody is.
func (m *member) silent() (gone []peer) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if time.Since(m.heard) > 2*m.o.HeartbeatInterval {
		return nil
	}
	for p, heard := range m.peers {
		if time.Since(heard) > m.o.HeartbeatTimeout {
			gone = append(gone, p)
		}
	}
	return gone
}

// clean drops old rows, as every server does.
func (m *member) clean() {
	ticker := time.NewTicker(m.o.CleanupInterval)
	defer ticker.Stop()
	for {
		select {
		case <-ticker.C:
		case <-m.life.Done():
			return
		}
		ctx, cancel := context.WithTimeout(m.life, patience)
		_, err := m.o.Pool.Exec(ctx, `delete from `+m.o.table()+` where created_at < now() - $1::float8 * interval '1 second'`, m.o.CleanupInterval.Seconds())
		cancel()
		if err != nil && m.life.Err() == nil {
			m.o.Logger.Warn("socket.io cluster: old attachments are kept", "error", err)
		}
	}
}

// Members implements [socketio.Cluster].
func (m *member) Members(_ context.Context, namespace string) (out []socketio.Member, _ error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for p := range m.peers {
		if p.namespace == namespace {
			out = append(out, socketio.Member{ID: p.uid})
		}
	}
	return out, nil
}

// Send implements [socketio.Cluster].
func (m *member) Send(ctx context.Context, msg *socketio.Message) error {
	if !slices.Contains(m.o.Namespaces, msg.Namespace) {
		return nil
	}
	return m.message(ctx, msg)
}

// farewellTimeout is how long a server that leaves tries to say so.
const farewellTimeout = time.Second

// Close implements [socketio.Cluster].
func (m *member) Close() error {
	ctx, cancel := context.WithTimeout(context.Background(), farewellTimeout)
	defer cancel()
	var err error
	for _, nsp := range m.o.Namespaces {
		if err == nil {
			err = m.signal(ctx, nodewire.KindFarewell, nsp)
		}
	}
	m.end()
	m.work.Wait()
	m.outbox.Close()
	return err
}
