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
// # Concurrency
//
// A connection has the goroutines of the QUIC library, and one that reads for its
// session; another writes while there is something to write. [Server.Shutdown] waits
// for all of them. Locks are taken in this order: Server.mu → connection.mu, and
// connection.writing → none.
package webtransport
