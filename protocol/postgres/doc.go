// Package postgres makes several Socket.IO servers one, on PostgreSQL 13 or later: a log
// that they share, their session records, and the messages between them. An event can
// be emitted as part of a transaction, from Go or any other language: it is sent if
// and only if the transaction commits.
//
//	engine, err := postgres.Open(ctx, postgres.Options{URL: "postgres://app:…@localhost/app"})
//	...
//	srv := socketio.NewServer(socketio.Options{Cluster: engine.Join, Recovery: engine.Recovery()})
//	...
//	engine.Close() // after srv.Shutdown
//
// In your own transaction:
//
//	err = engine.Emit(ctx, tx, postgres.Target{Rooms: []string{"orders"}}, "paid", id)
//
//	select socketio.emit('paid', '[17]', rooms => '{orders}') -- in SQL
//
// It needs no clients but the official ones, no sticky sessions where
// socketio.Options.Address is set, and of the database one schema, which the first
// server makes; several may start at once.
//
// # The log
//
// Entries are numbered by a counter in the one row of the table head. Whoever appends
// updates it in the same transaction and so holds it until the commit: offsets have no
// gaps and are in the order of commits. A sequence would hand numbers out before the
// commit, and a reader would pass over a slower one for good. Servers append many
// entries in one transaction, with one notification; a transaction of one's own that
// emits keeps all others from emitting until it ends, so the emit comes last. Times are
// the database's. The log is trimmed to Options.MaxEntries.
//
// Each batch has a row of its own. Where the connection breaks before the commit is
// answered, the same row is inserted again: PostgreSQL lets that wait for a transaction
// that is still running and refuses it where that one committed, and where it succeeds
// the old one never will. So nothing is appended twice or given up without knowing,
// unless the database cannot be asked before the caller's time is over:
// [socketio.ErrOutcome].
//
// # Messages
//
// What servers ask each other, and volatile events, are rows of an unlogged table,
// numbered as the log is; a notification only says that there are some, so that
// neither its limit of 8,000 bytes nor a connection that breaks matters. Each server
// has a row that it renews every second, and is gone five seconds after the last time.
//
// Where notifications do not arrive, as through a pooler that hands connections out by
// transaction, the counters are read 40 times a second instead (see Options.Poll).
// Nothing is set for a session or prepared under a name.
//
// # What it promises
//
// Every client gets every event that is meant for it exactly once and in the one order
// of the log, wherever it connects and however often it moves. What that is worth is
// what the database keeps:
//
//	PostgreSQL is                   then
//	killed, or loses its power      nothing that an emit returned for is lost, nor anything
//	                                that was in the caller's transaction. With
//	                                synchronous_commit = off the end can be lost, and clients
//	                                that had seen that are told
//	failed over, synchronously      nothing is lost
//	failed over, replica behind     the end is lost; clients that had seen it are told
//	restored, or the schema dropped the past is lost; all clients are told, and begin anew. After
//	                                a dump was restored: update socketio.head set epoch = 'another'
//	away, hanging or full           emits fail after socketio.Recovery.LogTimeout; clients stay
//	                                for 10 s, then they are sent elsewhere; nothing is lost
//	locked by a long transaction    the same for emits, until it ends
//
// "Told" means that a client's session is refused, so that official clients see
// recovered === false, and never that it goes on with a hole.
//
// # What it does not do
//
// A server that was killed is noticed after five seconds, not at once. The wire of
// @socket.io/postgres-adapter is another, which package officialwire below this one speaks.
package postgres
