// Package emitter emits from a process that has no sockets: a job, a web handler in
// another program, a command. What it sends reaches the sockets of all servers.
//
//	engine, err := redis.Open(ctx, redis.Options{URL: "redis://localhost:6379"})
//	...
//	err = engine.Emitter().To("orders").Emit(ctx, "paid", 17)
//
// An [Emitter] comes from where the servers meet, and so brings no other database's
// client along:
//
//	the servers share                            it is
//	podium/protocol/redis                        Engine.Emitter
//	podium/protocol/postgres                     Engine.Emitter; Engine.Emit in a transaction
//	Node's Redis adapters                        Classic.Emitter, Sharded.Emitter, Streams.Emitter of podium/protocol/redis/officialwire
//	Node's PostgreSQL adapter                    Postgres.Emitter of podium/protocol/postgres/officialwire
//
// Native emitters log what they emit: clients that are away get it when they come back.
// On Node's wires an emitter promises what the official emitters do: at most once.
package emitter

import (
	"context"
	"fmt"
	"slices"

	"podium/protocol/socketio"
	"podium/protocol/socketio/parser"
)

// Emitter reaches the sockets of all servers, Node's and ours, from a process that has
// none itself. Its methods Of, To, Except, Volatile and Compress return changed copies,
// so that it may be kept and used by many goroutines. Those that send return when the
// database has what they sent; who gets it they do not tell.
type Emitter struct {
	send    Send
	message socketio.Message // namespace, target and flags
}

// Send hands a message to the servers, and returns when they cannot miss it any more, or
// when the wire promises nothing more. It keeps nothing of the message, and is safe for
// concurrent use.
type Send func(ctx context.Context, m *socketio.Message) error

// New returns an emitter for everybody in the namespace "/".
func New(send Send) Emitter { return Emitter{send, socketio.Message{Namespace: "/"}} }

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
		return fmt.Errorf("emitter: %q: %w", event, socketio.ErrReservedEvent)
	}
	m := e.message
	var err error
	if m.Args, m.Attachments, err = parser.MarshalArgs(args); err != nil {
		return fmt.Errorf("emitter: encode %q: %w", event, err)
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
