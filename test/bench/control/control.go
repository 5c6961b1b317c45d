// Package control is what the benchmark's Go servers share: their flags and the
// control address over which the load program drives them. It is a module of its
// own because two versions of one peer cannot be built in the same module.
package control

import (
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"net/http"
	"runtime/debug"
	"strconv"
	"strings"
	"sync"
)

// Server is a server under test.
type Server interface {
	// Emit sends an event with one argument, a string or []byte, to a room, or to
	// all where room is "".
	Emit(room, event string, arg any)
	// Connected is how many clients there are.
	Connected() int
}

// Flusher is a Server that is told when a request's events were all emitted.
type Flusher interface{ Flush() }

// Options are the flags that every server takes.
type Options struct {
	Listen   string // address of the Socket.IO server
	Control  string // address of the control endpoints
	Deflate  bool   // offer permessage-deflate
	Recovery bool   // let clients recover what they missed
	// Cert and Key are files: the Socket.IO server speaks TLS where they are given.
	Cert, Key string
}

// Parse reads the flags.
func Parse() Options {
	var o Options
	flag.StringVar(&o.Listen, "listen", "127.0.0.1:3000", "address of the Socket.IO server")
	flag.StringVar(&o.Control, "control", "127.0.0.1:3001", "address of the control endpoints")
	flag.BoolVar(&o.Deflate, "deflate", false, "compress WebSocket messages")
	flag.BoolVar(&o.Recovery, "recovery", false, "let clients recover what they missed")
	flag.StringVar(&o.Cert, "cert", "", "file with a certificate, where the server is to speak TLS")
	flag.StringVar(&o.Key, "key", "", "file with its key")
	flag.Parse()
	return o
}

// Handler answers the control endpoints:
//
//	GET /broadcast?n=N&size=S   event m with a string of S bytes, N times to all
//	  &rooms=R                  each to the next of R rooms: room0, room1, …
//	  &binary=1                 bytes in place of a string
//	  &words=1                  text that compresses as text does, not to nothing
//	POST /submit                event m with the body, to all
//	GET /gc                     collects garbage and gives memory back
//	GET /stats                  {"connected":N}
//
// Every string of /broadcast begins with ten digits that count the events.
func Handler(s Server) http.Handler {
	mux := http.NewServeMux()
	var mu sync.Mutex // guards count, and keeps broadcasts in the order of their numbers
	count := 0
	mux.HandleFunc("/broadcast", func(_ http.ResponseWriter, r *http.Request) {
		number := func(name string) int { n, _ := strconv.Atoi(r.FormValue(name)); return n }
		rooms, size, filler := number("rooms"), number("size"), ""
		if number("words") > 0 {
			filler = Words(size)
		} else {
			filler = strings.Repeat("x", size)
		}
		mu.Lock()
		defer mu.Unlock()
		for i := range number("n") {
			count++
			var arg any = filler
			if size >= 10 {
				arg = fmt.Sprintf("%010d", count) + filler[10:]
			}
			if number("binary") > 0 {
				arg = []byte(arg.(string))
			}
			room := ""
			if rooms > 0 {
				room = "room" + strconv.Itoa(i%rooms)
			}
			s.Emit(room, "m", arg)
		}
		if f, ok := s.(Flusher); ok {
			f.Flush()
		}
	})
	mux.HandleFunc("/submit", func(_ http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err == nil {
			s.Emit("", "m", string(body))
		}
	})
	mux.HandleFunc("/gc", func(http.ResponseWriter, *http.Request) { debug.FreeOSMemory() })
	mux.HandleFunc("/stats", func(w http.ResponseWriter, _ *http.Request) {
		_ = json.NewEncoder(w).Encode(map[string]int{"connected": s.Connected()})
	})
	return mux
}

// Words is text of n bytes that is neither all the same nor random.
func Words(n int) string {
	var b strings.Builder
	for i := 0; b.Len() < n; i++ {
		fmt.Fprintf(&b, "photo %d by somebody in row %d; ", i*7919%1000, i*104729%97)
	}
	return b.String()[:n]
}
