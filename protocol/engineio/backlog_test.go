package engineio_test

import (
	"bytes"
	"net"
	"strings"
	"testing"
	"time"

	"podium/protocol/budget"
	"podium/protocol/engineio"
)

// What is sent to clients that do not poll, or poll and do not take the answer, is
// bounded for all of them together, and who polls goes on.
func TestWhatWaitsForClientsThatPollHasABoundTogether(t *testing.T) {
	const limit = 12 << 20
	machine := budget.New(limit)
	s := serve(t, engineio.Options{Memory: machine.Share("messages", 0), CloseTimeout: 100 * time.Millisecond})
	honest := s.open()
	talker, listening := s.connect(), s.last()
	for i := range 12 {
		q := s.open()
		e := s.last()
		for range 3 {
			_ = e.session.Send(engineio.Text(bytes.Repeat([]byte("x"), 1<<20))) // it may have made room
		}
		if i%2 == 0 {
			c := s.connect()
			if tcp, ok := c.Conn.(*net.TCPConn); ok {
				_ = tcp.SetReadBuffer(4096)
			}
			c.ask("GET", q, "", "")
		}
		if held := machine.Held(); held > limit+4<<20 { // what is asked for counts until it is refused
			t.Fatalf("%d bytes are held", held)
		}
		if err := listening.session.Send(engineio.Text(bytes.Repeat([]byte("y"), 10_000))); err != nil {
			t.Fatal(err)
		}
		talker.ask("GET", honest, "", "")
		if _, body := talker.answer(); !strings.HasPrefix(body, "4yyyy") {
			t.Fatalf("who polls got %.100q", body)
		}
	}
	waitUntil(t, "some sessions ended", func() bool { return s.engine.Stats().Sessions <= 10 })
	if n := s.engine.Stats().Sessions; n < 3 {
		t.Errorf("%d sessions are left", n)
	}
	s.http.CloseClientConnections()
	for _, e := range s.opened {
		e.session.Close()
	}
	waitUntil(t, "everything was given back", func() bool { return machine.Held() == 0 })
}

// A broadcast that waits for many is kept once, also by those who poll.
func TestABroadcastThatWaitsForManyPollsIsNotCountedManyTimes(t *testing.T) {
	machine := budget.New(4 << 20)
	s := serve(t, engineio.Options{Memory: machine.Share("messages", 0)})
	var queries []string
	for range 50 {
		queries = append(queries, s.open())
	}
	m := engineio.Text(bytes.Repeat([]byte("x"), 400_000))
	for _, e := range s.opened {
		if err := e.session.Post(m); err != nil {
			t.Fatal(err)
		}
	}
	for _, q := range queries {
		if _, body := s.do("GET", q, ""); len(body) != 400_001 {
			t.Fatalf("an answer of %d bytes", len(body))
		}
	}
	waitUntil(t, "everything was given back", func() bool { return machine.Held() == 0 })
}
