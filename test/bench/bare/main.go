// Command bare is what the benchmark's other servers cannot go below: an epoll loop that
// writes the same bytes to the same connections as a Socket.IO server, and keeps no
// session, checks nothing and times nobody out. With --net-http it is the least that a
// server takes whose polls pass through net/http instead.
package main

import (
	"flag"
	"log"
	"net/http"

	"podium/test/bench/control"
)

func main() {
	byNetHTTP := flag.Bool("net-http", false, "answer long-polling with handlers of net/http")
	o := control.Parse()
	if *byNetHTTP {
		h := &handler{}
		go func() { log.Fatal(http.ListenAndServe(o.Control, control.Handler(h))) }()
		log.Fatal(http.ListenAndServe(o.Listen, h))
	}
	l, err := listen(o)
	if err != nil {
		log.Fatal(err)
	}
	go func() { log.Fatal(http.ListenAndServe(o.Control, control.Handler(l))) }()
	log.Fatal(l.run())
}
