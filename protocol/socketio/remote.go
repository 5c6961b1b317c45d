package socketio

import (
	"context"
	"encoding/json"
	"fmt"
	"sync/atomic"

	"podium/protocol/socketio/parser"
)

// RemoteSocket is a socket of any server, as it was when it was fetched.
type RemoteSocket struct {
	ID        string
	Rooms     []string        // its own first
	Handshake json.RawMessage // with the official fields
	Data      json.RawMessage // nil where there is none

	nsp *Namespace
}

// room addresses the socket on whichever server it is.
func (r RemoteSocket) room() Broadcast { return r.nsp.To(r.ID) }

// Emit sends it an event: see [Socket.Emit].
func (r RemoteSocket) Emit(event string, args ...any) error { return r.room().Emit(event, args...) }

// EmitWithAck sends it an event and waits for the acknowledgement.
func (r RemoteSocket) EmitWithAck(ctx context.Context, event string, args ...any) (Args, error) {
	answers, err := r.room().EmitWithAck(ctx, event, args...)
	if err != nil {
		return nil, err
	}
	if len(answers) == 0 {
		return nil, ErrDisconnected
	}
	return answers[0], nil
}

// Join puts it into rooms.
func (r RemoteSocket) Join(rooms ...string) error { return r.room().SocketsJoin(rooms...) }

// Leave takes it out of rooms.
func (r RemoteSocket) Leave(rooms ...string) error { return r.room().SocketsLeave(rooms...) }

// Disconnect disconnects it: see [Socket.Disconnect].
func (r RemoteSocket) Disconnect(closeConn bool) error { return r.room().DisconnectSockets(closeConn) }

// records lists those addressed on this server.
func (b Broadcast) records() []RemoteRecord {
	var out []RemoteRecord
	b.each(func(s *Socket) {
		r := RemoteRecord{ID: s.id, Rooms: s.Rooms()}
		var err error
		if r.Handshake, err = json.Marshal(s.Handshake()); err != nil {
			s.report(fmt.Errorf("socketio: encode a handshake for another server: %w", err))
		}
		if d := s.Data(); d != nil {
			if r.Data, err = json.Marshal(d); err != nil {
				s.report(fmt.Errorf("socketio: encode the data of a socket for another server: %w", err))
			}
		}
		out = append(out, r)
	})
	return out
}

// FetchSockets lists those addressed on all servers. A server that leaves meanwhile
// is not waited for. Where not every other answered before ctx ended it returns those
// it knows of, and an error that wraps ctx's and names who is missing. Without a
// deadline it waits 5 seconds.
func (b Broadcast) FetchSockets(ctx context.Context) ([]RemoteSocket, error) {
	var out []RemoteSocket
	add := func(n *Namespace, list []RemoteRecord) {
		for _, r := range list {
			out = append(out, RemoteSocket{r.ID, r.Rooms, r.Handshake, r.Data, n})
		}
	}
	var asked []*Message
	family := make(map[string]*Namespace)
	for _, n := range b.nsp.family() {
		add(n, Broadcast{nsp: n, target: b.target}.records())
		family[n.name] = n
		asked = append(asked, &Message{
			Kind: MessageFetch, Namespace: n.name, Rooms: b.target.rooms, Except: b.target.except,
		})
	}
	c := b.nsp.server.cluster
	if c == nil || b.flags.local {
		return out, nil
	}
	answers, err := c.collect(ctx, asked)
	for _, a := range answers {
		add(family[a.Namespace], a.Sockets)
	}
	return out, err
}

// ServerEvent is an event from another server: see [Namespace.ServerSideEmit].
type ServerEvent struct {
	Name string
	Args Args

	answer func(args []any) error // nil where none is wanted
	acked  atomic.Bool
}

// WantsAck reports whether the other server waits for an answer.
func (e *ServerEvent) WantsAck() bool { return e.answer != nil }

// Ack answers the other server, once: see [Event.Ack].
func (e *ServerEvent) Ack(args ...any) error {
	if e.answer == nil {
		return ErrNoAck
	}
	if e.acked.Swap(true) {
		return ErrAcked
	}
	return e.answer(args)
}

// OnServerSide registers f for an event that other servers emit with
// ServerSideEmit, and for every such event where the name is empty. It must not block
// for long.
func (n *Namespace) OnServerSide(event string, f func(e *ServerEvent)) (remove func()) {
	h := &serverHandler{f}
	n.hooks.change(func(t *hookTable) { t.serverSide = withKey(t.serverSide, event, h) })
	return func() {
		n.hooks.change(func(t *hookTable) { t.serverSide = withoutKey(t.serverSide, event, h) })
	}
}

// ServerSideEmit sends an event to the other servers, not to clients and not
// to this server; for a pattern, once for each namespace of it that is here. The names that the official server keeps for itself, such as
// "connection", are [ErrReservedEvent].
func (n *Namespace) ServerSideEmit(event string, args ...any) error {
	if reservedBetweenServers(event) {
		return ErrReservedEvent
	}
	c := n.server.cluster
	if c == nil {
		return nil
	}
	for _, one := range n.family() {
		m, err := eventMessage(one, target{}, flags{}, event, args)
		if err != nil {
			return err
		}
		m.Kind = MessageServer
		if err := c.send(m); err != nil {
			return err
		}
	}
	return nil
}

// ServerSideEmitWithAck sends an event to the other servers and returns their
// answers. A server that leaves meanwhile is not waited for. Where not every other
// answered before ctx ended it returns the answers that came, and an error that wraps
// ctx's and names who is missing. Without a deadline it waits 5 seconds.
func (n *Namespace) ServerSideEmitWithAck(ctx context.Context, event string, args ...any) ([]Args, error) {
	if reservedBetweenServers(event) {
		return nil, ErrReservedEvent
	}
	c := n.server.cluster
	if c == nil {
		return nil, nil
	}
	var asked []*Message
	for _, one := range n.family() {
		m, err := eventMessage(one, target{}, flags{}, event, args)
		if err != nil {
			return nil, err
		}
		m.Kind = MessageServer
		asked = append(asked, m)
	}
	answers, err := c.collect(ctx, asked)
	var out []Args
	for _, a := range answers {
		if !a.None {
			out = append(out, parser.UnmarshalArgs(a.Args, a.Attachments))
		}
	}
	return out, err
}

func reservedBetweenServers(event string) bool {
	return event == "connect" || event == "connection" || event == "new_namespace"
}

// serverEvent handles an event from another server.
func (c *cluster) serverEvent(n *Namespace, m *Message) error {
	e := &ServerEvent{Name: m.Event, Args: parser.UnmarshalArgs(m.Args, m.Attachments)}
	wanted := m.Request != ""
	reply := &Message{Kind: MessageReply, To: m.From, Request: m.Request, Namespace: n.name}
	if wanted {
		e.answer = func(args []any) (err error) {
			if reply.Args, reply.Attachments, err = parser.MarshalArgs(args); err != nil {
				return err
			}
			return c.send(reply)
		}
	}
	heard := false
	for _, t := range n.tables(nil) {
		for _, list := range [2][]*serverHandler{t.serverSide[m.Event], t.serverSide[""]} {
			for _, h := range list {
				heard = true
				h.f(e)
			}
		}
	}
	if !heard && wanted {
		reply.None = true
		return c.send(reply)
	}
	return nil
}
