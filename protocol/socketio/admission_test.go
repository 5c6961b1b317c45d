package socketio

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"regexp"
	"slices"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/coder/websocket"
)

func TestOfManyWhoSeeRoomForAFewNoMoreGetIn(t *testing.T) {
	srv := newTestServer(t, Options{})
	_, ss := joined(t, srv, 20)
	var in atomic.Int64
	var all sync.WaitGroup
	for _, s := range ss {
		all.Go(func() {
			if ok, err := s.JoinIfBelow("table", 4); err != nil {
				t.Error(err)
			} else if ok {
				in.Add(1)
			}
		})
	}
	all.Wait()
	if in.Load() != 4 || srv.Of("/").RoomSize("table") != 4 {
		t.Errorf("%d got in, %d are in the room", in.Load(), srv.Of("/").RoomSize("table"))
	}
	for _, s := range ss { // who is in it stays
		if ok, _ := s.JoinIfBelow("table", 4); ok != slices.Contains(s.Rooms(), "table") {
			t.Errorf("asked again: %v", ok)
		}
	}
}

func TestJoinSaysThatTheLimitIsMet(t *testing.T) {
	srv := newTestServer(t, Options{MaxRooms: 2})
	_, ss := joined(t, srv, 1)
	mustBeNil(t, ss[0].Join("a", "b"))
	if err := ss[0].Join("a", "c"); !errors.Is(err, ErrTooManyRooms) {
		t.Error(err)
	}
	if in, err := ss[0].JoinIfBelow("d", 9); in || !errors.Is(err, ErrTooManyRooms) {
		t.Error(in, err)
	}
	mustBeNil(t, ss[0].Join("a"))
}

func TestNamespacesAreLookedUpAndRemoved(t *testing.T) {
	srv := newTestServer(t, Options{})
	if srv.Lookup("shop") != nil || srv.Remove("shop") || srv.Remove("/") {
		t.Error("there is a shop, or no main namespace")
	}
	n := srv.Of("shop")
	if srv.Lookup("/shop") != n || srv.Lookup("shop") != n {
		t.Error("the shop was not found")
	}
	w := newWire(srv)
	s := w.join(t, "/shop")
	if !srv.Remove("shop") || srv.Lookup("shop") != nil {
		t.Error("it was not removed")
	}
	w.expect(t, `1/shop,`)
	if s.Connected() {
		t.Error("its socket is connected")
	}
	w.say(`0/shop,`)
	w.expect(t, `4/shop,{"message":"Invalid namespace"}`)
}

// Whether a child was made for a client or by Of does not matter.
func TestEmptyChildrenThatOfMadeAreRemovedToo(t *testing.T) {
	srv := newTestServer(t, Options{CleanupEmptyChildNamespaces: true})
	srv.OfPattern(regexp.MustCompile(`^/tenant-`))
	w := newWire(srv)
	for _, name := range []string{"/tenant-a", "/tenant-b"} {
		if name == "/tenant-a" {
			srv.Of(name)
		}
		w.join(t, name)
		srv.Of(name)
		w.say("1" + name + ",")
	}
	if names := srv.Namespaces(); !slices.Equal(names, []string{"/"}) {
		t.Errorf("left are %q", names)
	}
}

func TestHandshakesHaveTheValuesThatMiddlewarePutIn(t *testing.T) {
	type key string
	put := func(k string) func(http.Handler) http.Handler {
		return func(next http.Handler) http.Handler {
			return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				next.ServeHTTP(w, r.WithContext(context.WithValue(r.Context(), key(k), 1)))
			})
		}
	}
	srv := newTestServer(t, Options{})
	srv.Use(put("use"))
	got := make(chan string, 1)
	srv.OnConnection(func(s *Socket) {
		h := s.Handshake().Context()
		got <- fmt.Sprintln(h.Value(key("use")), h.Value(key("router")), s.Context().Value(key("use")), h.Err())
	})
	web := httptest.NewServer(put("router")(srv))
	defer web.Close()
	ws, _, err := websocket.Dial(t.Context(), web.URL+"/socket.io/?EIO=4&transport=websocket", nil)
	mustBeNil(t, err)
	defer func() { _ = ws.CloseNow() }()
	mustBeNil(t, ws.Write(t.Context(), websocket.MessageText, []byte("40")))
	if s := wait(t, got); s != "1 1 1 <nil>\n" {
		t.Error(s)
	}
}
