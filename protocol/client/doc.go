// Package client is a Socket.IO client, for any server that speaks Socket.IO protocol 5
// or, with Options.EIO3, 4 (Socket.IO 2.x). [Dial] connects to a namespace:
//
//	s, err := client.Dial(ctx, "https://example.org/chat", client.Options{})
//	if err != nil {
//		return err
//	}
//	defer s.Close()
//	err = s.Emit("message", "hello")
//
// Handlers that must not miss anything are registered before a socket connects:
//
//	s, err := client.New("https://example.org/chat", client.Options{})
//	...
//	client.On(s, "message", func(text string) { fmt.Println(text) })
//	client.OnAck(s, "sum", func(n parser.Args2[int, int]) (int, error) { return n.A + n.B, nil })
//	err = s.Connect(ctx)
//
// [Call] asks the server and waits for its answer:
//
//	price, err := client.Call[float64](ctx, s, "price", "tea")
//
// # Connections
//
// A [Manager] holds one connection, which sockets of several namespaces share, and opens
// it again when it breaks, after a delay that grows and is spread at random. What is
// emitted meanwhile is kept and sent then, unless it is volatile. Where the server can
// recover sessions (connectionStateRecovery, or Recovery in package socketio), what it
// sent meanwhile follows, each event once, and [Socket.Recovered] reports true.
//
// The connection begins with HTTP long-polling and moves to WebSocket, unless
// Options.Transports says otherwise. Requests are made by an [http.Client], which may be
// the caller's own: proxies, TLS, cookies and authentication are as there.
//
// A [Transport] holds the resources of connections. Programs of many clients make one
// and share it: WebSockets without TLS then cost no goroutine each.
//
// # Concurrency
//
// Everything exported is safe for concurrent use. Emit never blocks. The handlers of one
// socket run one after another; what they wait for may be an acknowledgement on the same
// socket. No goroutine is left when Close has returned.
//
// # For those who know the official client
//
//	in JavaScript                        here
//	io(url, options)                     Dial, or New and Open
//	new Manager(url, options)            NewManager
//	manager.socket("/x", {auth})         Manager.Socket
//	socket.connect(), open()             Socket.Open; Socket.Connect waits
//	socket.disconnect(), close()         Socket.Disconnect; Socket.Close
//	socket.on(event, fn), once, off      On, OnAck, OnEvent, the option Once; Off
//	socket.emit, send, emitWithAck       Socket.Emit, Send, EmitWithAck; Call
//	socket.volatile, compress, timeout   the same on Socket
//	socket.onAny, onAnyOutgoing ...      the same on Socket
//	"connect", "connect_error"           Socket.OnConnect, Socket.OnConnectError
//	"disconnect"                         Socket.OnDisconnect
//	socket.id, connected, recovered      Socket.ID, Connected, Recovered
//	socket.active                        Socket.Active
//	socket.io, socket.io.engine          Socket.Manager; its EngineID and Transport
//	events of the manager, "ping" ...    Trace
//	auth, as object or function          SocketOptions.Auth, AuthFunc
//	retries, ackTimeout                  SocketOptions.Retries, AckTimeout
//	reconnection ...                     the fields of Options of the same names
//	extraHeaders, query, path            Options.Header, Query, Path
//	transports, tryAllTransports         the same in Options
//	upgrade: false, rememberUpgrade      Options.NoUpgrade, RememberUpgrade
//	agent, ca, cert, rejectUnauthorized  Transport, or Options.HTTPClient
//	withCredentials                      Options.HTTPClient with a Jar
//	parser                               Options.Parser
//
// # Where it differs
//
// Where a WebSocket breaks in the middle of an upgrade, the official client may stop to
// poll and to listen, until its heartbeat ends (up to 45 s). This one goes on polling.
//
// The offset of an event is noted as the event arrives, not after its handlers: so a slow
// handler does not make the server send it again. Events that ask for an
// acknowledgement never carry one, nor does an event's name.
//
// Events that arrive before the answer to CONNECT are dropped where the connection breaks
// in between: the server sends them again, and the official client handles them twice.
//
// With servers up to 2.x the main namespace, once left, can be joined again on the next
// connection only; the servers of package socketio allow it on the same one.
//
// A volatile event is dropped where the socket is not connected, or something sent before
// is still on its way.
package client
