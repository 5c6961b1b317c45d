package wiretest

import (
	"errors"
	"fmt"
	"net/http/httptest"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"podium/protocol/client"
	"podium/protocol/emitter"
	"podium/protocol/socketio"
)

// RunEmitter holds an emitter to what it promises among our own servers: o makes each of
// two servers one of those that it reaches.
func RunEmitter(t *testing.T, o func() socketio.Options, e emitter.Emitter) {
	notes := make(chan string, 10)
	inbox := map[string]chan string{"a": make(chan string, 100), "b": make(chan string, 100)}
	ids := make(map[string]string)
	var servers []*socketio.Server
	for _, name := range []string{"a", "b"} {
		srv := socketio.NewServer(o())
		servers = append(servers, srv)
		socketio.OnAck(srv, "enter", func(s *socketio.Socket, room string) (string, error) { return s.ID(), s.Join(room) })
		srv.Of("/").OnServerSide("", func(e *socketio.ServerEvent) { notes <- fmt.Sprint(name, " ", e.Name, e.Args) })
		web := httptest.NewServer(srv)
		t.Cleanup(func() {
			shutdown(t, srv)
			web.Close()
		})
		s, err := client.New(web.URL, client.Options{})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = s.Close() })
		s.OnAny(func(e *client.Event) {
			var args []string
			for i := range e.Args {
				if text := e.Args.Get(i).String(); !strings.HasPrefix(text, `"~`) { // the offset
					args = append(args, text)
				}
			}
			inbox[name] <- e.Name + "[" + strings.Join(args, ",") + "]"
		})
		s.OnDisconnect(func(client.Reason, error) { inbox[name] <- "gone" })
		if err := s.Connect(t.Context()); err != nil {
			t.Fatal(err)
		}
		if ids[name], err = client.Call[string](t.Context(), s, "enter", name); err != nil {
			t.Fatal(err)
		}
	}
	next := func(c chan string) string {
		t.Helper()
		select {
		case s := <-c:
			return s
		case <-time.After(patience):
			t.Fatal("nothing came")
			return ""
		}
	}
	expect := func(name, want string) {
		t.Helper()
		if got := next(inbox[name]); got != want {
			t.Fatalf("%s got %s, want %s", name, got, want)
		}
	}
	ctx, must := t.Context(), musts(t)
	must(e.Emit(ctx, "ev", 1, map[string]any{"x": "é"}))
	must(e.To("a", "b").Except(ids["a"]).Emit(ctx, "only b"))
	must(e.To("a").Compress(false).Emit(ctx, "only a", nil))
	expect("a", `ev[1,{"x":"é"}]`)
	expect("b", `ev[1,{"x":"é"}]`)
	expect("b", `only b[]`)
	expect("a", `only a[null]`)
	must(e.Volatile().Emit(ctx, "v", 2)) // nothing else is on its way
	expect("a", `v[2]`)
	expect("b", `v[2]`)
	must(e.ServerSideEmit(ctx, "note", 3))
	got := []string{next(notes), next(notes)}
	if slices.Sort(got); !reflect.DeepEqual(got, []string{"a note[3]", "b note[3]"}) {
		t.Errorf("servers were told %v", got)
	}
	must(e.To("a").SocketsJoin(ctx, "x", "y"))
	must(e.To("y").SocketsLeave(ctx, "x"))
	must(e.To("x").Emit(ctx, "nobody"))
	must(e.To("y").Emit(ctx, "joined", 4))
	expect("a", `joined[4]`)
	const n = 300
	failed := make(chan error, n)
	for i := range n {
		go func() { failed <- e.To("b").Emit(ctx, "many", i) }()
	}
	seen := make(map[string]bool)
	for range n {
		must(<-failed)
		seen[next(inbox["b"])] = true
	}
	if len(seen) != n {
		t.Errorf("%d of %d came", len(seen), n)
	}
	if err := e.Emit(ctx, "connect"); !errors.Is(err, socketio.ErrReservedEvent) {
		t.Errorf("a reserved event: %v", err)
	}
	must(e.To("y").DisconnectSockets(ctx, false))
	if got := next(inbox["a"]); got != "gone" {
		t.Errorf("a got %s", got)
	}
	if got := servers[1].Of("/").Count(); got != 1 {
		t.Errorf("%d are left", got)
	}
}
