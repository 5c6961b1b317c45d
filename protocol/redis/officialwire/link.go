package officialwire

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"time"

	goredis "github.com/redis/go-redis/v9"

	"podium/protocol/internal/nodewire"
	"podium/protocol/internal/outbox"
	"podium/protocol/socketio"
)

// Options say where the Node servers meet.
type Options struct {
	// Client is their Redis. Its pool has room for one connection that waits beside
	// those that write, and its MaxRetries should be -1: a message that is published
	// again behind the back of the sender is delivered twice. It is the caller's to
	// close, after the servers. Required.
	Client *goredis.Client
	// Namespaces are those that the servers share; "/" always is. What is emitted in
	// others stays on its server.
	Namespaces []string
	// Prefix begins the names of channels: the option key of the classic adapter,
	// channelPrefix of the streams and the sharded adapter. Empty means "socket.io".
	Prefix string
	// Stream is the name of the stream: streamName of the streams adapter. Empty means
	// "socket.io".
	Stream string
	// StreamCount is how many streams the namespaces are spread over: streamCount of
	// the streams adapter. Zero means 1.
	StreamCount int
	// MaxEntries is about how many entries a stream keeps: maxLen of the streams
	// adapter. Zero means 10,000.
	MaxEntries int
	// SessionPrefix begins the keys of sessions: sessionKeyPrefix of the streams adapter.
	// Empty means "sio:session:".
	SessionPrefix string
	// MaxDisconnection is how long a session is kept: maxDisconnectionDuration of the
	// server's connectionStateRecovery. Zero means 2 minutes.
	MaxDisconnection time.Duration
	// Subscriptions are those of the sharded adapter. Empty means Dynamic.
	Subscriptions Subscriptions
	// Logger is told of what cannot be read. Nil means slog.Default().
	Logger *slog.Logger
}

func (o Options) withDefaults() Options {
	if o.Prefix == "" {
		o.Prefix = "socket.io"
	}
	if o.Stream == "" {
		o.Stream = "socket.io"
	}
	if o.StreamCount == 0 {
		o.StreamCount = 1
	}
	if o.SessionPrefix == "" {
		o.SessionPrefix = "sio:session:"
	}
	if o.MaxDisconnection == 0 {
		o.MaxDisconnection = 2 * time.Minute
	}
	if o.Subscriptions == "" {
		o.Subscriptions = Dynamic
	}
	if o.MaxEntries == 0 {
		o.MaxEntries = 10_000
	}
	if o.Logger == nil {
		o.Logger = slog.Default()
	}
	o.Namespaces = append([]string{"/"}, o.Namespaces...)
	slices.Sort(o.Namespaces)
	o.Namespaces = slices.Compact(o.Namespaces)
	return o
}

// link is a server's connection to the others.
type link struct {
	o      Options
	self   string // its id, which Node calls uid
	node   socketio.Node
	sub    *goredis.PubSub
	ctx    context.Context // ends with Close
	cancel context.CancelFunc
	work   sync.WaitGroup
	outbox *outbox.Outbox[command]
	take   func(channel, payload string)
	rooms  roomChannels

	everywhere bool // an emitter's: it only sends, to any namespace

	mu     sync.Mutex // guards closed
	closed bool
}

// joinTimeout is how long Redis may take to confirm a subscription.
const joinTimeout = 5 * time.Second

// topics are what a link subscribes to. Shards are channels of sharded pub/sub.
type topics struct{ channels, patterns, shards []string }

// open subscribes, and returns when Redis has confirmed everything: from then on Node's
// servers count this one. What is published is given to take, in order.
func open(o Options, self socketio.Member, node socketio.Node, t topics, take func(channel, payload string)) (*link, error) {
	if o.Client == nil {
		return nil, errors.New("officialwire: Options.Client is missing")
	}
	l := &link{o: o, self: self.ID, node: node, outbox: newOutbox(o)}
	l.ctx, l.cancel = context.WithCancel(context.Background())
	ctx, stop := context.WithTimeout(l.ctx, joinTimeout)
	defer stop()
	l.sub = o.Client.Subscribe(ctx, t.channels...)
	var err error
	if len(t.patterns) > 0 {
		err = l.sub.PSubscribe(ctx, t.patterns...)
	}
	if len(t.shards) > 0 {
		err = errors.Join(err, l.sub.SSubscribe(ctx, t.shards...))
	}
	for range len(t.channels) + len(t.patterns) + len(t.shards) {
		if err == nil {
			err = l.confirmed(ctx)
		}
	}
	if err != nil {
		l.cancel()
		_ = l.sub.Close()
		return nil, fmt.Errorf("officialwire: join the cluster: %w", err)
	}
	l.take = take
	l.work.Go(l.receive)
	return l, nil
}

// confirmed waits for the confirmation of one subscription. What others publish
// meanwhile is from before this server was there.
func (l *link) confirmed(ctx context.Context) error {
	for {
		got, err := l.sub.Receive(ctx)
		if err != nil {
			return err
		}
		if _, ok := got.(*goredis.Subscription); ok {
			return nil
		}
	}
}

// start has a goroutine of the link do something. It returns false where the link is
// closed.
func (l *link) start(f func()) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if !l.closed {
		l.work.Go(f)
	}
	return !l.closed
}

// receive takes what is published until the link is closed. A connection that breaks is
// made anew; what is published meanwhile is lost.
func (l *link) receive() {
	for {
		got, err := l.sub.Receive(l.ctx)
		if l.ctx.Err() != nil {
			return
		}
		if err != nil {
			l.pause()
			continue
		}
		switch got := got.(type) {
		case *goredis.Message:
			l.take(got.Channel, got.Payload)
		case *goredis.Subscription:
			l.rooms.confirmed(got)
		}
	}
}

// pause waits before Redis is tried again.
func (l *link) pause() {
	select {
	case <-time.After(100 * time.Millisecond):
	case <-l.ctx.Done():
	}
}

// passedOver notes what could not be read.
func (l *link) passedOver(where string, err error) {
	l.o.Logger.Warn("socket.io cluster: a message was passed over", "from", where, "error", err)
}

// deliverWhole delivers a message that was published with its sender and its namespace.
func (l *link) deliverWhole(channel, payload string) {
	p, err := nodewire.Read([]byte(payload))
	if err != nil {
		l.passedOver(channel, err)
		return
	}
	letter, err := nodewire.ReadWhole(p)
	if err != nil {
		l.passedOver(channel, err)
		return
	}
	if letter.UID != l.self && l.shares(letter.Namespace) {
		l.deliver(channel, letter)
	}
}

// deliver delivers what a letter says.
func (l *link) deliver(where string, letter nodewire.Letter) {
	m, err := letter.Message()
	if err != nil {
		l.passedOver(where, err)
		return
	}
	if m != nil {
		l.node.Deliver(m)
	}
}

// shares reports whether a namespace is one of all servers.
func (l *link) shares(namespace string) bool {
	return l.everywhere || slices.Contains(l.o.Namespaces, namespace)
}

// others returns a member without a name for each subscriber of a channel but this
// server.
func (l *link) others(ctx context.Context, channel string) ([]socketio.Member, error) {
	counts, err := l.o.Client.PubSubNumSub(ctx, channel).Result()
	if err != nil {
		return nil, fmt.Errorf("officialwire: count the servers: %w", err)
	}
	return make([]socketio.Member, max(counts[channel]-1, 0)), nil
}

// publish sends a message over a channel, behind what was sent before.
func (l *link) publish(ctx context.Context, channel string, payload []byte) error {
	return l.do(ctx, func(ctx context.Context, p goredis.Pipeliner) { p.Publish(ctx, channel, payload) })
}

// command is something that Redis is to do.
type command func(context.Context, goredis.Pipeliner)

// do has Redis obey a command, behind those that were given before: many at a time leave
// in one pipeline.
func (l *link) do(ctx context.Context, c command) error {
	if err := l.outbox.Do(ctx, c); err != nil {
		return fmt.Errorf("officialwire: send: %w", err)
	}
	return nil
}

// newOutbox makes where commands wait.
func newOutbox(o Options) *outbox.Outbox[command] {
	return outbox.New(func(ctx context.Context, batch []command) []error {
		answers, err := o.Client.Pipelined(ctx, func(p goredis.Pipeliner) error {
			for _, c := range batch {
				c(ctx, p)
			}
			return nil
		})
		errs := make([]error, len(batch))
		for i := range errs {
			errs[i] = err
			if i < len(answers) {
				errs[i] = answers[i].Err() // one that Redis refuses does not stop the others
			}
		}
		return errs
	})
}

// Close implements [socketio.Cluster]. Node's servers notice by counting subscribers.
func (l *link) Close() error {
	l.mu.Lock()
	l.closed = true
	l.mu.Unlock()
	l.cancel()
	err := l.sub.Close()
	l.work.Wait()
	l.outbox.Close()
	return err
}

// quote makes a name a pattern that matches nothing else.
func quote(name string) string {
	return strings.NewReplacer(`\`, `\\`, `*`, `\*`, `?`, `\?`, `[`, `\[`, `]`, `\]`).Replace(name)
}
