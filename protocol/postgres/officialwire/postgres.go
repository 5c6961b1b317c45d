package officialwire

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"podium/protocol/emitter"
	"podium/protocol/internal/nodewire"
	"podium/protocol/internal/outbox"
	"podium/protocol/socketio"
)

// Options say where the Node servers meet.
type Options struct {
	// Pool is their database; each server makes one connection besides. It is the
	// caller's to close, after the servers. Required.
	Pool *pgxpool.Pool
	// Namespaces are those that the servers share; "/" always is. What is emitted in
	// others stays on its server.
	Namespaces []string
	// Prefix begins the names of channels: channelPrefix of the adapter. Empty means
	// "socket.io".
	Prefix string
	// Table holds what is too long for a notification: tableName of the adapter. It is
	// made where it is missing. Empty means "socket_io_attachments".
	Table string
	// PayloadThreshold is from how many bytes on a message goes into the table:
	// payloadThreshold of the adapter. Zero means 8,000, and more is not possible.
	PayloadThreshold int
	// HeartbeatInterval is how often a server says that it is there, and HeartbeatTimeout
	// after how long a silence it is gone: as in the adapter, in which zero means 5 s
	// and 10 s.
	HeartbeatInterval, HeartbeatTimeout time.Duration
	// CleanupInterval is how often rows that are older than it are dropped from the
	// table: cleanupInterval of the adapter. Zero means 30 s.
	CleanupInterval time.Duration
	// Logger is told of what cannot be read. Nil means slog.Default().
	Logger *slog.Logger
}

// maxPayload is what PostgreSQL lets a notification be shorter than, in bytes.
const maxPayload = 8000

func (o Options) withDefaults() Options {
	if o.Prefix == "" {
		o.Prefix = "socket.io"
	}
	if o.Table == "" {
		o.Table = "socket_io_attachments"
	}
	if o.PayloadThreshold <= 0 || o.PayloadThreshold > maxPayload {
		o.PayloadThreshold = maxPayload
	}
	if o.HeartbeatInterval == 0 {
		o.HeartbeatInterval = 5 * time.Second
	}
	if o.HeartbeatTimeout == 0 {
		o.HeartbeatTimeout = 10 * time.Second
	}
	if o.CleanupInterval == 0 {
		o.CleanupInterval = 30 * time.Second
	}
	if o.Logger == nil {
		o.Logger = slog.Default()
	}
	o.Namespaces = append([]string{"/"}, o.Namespaces...)
	slices.Sort(o.Namespaces)
	o.Namespaces = slices.Compact(o.Namespaces)
	return o
}

// channel returns the channel of a namespace.
func (o Options) channel(namespace string) string { return o.Prefix + "#" + namespace }

// maxChannel is how long the name of a channel may be, in bytes.
const maxChannel = 63

func (o Options) check() error {
	if o.Pool == nil {
		return errors.New("officialwire: Options.Pool is missing")
	}
	for _, nsp := range o.Namespaces {
		if len(o.channel(nsp)) > maxChannel {
			return fmt.Errorf("officialwire: namespace %q: the channel %q has more than %d bytes", nsp, o.channel(nsp), maxChannel)
		}
	}
	return nil
}

// Postgres joins servers that use @socket.io/postgres-adapter 0.4 or 0.5, and obeys
// @socket.io/postgres-emitter. Its Join is what [socketio.Options].Cluster takes.
type Postgres struct{ Options }

// joinTimeout is how long the database may take to let a server in.
const joinTimeout = 5 * time.Second

// Join is what [socketio.Options].Cluster takes.
func (p Postgres) Join(self socketio.Member, node socketio.Node) (socketio.Cluster, error) {
	o := p.Options.withDefaults()
	if err := o.check(); err != nil {
		return nil, err
	}
	m := &member{writer: newWriter(o, self.ID), node: node, peers: make(map[peer]time.Time), heard: time.Now()}
	m.life, m.end = context.WithCancel(context.Background())
	ctx, cancel := context.WithTimeout(m.life, joinTimeout)
	defer cancel()
	if err := m.enter(ctx); err != nil {
		m.end()
		return nil, fmt.Errorf("officialwire: join the cluster: %w", err)
	}
	return m, nil
}

// emitterID is what the official emitter calls itself.
const emitterID = "emitter"

// Emitter returns one that sends as @socket.io/postgres-emitter does, but says the
// namespace, without which Node's adapter does not take it. The table has to be there:
// the first server makes it. Options.Namespaces does not bind it.
func (p Postgres) Emitter() emitter.Emitter {
	w := newWriter(p.Options.withDefaults(), emitterID)
	return emitter.New(func(ctx context.Context, m *socketio.Message) error {
		if err := w.o.check(); err != nil {
			return err
		}
		return w.message(ctx, m)
	})
}

// writer sends messages.
type writer struct {
	o      Options
	self   string // what Node calls uid
	outbox *outbox.Outbox[notice]
}

// notice is what is about to be notified.
type notice struct {
	channel string
	kind    nodewire.Kind
	payload []byte
	row     bool // payload is for the table
}

func newWriter(o Options, self string) *writer {
	w := &writer{o: o, self: self}
	w.outbox = outbox.New(w.send)
	return w
}

// message sends a message to all servers of its namespace. Node's wire knows no message
// to one of them: the others see that what it answers is not theirs.
func (w *writer) message(ctx context.Context, m *socketio.Message) error {
	whole, ok := nodewire.Whole(m, w.self)
	if !ok {
		return nil
	}
	kind, _, _ := nodewire.Body(m)
	n := notice{channel: w.o.channel(m.Namespace), kind: kind, row: len(m.Attachments) > 0}
	var err error
	if n.payload, err = nodewire.Write(whole, n.row); err == nil && !n.row && len(n.payload) >= w.o.PayloadThreshold {
		n.row = true
		n.payload, err = nodewire.Write(whole, true)
	}
	if err != nil {
		return fmt.Errorf("officialwire: encode: %w", err)
	}
	return w.notify(ctx, n)
}

// signal sends a message that carries nothing.
func (w *writer) signal(ctx context.Context, k nodewire.Kind, namespace string) error {
	payload, err := nodewire.Write(nodewire.Signal(k, w.self, namespace), false)
	if err != nil {
		return fmt.Errorf("officialwire: encode: %w", err)
	}
	return w.notify(ctx, notice{channel: w.o.channel(namespace), kind: k, payload: payload})
}

func (w *writer) notify(ctx context.Context, n notice) error {
	if err := w.outbox.Do(ctx, n); err != nil {
		return fmt.Errorf("officialwire: send: %w", err)
	}
	return nil
}

// send notifies of a batch, in order. PostgreSQL takes equal notifications of one
// transaction for one, so that the second of two begins another.
func (w *writer) send(ctx context.Context, batch []notice) []error {
	errs := make([]error, 0, len(batch))
	for len(batch) > 0 {
		n := distinct(batch)
		err := w.transact(ctx, batch[:n])
		if err != nil && n > 1 {
			n = 1 // nothing was sent: one that the database refuses does not stop the others
			err = w.transact(ctx, batch[:n])
		}
		for range n {
			errs = append(errs, err)
		}
		batch = batch[n:]
	}
	return errs
}

// distinct returns how many of the first notices are different from each other.
func distinct(batch []notice) int {
	seen := make(map[string]bool, len(batch))
	for i, n := range batch {
		key := n.channel + "\x00" + string(n.payload)
		if !n.row && seen[key] {
			return i
		}
		seen[key] = !n.row
	}
	return len(batch)
}

// transact notifies in one transaction and one round trip.
func (w *writer) transact(ctx context.Context, batch []notice) error {
	b := new(pgx.Batch)
	for _, n := range batch {
		if n.row {
			b.Queue(`with a as (insert into `+w.o.table()+` (payload) values ($1) returning id)
				select pg_notify($2, json_build_object('uid', $3::text, 'type', $4::int, 'attachmentId', id::text)::text) from a`,
				n.payload, n.channel, w.self, int(n.kind))
		} else {
			b.Queue(`select pg_notify($1, $2)`, n.channel, string(n.payload))
		}
	}
	return w.o.Pool.SendBatch(ctx, b).Close()
}

// table is the table's name as SQL has it: with a schema, where a dot divides them.
func (o Options) table() string { return pgx.Identifier(splitName(o.Table)).Sanitize() }
