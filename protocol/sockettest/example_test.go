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
	socketio.OnAck(srv, "add", func(_ *socketio.Socket, n socketio.Args2[int, int]) (int, error) { return n.A + n.B, nil })
}

// testChat is a test of it, which would be named TestChat.
func testChat(t *testing.T) {
	srv := sockettest.NewServer(t, socketio.Options{})
	chat(srv.Server)
	alice, bob := srv.Connect("/", client.Options{}), srv.Connect("/", client.Options{})

	_ = alice.Emit("say", "hello")
	var text string
	if bob.Await("said", &text); text != "hello" {
		t.Errorf("heard %q", text)
	}
	var sum int
	if alice.Ask(&sum, "add", 2, 3); sum != 5 {
		t.Errorf("got %d", sum)
	}
	srv.Network.Cut() // as a network that fails
	bob.AwaitDisconnect()
	bob.AwaitConnect()
}

// A test of handlers: one client says something and the other hears it, the server
// answers, and clients come back after their connections were cut.
func ExampleNewServer() {
	_ = testChat // go test calls it
}
