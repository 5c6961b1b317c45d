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
// Everything exported is safe for concurrent use, and Emit never blocks. The
// handlers of one socket run one after another, in the order of its events, on
// a goroutine that exists only while the socket has something to do; so they
// may block, and only that socket waits. Handlers registered with [Inline] run
// in place on the goroutine that reads connections, where nothing of their
// socket is waiting; they must not block. The order for one socket is:
// namespace middleware, CONNECT, connection handlers, events, disconnect
// handlers. A handler that panics is logged and survived.
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
// # For those who know the server for Node
//
//	in Node                              here
//	new Server(httpServer, options)      NewServer(Options), mounted as an http.Handler
//	io.engine.use(middleware)            Server.Use
//	io.engine                            Server.Engine
//	io.of("/x")                          Server.Of
//	io.of(/regex/), io.of(fn)            Server.OfPattern, Server.OfFunc
//	io.close()                           Server.Shutdown
//	io.engine.clientsCount               Server.Connections
//	nsp.on("connection", fn)             Namespace.OnConnection
//	nsp.use(fn)                          Namespace.Use; refuse with an *Error
//	nsp.emit, nsp.send                   Namespace.Emit, Namespace.Send
//	nsp.emitWithAck                      Namespace.EmitWithAck, CallAll
//	nsp.to, in, except, local            the same on Namespace and Broadcast
//	nsp.volatile, compress, timeout      the same on Namespace and Broadcast
//	nsp.sockets                          Namespace.Sockets, Namespace.Socket
//	nsp.fetchSockets()                   Namespace.FetchSockets, Broadcast.FetchSockets
//	nsp.socketsJoin, socketsLeave        the same on Namespace and Broadcast
//	nsp.disconnectSockets                the same on Namespace and Broadcast
//	nsp.serverSideEmit(...)              Namespace.ServerSideEmit
//	nsp.serverSideEmitWithAck            Namespace.ServerSideEmitWithAck
//	nsp.on(event) from other servers     Namespace.OnServerSide
//	nsp.adapter.rooms                    Namespace.Rooms, Namespace.RoomSize
//	socket.on(event, fn)                 On, OnAck, OnEvent (on a Socket or a Namespace)
//	socket.once(event, fn)               On with the option Once
//	socket.off, removeAllListeners       what On returns; Off
//	callback(value) in a handler         what OnAck's handler returns; Event.Ack
//	socket.emit, socket.send             Socket.Emit, Socket.Send
//	socket.emitWithAck                   Socket.EmitWithAck, Call
//	socket.timeout(ms).emit(..., ack)    Socket.EmitWithAck with a context, or Socket.Timeout
//	socket.broadcast                     Socket.Broadcast
//	socket.to, in, except, local         the same on Socket
//	socket.volatile, compress            the same on Socket
//	socket.join, leave, rooms            Socket.Join, Socket.Leave, Socket.Rooms
//	socket.use(fn)                       Socket.Use, Namespace.UseEvents
//	socket.onAny, prependAny             Socket.OnAny, Socket.PrependAny (also on Namespace)
//	socket.offAny                        what OnAny returns
//	socket.onAnyOutgoing ...             Socket.OnAnyOutgoing, Socket.PrependAnyOutgoing
//	socket.on("disconnect")              Socket.OnDisconnect, Namespace.OnDisconnect
//	socket.on("disconnecting")           Socket.OnDisconnecting, Namespace.OnDisconnecting
//	socket.on("error")                   Options.OnError
//	socket.disconnect(close)             Socket.Disconnect
//	socket.id, connected, recovered      Socket.ID, Socket.Connected, Socket.Recovered
//	socket.data                          Socket.Data, Socket.SetData, DataOf
//	socket.handshake, request            Socket.Handshake
//	socket.conn.id, conn.protocol        Socket.ConnID, Socket.Protocol
//	socket.nsp                           Socket.Namespace
//	Buffer in arguments                  []byte and Binary
//	options.parser                       Options.Parser; package msgpack
//	options.adapter                      Options.Adapter
//	options.connectTimeout               Options.ConnectTimeout
//	options.cleanupEmptyChildNamespaces  Options.CleanupEmptyChildNamespaces
//	options.connectionStateRecovery      Options.Recovery
//	options of Engine.IO                 Options.Engine, whose fields follow
//	  pingInterval, pingTimeout          PingInterval, PingTimeout
//	  maxHttpBufferSize, upgradeTimeout  MaxPayload, UpgradeTimeout
//	  transports, allowUpgrades          Transports, NoUpgrades
//	  allowEIO3, allowRequest            AllowEIO3, AllowRequest
//	  perMessageDeflate                  Compression
//	  httpCompression                    HTTPCompression
//	  cookie, cors                       Cookie, CORS
//	options.path, addTrailingSlash       where the Server is mounted
//	io.engine.on("initial_headers")      Options.Engine.InitialHeaders
//	io.engine.on("headers")              Options.Engine.Headers
//	io.engine.on("connection_error")     Options.Engine.Observer.Refused
//	io.engine.generateId                 Options.Engine.NodeID begins every id
//	socket.conn.transport.name           Server.Engine, Session of Socket.ConnID, Transport
//	socket.conn.on("upgrade")            Options.Engine.Observer.Upgraded
//	options.serveClient                  not here: serve the file as any other
//
// # Where it differs
//
// An event without a name, or a packet other than the protocol allows, closes
// the connection with [ReasonParseError] and no other reason. Errors returned
// by handlers reach the peer only as far as they are an [*Error]. Offsets of
// recovery are told from other strings, so that an event that ends in a string
// does not break it; recovery survives restarts where log and key do.
package socketio
