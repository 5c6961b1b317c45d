// Command presence tells everybody who is there. Somebody with two tabs is there once.
package main

import (
	"flag"
	"log"
	"maps"
	"net/http"
	"slices"
	"sync"

	"podium/protocol/socketio"
)

// present counts the sockets of each name.
type present struct {
	mu     sync.Mutex // guards counts, and keeps announcements in the order of changes
	counts map[string]int
}

// change adds to a name's sockets, and tells everybody where that name comes or goes.
func (p *present) change(srv *socketio.Server, name string, by int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	before := p.counts[name]
	p.counts[name] += by
	if p.counts[name] == 0 {
		delete(p.counts, name)
	}
	if before != 0 && p.counts[name] != 0 {
		return
	}
	if err := srv.Emit("present", slices.Sorted(maps.Keys(p.counts))); err != nil {
		log.Print("present: ", err)
	}
}

func main() {
	listen := flag.String("listen", "localhost:3000", "address to listen on")
	flag.Parse()

	people := present{counts: make(map[string]int)}
	srv := socketio.NewServer(socketio.Options{})
	srv.Of("/").Use(func(s *socketio.Socket) error {
		var auth struct{ Name string }
		if err := s.Handshake().Auth.Decode(&auth); err != nil || auth.Name == "" {
			return &socketio.Error{Message: "who are you?"}
		}
		s.SetData(auth.Name)
		return nil
	})
	srv.OnConnection(func(s *socketio.Socket) {
		name, _ := socketio.DataOf[string](s)
		people.change(srv, name, 1)
	})
	srv.Of("/").OnDisconnect(func(s *socketio.Socket, _ socketio.Reason) {
		name, _ := socketio.DataOf[string](s)
		people.change(srv, name, -1)
	})

	http.Handle("/socket.io/", srv)
	log.Fatal(http.ListenAndServe(*listen, nil))
}
