// Package sockettest tests Socket.IO handlers, as net/http/httptest tests those of HTTP.
//
// [NewServer] runs a server whose connections stay in memory, and [Server.Client] gives it
// clients, which await what should come:
//
//	srv := sockettest.NewServer(t, socketio.Options{})
//	srv.OnConnection(func(s *socketio.Socket) { _ = s.Emit("welcome") })
//	c := srv.Connect("/", client.Options{})
//	c.Await("welcome")
//
// [Network.Cut] breaks the connections as a failing network does, and [Network.Down] keeps
// new ones from being made until [Network.Up]. [Network.Freeze] lets nothing pass, and tells
// nobody.
//
// Nothing here waits in the kernel, so that all of it works within a bubble of
// testing/synctest: heartbeats, timeouts and backoff then take no time.
//
// # Suites for implementers
//
// [TestLog], [TestSessionStore], [TestParser] and [TestCluster], of what Node calls an
// adapter, are what implementations of these interfaces must do. Whoever writes one runs
// them on it:
//
//	func TestMyLog(t *testing.T) {
//		sockettest.TestLog(t, func(t *testing.T) socketio.Appender { return openMyLog(t) })
//	}
//
// Servers that share a database are held to more by Run of package
// podium/protocol/socketio/clustertest: that clients miss nothing while servers and the
// database crash, hang and come back.
package sockettest
