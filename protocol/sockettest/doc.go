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
// [TestLog], [TestSessionStore] and [TestParser] are what implementations of
// these interfaces must do; whoever writes one runs them on it.
package sockettest
