// Command upload takes files in pieces of binary data, and tells how far it is. An upload
// can be cancelled: "cancel" does not wait behind the pieces that are queued.
package main

import (
	"crypto/sha256"
	"encoding/hex"
	"flag"
	"hash"
	"log"
	"net/http"
	"sync"

	"podium/protocol/socketio"
)

// upload is a file that arrives. A real one is written to disk as well.
type upload struct {
	mu        sync.Mutex // guards what follows
	hash      hash.Hash
	size      int
	cancelled bool
}

type progress struct {
	Size   int    `json:"size"`
	SHA256 string `json:"sha256"`
}

// largest is the most that a file may have, in bytes.
const largest = 10 << 20

func (u *upload) add(piece []byte) (progress, error) {
	u.mu.Lock()
	defer u.mu.Unlock()
	if u.cancelled {
		return progress{}, &socketio.Error{Message: "cancelled"}
	}
	if u.size+len(piece) > largest {
		return progress{}, &socketio.Error{Message: "the file is too large"}
	}
	u.hash.Write(piece)
	u.size += len(piece)
	return progress{u.size, hex.EncodeToString(u.hash.Sum(nil))}, nil
}

func (u *upload) cancel() {
	u.mu.Lock()
	defer u.mu.Unlock()
	u.cancelled = true
}

func main() {
	listen := flag.String("listen", "localhost:3000", "address to listen on")
	flag.Parse()

	srv := socketio.NewServer(socketio.Options{})
	srv.OnConnection(func(s *socketio.Socket) {
		file := &upload{hash: sha256.New()}
		socketio.OnAck(s, "piece", func(_ *socketio.Socket, piece socketio.Binary) (progress, error) {
			return file.add(piece) // pieces of one client come one after another
		})
		socketio.OnAck(s, "cancel", func(*socketio.Socket, struct{}) (bool, error) {
			file.cancel()
			return true, nil
		}, socketio.Concurrent)
	})

	http.Handle("/socket.io/", srv)
	log.Fatal(http.ListenAndServe(*listen, nil))
}
