// Package officialwire lets a server join Node servers that are one by PostgreSQL, and so
// lets it take their place one by one: it speaks the wire of @socket.io/postgres-adapter.
//
//	pool, err := pgxpool.New(ctx, "postgres://app:…@localhost/app")
//	...
//	node := officialwire.Postgres{Options: officialwire.Options{Pool: pool}}
//	srv := socketio.NewServer(socketio.Options{Cluster: node.Join})
//
// Both ways go broadcasts with rooms, exceptions and flags, binary, acknowledgements,
// FetchSockets, SocketsJoin, SocketsLeave, DisconnectSockets and ServerSideEmit. What
// @socket.io/postgres-emitter sends is obeyed; version 0.1.1 of it names no namespace, so
// that Node's own servers (adapter 0.5.0) pass it over. Postgres.Emitter reaches both.
//
// # What it promises
//
// What Node's adapter does, and not what package postgres does among our own servers:
// messages arrive at most once, what is notified while a server has no connection is lost
// on it, and no session is recovered on another server. Servers know each other by
// heartbeats: one that is killed is gone after ten seconds of silence, one that is closed
// at once, and whoever is asked is waited for no longer than that. Answers have one value.
//
// What is binary, or 8,000 bytes and longer, is a row of the table of attachments. Here
// it is sent and delivered in its place; Node's servers let what follows pass it.
//
// What cannot be read is logged and passed over; it stops nothing. LISTEN needs a
// connection of its own: a pooler that hands connections out by transaction will not do.
package officialwire
