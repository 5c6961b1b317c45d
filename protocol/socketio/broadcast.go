package socketio

import (
	"context"
	"fmt"
	"slices"
	"time"
)

// Broadcast addresses sockets of a namespace. Its methods To, Except and so on
// return changed copies, so that a Broadcast may be kept and used by many
// goroutines.
type Broadcast struct {
	nsp    *Namespace
	target target
	flags  flags
}

// all addresses everybody.
func (n *Namespace) all() Broadcast { return Broadcast{nsp: n} }

// Emit sends an event to everybody in the namespace, on all servers. It encodes
// once, and waits for as little as [Socket.Emit] does.
func (n *Namespace) Emit(event string, args ...any) error {
	return n.emit(target{}, flags{}, event, args)
}

// Send emits the event "message".
func (n *Namespace) Send(args ...any) error { return n.Emit("message", args...) }

// EmitWithAck is [Broadcast.EmitWithAck] to everybody.
func (n *Namespace) EmitWithAck(ctx context.Context, event string, args ...any) ([]Args, error) {
	return n.all().EmitWithAck(ctx, event, args...)
}

// To addresses those in any of the rooms. Called again it adds rooms.
func (n *Namespace) To(rooms ...string) Broadcast { return n.all().To(rooms...) }

// In is To.
func (n *Namespace) In(rooms ...string) Broadcast { return n.all().To(rooms...) }

// Except leaves out those in any of the rooms.
func (n *Namespace) Except(rooms ...string) Broadcast { return n.all().Except(rooms...) }

// Local leaves out the other servers.
func (n *Namespace) Local() Broadcast { return n.all().Local() }

// Volatile drops the event for those that it could not leave to at once.
func (n *Namespace) Volatile() Broadcast { return n.all().Volatile() }

// Compress says whether to compress where that was negotiated; default true.
func (n *Namespace) Compress(on bool) Broadcast { return n.all().Compress(on) }

// Timeout says how long EmitWithAck waits, besides its context.
func (n *Namespace) Timeout(d time.Duration) Broadcast { return n.all().Timeout(d) }

// SocketsJoin puts all sockets of the namespace into rooms, on all servers.
func (n *Namespace) SocketsJoin(rooms ...string) error { return n.all().SocketsJoin(rooms...) }

// SocketsLeave takes all sockets of the namespace out of rooms.
func (n *Namespace) SocketsLeave(rooms ...string) error { return n.all().SocketsLeave(rooms...) }

// DisconnectSockets disconnects all sockets: see [Socket.Disconnect].
func (n *Namespace) DisconnectSockets(closeConn bool) error {
	return n.all().DisconnectSockets(closeConn)
}

// FetchSockets lists the sockets of the namespace on all servers.
func (n *Namespace) FetchSockets(ctx context.Context) ([]RemoteSocket, error) {
	return n.all().FetchSockets(ctx)
}

// To is [Namespace.To].
func (b Broadcast) To(rooms ...string) Broadcast {
	b.target.rooms = append(slices.Clip(b.target.rooms), rooms...)
	return b
}

// In is To.
func (b Broadcast) In(rooms ...string) Broadcast { return b.To(rooms...) }

// Except is [Namespace.Except].
func (b Broadcast) Except(rooms ...string) Broadcast {
	b.target.except = append(slices.Clip(b.target.except), rooms...)
	return b
}

// Local is [Namespace.Local].
func (b Broadcast) Local() Broadcast { b.flags.local = true; return b }

// Volatile is [Namespace.Volatile].
func (b Broadcast) Volatile() Broadcast { b.flags.volatile = true; return b }

// Compress is [Namespace.Compress].
func (b Broadcast) Compress(on bool) Broadcast { b.flags.uncompress = !on; return b }

// Timeout is [Namespace.Timeout].
func (b Broadcast) Timeout(d time.Duration) Broadcast { b.flags.timeout = d; return b }

// Emit sends an event to those addressed: see [Namespace.Emit].
func (b Broadcast) Emit(event string, args ...any) error {
	return b.nsp.emit(b.target, b.flags, event, args)
}

// SocketsJoin puts those addressed into rooms, on all servers. Where these share a
// log, those that are away are too when they come back, and what is emitted next on
// any server reaches those that joined.
func (b Broadcast) SocketsJoin(rooms ...string) error {
	if b.inOrder() {
		return b.commit(Entry{Kind: KindJoin, Names: rooms})
	}
	b.each(func(s *Socket) { _ = s.Join(rooms...) }) // OnError is told
	return b.remote(Message{Kind: MessageJoin, Names: rooms})
}

// SocketsLeave takes those addressed out of rooms, on all servers: see SocketsJoin.
func (b Broadcast) SocketsLeave(rooms ...string) error {
	if b.inOrder() {
		return b.commit(Entry{Kind: KindLeave, Names: rooms})
	}
	b.each(func(s *Socket) { s.Leave(rooms...) })
	return b.remote(Message{Kind: MessageLeave, Names: rooms})
}

// DisconnectSockets disconnects those addressed: see [Socket.Disconnect] and
// SocketsJoin.
func (b Broadcast) DisconnectSockets(closeConn bool) error {
	if b.inOrder() {
		var here []*Socket
		b.each(func(s *Socket) { here = append(here, s) })
		err := b.commit(Entry{Kind: KindDisconnect, Close: closeConn})
		for _, s := range here {
			if s.barred.Load() {
				s.Disconnect(closeConn) // which is being done, or is done
			}
		}
		return err
	}
	b.each(func(s *Socket) { s.Disconnect(closeConn) })
	return b.remote(Message{Kind: MessageDisconnect, Close: closeConn})
}

// inOrder reports whether what concerns the sockets of all servers goes through a log
// that they share.
func (b Broadcast) inOrder() bool { return !b.flags.local && b.nsp.server.publisher.ordered() }

// commit logs an order for those addressed.
func (b Broadcast) commit(e Entry) error {
	p := b.nsp.server.publisher
	for _, n := range b.nsp.family() {
		e.Namespace, e.Rooms, e.Except = n.name, b.target.rooms, b.target.except
		if err := p.commits.commit(e); err != nil {
			return fmt.Errorf("socketio: tell all servers: %w", err)
		}
	}
	return nil
}

// each calls f for those addressed on this server.
func (b Broadcast) each(f func(*Socket)) {
	for _, n := range b.nsp.family() {
		n.roster.each(b.target, 0, f)
	}
}

// remote passes a request on to the other servers.
func (b Broadcast) remote(m Message) error {
	c := b.nsp.server.cluster
	if c == nil || b.flags.local {
		return nil
	}
	for _, n := range b.nsp.family() {
		m.Namespace, m.Rooms, m.Except = n.name, b.target.rooms, b.target.except
		if err := c.send(&m); err != nil {
			return err
		}
	}
	return nil
}
