package socketio_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"regexp"
	"strings"

	"podium/protocol/socketio"
)

// A chat: typed handlers, rooms, and an answer to who asked.
func Example() {
	type message struct {
		Room string `json:"room"`
		Text string `json:"text"`
	}
	srv := socketio.NewServer(socketio.Options{})
	socketio.OnAck(srv, "join", func(s *socketio.Socket, room string) (members int, err error) {
		if room == "" {
			return 0, &socketio.Error{Message: "which room?"}
		}
		s.Join(room)
		return s.Namespace().RoomSize(room), nil
	})
	socketio.On(srv, "say", func(s *socketio.Socket, m message) {
		srv.To(m.Room).Emit("said", m.Text)
	})
	// http.Handle("/socket.io/", srv)

	client, end := serve(srv)
	defer end()
	client.join("")
	client.send(`21["join",""]`, `22["join","lobby"]`, `2["say",{"room":"lobby","text":"hello"}]`)
	fmt.Println(client.next())
	fmt.Println(client.next())
	fmt.Println(client.next())
	// Output:
	// 31[{"error":"which room?"}]
	// 32[1]
	// 2["said","hello"]
}

func ExampleSocket_Context() {
	srv := socketio.NewServer(socketio.Options{})
	ended := make(chan error)
	srv.OnConnection(func(s *socketio.Socket) {
		ctx := s.Context() // for a query, say, that is of no use once the client has left
		<-ctx.Done()
		ended <- context.Cause(ctx)
	})
	client, end := serve(srv)
	defer end()

	client.join("")
	client.send("1")
	var gone *socketio.DisconnectError
	if errors.As(<-ended, &gone) {
		fmt.Println(gone.Reason == socketio.ReasonClientDisconnect)
	}
	// Output: true
}

func ExampleServer_OfPattern() {
	srv := socketio.NewServer(socketio.Options{CleanupEmptyChildNamespaces: true})
	rooms := srv.OfPattern(regexp.MustCompile(`^/room-\d+$`))
	rooms.OnConnection(func(s *socketio.Socket) { s.Emit("welcome", s.Namespace().Name()) })
	client, end := serve(srv)
	defer end()

	client.send("0/room-7,", "0/attic,")
	client.next() // the answer to the first
	fmt.Println(client.next())
	fmt.Println(client.next())
	// Unordered output:
	// 2/room-7,["welcome","/room-7"]
	// 4/attic,{"message":"Invalid namespace"}
}

func ExampleServer_OnConnection() {
	srv := socketio.NewServer(socketio.Options{})
	srv.OnConnection(func(s *socketio.Socket) {
		s.Emit("welcome", map[string]int{"online": s.Namespace().Count()})
	})
	client, end := serve(srv)
	defer end()

	client.join("")
	fmt.Println(client.next())
	// Output: 2["welcome",{"online":1}]
}

func ExampleOn() {
	type message struct {
		Room string `json:"room"`
		Text string `json:"text"`
	}
	srv := socketio.NewServer(socketio.Options{})
	socketio.On(srv, "chat", func(s *socketio.Socket, m message) {
		s.Emit("chat", strings.ToUpper(m.Text))
	})
	client, end := serve(srv)
	defer end()

	client.join("")
	client.send(`2["chat",{"room":"lobby","text":"hello"}]`)
	fmt.Println(client.next())
	// Output: 2["chat","HELLO"]
}

func ExampleOnAck() {
	srv := socketio.NewServer(socketio.Options{})
	socketio.OnAck(srv, "divide", func(_ *socketio.Socket, a socketio.Args2[float64, float64]) (float64, error) {
		if a.B == 0 {
			return 0, &socketio.Error{Message: "division by zero"}
		}
		return a.A / a.B, nil
	})
	client, end := serve(srv)
	defer end()

	client.join("")
	client.send(`21["divide",1,4]`, `22["divide",1,0]`)
	fmt.Println(client.next())
	fmt.Println(client.next())
	// Output:
	// 31[0.25]
	// 32[{"error":"division by zero"}]
}

func ExampleCall() {
	srv := socketio.NewServer(socketio.Options{})
	done := make(chan string)
	srv.OnConnection(func(s *socketio.Socket) {
		name, err := socketio.Call[string](s.Context(), s, "who are you")
		if err != nil {
			name = err.Error()
		}
		done <- name
	})
	client, end := serve(srv)
	defer end()

	client.join("")
	fmt.Println(client.next())
	client.send(`30["Ada"]`)
	fmt.Println(<-done)
	// Output:
	// 20["who are you"]
	// Ada
}

func ExampleNamespace_To() {
	srv := socketio.NewServer(socketio.Options{})
	socketio.OnAck(srv, "join", func(s *socketio.Socket, room string) (int, error) {
		s.Join(room)
		return s.Namespace().RoomSize(room), nil
	})
	client, end := serve(srv)
	defer end()

	client.join("")
	client.send(`21["join","news"]`)
	fmt.Println(client.next())
	srv.Of("/").To("weather").Emit("rain")
	srv.Of("/").To("news", "sports").Except("muted").Emit("headline", "Go!")
	fmt.Println(client.next())
	// Output:
	// 31[1]
	// 2["headline","Go!"]
}

func ExampleNamespace_Use() {
	srv := socketio.NewServer(socketio.Options{})
	srv.Of("/").Use(func(s *socketio.Socket) error {
		var auth struct{ Token string }
		if err := s.Handshake().Auth.Decode(&auth); err != nil || auth.Token != "secret" {
			return &socketio.Error{Message: "not authorized", Data: map[string]int{"retryAfter": 60}}
		}
		s.SetData(auth.Token)
		return nil
	})
	client, end := serve(srv)
	defer end()

	fmt.Println(client.join(`{"token":"guess"}`))
	// Output: 4{"message":"not authorized","data":{"retryAfter":60}}
}

func ExampleRecovery() {
	// A MemoryLog lasts as long as the process. A log that is kept on disk,
	// with a Key that stays the same, lets sessions outlive it.
	srv := socketio.NewServer(socketio.Options{
		Recovery: &socketio.Recovery{Log: new(socketio.MemoryLog)},
	})
	srv.OnConnection(func(s *socketio.Socket) {
		if !s.Recovered() {
			s.Join("news") // one that is recovered is in its rooms again
		}
	})
	socketio.OnAck(srv, "ready?", func(*socketio.Socket, struct{}) (bool, error) { return true, nil })
	client, end := serve(srv)
	defer end()

	session := client.join("")
	client.send(`20["ready?"]`)
	fmt.Println(client.next())
	client.leave() // as by a broken connection
	srv.To("news").Emit("headline", "while you were away")

	// Official clients from 4.6 on send the private id of their session by themselves.
	pid := session[strings.Index(session, `"pid"`) : len(session)-1]
	back := dial(client.base)
	back.join("{" + pid + "}")
	event := back.next()
	fmt.Println(event[:strings.Index(event, "~")] + `offset"]`)
	// Output:
	// 30[true]
	// 2["headline","while you were away","offset"]
}

func ExampleServer_ServeHTTP() {
	srv := socketio.NewServer(socketio.Options{})
	mux := http.NewServeMux()
	mux.Handle("/socket.io/", srv)
	mux.HandleFunc("/", func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, "a page") })
	web := httptest.NewServer(mux)
	defer web.Close()
	defer srv.Shutdown(context.Background())

	fmt.Println(dial(web.URL + "/socket.io/").join("")[:8])
	// Output: 0{"sid":
}

func ExampleSocket_EmitWithAck() {
	srv := socketio.NewServer(socketio.Options{})
	result := make(chan error)
	srv.OnConnection(func(s *socketio.Socket) {
		ctx, cancel := context.WithCancel(s.Context())
		cancel() // nobody will answer in no time
		_, err := s.EmitWithAck(ctx, "ready?")
		result <- err
	})
	client, end := serve(srv)
	defer end()

	client.join("")
	fmt.Println(errors.Is(<-result, socketio.ErrAckTimeout))
	// Output: true
}
