package socketio

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"time"

	"podium/protocol/socketio/parser"
)

// Cluster joins servers into one: what one emits reaches the sockets of all. It
// carries messages, at most once each and in each sender's order; what must not get
// lost goes through a [Log] that the servers share. All methods are safe for
// concurrent use.
//
// [Options.Cluster] makes it.
type Cluster interface {
	// Members returns the other servers that are alive and have the namespace; a
	// cluster that cannot tell by namespace returns all. Those that it knows the
	// number of and not the names have an empty ID. Each of them owes an answer to
	// what is asked of all.
	Members(ctx context.Context, namespace string) ([]Member, error)
	// Send hands a message to the server m.To, or to all others where that is "".
	// It keeps nothing of m. A message to a server that is gone is dropped.
	Send(ctx context.Context, m *Message) error
	// Close ends it, and tells the others. Nothing is delivered afterwards.
	Close() error
}

// Node is a server as its [Cluster] sees it. Its methods do not block for long.
type Node interface {
	// Deliver takes a message from another server: one at a time of each sender,
	// in the sender's order. Those that this server sent itself are passed over.
	Deliver(m *Message)
	// Left says that a server is gone: Members returns it no more. What it was asked
	// is not waited for any longer.
	Left(id string)
}

// Member is one server of a cluster.
type Member struct {
	ID      string    `json:"id"`                // of the server's process; another after a restart
	NodeID  string    `json:"node,omitempty"`    // with which its session ids begin: see engineio.Options.NodeID
	Address string    `json:"address,omitempty"` // see Options.Address
	Version int       `json:"version"`           // the newest messages that it understands
	Since   time.Time `json:"since"`             // when it was started, by its own clock
}

// MessageVersion is the newest version of messages that this package understands.
// Fields and kinds are only ever added to them.
const MessageVersion = 1

// cluster speaks to the other servers.
type cluster struct {
	server   *Server
	peers    Cluster
	listener RoomListener // peers, where it is one; else nil

	// mu guards the fields below. No other lock is taken under it.
	mu      sync.Mutex
	waiting map[string]*inquiry
	early   []*Message // messages that came before ready
	ready   bool       // the fields above are set, and nothing is early any more
}

var _ Node = (*cluster)(nil)

// openCluster makes srv one of the servers that a cluster joins.
func openCluster(srv *Server, open func(Member, Node) (Cluster, error)) error {
	c := &cluster{server: srv, waiting: make(map[string]*inquiry)}
	self := Member{
		ID: srv.self, NodeID: srv.opts.Engine.NodeID, Address: srv.opts.Address,
		Version: MessageVersion, Since: time.Now(),
	}
	peers, err := open(self, c)
	if err != nil {
		return err
	}
	c.peers, srv.cluster = peers, c
	c.listener, _ = peers.(RoomListener)
	for early := c.nextEarly(); early != nil; early = c.nextEarly() {
		for _, m := range early {
			c.take(m)
		}
	}
	return nil
}

// nextEarly returns what came while earlier messages were taken; with nil nothing
// has to wait any more.
func (c *cluster) nextEarly() (early []*Message) {
	c.mu.Lock()
	defer c.mu.Unlock()
	early, c.early = c.early, nil
	c.ready = early == nil
	return early
}

func (c *cluster) stop() error { return c.peers.Close() }

// sendTimeout is how long handing over a message may take where the caller has no
// context.
const sendTimeout = 5 * time.Second

// send tells everybody, or m.To.
func (c *cluster) send(m *Message) error {
	ctx, cancel := context.WithTimeout(context.Background(), sendTimeout)
	defer cancel()
	return c.sendIn(ctx, m)
}

func (c *cluster) sendIn(ctx context.Context, m *Message) error {
	m.From = c.server.self
	if err := c.peers.Send(ctx, m); err != nil {
		return fmt.Errorf("socketio: tell the other servers: %w", err)
	}
	return nil
}

// broadcast passes an event on.
func (c *cluster) broadcast(n *Namespace, t target, f flags, event string, args []any) error {
	m, err := eventMessage(n, t, f, event, args)
	if err != nil {
		return err
	}
	return c.send(m)
}

func eventMessage(n *Namespace, t target, f flags, event string, args []any) (*Message, error) {
	raw, attachments, err := parser.MarshalArgs(args)
	if err != nil {
		return nil, fmt.Errorf("socketio: encode %q: %w", event, err)
	}
	return &Message{
		Kind: MessageEvent, Namespace: n.name, Rooms: t.rooms, Except: t.except, Event: event,
		Args: raw, Attachments: attachments, Volatile: f.volatile, Uncompressed: f.uncompress,
	}, nil
}

// inquiry is a question that other servers have yet to answer.
type inquiry struct {
	take func(m *Message, q *inquiry)
	more func(n int) // told how many more answers are owed, or fewer

	mu   sync.Mutex // guards the fields below
	owed map[string]int
	left map[string]bool // servers that are gone
}

// owe notes that a server has an answer to give.
func (q *inquiry) owe(server string) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if !q.left[server] {
		q.owed[server]++
		q.more(1)
	}
}

// pay notes an answer of a server, who says that it has further answers to give. A
// server that is not known by name is one of those that are known by number.
func (q *inquiry) pay(server string, further int) {
	q.mu.Lock()
	defer q.mu.Unlock()
	debtor := server
	if q.owed[debtor] == 0 {
		debtor = ""
	}
	if q.owed[debtor] == 0 {
		return // it left, or came later
	}
	q.owed[debtor]--
	q.owed[server] += further
	if change := further - 1; change != 0 {
		q.more(change)
	}
}

// forgive notes that a server is gone.
func (q *inquiry) forgive(server string) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.left[server] = true
	if n := q.owed[server]; n > 0 {
		delete(q.owed, server)
		q.more(-n)
	}
}

// missing returns the servers that owe something.
func (q *inquiry) missing() (names []string) {
	q.mu.Lock()
	defer q.mu.Unlock()
	for name, n := range q.owed {
		if n > 0 {
			names = append(names, name)
		}
	}
	return names
}

// inquire sends a question to all other servers. take is given each answer, and more
// the change of how many are owed; neither is called after stop has returned, but for
// calls that are under way.
func (c *cluster) inquire(ctx context.Context, m *Message, take func(*Message, *inquiry), more func(int)) (q *inquiry, stop func(), err error) {
	q = &inquiry{take: take, more: more, owed: make(map[string]int), left: make(map[string]bool)}
	m.Request = randomHex()
	c.mu.Lock()
	c.waiting[m.Request] = q
	c.mu.Unlock()
	stop = func() {
		c.mu.Lock()
		defer c.mu.Unlock()
		delete(c.waiting, m.Request)
	}
	members, err := c.peers.Members(ctx, m.Namespace)
	if err != nil {
		stop()
		return nil, nil, fmt.Errorf("socketio: find the other servers: %w", err)
	}
	for _, member := range members {
		q.owe(member.ID)
	}
	if len(members) == 0 {
		return q, stop, nil
	}
	if err := c.sendIn(ctx, m); err != nil {
		stop()
		return nil, nil, err
	}
	return q, stop, nil
}

// ask sends an event to the sockets of the other servers, whose answers go
// to w. w waits for each server until it has said how many it asked, and for
// as many answers as that.
func (c *cluster) ask(ctx context.Context, b Broadcast, event string, args []any, w *ackWait) (stop func(), err error) {
	var stops []func()
	stop = func() {
		for _, s := range stops {
			s()
		}
	}
	for _, n := range b.nsp.family() {
		m, err := eventMessage(n, b.target, b.flags, event, args)
		if err != nil {
			stop()
			return nil, err
		}
		m.Kind, m.Millis = MessageAsk, millisLeft(ctx)
		_, s, err := c.inquire(ctx, m, func(r *Message, q *inquiry) {
			if r.Kind == MessageCount {
				q.pay(r.From, max(r.Count, 0))
				return
			}
			if !r.None {
				w.settle(0, parser.UnmarshalArgs(r.Args, r.Attachments))
			}
			q.pay(r.From, 0)
		}, func(n int) {
			if n > 0 {
				w.expectMore(n)
			} else {
				w.settle(-n)
			}
		})
		if err != nil {
			stop()
			return nil, err
		}
		stops = append(stops, s)
	}
	return stop, nil
}

// millisLeft returns how long ctx lasts: at most a minute.
func millisLeft(ctx context.Context) int64 {
	left := time.Minute
	if t, ok := ctx.Deadline(); ok {
		left = min(left, time.Until(t))
	}
	return max(left.Milliseconds(), 1)
}

// collectTimeout is how long other servers have to answer where the caller
// sets no deadline.
const collectTimeout = 5 * time.Second

// collect sends messages and returns an answer of each other server to each, with
// the namespace that it is about. A server that leaves is not waited for.
func (c *cluster) collect(ctx context.Context, messages []*Message) ([]*Message, error) {
	if _, ok := ctx.Deadline(); !ok {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, collectTimeout)
		defer cancel()
	}
	var mu sync.Mutex // guards out and owed
	var out []*Message
	owed := 1 // one for the asking itself
	done := make(chan struct{})
	more := func(n int) {
		mu.Lock()
		defer mu.Unlock()
		if owed += n; owed == 0 {
			close(done)
		}
	}
	var asked []*inquiry
	for _, m := range messages {
		q, stop, err := c.inquire(ctx, m, func(r *Message, q *inquiry) {
			r.Namespace = m.Namespace
			mu.Lock()
			out = append(out, r)
			mu.Unlock()
			q.pay(r.From, 0)
		}, more)
		if err != nil {
			return nil, err
		}
		defer stop()
		asked = append(asked, q)
	}
	more(-1)
	var err error
	select {
	case <-done:
	case <-ctx.Done():
		err = fmt.Errorf("socketio: no answer from %s: %w", strings.Join(missing(asked), ", "), context.Cause(ctx))
	}
	mu.Lock()
	defer mu.Unlock()
	return append([]*Message(nil), out...), err
}

// missing names the servers that have not answered.
func missing(asked []*inquiry) (names []string) {
	seen := make(map[string]bool)
	for _, q := range asked {
		for _, name := range q.missing() {
			if name == "" {
				name = "a server without a name"
			}
			if !seen[name] {
				seen[name] = true
				names = append(names, name)
			}
		}
	}
	return names
}

// Deliver implements [Node].
func (c *cluster) Deliver(m *Message) {
	if m.From == c.server.self || m.To != "" && m.To != c.server.self {
		return
	}
	c.mu.Lock()
	if !c.ready {
		c.early = append(c.early, m)
		c.mu.Unlock()
		return
	}
	c.mu.Unlock()
	c.take(m)
}

// Left implements [Node].
func (c *cluster) Left(id string) {
	c.mu.Lock()
	all := make([]*inquiry, 0, len(c.waiting))
	for _, q := range c.waiting {
		all = append(all, q)
	}
	c.mu.Unlock()
	for _, q := range all {
		q.forgive(id)
	}
}

// take does what a message asks for.
func (c *cluster) take(m *Message) {
	if m.Kind.answers() {
		c.mu.Lock()
		q := c.waiting[m.Request]
		c.mu.Unlock()
		if q != nil {
			q.take(m, q)
		}
		return
	}
	defer func() {
		if r := recover(); r != nil {
			c.server.opts.Logger.Error("socket.io cluster: a message made a handler panic", "kind", m.Kind, "panic", r)
		}
	}()
	if err := c.obey(m); err != nil {
		c.server.opts.Logger.Error("socket.io cluster", "kind", m.Kind, "error", err)
	}
}

// obey does what another server asks for.
func (c *cluster) obey(m *Message) error {
	n := c.server.existing(m.Namespace)
	if n == nil {
		return c.nothing(m)
	}
	t := target{m.Rooms, m.Except}
	b := Broadcast{nsp: n, target: t}
	switch m.Kind {
	case MessageEvent:
		f := flags{volatile: m.Volatile, uncompress: m.Uncompressed, relayed: true}
		return n.emit(t, f, m.Event, parser.UnmarshalArgs(m.Args, m.Attachments).Any())
	case MessageAsk:
		return c.askHere(n, t, m)
	case MessageJoin:
		b.each(func(s *Socket) { _ = n.joinAt(s, m.Names, c.server.offset()) }) // OnError is told
	case MessageLeave:
		b.each(func(s *Socket) { s.Leave(m.Names...) })
	case MessageDisconnect:
		b.each(func(s *Socket) { s.Disconnect(m.Close) })
	case MessageFetch:
		return c.send(&Message{Kind: MessageSockets, To: m.From, Request: m.Request, Namespace: n.name, Sockets: b.records()})
	case MessageServer:
		return c.serverEvent(n, m)
	case MessageRecord:
		return c.send(&Message{Kind: MessageKept, To: m.From, Request: m.Request, Namespace: n.name, Record: c.server.recordNow(n, m.Names)})
	}
	return nil
}

// nothing answers for a namespace that this server does not have.
func (c *cluster) nothing(m *Message) error {
	answer := &Message{To: m.From, Request: m.Request, Namespace: m.Namespace, None: true}
	switch m.Kind {
	case MessageAsk:
		answer.Kind = MessageCount
	case MessageFetch:
		answer.Kind = MessageSockets
	case MessageServer:
		answer.Kind = MessageReply
	case MessageRecord:
		answer.Kind = MessageKept
	}
	if answer.Kind == "" || m.Request == "" {
		return nil
	}
	return c.send(answer)
}

// recordTimeout is how long the server that has a session may take to hand over its
// record. What was stored counts where it takes longer.
const recordTimeout = 500 * time.Millisecond

// askRecord asks the other servers for the record of a session that one of them may
// have changed since it was stored.
func (c *cluster) askRecord(nsp, id string) (rec SessionRecord, found bool) {
	ctx, cancel := context.WithTimeout(context.Background(), recordTimeout)
	defer cancel()
	answers, err := c.collect(ctx, []*Message{{Kind: MessageRecord, Namespace: nsp, Names: []string{id}}})
	if err != nil {
		c.server.opts.Logger.Debug("socket.io cluster: ask for a session", "error", err)
	}
	for _, a := range answers {
		if r := a.Record; r != nil && r.ID == id && (!found || r.Offset >= rec.Offset) {
			rec, found = *r, true
		}
	}
	return rec, found
}

// recordNow returns the record of a session as this server has it, or nil.
func (srv *Server) recordNow(n *Namespace, ids []string) *SessionRecord {
	if srv.sessions == nil || len(ids) != 1 {
		return nil
	}
	if s := n.roster.get(ids[0]); s != nil {
		if rec, ok := srv.sessions.record(s); ok {
			return &rec
		}
	}
	return srv.sessions.unsaved(ids[0], n.name)
}

// relay passes acknowledgements on to the server that asked for them.
type relay struct {
	cluster *cluster
	asked   *Message
}

var _ acker = relay{}

func (r relay) answered(_ *Socket, args Args) {
	m := r.answer()
	raw, attachments, err := parser.MarshalArgs(args.Any())
	m.Args, m.Attachments, m.None = raw, attachments, err != nil
	r.send(m)
}

func (r relay) gone(*Socket) {
	m := r.answer()
	m.None = true
	r.send(m)
}

func (r relay) answer() *Message {
	return &Message{Kind: MessageAnswer, To: r.asked.From, Request: r.asked.Request, Namespace: r.asked.Namespace}
}

func (r relay) send(m *Message) {
	if err := r.cluster.send(m); err != nil {
		r.cluster.server.opts.Logger.Error("socket.io cluster: acknowledgement", "error", err)
	}
}

// askHere sends an event that another server wants acknowledged.
func (c *cluster) askHere(n *Namespace, t target, m *Message) error {
	id := n.ackIDs.Add(1) - 1
	args := parser.UnmarshalArgs(m.Args, m.Attachments).Any()
	ms, err := n.encode(m.Event, id, args)
	if err != nil {
		return err
	}
	f := flags{volatile: m.Volatile, uncompress: m.Uncompressed}
	o := &outgoing{nsp: n, event: m.Event, args: args, messages: f.compressible(ms), volatile: m.Volatile}
	r := relay{c, m}
	var asked []*Socket
	n.roster.each(t, 1, func(s *Socket) { asked = append(asked, s) })
	// The count goes first, so that the asker knows what it waits for: none is
	// registered before, since one that disconnects is told of at once.
	err = c.send(&Message{Kind: MessageCount, To: m.From, Request: m.Request, Namespace: n.name, Count: len(asked)})
	for _, s := range asked {
		if !s.expect(id, r) {
			r.gone(s)
			continue
		}
		if o.sendTo(s) != nil {
			if a := s.unexpect(id); a != nil {
				a.gone(s)
			}
		}
	}
	time.AfterFunc(time.Duration(m.Millis)*time.Millisecond, func() {
		for _, s := range asked {
			s.unexpect(id)
		}
	})
	return err
}
