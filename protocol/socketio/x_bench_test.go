package socketio

import (
	"context"
	"fmt"
	"runtime"
	"testing"
	"time"

	"podium/protocol/budget"
	"podium/protocol/engineio"
)

// sink is a connection that takes everything and keeps nothing.
type sink struct {
	client *client
	n      int
}

func (k *sink) ID() string                      { return "sink" }
func (k *sink) Protocol() int                   { return 4 }
func (k *sink) Writable() bool                  { return true }
func (k *sink) Context() context.Context        { return context.Background() }
func (k *sink) Pause()                          {}
func (k *sink) Resume()                         {}
func (k *sink) Charge(func()) *budget.Charge    { return nil }
func (k *sink) Buffered() int                   { return 0 }
func (k *sink) Close()                          {}
func (k *sink) Request() requestInfo            { return requestInfo{} }
func (k *sink) Send(...*engineio.Message) error { k.n++; return nil }
func (k *sink) Post(...*engineio.Message) error { k.n++; return nil }
func (k *sink) SendText(parts ...[]byte) error  { k.n++; return nil }
func (k *sink) say(text []byte)                 { k.client.OnMessage(text, false) }

func newSink(srv *Server) *sink {
	k := new(sink)
	k.client = srv.attach(k)
	k.say([]byte("0"))
	return k
}

func sinks(t testing.TB, n int, o Options) (*Server, []*sink) {
	srv := newTestServer(t, o)
	OnAck(srv, "echo", func(_ *Socket, a Args) (Args, error) { return a, nil }, Inline)
	OnAck(srv, "typed", func(_ *Socket, n int) (int, error) { return n, nil }, Inline)
	var out []*sink
	for range n {
		out = append(out, newSink(srv))
	}
	return srv, out
}

func TestDeliveryAllocatesNothing(t *testing.T) {
	if raceEnabled {
		t.Skip("the race detector empties pools")
	}
	allocs := func(sockets int) float64 {
		srv, _ := sinks(t, sockets, Options{})
		return testing.AllocsPerRun(100, func() { mustBeNil(t, srv.Emit("m", "text")) })
	}
	if few, many := allocs(1), allocs(1000); many > few || few > 12 {
		t.Errorf("%v allocations for one socket, %v for a thousand", few, many)
	}
}

func TestARoundTripAllocatesNothing(t *testing.T) {
	if raceEnabled {
		t.Skip("the race detector empties pools")
	}
	_, ks := sinks(t, 1, Options{})
	echo, typed := []byte(`21["echo",{"a":1}]`), []byte(`21["typed",5]`)
	if n := testing.AllocsPerRun(1000, func() { ks[0].say(echo) }); n > 0 {
		t.Errorf("echo: %v allocations", n)
	}
	if n := testing.AllocsPerRun(1000, func() { ks[0].say(typed) }); n > 6 {
		t.Errorf("typed: %v allocations", n)
	}
	if ks[0].n < 2000 {
		t.Errorf("%d answers", ks[0].n)
	}
}

func TestAnIdleSocketIsSmall(t *testing.T) {
	const n = 10_000
	for name, o := range map[string]Options{"plain": {}, "recovery": {Recovery: &Recovery{Log: new(MemoryLog)}}} {
		o.ConnectTimeout = time.Hour
		before := heap()
		srv, ks := sinks(t, n, o)
		perSocket := float64(heap()-before)/n - 24 // the sink itself
		t.Logf("%s: %.0f bytes a socket", name, perSocket)
		if perSocket > 500 {
			t.Errorf("%s: %.0f bytes a socket", name, perSocket)
		}
		runtime.KeepAlive(srv)
		runtime.KeepAlive(ks)
	}
}

func heap() uint64 {
	var m runtime.MemStats
	runtime.GC()
	runtime.GC()
	runtime.ReadMemStats(&m)
	return m.HeapAlloc
}

func BenchmarkBroadcast(b *testing.B) {
	for _, n := range []int{1, 2000} {
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			srv, _ := sinks(b, n, Options{})
			b.ReportAllocs()
			for b.Loop() {
				_ = srv.Emit("m", "some text")
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/float64(n), "ns/delivery")
		})
	}
}

func BenchmarkRoomEmit(b *testing.B) {
	srv, ks := sinks(b, 10_000, Options{})
	for i, k := range ks {
		k.client.first.Join(fmt.Sprint("room", i%1000))
	}
	b.ReportAllocs()
	for b.Loop() {
		_ = srv.To("room7").Emit("m", 1)
	}
}

func BenchmarkJoinLeave(b *testing.B) {
	_, ks := sinks(b, 1000, Options{})
	b.ReportAllocs()
	i := 0
	for b.Loop() {
		s := ks[i%1000].client.first
		s.Join("a")
		s.Leave("a")
		i++
	}
}

func BenchmarkRoundTrip(b *testing.B) {
	for name, text := range map[string]string{"echo": `21["echo",{"caption":"text","n":5}]`, "typed": `21["typed",5]`} {
		b.Run(name, func(b *testing.B) {
			_, ks := sinks(b, 1, Options{})
			msg := []byte(text)
			b.ReportAllocs()
			for b.Loop() {
				ks[0].say(msg)
			}
		})
	}
}

func BenchmarkConnect(b *testing.B) {
	for name, o := range map[string]Options{"plain": {}, "recovery": {Recovery: &Recovery{Log: new(MemoryLog)}}} {
		b.Run(name, func(b *testing.B) {
			srv := newTestServer(b, o)
			b.ReportAllocs()
			for b.Loop() {
				k := newSink(srv)
				k.client.end(ReasonTransportClose)
			}
		})
	}
}

// BenchmarkRecoverHundred is one client that recovers a hundred events.
func BenchmarkRecoverHundred(b *testing.B) {
	log := &diskLog{epoch: "e"}
	srv := newTestServer(b, Options{Recovery: &Recovery{Log: log, Key: testKey}})
	for n := range 100 {
		log.commit(numbered(n))
	}
	mustBeNil(b, srv.Publish())
	b.ReportAllocs()
	for b.Loop() {
		t := ticket{id: newID(), issued: time.Now()}
		connect := fmt.Appendf(nil, `0{"pid":%q}`, t.seal(testKey, "/", tagIn(srv)))
		k := new(sink)
		k.client = srv.attach(k)
		k.say(connect)
		for k.client.first == nil || k.client.first.life() != stateConnected {
			runtime.Gosched()
		}
		k.client.end(ReasonTransportClose)
	}
}
