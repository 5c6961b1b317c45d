// Command typed is an API over Socket.IO whose events have Go types both ways: clients
// ask with acknowledgements, and the server asks a client.
package main

import (
	"context"
	"errors"
	"flag"
	"log"
	"net/http"
	"sync"
	"time"

	"podium/protocol/socketio"
)

type task struct {
	ID    int    `json:"id"`
	Title string `json:"title"`
	Done  bool   `json:"done"`
}

// tasks is what there is to do.
type tasks struct {
	mu   sync.Mutex // guards list
	list []task
}

func (t *tasks) add(title string) (task, error) {
	if title == "" {
		return task{}, errors.New("a task needs a title")
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	added := task{ID: len(t.list) + 1, Title: title}
	t.list = append(t.list, added)
	return added, nil
}

func (t *tasks) finish(id int) (task, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if id < 1 || id > len(t.list) {
		return task{}, errors.New("there is no such task")
	}
	t.list[id-1].Done = true
	return t.list[id-1], nil
}

func main() {
	listen := flag.String("listen", "localhost:3000", "address to listen on")
	flag.Parse()

	var todo tasks
	srv := socketio.NewServer(socketio.Options{})
	socketio.OnAck(srv, "add", func(_ *socketio.Socket, title string) (task, error) {
		added, err := todo.add(title)
		if err != nil {
			return task{}, &socketio.Error{Message: err.Error()}
		}
		return added, srv.Emit("added", added)
	})
	// Two arguments are an Args2. The client is asked before its task is finished.
	socketio.OnAckCtx(srv, "finish", func(ctx context.Context, s *socketio.Socket, a socketio.Args2[int, string]) (task, error) {
		ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
		defer cancel()
		sure, err := socketio.Call[bool](ctx, s, "sure?", a.A, a.B)
		if err != nil || !sure {
			return task{}, &socketio.Error{Message: "not confirmed"}
		}
		done, err := todo.finish(a.A)
		if err != nil {
			return task{}, &socketio.Error{Message: err.Error()}
		}
		return done, nil
	})

	http.Handle("/socket.io/", srv)
	log.Fatal(http.ListenAndServe(*listen, nil))
}
