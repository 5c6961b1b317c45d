// Package engineio is Engine.IO: sessions that carry messages over HTTP
// long-polling and WebSocket and move from the one to the other without
// losing or reordering any. It implements protocol version 4, and version 3
// where it is asked for.
//
// A [Session] is one as the server holds it; [Dial] opens one as a client, a
// [Client]. The files of the client begin with that word.
//
// HTTP requests come in at [Server.ServeHTTP]; for each session the function
// given to [NewServer] is called once and returns the [Receiver] of its
// messages. What goes out is a [Message], encoded once for any number of
// sessions and all transports. Further transports come in from packages of their
// own, as a [Connection] that an [Upgrader] makes of a request: see foreign.go.
//
// # Concurrency
//
// All methods are safe for concurrent use and none of them blocks. The calls
// to one Receiver are made one after the other; over WebSocket they run on the
// event loop of package websocket, and over polling with Options.DirectPolls on the one
// that reads requests (see direct.go), so a Receiver must not block. A foreign connection
// has a goroutine that reads, and another while there is something to write.
//
// # Who owns a session
//
// A session has one state (see state.go). Whoever removes it from the registry
// closes it and reports the reason; nobody else does, so that a Receiver is
// told exactly once.
//
// Locks are taken in this order: Session.recvMu → Session.mu → wheel.mu, Session.mu → pollLoop.mu, and
// Session.mu → registry shard, and Session.mu → Server.opening. The locks of package websocket are taken below
// all of them. No Receiver is called with mu held.
package engineio
