// Package socketio is a Socket.IO server: namespaces, rooms, events and
// acknowledgements over the sessions of package engineio, and recovery of what
// clients missed. It speaks Socket.IO protocol 5, and 4 with clients up to 2.x.
//
// HTTP requests come in at [Server.ServeHTTP]; events go to handlers that are
// registered on a [Namespace] or a [Socket]; Emit and its relatives send.
//
//	srv := socketio.NewServer(socketio.Options{})
//	socketio.OnAck(srv, "add", func(s *socketio.Socket, a socketio.Args2[int, int]) (int, error) {
//		return a.A + a.B, nil
//	})
//	srv.OnConnection(func(s *socketio.Socket) { s.Join("lobby") })
//	http.Handle("/socket.io/", srv)
//
// # Which goroutine runs what
//
// Everything exported is safe for concurrent use, and Emit waits for no client:
// [Socket.Emit] says what it waits for where there is a [Recovery] or a [Cluster]. The
// handlers of one socket run one after another, in the order of its events, on
// a goroutine that exists only while the socket has something to do; so they
// may block, and only that socket waits. Handlers registered with [Concurrent] let
// the next events be handled meanwhile. Those registered with [Inline] run
// in place on the goroutine that reads connections, where nothing of their
// socket is waiting; they must not block. The order for one socket is:
// namespace middleware, CONNECT, connection handlers, events, disconnect
// handlers; for one event: interceptors, OnAny, middleware, handlers. A handler that
// panics is logged and survived, and whoever waits for its acknowledgement is told.
//
// # What it costs
//
// An idle socket holds no goroutine, timer or map. A broadcast is encoded
// once; walking the sockets of a namespace or a room takes no lock and
// allocates nothing, however many there are.
//
// # Recovery
//
// See [Recovery]. It is on where [Options.Recovery] is set.
//
// # Several servers
//
// Servers are one where they have a [Cluster], which carries messages between them, and
// share a [Log] that is an [Appender] and a [Follower]: packages podium/protocol/redis
// and podium/protocol/postgres have both, [MemoryCluster] has them for the servers of
// one process. Then
//
//   - what any of them emits stands in the log, and every server delivers the log in its
//     order, from the first entry to the last: no event is passed over, and the server
//     that emitted it delivers it at its place too. SocketsJoin, SocketsLeave and
//     DisconnectSockets are entries like events, and apply to sockets that are away when
//     they come back;
//   - Emit returns when the event is logged and delivered by its own server. Many emits
//     at the same time share a batch; a loop that emits waits for the log each time;
//   - a client recovers at whichever server it comes to, also where its old one was
//     killed. The one that takes a session up claims it in the log, and the others close
//     older connections with it;
//   - an acknowledgement leaves behind the record of the rooms that its handler joined;
//   - volatile events, events with acknowledgements and ServerSideEmit are messages, at
//     most once. Whoever asks all servers does not wait for one that leaves or dies;
//   - a server that cannot reach the log delivers nothing, says so ([Server.Ready]) and
//     sends its clients away after ten seconds; one whose log lost its past, or its end,
//     closes the connections, and the clients are told that they did not recover;
//   - with [Options].Address and a NodeID, polls may come to any server.
//
// Package clustertest is the suite that holds an engine to this.
//
// # For those who know the server for Node
//
// NODE.md, beside this package's folder, has the same table with the tests that hold it.
//
//	in Node                              here
//	new Server(httpServer, options)      NewServer, mounted as an http.Handler
//	io.attach, io.listen                 http.Server, any router
//	io.of("/x")                          Server.Of
//	io.of(/regex/), io.of(fn)            Server.OfPattern, Server.OfFunc
//	io.on("connection", fn)              Server.OnConnection
//	io.on("new_namespace", fn)           Server.OnNewNamespace
//	io.emit, io.to(room)                 Server.Emit, Server.To
//	io.use, and what else nsp has        the same on Server.Of("/")
//	io.close()                           Server.Shutdown
//	io.engine                            Server.Engine
//	io.engine.use(middleware)            Server.Use
//	io.engine.onWebTransportSession      Handler of webtransport.NewServer
//	io.engine.clientsCount               Server.Connections
//	io.engine.on("connection")           Observer.Opened, in Options.Engine
//	io.engine.on("connection_error")     Observer.Refused; err.context is Error.Name and the request
//	io.engine.on("initial_headers")      InitialHeaders, in Options.Engine
//	io.engine.on("headers")              Headers, in Options.Engine
//	io.engine.generateId                 NewID, in Options.Engine; NodeID begins every id
//	nsp.name                             Namespace.Name
//	nsp.on("connection", fn)             Namespace.OnConnection
//	nsp.use(fn)                          Namespace.Use; refuse with an *Error
//	nsp.emit, nsp.send                   Namespace.Emit, Namespace.Send
//	nsp.emitWithAck                      Namespace.EmitWithAck, CallAll
//	err.responses after a timeout        what Broadcast.EmitWithAck returns beside the error
//	nsp.to, in, except, local            the same on Namespace and Broadcast
//	nsp.volatile, compress, timeout      the same on Namespace and Broadcast
//	nsp.sockets                          Namespace.Sockets, Namespace.Socket, Namespace.Count
//	nsp.fetchSockets()                   Namespace.FetchSockets, Broadcast.FetchSockets
//	nsp.socketsJoin, socketsLeave        the same on Namespace and Broadcast
//	nsp.disconnectSockets                the same on Namespace and Broadcast
//	nsp.serverSideEmit(...)              Namespace.ServerSideEmit
//	nsp.serverSideEmitWithAck            Namespace.ServerSideEmitWithAck
//	nsp.on(event) from other servers     Namespace.OnServerSide
//	nsp.adapter.rooms                    Namespace.Rooms, Namespace.RoomSize
//	nsp.adapter.on("create-room") ...    Namespace.OnRoom
//	socket.on(event, fn)                 On, OnAck, OnEvent, for a Socket or a Namespace
//	socket.once(event, fn)               On with the option Once
//	socket.off, removeAllListeners       what On returns; Off
//	callback(value) in a handler         what OnAck's handler returns; Event.Ack
//	socket.emit, socket.send             Socket.Emit, Socket.Send
//	socket.emitWithAck                   Socket.EmitWithAck, Call
//	socket.timeout(ms).emit(..., ack)    Socket.EmitWithAck with a context, Socket.Timeout
//	socket.broadcast                     Socket.Broadcast
//	socket.to, in, except, local         the same on Socket
//	socket.volatile, compress            the same on Socket
//	socket.join, leave, rooms            Socket.Join, Socket.Leave, Socket.Rooms
//	socket.use(fn)                       Socket.Use, Namespace.UseEvents; Namespace.Intercept
//	socket.onAny, prependAny             Socket.OnAny, Socket.PrependAny (also on Namespace)
//	socket.offAny                        what Socket.OnAny returns
//	socket.onAnyOutgoing ...             Socket.OnAnyOutgoing, Socket.PrependAnyOutgoing
//	socket.on("disconnect")              Socket.OnDisconnect, Namespace.OnDisconnect
//	socket.on("disconnecting")           Socket.OnDisconnecting, Namespace.OnDisconnecting
//	the reason, where nobody listens     Socket.Context ends with a *DisconnectError
//	socket.on("error")                   Options.OnError, with a *HandlerError
//	socket.disconnect(close)             Socket.Disconnect
//	socket.id, connected, recovered      Socket.ID, Socket.Connected, Socket.Recovered
//	socket.data                          Socket.Data, Socket.SetData, DataOf
//	socket.handshake, request            Socket.Handshake; Handshake.Context
//	socket.nsp                           Socket.Namespace
//	socket.conn, socket.client.conn      Socket.Conn, Socket.ConnID, Socket.Protocol
//	socket.conn.transport.name           Transport of Socket.Conn
//	socket.conn.on("upgrade")            Observer.Upgraded, in Options.Engine
//	socket.conn.on("close")              Observer.Closed
//	socket.conn.on("heartbeat")          Observer.Heartbeat
//	socket.conn.on("drain")              Observer.Drained
//	remoteSocket.emit, join ...          the same on RemoteSocket
//	Buffer in arguments                  []byte, Binary, fields with the tag sio:"binary"
//	options.parser                       Options.Parser; packages parser and msgpack
//	options.adapter                      Options.Cluster, and Recovery.Log shared by servers
//	options.connectTimeout               Options.ConnectTimeout
//	options.cleanupEmptyChildNamespaces  Options.CleanupEmptyChildNamespaces
//	options.connectionStateRecovery      Options.Recovery
//	  maxDisconnectionDuration           Recovery.MaxAge
//	  skipMiddlewares: false             Recovery.RunMiddleware
//	options of Engine.IO                 Options.Engine, whose fields follow
//	  pingInterval, pingTimeout          PingInterval, PingTimeout
//	  maxHttpBufferSize, upgradeTimeout  MaxPayload, UpgradeTimeout
//	  transports, allowUpgrades          Transports, NoUpgrades
//	  allowEIO3, allowRequest            AllowEIO3, AllowRequest
//	  perMessageDeflate                  Compression
//	  httpCompression                    HTTPCompression
//	  cookie, cors                       Cookie, CORS
//	  cookie.path: false                 CookieWithoutPath
//	options.path, addTrailingSlash       where the Server is mounted
//	options.serveClient                  not here: serve the file as any other
//
// # Where it differs
//
// What the socket of a client that recovers missed follows the answer to CONNECT;
// the official server sends it before, where a connection that breaks in between
// makes the client handle it twice. Offsets of recovery are told from other
// strings, so that an event that ends in a string does not break it; recovery
// survives restarts where log and key do. An attachment that a packet names
// more than once is passed on once; the official server copies it for each.
//
// A volatile event is dropped where something sent earlier is still waiting in
// this process, or a client that polls has no poll open. The official server
// drops the second of two that are emitted in one turn of its event loop.
//
// A broadcast with acknowledgements does not wait for clients that disconnect
// meanwhile, and one to a single socket fails with [ErrDisconnected] at once.
//
// A client that takes its events too slowly is disconnected: see MaxQueuedBytes
// of Options.Engine. One that sends events faster than its handlers take them is read
// more slowly: see [Options.MaxPendingBytes].
//
// Events that a client emits right before it disconnects are handled; the official
// server drops those that it reads in one turn with the DISCONNECT. A packet for a
// namespace that the client has just left is passed over; there it ends the
// connection. A second request to join a namespace takes the place of the first, whose
// socket ends with [ReasonTransportClose]: official clients that leave before they
// have the answer say nothing and ask again. There it is let in twice, or ends the
// connection, depending on the moment.
//
// A socket does not leave the room of its own id, and nothing can be emitted to it
// before it is connected, by middleware say. [Socket.Timeout] of zero is none.
//
// Node's request is not [Handshake]: what middleware put into the request's context is
// in [Handshake.Context], and the rest of the request is gone.
//
// Shutdown delivers what is queued before it closes connections, within ShutdownGrace of
// Options.Engine; there it is lost.
//
// A fixed CORS origin that is not the page's is left out of the answer, and refused over
// WebSocket and JSONP; there the answer names it, and the browser refuses. compress(false)
// holds for the frames of a WebSocket, and for an answer to a poll that brings nothing
// else. Several Set-Cookie that InitialHeaders or Headers add stay several also in the
// 101 of a WebSocket; there they become one.
//
// A recovering client whose offset is unknown is sent all that its session missed,
// where the official server begins a new session.
//
// Invalid UTF-8 ends a session over long-polling as it does over WebSocket; there it
// is replaced. What CORS allows less is said at engineio.CORS.
//
// An event without a name is an invalid packet. Errors returned by handlers reach
// the peer only as far as they are an [*Error]. Whoever waits for an acknowledgement is
// told where a handler fails or middleware refuses the event; there it waits for ever.
package socketio
