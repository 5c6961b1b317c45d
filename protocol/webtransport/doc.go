// Package webtransport lets official clients connect over WebTransport, the transport
// "webtransport" of Engine.IO and Socket.IO since 4.7, and is a module of its own: only
// its users carry QUIC.
//
//	io := socketio.NewServer(socketio.Options{
//		Engine: engineio.Options{Transports: []string{"polling", "websocket", "webtransport"}},
//	})
//	quic := webtransport.NewServer(webtransport.Options{Handler: io, TLS: certificates})
//	udp, err := net.ListenPacket("udp", ":443")
//	go quic.Serve(udp)
//
// Clients find the transport among the upgrades that the handshake over long-polling
// names, or begin with it, as they are told. They use the host and port of the page's
// URL, so that UDP has to be served at the port that TCP is.
//
// QUIC packets come in; to the Engine.IO server go requests, by the same handler that
// serves HTTP, and for each that is let through an [engineio.Connection]. What is in
// front of the server, such as middleware, sees these requests too: their method is
// CONNECT, and official clients send no query with them. All limits of engineio.Options
// and limits.Limits apply, but for two hooks that only HTTP has: InitialHeaders, and the
// bound of handshakes that are worked on at once. The certificate has to be one that the
// browser trusts, or its hash be given to the client (serverCertificateHashes), which
// browsers take for two weeks of validity at most.
//
// # What a phone gains
//
// A phone that changes from Wi-Fi to mobile has another address. A connection of QUIC is
// known by its own id, and the server answers to wherever the client speaks from. This is
// for how long nothing arrived of what the server sent every 10 ms, with a heartbeat of 4 s
// and 2 s to answer, where the address of the client's network namespace changed:
//
//	client                                        silence   session afterwards
//	WebTransport, which sends a message then       0.04 s   the same
//	WebTransport, with a keep-alive of 500 ms      0.45 s   the same
//	WebSocket                                      5.8 s    another
//
// The command is
//
//	go test -v -run TestRoaming ./protocol/webtransport
//
// as root, and the client that of the QUIC library. Who only listens, and whose library
// keeps nothing alive, is lost as a WebSocket is: the server does not learn where it went.
// With the heartbeat that is the default a WebSocket's silence is 20 to 45 s, unless the
// phone's system ends the connections of a network that it leaves.
//
// Browsers need not move a connection. Chromium 156 does not: in the same namespaces the
// official client in it lost a WebTransport connection as it did a WebSocket, was told by
// its heartbeat, and came back with the session recovered.
//
// # Concurrency
//
// A connection has the goroutines of the QUIC library, and one that reads for its
// session; another writes while there is something to write. [Server.Shutdown] waits
// for all of them. Locks are taken in this order: Server.mu → connection.mu, and
// connection.writing → none.
package webtransport
