package officialwire

import (
	"context"
	"fmt"
	"slices"

	"podium/protocol/socketio"
	"podium/protocol/socketio/parser"
)

// Emitter reaches the sockets of all servers, Node's and ours, from a process that has
// none itself. Its methods Of, To, Except, Volatile and Compress return changed copies,
// so that it may be kept and used by many goroutines. Those that send return when Redis
// has what they sent; who gets it they do not tell.
type Emitter struct {
	send    func(context.Context, *socketio.Message) error
	message socketio.Message // namespace, target and flags
}

// emitterID is what the official emitters call themselves.
const emitterID = "emitter"

// Emitter returns one that sends as @socket.io/redis-emitter does. Options.Namespaces
// does not bind it.
func (c Classic) Emitter() Emitter {
	return emitter(classic{emitterLink(c.Options)})
}

// Emitter returns one that sends as @socket.io/redis-streams-emitter does, and knows
// Options.StreamCount as well. Options.Namespaces does not bind it.
func (s Streams) Emitter() Emitter {
	return emitter(&streams{link: emitterLink(s.Options)})
}

func emitterLink(o Options) *link {
	return &link{o: o.withDefaults(), self: emitterID, everywhere: true}
}

func emitter(c socketio.Cluster) Emitter {
	return Emitter{c.Send, socketio.Message{Namespace: "/"}}
}

// Of addresses another namespace, "/name".
func (e Emitter) Of(namespace string) Emitter { e.message.Namespace = namespace; return e }

// To addresses those in any of the rooms. Called again it adds rooms.
func (e Emitter) To(rooms ...string) Emitter {
	e.message.Rooms = append(slices.Clip(e.message.Rooms), rooms...)
	return e
}

// Except leaves out those in any of the rooms.
func (e Emitter) Except(rooms ...string) Emitter {
	e.message.Except = append(slices.Clip(e.message.Except), rooms...)
	return e
}

// Volatile drops the event for those that it could not leave to at once.
func (e Emitter) Volatile() Emitter { e.message.Volatile = true; return e }

// Compress says whether to compress where that was negotiated; default true.
func (e Emitter) Compress(on bool) Emitter { e.message.Uncompressed = !on; return e }

// Emit sends an event to those addressed. Arguments are as those of
// [socketio.Socket.Emit].
func (e Emitter) Emit(ctx context.Context, event string, args ...any) error {
	return e.event(ctx, socketio.MessageEvent, event, args)
}

// ServerSideEmit sends an event to the servers of the namespace: see
// [socketio.Namespace.OnServerSide].
func (e Emitter) ServerSideEmit(ctx context.Context, event string, args ...any) error {
	return e.event(ctx, socketio.MessageServer, event, args)
}

func (e Emitter) event(ctx context.Context, kind socketio.MessageKind, event string, args []any) error {
	if parser.Reserved(event) {
		return fmt.Errorf("officialwire: %q: %w", event, socketio.ErrReservedEvent)
	}
	m := e.message
	var err error
	if m.Args, m.Attachments, err = parser.MarshalArgs(args); err != nil {
		return fmt.Errorf("officialwire: encode %q: %w", event, err)
	}
	m.Kind, m.Event = kind, event
	return e.send(ctx, &m)
}

// SocketsJoin puts those addressed into rooms.
func (e Emitter) SocketsJoin(ctx context.Context, rooms ...string) error {
	m := e.message
	m.Kind, m.Names = socketio.MessageJoin, rooms
	return e.send(ctx, &m)
}

// SocketsLeave takes those addressed out of rooms.
func (e Emitter) SocketsLeave(ctx context.Context, rooms ...string) error {
	m := e.message
	m.Kind, m.Names = socketio.MessageLeave, rooms
	return e.send(ctx, &m)
}

// DisconnectSockets disconnects those addressed: see [socketio.Socket.Disconnect].
func (e Emitter) DisconnectSockets(ctx context.Context, closeConn bool) error {
	m := e.message
	m.Kind, m.Close = socketio.MessageDisconnect, closeConn
	return e.send(ctx, &m)
}
