package socketio

import (
	"fmt"
	"testing"
)

func TestEventsAndRoomsAreCountedByName(t *testing.T) {
	srv := newTestServer(t, Options{})
	On(srv, "known", func(s *Socket, _ struct{}) { mustBeNil(t, s.Emit("answer")) }, Inline)
	ws, ss := joined(t, srv, 2)
	mustBeNil(t, ss[0].Join("a", "b"))
	mustBeNil(t, ss[1].Join("a"))
	ws[0].say(`2["known"]`, `2["known"]`, `2["made up by a client"]`)
	ws[0].expect(t, `2["answer"]`, `2["answer"]`)
	mustBeNil(t, srv.To("a").Emit("news"))
	got := srv.Of("/").Stats()
	if s := fmt.Sprint(got.Sockets, got.Rooms, got.Events); s !=
		"2 map[a:2 b:1] map[:{1 0} answer:{0 2} known:{2 0} news:{0 1}]" {
		t.Errorf("counted %s", s)
	}
}

func TestCountingEventsIsBounded(t *testing.T) {
	var c eventCounts
	for i := range 2 * maxCountedEvents {
		c.of(fmt.Sprint(i)).emitted.Add(1)
	}
	if n := len(c.all()); n != maxCountedEvents+1 {
		t.Errorf("%d names are counted", n)
	}
	if n := c.of("").emitted.Load(); n != maxCountedEvents {
		t.Errorf("%d are counted under no name", n)
	}
	if n := testing.AllocsPerRun(100, func() { c.of("1").received.Add(1) }); n > 0 {
		t.Errorf("%v allocations", n)
	}
}
