// Command namespaces gives each document a namespace of its own, which is there as long as
// somebody has the document open. Nobody but those who may read a document gets in.
package main

import (
	"flag"
	"log"
	"net/http"
	"regexp"
	"slices"
	"strings"

	"podium/protocol/socketio"
)

// readers says who may read a document. A real one is in a database.
var readers = map[string][]string{
	"1": {"Ada", "Bob"},
	"2": {"Ada"},
}

// document is the number at the end of a namespace's name.
func document(n *socketio.Namespace) string { return strings.TrimPrefix(n.Name(), "/documents/") }

func main() {
	listen := flag.String("listen", "localhost:3000", "address to listen on")
	flag.Parse()

	srv := socketio.NewServer(socketio.Options{
		CleanupEmptyChildNamespaces: true, // or they stay, and clients can make as many as match
		MaxNamespaces:               10,   // of one connection at a time
	})
	documents := srv.OfPattern(regexp.MustCompile(`^/documents/\d{1,10}$`))
	documents.Use(func(s *socketio.Socket) error {
		var auth struct{ Name string }
		if err := s.Handshake().Auth.Decode(&auth); err != nil {
			return &socketio.Error{Message: "who are you?"}
		}
		if !slices.Contains(readers[document(s.Namespace())], auth.Name) {
			return &socketio.Error{Message: "not for you"}
		}
		s.SetData(auth.Name)
		return nil
	})
	// Registered on all of them at once: each event is of the one that its socket is in.
	socketio.On(documents, "edit", func(s *socketio.Socket, text string) {
		name, _ := socketio.DataOf[string](s)
		if err := s.Broadcast().Emit("edited", name, text); err != nil {
			log.Print("edit: ", err)
		}
	})
	// What documents emits goes to the readers of all of them.
	socketio.OnAck(srv, "announce", func(_ *socketio.Socket, text string) (struct{}, error) {
		return struct{}{}, documents.Emit("announcement", text)
	})
	socketio.OnAck(srv, "open documents", func(*socketio.Socket, struct{}) (open []string, err error) {
		for _, name := range srv.Namespaces() {
			if number, found := strings.CutPrefix(name, "/documents/"); found {
				open = append(open, number)
			}
		}
		slices.Sort(open)
		return open, nil
	})

	http.Handle("/socket.io/", srv)
	log.Fatal(http.ListenAndServe(*listen, nil))
}
