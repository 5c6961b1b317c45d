package socketio

import (
	"errors"
	"fmt"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

func TestAConnectionThatSendsTooManyPacketsIsClosed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var seen, reports atomic.Int64
		srv := newTestServer(t, Options{MaxPacketsPerSecond: 5, OnError: func(_ *Socket, err error) {
			if errors.Is(err, ErrTooFast) {
				reports.Add(1)
			}
		}})
		On(srv, "n", func(*Socket, int) { seen.Add(1) }, Inline)
		calm, hasty := newWire(srv), newWire(srv)
		calm.join(t, "/")
		hasty.join(t, "/")
		for i := range 200 { // four a second
			calm.say(fmt.Sprintf(`2["n",%d]`, i))
			time.Sleep(250 * time.Millisecond)
		}
		if got := seen.Load(); got != 200 {
			t.Fatalf("%d events of a connection within the bound were handled, of 200", got)
		}
		for range 80 {
			hasty.say(`2["n",1]`)
		}
		hasty.expectClosed(t)
		if got := seen.Load() - 200; got > 50 || got < 48 {
			t.Errorf("%d events were handled before the connection was closed; ten seconds' worth are 50", got)
		}
		if got := srv.Stats().TooFast; got != 1 || reports.Load() != 1 {
			t.Errorf("%d counted and %d reported, want one of each", got, reports.Load())
		}
		calm.say(`2["n",1]`)
		calm.expectNothing(t)
	})
}

func TestLeavingANamespaceCountsForMore(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for perSecond, want := range map[float64]int{10: 10, 0.2: 1} { // times that one can leave at once, and come back
			srv := newTestServer(t, Options{MaxPacketsPerSecond: perSecond})
			w := newWire(srv)
			times := 0
			w.join(t, "/")
			for range 50 {
				w.say("1")
				w.say("0")
				synctest.Wait()
				if srv.Stats().TooFast > 0 {
					break
				}
				times++
			}
			if times > want || times < want-1 {
				t.Errorf("at %v a second it was %d times, want %d", perSecond, times, want)
			}
		}
	})
}

func TestRoomsBeyondTheBoundAreNotJoined(t *testing.T) {
	var reports atomic.Int64
	srv := newTestServer(t, Options{MaxRooms: 3, OnError: func(_ *Socket, err error) {
		if errors.Is(err, ErrTooManyRooms) {
			reports.Add(1)
		}
	}})
	s := newWire(srv).join(t, "/")
	s.Join("a", "b", "a", s.ID())
	s.Join("c", "d", "e", "a")
	if got := strings.Join(s.Rooms()[1:], ""); got != "abc" {
		t.Errorf("rooms %q, want abc", got)
	}
	s.Leave("b")
	s.Join("d")
	if got := strings.Join(s.Rooms()[1:], ""); got != "acd" {
		t.Errorf("rooms %q after one was left, want acd", got)
	}
	if got := srv.Stats().TooManyRooms; got != 2 || reports.Load() != 1 {
		t.Errorf("%d counted in %d reports, want 2 in 1", got, reports.Load())
	}
}

func TestALargeAuthPayloadIsRefused(t *testing.T) {
	srv := newTestServer(t, Options{MaxAuthBytes: 100})
	w := newWire(srv)
	w.say(`0{"token":"` + strings.Repeat("x", 200) + `"}`)
	w.expect(t, `4{"message":"Payload too large"}`)
	w.say(`0{"token":"x"}`)
	if got := w.next(t); !strings.HasPrefix(got, `0{"sid":`) {
		t.Errorf("a small payload is answered with %s", got)
	}
	if got := srv.Stats().TooLargeAuth; got != 1 {
		t.Errorf("%d counted", got)
	}
}
