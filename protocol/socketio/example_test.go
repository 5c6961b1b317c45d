package socketio_test

import (
	"context"
	"errors"
	"fmt"
	"log"
	"net/http"
	"net/http/httptest"
	"slices"

	"podium/protocol/client"
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
	// http.Handle("/socket.io/", srv), or, for this example:
	web := httptest.NewServer(srv)
	defer web.Close()
	ctx := context.Background()
	defer srv.Shutdown(ctx)

	c, err := client.Dial(ctx, web.URL, client.Options{})
	if err != nil {
		log.Fatal(err)
	}
	defer c.Close()
	said := make(chan string)
	client.On(c, "said", func(text string) { said <- text })
	fmt.Println(c.EmitWithAck(ctx, "join", ""))
	fmt.Println(client.Call[int](ctx, c, "join", "lobby"))
	c.Emit("say", message{"lobby", "hello"})
	fmt.Println(<-said)
	// Output:
	// [{"error":"which room?"}] <nil>
	// 1 <nil>
	// hello
}

// A server is mounted as any other handler.
func ExampleServer_ServeHTTP() {
	srv := socketio.NewServer(socketio.Options{})
	mux := http.NewServeMux()
	mux.Handle("/socket.io/", srv)
	mux.HandleFunc("/", func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, "a page") })
	web := httptest.NewServer(mux)
	defer web.Close()
	ctx := context.Background()
	defer srv.Shutdown(ctx)

	c, err := client.Dial(ctx, web.URL, client.Options{})
	if err != nil {
		log.Fatal(err)
	}
	defer c.Close()
	fmt.Println(c.Connected())
	// Output: true
}

func ExampleServer_OnConnection() {
	srv := socketio.NewServer(socketio.Options{})
	srv.OnConnection(func(s *socketio.Socket) {
		s.Emit("welcome", map[string]int{"online": s.Namespace().Count()})
	})
	web := httptest.NewServer(srv)
	defer web.Close()
	ctx := context.Background()
	defer srv.Shutdown(ctx)

	welcome := make(chan map[string]int, 1)
	c, err := client.New(web.URL, client.Options{})
	if err != nil {
		log.Fatal(err)
	}
	defer c.Close()
	client.On(c, "welcome", func(w map[string]int) { welcome <- w })
	if err := c.Connect(ctx); err != nil {
		log.Fatal(err)
	}
	fmt.Println(<-welcome)
	// Output: map[online:1]
}

// What took a connection's time can be given up once its client has left.
func ExampleSocket_Context() {
	srv := socketio.NewServer(socketio.Options{})
	ended := make(chan error)
	srv.OnConnection(func(s *socketio.Socket) {
		ctx := s.Context() // for a query, say
		<-ctx.Done()
		ended <- context.Cause(ctx)
	})
	web := httptest.NewServer(srv)
	defer web.Close()
	ctx := context.Background()
	defer srv.Shutdown(ctx)

	c, err := client.Dial(ctx, web.URL, client.Options{})
	if err != nil {
		log.Fatal(err)
	}
	defer c.Close()
	c.Disconnect()
	var gone *socketio.DisconnectError
	if errors.As(<-ended, &gone) {
		fmt.Println(gone.Reason == socketio.ReasonClientDisconnect)
	}
	// Output: true
}

// A server asks a client.
func ExampleCall() {
	srv := socketio.NewServer(socketio.Options{})
	answers := make(chan string)
	srv.OnConnection(func(s *socketio.Socket) {
		name, err := socketio.Call[string](s.Context(), s, "who are you")
		if err != nil {
			name = err.Error()
		}
		answers <- name
	})
	web := httptest.NewServer(srv)
	defer web.Close()
	ctx := context.Background()
	defer srv.Shutdown(ctx)

	c, err := client.New(web.URL, client.Options{})
	if err != nil {
		log.Fatal(err)
	}
	defer c.Close()
	client.OnAck(c, "who are you", func(struct{}) (string, error) { return "Ada", nil })
	if err := c.Connect(ctx); err != nil {
		log.Fatal(err)
	}
	fmt.Println(<-answers)
	// Output: Ada
}

// All that are addressed are asked at once.
func ExampleCallAll() {
	srv := socketio.NewServer(socketio.Options{})
	web := httptest.NewServer(srv)
	defer web.Close()
	ctx := context.Background()
	defer srv.Shutdown(ctx)

	for _, name := range []string{"Ada", "Bob"} {
		c, err := client.Dial(ctx, web.URL, client.Options{})
		if err != nil {
			log.Fatal(err)
		}
		defer c.Close()
		client.OnAck(c, "who are you", func(struct{}) (string, error) { return name, nil })
	}
	names, err := socketio.CallAll[string](ctx, srv.Of("/").In(), "who are you")
	slices.Sort(names) // they come as clients answer
	fmt.Println(names, err)
	// Output: [Ada Bob] <nil>
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
	web := httptest.NewServer(srv)
	defer web.Close()
	ctx := context.Background()
	defer srv.Shutdown(ctx)

	c, err := client.Dial(ctx, web.URL, client.Options{})
	if err != nil {
		log.Fatal(err)
	}
	defer c.Close()
	fmt.Println(errors.Is(<-result, socketio.ErrAckTimeout))
	// Output: true
}

// What HTTP middleware finds out about a request is there for all of the socket's life.
func ExampleHandshake_Context() {
	type userKey struct{}
	srv := socketio.NewServer(socketio.Options{})
	srv.Use(func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			user := r.Header.Get("X-User") // or whose cookie it is
			next.ServeHTTP(w, r.WithContext(context.WithValue(r.Context(), userKey{}, user)))
		})
	})
	socketio.OnAck(srv, "who am I", func(s *socketio.Socket, _ struct{}) (any, error) {
		return s.Handshake().Context().Value(userKey{}), nil
	})
	web := httptest.NewServer(srv)
	defer web.Close()
	ctx := context.Background()
	defer srv.Shutdown(ctx)

	c, err := client.Dial(ctx, web.URL, client.Options{Header: http.Header{"X-User": {"Ada"}}})
	if err != nil {
		log.Fatal(err)
	}
	defer c.Close()
	fmt.Println(client.Call[string](ctx, c, "who am I"))
	// Output: Ada <nil>
}

// Bytes leave as bytes where they are an argument, or a field that says so.
func ExampleBinary() {
	type photo struct {
		Name  string `json:"name"`
		Bytes []byte `json:"bytes" sio:"binary"`
	}
	srv := socketio.NewServer(socketio.Options{})
	socketio.OnAck(srv, "enlarge", func(_ *socketio.Socket, small socketio.Binary) (photo, error) {
		return photo{"large", append(small, small...)}, nil
	})
	web := httptest.NewServer(srv)
	defer web.Close()
	ctx := context.Background()
	defer srv.Shutdown(ctx)

	c, err := client.Dial(ctx, web.URL, client.Options{})
	if err != nil {
		log.Fatal(err)
	}
	defer c.Close()
	fmt.Println(client.Call[photo](ctx, c, "enlarge", []byte{1, 2}))
	// Output: {large [1 2 1 2]} <nil>
}

// With a log, a client that was away gets what it missed, and is in its rooms again. A
// MemoryLog lasts as long as the process; one that is kept on disk, with a Key that stays
// the same, lets sessions outlive it.
func ExampleRecovery() {
	srv := socketio.NewServer(socketio.Options{
		Recovery: &socketio.Recovery{Log: new(socketio.MemoryLog)},
	})
	// It is not run for sockets that are recovered, which are in their rooms again.
	srv.Of("/").Use(func(s *socketio.Socket) error { return s.Join("news") })
	gone := make(chan struct{}, 2)
	srv.Of("/").OnDisconnect(func(*socketio.Socket, socketio.Reason) { gone <- struct{}{} })
	web := httptest.NewServer(srv)
	defer web.Close()
	ctx := context.Background()
	defer srv.Shutdown(ctx)

	headlines := make(chan string)
	o := client.Options{Transports: []string{client.TransportWebSocket}, NoReconnection: true}
	c, err := client.New(web.URL, o)
	if err != nil {
		log.Fatal(err)
	}
	defer c.Close()
	client.On(c, "headline", func(text string) { headlines <- text })
	if err := c.Connect(ctx); err != nil {
		log.Fatal(err)
	}
	srv.To("news").Emit("headline", "before")
	fmt.Println(<-headlines)
	c.Manager().Reset() // as by a broken connection
	<-gone
	srv.To("news").Emit("headline", "while you were away")
	if err := c.Connect(ctx); err != nil {
		log.Fatal(err)
	}
	fmt.Println(<-headlines, c.Recovered())
	// Output:
	// before
	// while you were away true
}
