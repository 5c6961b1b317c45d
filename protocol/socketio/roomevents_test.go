package socketio

import (
	"errors"
	"fmt"
	"regexp"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
)

// roomLog notes the room events of a namespace.
type roomLog struct {
	mu   sync.Mutex // guards seen
	seen []string
}

func (l *roomLog) note(e RoomEvent) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.seen = append(l.seen, fmt.Sprint(e.Kind, " ", e.Room, " ", e.Socket.Namespace().Name()))
}

// take returns what was noted since the last call.
func (l *roomLog) take() []string {
	synctest.Wait()
	l.mu.Lock()
	defer l.mu.Unlock()
	seen := l.seen
	l.seen = nil
	return seen
}

func TestRoomsAreToldOfWhileTheyLive(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		srv := newTestServer(t, Options{})
		var log roomLog
		remove := srv.Of("/").OnRoom(log.note)
		expect := func(what string, want ...string) {
			t.Helper()
			if got := log.take(); !slices.Equal(got, want) {
				t.Errorf("%s: told of %q, want %q", what, got, want)
			}
		}
		ws, ss := joined(t, srv, 2)
		expect("own rooms")
		mustBeNil(t, ss[0].Join("a", "a"))
		expect("the first joins", "create-room a /", "join-room a /")
		mustBeNil(t, ss[1].Join("a", "b"))
		expect("the second joins", "join-room a /", "create-room b /", "join-room b /")
		ss[0].Leave("a", "b")
		expect("one leaves", "leave-room a /")
		ws[1].drop()
		expect("a connection ends", "leave-room a /", "delete-room a /", "leave-room b /", "delete-room b /")
		if in, err := ss[0].JoinIfBelow("c", 1); !in || err != nil {
			t.Errorf("joined: %v, %v", in, err)
		}
		expect("a room with a limit", "create-room c /", "join-room c /")
		remove()
		ss[0].Leave("c")
		expect("nobody listens")
	})
}

func TestAHookOfRoomsMayUseThem(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		srv := newTestServer(t, Options{})
		var log roomLog
		d := srv.OfPattern(regexp.MustCompile("^/room-"))
		d.OnRoom(func(e RoomEvent) {
			log.note(e)
			if e.Kind == RoomCreated && e.Room == "a" {
				mustBeNil(t, e.Socket.Join("made by the hook"))
				panic("of the hook")
			}
		})
		d.Use(func(s *Socket) error {
			_ = s.Join("a")
			return errors.New("no")
		})
		w := newWire(srv)
		w.say("0/room-1,")
		w.expect(t, `4/room-1,{"message":"no"}`)
		seen := log.take()
		for _, want := range []string{"create-room a /room-1", "join-room a /room-1", "leave-room a /room-1", "delete-room a /room-1"} {
			if !slices.Contains(seen, want) {
				t.Errorf("not told of %q: %q", want, seen)
			}
		}
	})
}

func TestAConnectionIsInSoManyNamespacesAtATime(t *testing.T) {
	srv := newTestServer(t, Options{MaxNamespaces: 2})
	srv.OfPattern(regexp.MustCompile("^/n"))
	w := newWire(srv)
	w.join(t, "/n1")
	w.join(t, "/n2")
	w.say("0/n3,")
	w.expect(t, `4/n3,{"message":"Too many namespaces"}`)
	if srv.Lookup("/n3") != nil {
		t.Error("a namespace was made for a request that is refused")
	}
	if n := srv.Stats().TooManyNamespaces; n != 1 {
		t.Errorf("%d counted", n)
	}
	w.join(t, "/n2") // again: it takes the place of the first
	w.say("1/n1,")
	w.join(t, "/n3")
}
