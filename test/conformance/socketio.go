package main

import (
	"context"
	"encoding/json"
	"net/http"
	"sync"
	"time"

	"podium/protocol/socketio"
)

func socketOptions(c config) socketio.Options {
	return socketio.Options{Engine: engineOptions(c), ConnectTimeout: c.connectTimeout}
}

// openSocketIO is the mode of the Socket.IO protocol's test suite.
func openSocketIO(c config) server {
	srv := socketio.NewServer(socketOptions(c))
	for _, name := range []string{"/", "/custom"} {
		n := srv.Of(name)
		n.OnConnection(func(s *socketio.Socket) {
			time.Sleep(authDelay)
			emit(s, "auth", authOf(s))
		})
		socketio.On(n, "message", func(s *socketio.Socket, args socketio.Args) {
			emit(s, "message-back", args.Any()...)
		})
		socketio.OnAck(n, "message-with-ack", func(_ *socketio.Socket, args socketio.Args) (socketio.Args, error) {
			return args, nil
		})
	}
	return srv
}

// authDelay keeps "auth" apart from the answer to CONNECT. The suite listens for
// one message at a time, and misses the second of two that it reads together.
const authDelay = 20 * time.Millisecond

// emit emits; a client that is gone misses it.
func emit(s *socketio.Socket, event string, args ...any) { _ = s.Emit(event, args...) }

// authOf is the handshake's auth object, empty where there was none.
func authOf(s *socketio.Socket) any {
	if auth := s.Handshake().Auth; auth.Present() {
		return auth
	}
	return struct{}{}
}

// clientTests is a server, and the questions that it has asked.
type clientTests struct {
	*socketio.Server
	asking sync.WaitGroup // goroutines that wait for an answer, until their socket is gone
}

func (c *clientTests) Shutdown(ctx context.Context) error {
	err := c.Server.Shutdown(ctx)
	c.asking.Wait()
	return err
}

// openClientTests is the mode of the official Socket.IO client's own tests.
func openClientTests(c config) server {
	o := socketOptions(c)
	o.Recovery = &socketio.Recovery{Log: new(socketio.MemoryLog)}
	o.Engine.AllowRequest = func(*http.Request) error {
		time.Sleep(10 * time.Millisecond) // the client's tests of its connection timeout rely on it
		return nil
	}
	srv := &clientTests{Server: socketio.NewServer(o)}
	for _, name := range []string{"/foo", "/timeout_socket", "/valid", "/asd"} {
		srv.Of(name)
	}
	onGetID(srv.Of("/foo"))
	srv.Of("/abc").OnConnection(func(s *socketio.Socket) { emit(s, "handshake", s.Handshake()) })
	srv.Of("/no").Use(func(*socketio.Socket) error {
		return &socketio.Error{Message: "Auth failed (custom namespace)"}
	})
	main := srv.Of("/")
	main.Use(func(s *socketio.Socket) error {
		if s.Handshake().Query.Get("fail") != "" {
			return &socketio.Error{Message: "Auth failed (main namespace)"}
		}
		return nil
	})
	onGetID(main)
	onText(main)
	socketio.On(main, "ack", func(s *socketio.Socket, _ none) {
		srv.asking.Go(func() { ask(s) }) // waiting here would hold up the socket's next events
	})
	onBinary(main)
	return srv
}

type none = struct{}

func onGetID(n *socketio.Namespace) {
	socketio.OnAck(n, "getId", func(s *socketio.Socket, _ none) (string, error) { return s.ID(), nil })
}

// jsTime is a time as JSON.stringify writes a Date.
func jsTime(t time.Time) string { return t.UTC().Format("2006-01-02T15:04:05.000Z") }

// ask emits "ack" and waits for the right answer.
func ask(s *socketio.Socket) {
	type answer = socketio.Args2[int, struct {
		Test bool `json:"test"`
	}]
	a, err := socketio.Call[answer](s.Context(), s, "ack")
	if err == nil && a.A == 5 && a.B.Test {
		emit(s, "got it")
	}
}

// onText registers what concerns text, dates and acknowledgements.
func onText(n *socketio.Namespace) {
	type S = *socketio.Socket
	socketio.On(n, "hi", func(s S, _ none) { emit(s, "hi") })
	socketio.OnAck(n, "echo", func(_ S, args socketio.Args) (socketio.Value, error) { return args.Get(0), nil })
	socketio.OnAck(n, "getAckDate", func(S, none) (string, error) { return jsTime(time.Now()), nil })
	socketio.On(n, "getDate", func(s S, _ none) { emit(s, "takeDate", jsTime(time.Now())) })
	socketio.On(n, "getDateObj", func(s S, _ none) {
		emit(s, "takeDateObj", map[string]string{"date": jsTime(time.Now())})
	})
	socketio.On(n, "getUtf8", func(s S, _ none) {
		for _, text := range []string{"てすと", "Я Б Г Д Ж Й", "Ä ä Ü ü ß", "utf8 — string", "utf8 — string"} {
			emit(s, "takeUtf8", text)
		}
	})
	socketio.On(n, "false", func(s S, _ none) { emit(s, "false", false) })
	socketio.OnAck(n, "getHandshake", func(s S, _ none) (json.RawMessage, error) {
		return json.Marshal(s.Handshake())
	})
}

// onBinary registers what concerns attachments.
func onBinary(n *socketio.Namespace) {
	type S = *socketio.Socket
	content := socketio.Binary("asdfasdf")
	socketio.On(n, "doge", func(s S, _ none) { emit(s, "doge", content) })
	socketio.On(n, "getbin", func(s S, _ none) { emit(s, "takebin", content) })
	ifBinary := func(event, answer string) {
		socketio.On(n, event, func(s S, _ socketio.Binary) { emit(s, answer) })
	}
	ifBinary("buffa", "buffack")
	ifBinary("blob", "back")
	type mixed struct {
		Hello   string          `json:"hello"`
		Message socketio.Binary `json:"message"`
		Goodbye string          `json:"goodbye"`
	}
	for _, event := range []string{"jsonbuff", "jsonblob"} {
		socketio.On(n, event, func(s S, m mixed) {
			if m.Hello == "lol" && m.Message != nil && m.Goodbye == "gotcha" {
				emit(s, event+"-ack")
			}
		})
	}
	inOrder(n, "abuff2-ack", step{"abuff1", isBinary}, step{"abuff2", isAnything})
	inOrder(n, "blob3-ack", step{"blob1", isBinary}, step{"blob2", isSecond}, step{"blob3", isBinary})
}

// step is an event of a series, and what its argument has to be.
type step struct {
	event string
	fits  func(socketio.Value) bool
}

func isBinary(v socketio.Value) bool { _, ok := v.Bytes(); return ok }

func isAnything(socketio.Value) bool { return true }

func isSecond(v socketio.Value) bool {
	var s string
	return v.Decode(&s) == nil && s == "second"
}

// inOrder has a series of events answered once the last of them comes. Each
// socket's progress is kept in handlers of its own.
func inOrder(n *socketio.Namespace, answer string, steps ...step) {
	n.OnConnection(func(s *socketio.Socket) {
		next := 0
		for i, st := range steps {
			socketio.On(s, st.event, func(s *socketio.Socket, v socketio.Value) {
				if i != next || !st.fits(v) {
					return
				}
				if next++; next == len(steps) {
					next = 0
					emit(s, answer)
				}
			})
		}
	})
}
