package sockettest_test

import (
	"testing"

	"podium/protocol/client"
	"podium/protocol/socketio"
	"podium/protocol/sockettest"
)

// chat is what is to be tested.
func chat(srv *socketio.Server) {
	socketio.On(srv, "say", func(s *socketio.Socket, text string) { _ = s.Broadcast().Emit("said", text) })
}

// A test of a handler: one client says something, the other hears it, also after its
// connection was cut.
func ExampleNewServer() {
	_ = func(t *testing.T) { // TestChat
		srv := sockettest.NewServer(t, socketio.Options{})
		chat(srv.Server)
		alice, bob := srv.Connect("/", client.Options{}), srv.Connect("/", client.Options{})
		_ = alice.Emit("say", "hello")
		var text string
		if bob.Await("said", &text); text != "hello" {
			t.Errorf("heard %q", text)
		}
		srv.Network.Cut()
		bob.AwaitDisconnect()
		bob.AwaitConnect()
	}
}
