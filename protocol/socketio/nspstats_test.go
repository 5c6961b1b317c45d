package socketio

import (
	"errors"
	"fmt"
	"testing"
	"time"
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
		"2 map[a:{2 1} b:{1 0}] map[:{1 0} answer:{0 2} known:{2 0} news:{0 1}]" {
		t.Errorf("counted %s", s)
	}
}

// Whatever way an event takes to a room it is counted once, and what is no event is not.
func TestEventsAreCountedByRoom(t *testing.T) {
	var m MemoryCluster
	for name, options := range map[string]Options{
		"alone":    {},
		"recovery": {Recovery: &Recovery{Log: new(MemoryLog)}},
		"cluster":  {Cluster: m.Join, Recovery: m.Recovery()},
	} {
		t.Run(name, func(t *testing.T) {
			srv := newTestServer(t, options)
			_, ss := joined(t, srv, 3)
			n := srv.Of("/")
			mustBeNil(t, ss[0].Join("a", "b"))
			mustBeNil(t, ss[1].Join("a"))
			mustBeNil(t, srv.To("a").Emit("news"))
			mustBeNil(t, srv.To("a", "b").Emit("news"))
			mustBeNil(t, srv.To("a").Except("b").Emit("news"))
			mustBeNil(t, ss[2].To("a").Volatile().Emit("news"))
			_, err := srv.To("b").Timeout(time.Nanosecond).EmitWithAck(t.Context(), "ask") // nobody answers in that time
			if !errors.Is(err, ErrAckTimeout) {
				t.Fatal(err)
			}
			mustBeNil(t, srv.Emit("to everybody"))
			mustBeNil(t, srv.To("nobody").Emit("news"))
			mustBeNil(t, n.In("b").SocketsJoin("c"))
			if got, want := fmt.Sprint(n.Stats().Rooms), "map[a:{2 4} b:{1 2} c:{1 0}]"; got != want {
				t.Errorf("counted %s, want %s", got, want)
			}
			if got := n.RoomStats("a"); got != (RoomStats{2, 4}) {
				t.Errorf("of one room: %v", got)
			}
			ss[0].Leave("b")
			mustBeNil(t, ss[1].Join("b"))
			if got := n.RoomStats("b"); got != (RoomStats{1, 0}) {
				t.Errorf("a room that was joined again counts %v", got)
			}
			if got := n.RoomStats("none"); got != (RoomStats{}) {
				t.Errorf("a room that is not there: %v", got)
			}
		})
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
