package officialwire

import (
	"errors"
	"testing"

	"podium/protocol/socketio"
)

// emitterOf returns an emitter of ours beside a cluster.
func (m *mixed) emitterOf(wire string) Emitter {
	o := Options{Client: m.redis}
	if wire == "streams" {
		return Streams{o}.Emitter()
	}
	return Classic{o}.Emitter()
}

func TestAnEmitterReachesBothServers(t *testing.T) {
	for _, wire := range wires {
		t.Run(wire, func(t *testing.T) {
			m := startMixed(t, wire)
			e, ctx := m.emitterOf(wire), t.Context()
			must := func(err error) {
				t.Helper()
				if err != nil {
					t.Fatal(err)
				}
			}
			expect := func(client, want string) {
				t.Helper()
				if got := m.next(client); got != want {
					t.Errorf("%s got %s, want %s", client, got, want)
				}
			}
			must(e.Emit(ctx, "ev", 1, "a"))
			must(e.To("both").Except("g").Emit(ctx, "n"))
			must(e.To("g").Compress(false).Emit(ctx, "g", []byte{1}))
			expect("g", `ev(1,"a")`)
			expect("n", `ev(1,"a")`)
			expect("n", `n()`)
			expect("g", `g({"hex":"01"})`)
			must(e.Volatile().Emit(ctx, "v")) // nothing else is on its way to either
			expect("g", "v()")
			expect("n", "v()")
			must(e.Of("/elsewhere").Emit(ctx, "elsewhere")) // nobody is there

			must(e.ServerSideEmit(ctx, "note", "x"))
			expect("node", `note("x")`)
			if got := m.note(); got != `note["x"]` {
				t.Errorf("Go was told %s", got)
			}

			must(e.To("both").SocketsJoin(ctx, "x", "y"))
			must(e.To("both").SocketsLeave(ctx, "x"))
			m.await("g", []string{m.ids["g"], "both", "g", "y"})
			m.await("n", []string{m.ids["n"], "both", "n", "y"})
			must(e.To("y").DisconnectSockets(ctx, true))
			expect("g", "gone()")
			expect("n", "gone()")
			if err := e.Emit(ctx, "connect"); !errors.Is(err, socketio.ErrReservedEvent) {
				t.Errorf("a reserved event: %v", err)
			}
		})
	}
}
