package socketio

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"
)

func TestEveryWayToAddressReachesItsSockets(t *testing.T) {
	srv := newTestServer(t, Options{})
	n := srv.Of("/")
	ws, ss := joined(t, srv, 3)
	mustBeNil(t, n.SocketsJoin("all"))
	ss[0].Join("r")
	ss[1].Join("r")
	tests := []struct {
		name string
		emit func() error
		want []int
	}{
		{"socket, flags", func() error { return ss[0].Volatile().Compress(false).Timeout(time.Second).Emit("x", 1) }, []int{0}},
		{"socket, compress", func() error { return ss[0].Compress(false).Volatile().Emit("x", 1) }, []int{0}},
		{"socket, timeout", func() error { return ss[0].Timeout(time.Second).Emit("x", 1) }, []int{0}},
		{"socket, flags, to", func() error { return ss[0].Compress(false).To("r").Emit("x", 1) }, []int{1}},
		{"socket, flags, broadcast", func() error { return ss[0].Volatile().Broadcast().Emit("x", 1) }, []int{1, 2}},
		{"socket, in", func() error { return ss[0].In("r").Emit("x", 1) }, []int{1}},
		{"socket, local", func() error { return ss[0].Local().Emit("x", 1) }, []int{1, 2}},
		{"namespace, in", func() error { return n.In("r").In("all").Except("r").Emit("x", 1) }, []int{2}},
		{"namespace, flags", func() error { return n.Compress(false).Volatile().Timeout(time.Second).Emit("x", 1) }, []int{0, 1, 2}},
	}
	for _, tt := range tests {
		mustBeNil(t, tt.emit())
		for i, w := range ws {
			if slices.Contains(tt.want, i) {
				w.expect(t, `2["x",1]`)
			}
			w.expectNothing(t)
		}
	}
	mustBeNil(t, ss[0].Send("a"))
	mustBeNil(t, n.Send("b"))
	ws[0].expect(t, `2["message","a"]`, `2["message","b"]`)
	ws[1].expect(t, `2["message","b"]`)
}

func TestSocketsOfANamespaceAreListedMovedAndPutOut(t *testing.T) {
	srv := newTestServer(t, Options{})
	n := srv.Of("/")
	type end struct {
		reason Reason
		rooms  int
	}
	leaving, left := make(chan end, 2), make(chan end, 2)
	n.OnDisconnecting(func(s *Socket, r Reason) { leaving <- end{r, len(s.Rooms())} })
	n.OnDisconnect(func(s *Socket, r Reason) { left <- end{r, len(s.Rooms())} })
	ws, ss := joined(t, srv, 2)
	var ids []string
	for s := range n.Sockets() {
		ids = append(ids, s.ID())
		if s.Namespace().Server() != srv {
			t.Error("another server")
		}
	}
	if len(ids) != 2 || !slices.Contains(ids, ss[0].ID()) || !slices.Contains(ids, ss[1].ID()) {
		t.Errorf("sockets %v", ids)
	}
	mustBeNil(t, n.SocketsJoin("a", "b"))
	mustBeNil(t, n.SocketsLeave("b"))
	if n.RoomSize("a") != 2 || n.RoomSize("b") != 0 {
		t.Errorf("rooms %v", n.Rooms())
	}
	mustBeNil(t, n.DisconnectSockets(false))
	for _, w := range ws {
		w.expect(t, `1`)
		if e := wait(t, leaving); e != (end{ReasonServerDisconnect, 2}) {
			t.Errorf("leaving: %+v", e)
		}
		if e := wait(t, left); e != (end{ReasonServerDisconnect, 0}) {
			t.Errorf("left: %+v", e)
		}
	}
	if n.Count() != 0 || len(n.Rooms()) != 0 {
		t.Errorf("%d sockets, rooms %v", n.Count(), n.Rooms())
	}
}

func TestHandlersAreTakenAwayByNameOrAllAtOnce(t *testing.T) {
	srv := newTestServer(t, Options{})
	n := srv.Of("/")
	w := newWire(srv)
	s := w.join(t, "/")
	answer := func(s *Socket, _ struct{}) (int, error) { return 1, nil }
	OnAck(n, "everywhere", answer)
	for _, event := range []string{"a", "b", "c"} {
		OnAck(s, event, answer)
	}
	removed := OnAck(s, "d", answer)
	Off(s, "a")
	removed()
	w.say(`20["a"]`, `24["d"]`, `21["b"]`)
	w.expect(t, `31[1]`)
	Off(s, "")
	w.say(`22["c"]`, `23["everywhere"]`)
	w.expect(t, `33[1]`)
	Off(n, "everywhere")
	w.say(`25["everywhere"]`)
	w.expectNothing(t)
}

func TestMiddlewareForTheEventsOfANamespace(t *testing.T) {
	failed := make(chan error, 2)
	srv := newTestServer(t, Options{OnError: func(_ *Socket, err error) { failed <- err }})
	n := srv.Of("/")
	n.UseEvents(func(e *Event) error {
		if e.WantsAck() && e.Name == "private" {
			return &Error{"not for you", 7}
		}
		if e.Name == "later" {
			return errors.New("secret")
		}
		return nil
	})
	OnEvent(n, "private", func(e *Event) { t.Error("it was let through") })
	OnEvent(n, "public", func(e *Event) {
		mustBeNil(t, e.Ack("once"))
		if err := e.Ack("twice"); err == nil {
			t.Error("acknowledged twice")
		}
	})
	w := newWire(srv)
	w.join(t, "/")
	w.say(`20["private"]`, `21["public"]`, `22["later"]`)
	w.expect(t, `30[{"error":"not for you","data":7}]`, `31["once"]`)
	for _, want := range []string{"not for you", "secret"} {
		if err := wait(t, failed); !strings.Contains(err.Error(), want) {
			t.Errorf("got %v", err)
		}
	}
	w.expect(t, `32[{"error":"internal error"}]`)
	w.expectNothing(t)
}

func TestListenersForWhatLeavesAreCalledInTheirOrder(t *testing.T) {
	srv := newTestServer(t, Options{})
	n := srv.Of("/")
	w := newWire(srv)
	s := w.join(t, "/")
	var got []string
	note := func(who string) func(*Socket, string, Args) {
		return func(_ *Socket, event string, args Args) { got = append(got, who+" "+event) }
	}
	n.OnAnyOutgoing(note("second"))
	remove := n.PrependAnyOutgoing(note("first"))
	s.OnAnyOutgoing(note("own second"))
	s.PrependAnyOutgoing(note("own first"))
	mustBeNil(t, s.Emit("x"))
	remove()
	mustBeNil(t, n.Emit("y", []byte{1}))
	if want := []string{"first x", "second x", "own first x", "own second x", "second y", "own first y", "own second y"}; !slices.Equal(got, want) {
		t.Errorf("got %q", got)
	}
}

func TestMiddlewareOfAServerSeesItsRequests(t *testing.T) {
	srv := newTestServer(t, Options{})
	srv.Use(func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if r.Header.Get("Authorization") == "" {
				w.WriteHeader(http.StatusUnauthorized)
				return
			}
			w.Header().Set("X-Seen", "yes")
			next.ServeHTTP(w, r)
		})
	})
	for authorization, status := range map[string]int{"": 401, "Bearer x": 200} {
		r := httptest.NewRequest("GET", "/socket.io/?EIO=4&transport=polling", nil)
		r.Header.Set("Authorization", authorization)
		w := httptest.NewRecorder()
		srv.ServeHTTP(w, r)
		if w.Code != status || (w.Header().Get("X-Seen") != "") != (status == 200) {
			t.Errorf("%q: status %d, headers %v", authorization, w.Code, w.Header())
		}
	}
}

func TestTheContextOfASocketEndsWithIt(t *testing.T) {
	srv := newTestServer(t, Options{})
	w := newWire(srv)
	s := w.join(t, "/")
	ctx := s.Context()
	if ctx.Err() != nil || s.Context() != ctx {
		t.Fatal("ended early, or another each time")
	}
	w.drop()
	wait(t, ctx.Done())
	if !errors.Is(s.Context().Err(), context.Canceled) {
		t.Errorf("%v", s.Context().Err())
	}
}

func TestHeadersThatAreNoUTF8AreLatin1(t *testing.T) {
	h := Handshake{Header: http.Header{"X-Latin": {"caf\xe9"}, "X-Text": {"café"}, "X-Both": {"\xe9", "é"}}}
	raw, err := h.MarshalJSON()
	if err != nil {
		t.Fatal(err)
	}
	var got struct{ Headers map[string]string }
	mustBeNil(t, json.Unmarshal(raw, &got))
	for name, want := range map[string]string{"x-latin": "café", "x-text": "café", "x-both": "é, Ã©"} {
		if got.Headers[name] != want {
			t.Errorf("%s: %q, want %q", name, got.Headers[name], want)
		}
	}
}
