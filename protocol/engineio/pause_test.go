package engineio_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"podium/protocol/engineio"
)

// busy pauses its session at the message "pause".
type busy struct{ b *bubble }

func (r busy) OnMessage(data []byte, binary bool) {
	if string(data) == "pause" {
		r.b.session.Pause()
	}
	r.b.serverSide.OnMessage(data, binary)
}

func (r busy) OnClose(reason engineio.Reason, err error) { r.b.serverSide.OnClose(reason, err) }

func (s *serverSide) delivered() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.got)
}

func TestAPOSTWaitsWhileItsSessionIsPaused(t *testing.T) {
	for _, version := range []int{4, 3} {
		t.Run(fmt.Sprint("protocol ", version), func(t *testing.T) {
			inBubble(t, short, func(b *bubble) {
				b.receiver = busy{b}
				b.open(version)
				body := "4pause\x1e4a\x1e4b"
				if version == 3 {
					body = "6:4pause2:4a2:4b"
				}
				a := b.post(body)
				sleep(3 * time.Second) // many heartbeats; what the client says to them is behind the POST
				if a.done() || b.ended() || len(b.messages()) != 0 {
					t.Fatalf("answered %v, ended %v", a.done(), b.ended())
				}
				if got := b.serverSide.delivered(); !slices.Equal(got, []string{"pause"}) {
					t.Fatalf("delivered %q", got)
				}
				b.session.Resume()
				synctest.Wait()
				if got := b.serverSide.delivered(); !slices.Equal(got, []string{"pause", "a", "b"}) || a.body != "ok" {
					t.Errorf("delivered %q, answered %q", got, a.body)
				}
				if sleep(short.PingTimeout - 10*time.Millisecond); b.ended() {
					t.Error("the client had no time to answer")
				}
				if sleep(short.PingInterval + 20*time.Millisecond); !b.ended() {
					t.Error("a client that says nothing stays")
				}
			})
		})
	}
}

func TestAPausedSessionCanEnd(t *testing.T) {
	inBubble(t, short, func(b *bubble) {
		b.receiver = busy{b}
		b.open(4)
		a := b.post("4pause\x1e4a")
		b.session.Close()
		b.get()
		sleep(time.Millisecond)
		if !a.done() || !b.ended() || len(b.serverSide.delivered()) != 1 {
			t.Errorf("answered %v, ended %v, delivered %q", a.done(), b.ended(), b.serverSide.delivered())
		}
	})
}

func TestAWebSocketIsNotReadWhileItsSessionIsPaused(t *testing.T) {
	inBubble(t, short, func(b *bubble) {
		b.receiver = busy{b}
		b.open(4)
		b.post("4pause")
		w := b.dialWebSocket(websocketQuery(b)) // the session upgrades, and stays paused
		w.send("2probe")
		b.get()
		w.send("5")
		go func() { _, _ = w.conn.Write([]byte("\x81\x82\x00\x00\x00\x004a\x81\x81\x00\x00\x00\x003")) }() // a pipe has no buffer
		sleep(3 * time.Second)
		if got := b.serverSide.delivered(); len(got) != 1 || b.ended() {
			t.Fatalf("delivered %q, ended %v", got, b.ended())
		}
		pings := strings.Count(strings.Join(b.clientSide.packets, ""), "2")
		if pings < 3 {
			t.Errorf("%d pings: the client takes the server for dead", pings)
		}
		b.session.Resume()
		sleep(short.PingInterval)
		if got := b.serverSide.delivered(); !slices.Equal(got, []string{"pause", "a"}) || b.ended() {
			t.Errorf("delivered %q, ended %v", got, b.ended())
		}
	})
}
