// Package socketio is a Socket.IO server: namespaces, rooms, events and
// acknowledgements over the sessions of package engineio, and recovery of what
// clients missed. It speaks Socket.IO protocol 5, and 4 with clients up to 2.x.
//
// HTTP requests come in at [Server.ServeHTTP]; events go to handlers that are
// registered on a [Namespace] or a [Socket]; Emit and its relatives send.
package socketio
