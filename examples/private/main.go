// Command private carries messages between people who signed in over HTTP: the cookie that
// they got there says who they are, in whatever tab and over whatever connection.
package main

import (
	"context"
	"crypto/rand"
	"flag"
	"log"
	"net/http"
	"sync"

	"podium/protocol/socketio"
)

// sessions says whose a cookie is. A real one forgets them after a while.
type sessions struct {
	mu    sync.Mutex // guards users
	users map[string]string
}

// signIn serves POST /sign-in?name=Ada. A real one asks for a password.
func (s *sessions) signIn(w http.ResponseWriter, r *http.Request) {
	name := r.FormValue("name")
	if name == "" {
		http.Error(w, "who are you?", http.StatusBadRequest)
		return
	}
	token := rand.Text()
	s.mu.Lock()
	s.users[token] = name
	s.mu.Unlock()
	http.SetCookie(w, &http.Cookie{Name: "session", Value: token, Path: "/", HttpOnly: true, SameSite: http.SameSiteStrictMode})
}

// userKey is the key of the user's name in a request's context.
type userKey struct{}

// identify puts the user's name into the context of requests that have a session.
func (s *sessions) identify(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if cookie, err := r.Cookie("session"); err == nil {
			s.mu.Lock()
			name := s.users[cookie.Value]
			s.mu.Unlock()
			r = r.WithContext(context.WithValue(r.Context(), userKey{}, name))
		}
		next.ServeHTTP(w, r)
	})
}

type message struct {
	To   string `json:"to"`
	From string `json:"from"`
	Text string `json:"text"`
}

func main() {
	listen := flag.String("listen", "localhost:3000", "address to listen on")
	flag.Parse()

	people := sessions{users: make(map[string]string)}
	srv := socketio.NewServer(socketio.Options{})
	srv.Use(people.identify)
	srv.Of("/").Use(func(s *socketio.Socket) error {
		name, _ := s.Handshake().Context().Value(userKey{}).(string)
		if name == "" {
			return &socketio.Error{Message: "sign in first"}
		}
		s.SetData(name)
		return nil
	})
	srv.OnConnection(func(s *socketio.Socket) {
		name, _ := socketio.DataOf[string](s)
		s.Join("user " + name) // all tabs of theirs
	})
	socketio.OnAck(srv, "message", func(s *socketio.Socket, m message) (delivered bool, err error) {
		m.From, _ = socketio.DataOf[string](s)
		if srv.Of("/").RoomSize("user "+m.To) == 0 {
			return false, nil
		}
		return true, srv.To("user "+m.To).Emit("message", m)
	})

	http.HandleFunc("POST /sign-in", people.signIn)
	http.Handle("/socket.io/", srv)
	log.Fatal(http.ListenAndServe(*listen, nil))
}
