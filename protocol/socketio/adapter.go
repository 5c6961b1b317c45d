package socketio

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"podium/protocol/socketio/parser"
	"slices"
	"sync"
	"time"
)

// Adapter joins servers into one: what one emits reaches the sockets of all.
// It only carries messages, so that one for a message broker is a few lines.
// All methods are safe for concurrent use.
//
// [Options.Adapter] makes it, and is given the function that takes messages
// from other servers. That function must be called for one message at a time
// of each sender, in the sender's order; it does not block for long.
type Adapter interface {
	// Publish hands a message to every other server, and keeps none of it. A
	// message that comes back to its sender is ignored there.
	Publish(message []byte) error
	// Servers returns how many servers there are, this one included: as many
	// answers but one are waited for.
	Servers() (int, error)
	// Close ends it. Nothing is delivered afterwards.
	Close() error
}

// The kinds of message between servers.
const (
	kindEvent      = "event"
	kindAsk        = "ask"    // an event to be acknowledged
	kindCount      = "count"  // answers ask: how many sockets were asked
	kindAnswer     = "answer" // answers ask: one acknowledgement, or none
	kindJoin       = "join"
	kindLeave      = "leave"
	kindDisconnect = "disconnect"
	kindFetch      = "fetch"
	kindSockets    = "sockets" // answers fetch
	kindServer     = "server"  // serverSideEmit
	kindReply      = "reply"   // answers server
	kindPublish    = "publish" // the shared log has more
)

// clusterMessage is what servers tell each other, as JSON.
type clusterMessage struct {
	Kind        string            `json:"kind"`
	From        string            `json:"from"`
	To          string            `json:"to,omitempty"` // "" for everybody
	Request     uint64            `json:"request,omitempty"`
	Namespace   string            `json:"nsp,omitempty"`
	Rooms       []string          `json:"rooms,omitempty"`
	Except      []string          `json:"except,omitempty"`
	Names       []string          `json:"names,omitempty"`
	Event       string            `json:"event,omitempty"`
	Args        []json.RawMessage `json:"args,omitempty"`
	Attachments [][]byte          `json:"attachments,omitempty"`
	Volatile    bool              `json:"volatile,omitempty"`
	Plain       bool              `json:"plain,omitempty"` // not to be compressed
	Close       bool              `json:"close,omitempty"`
	Count       int               `json:"count,omitempty"`
	Millis      int64             `json:"millis,omitempty"` // how long an answer is of use
	Sockets     []remoteRecord    `json:"sockets,omitempty"`
}

// cluster speaks to the other servers.
type cluster struct {
	server  *Server
	self    string
	adapter Adapter

	// mu guards the fields below. No other lock is taken under it.
	mu      sync.Mutex
	next    uint64
	waiting map[uint64]func(clusterMessage)
	early   [][]byte // messages that came before ready
	ready   bool     // the fields above are set, and nothing is early any more
}

// openCluster makes srv one of the servers that an adapter joins.
func openCluster(srv *Server, open func(func([]byte)) (Adapter, error)) error {
	var id [8]byte
	rand.Read(id[:])
	c := &cluster{server: srv, self: hex.EncodeToString(id[:]), waiting: make(map[uint64]func(clusterMessage))}
	a, err := open(c.receive)
	if err != nil {
		return err
	}
	c.adapter, srv.cluster = a, c
	for early := c.nextEarly(); early != nil; early = c.nextEarly() {
		for _, m := range early {
			c.take(m)
		}
	}
	return nil
}

// nextEarly returns what came while earlier messages were taken; with nil nothing
// has to wait any more.
func (c *cluster) nextEarly() (early [][]byte) {
	c.mu.Lock()
	defer c.mu.Unlock()
	early, c.early = c.early, nil
	c.ready = early == nil
	return early
}

func (c *cluster) stop() error { return c.adapter.Close() }

// send tells everybody, or m.To.
func (c *cluster) send(m clusterMessage) error {
	m.From = c.self
	b, err := json.Marshal(m)
	if err != nil {
		return fmt.Errorf("socketio: encode for the other servers: %w", err)
	}
	if err := c.adapter.Publish(b); err != nil {
		return fmt.Errorf("socketio: tell the other servers: %w", err)
	}
	return nil
}

// broadcast passes an event on.
func (c *cluster) broadcast(n *Namespace, t target, f flags, event string, args []any) error {
	if r := c.server.publisher; r != nil && r.options.Shared && r.appender != nil && !f.volatile {
		return c.send(clusterMessage{Kind: kindPublish})
	}
	m, err := eventMessage(n, t, f, event, args)
	if err != nil {
		return err
	}
	return c.send(m)
}

func eventMessage(n *Namespace, t target, f flags, event string, args []any) (clusterMessage, error) {
	raw, attachments, err := parser.MarshalArgs(args)
	return clusterMessage{
		Kind: kindEvent, Namespace: n.name, Rooms: t.rooms, Except: t.except, Event: event,
		Args: raw, Attachments: attachments, Volatile: f.volatile, Plain: f.uncompress,
	}, err
}

// request sends m and has the answers go to take until stop is called.
func (c *cluster) request(m clusterMessage, take func(clusterMessage)) (stop func(), err error) {
	c.mu.Lock()
	c.next++
	m.Request = c.next
	c.waiting[m.Request] = take
	c.mu.Unlock()
	stop = func() {
		c.mu.Lock()
		defer c.mu.Unlock()
		delete(c.waiting, m.Request)
	}
	if err := c.send(m); err != nil {
		stop()
		return nil, err
	}
	return stop, nil
}

// ask sends an event to the sockets of the other servers, whose answers go
// to w. w waits for each server until it has said how many it asked, and for
// as many answers as that.
func (c *cluster) ask(ctx context.Context, b Broadcast, event string, args []any, w *ackWait) (stop func(), err error) {
	servers, err := c.adapter.Servers()
	if err != nil {
		return nil, fmt.Errorf("socketio: count the servers: %w", err)
	}
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
		m.Kind, m.Millis = kindAsk, millisLeft(ctx)
		w.expectMore(servers - 1)
		s, err := c.request(m, func(r clusterMessage) {
			switch r.Kind {
			case kindCount:
				w.expectMore(r.Count)
				w.settle(1)
			case kindAnswer:
				if r.Close {
					w.settle(1)
				} else {
					w.settle(1, parser.UnmarshalArgs(r.Args, r.Attachments))
				}
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

// receive takes a message from another server.
func (c *cluster) receive(b []byte) {
	c.mu.Lock()
	if !c.ready {
		c.early = append(c.early, slices.Clone(b))
		c.mu.Unlock()
		return
	}
	c.mu.Unlock()
	c.take(b)
}

// take does what a message asks for.
func (c *cluster) take(b []byte) {
	var m clusterMessage
	if err := json.Unmarshal(b, &m); err != nil {
		c.server.opts.Logger.Error("socket.io adapter: message", "error", err)
		return
	}
	if m.From == c.self || m.To != "" && m.To != c.self {
		return
	}
	if m.To != "" {
		c.mu.Lock()
		take := c.waiting[m.Request]
		c.mu.Unlock()
		if take != nil {
			take(m)
		}
		return
	}
	if err := c.obey(m); err != nil {
		c.server.opts.Logger.Error("socket.io adapter", "kind", m.Kind, "error", err)
	}
}

// obey does what another server asks for.
func (c *cluster) obey(m clusterMessage) error {
	if m.Kind == kindPublish {
		return c.server.Publish()
	}
	n := c.server.existing(m.Namespace)
	if n == nil {
		return c.nothing(m)
	}
	t := target{m.Rooms, m.Except}
	b := Broadcast{nsp: n, target: t}
	switch m.Kind {
	case kindEvent:
		f := flags{volatile: m.Volatile, uncompress: m.Plain, relayed: true}
		return n.emit(t, f, m.Event, parser.UnmarshalArgs(m.Args, m.Attachments).Any())
	case kindAsk:
		return c.askHere(n, t, m)
	case kindJoin:
		b.each(func(s *Socket) { s.Join(m.Names...) })
	case kindLeave:
		b.each(func(s *Socket) { s.Leave(m.Names...) })
	case kindDisconnect:
		b.each(func(s *Socket) { s.Disconnect(m.Close) })
	case kindFetch:
		return c.send(clusterMessage{Kind: kindSockets, To: m.From, Request: m.Request, Sockets: b.records()})
	case kindServer:
		return c.serverEvent(n, m)
	}
	return nil
}

// nothing answers for a namespace that this server does not have.
func (c *cluster) nothing(m clusterMessage) error {
	answer := clusterMessage{To: m.From, Request: m.Request}
	switch m.Kind {
	case kindAsk:
		answer.Kind = kindCount
	case kindFetch:
		answer.Kind = kindSockets
	case kindServer:
		if m.Request == 0 {
			return nil
		}
		answer.Kind, answer.Close = kindReply, true
	default:
		return nil
	}
	return c.send(answer)
}

// relay passes acknowledgements on to the server that asked for them.
type relay struct {
	cluster *cluster
	to      string
	request uint64
}

var _ acker = relay{}

func (r relay) answered(_ *Socket, args Args) {
	m := clusterMessage{Kind: kindAnswer, To: r.to, Request: r.request}
	raw, attachments, err := parser.MarshalArgs(args.Any())
	m.Args, m.Attachments, m.Close = raw, attachments, err != nil
	r.send(m)
}

func (r relay) gone(*Socket) {
	r.send(clusterMessage{Kind: kindAnswer, To: r.to, Request: r.request, Close: true})
}

func (r relay) send(m clusterMessage) {
	if err := r.cluster.send(m); err != nil {
		r.cluster.server.opts.Logger.Error("socket.io adapter: acknowledgement", "error", err)
	}
}

// askHere sends an event that another server wants acknowledged.
func (c *cluster) askHere(n *Namespace, t target, m clusterMessage) error {
	id := n.ackIDs.Add(1) - 1
	args := parser.UnmarshalArgs(m.Args, m.Attachments).Any()
	ms, err := n.encode(m.Event, id, args)
	if err != nil {
		return err
	}
	f := flags{volatile: m.Volatile, uncompress: m.Plain}
	o := &outgoing{nsp: n, event: m.Event, args: args, messages: f.compressible(ms), volatile: m.Volatile}
	r := relay{c, m.From, m.Request}
	var asked []*Socket
	n.roster.each(t, func(s *Socket) { asked = append(asked, s) })
	// The count goes first, so that the asker knows what it waits for: none is
	// registered before, since one that disconnects is told of at once.
	err = c.send(clusterMessage{Kind: kindCount, To: m.From, Request: m.Request, Count: len(asked)})
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
