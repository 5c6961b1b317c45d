package socketio

import (
	"iter"
	"podium/protocol/socketio/parser"
	"runtime"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// waitsForLock reports whether a goroutine in the function waits for a mutex.
func waitsForLock(function string) bool {
	buf := make([]byte, 1<<20)
	for _, g := range strings.Split(string(buf[:runtime.Stack(buf, true)]), "\n\n") {
		head, calls, _ := strings.Cut(g, "\n")
		if strings.Contains(head, "Mutex.") && strings.Contains(calls, function+"(") {
			return true
		}
	}
	return false
}

// eventually returns when f is true.
func eventually(t testing.TB, what string, f func() bool) {
	t.Helper()
	for deadline := time.Now().Add(10 * time.Second); !f(); runtime.Gosched() {
		if time.Now().After(deadline) {
			t.Fatalf("%s: never", what)
		}
	}
}

// An event that is handled in place is used again afterwards: a handler that may
// keep it and is registered meanwhile must not get it.
func TestAHandlerRegisteredMeanwhileKeepsNoEventThatIsUsedAgain(t *testing.T) {
	srv := newTestServer(t, Options{})
	On(srv, "e", func(*Socket, struct{}) {}, Inline)
	w := newWire(srv)
	s := w.join(t, "/")
	kept := make(chan *Event, 1)
	said := make(chan struct{})
	s.mu.Lock()
	go func() {
		defer close(said)
		w.say(`21["e"]`)
	}()
	eventually(t, "the lock", func() bool { return waitsForLock("(*Socket).onEvent") })
	OnEvent(srv, "e", func(e *Event) { kept <- e }, Inline)
	s.mu.Unlock()
	wait(t, said)
	select {
	case e := <-kept:
		if e.Socket != s {
			t.Errorf("the event that was kept is of socket %v", e.Socket)
		}
	default:
	}
	w.say(`22["e"]`)
	mustBeNil(t, wait(t, kept).Ack())
	w.expect(t, `32[]`)
}

// Whatever runs in place, hooks come behind it.
func TestDisconnectHooksWaitForWhatRunsInPlace(t *testing.T) {
	for _, disconnecting := range []bool{false, true} {
		for _, what := range []string{"connection", "event"} {
			synctest.Test(t, func(t *testing.T) {
				srv := newTestServer(t, Options{})
				n := srv.Of("/")
				goOn := make(chan struct{})
				got := make(chan string, 8)
				block := func(name string) {
					if name == what {
						<-goOn
					}
					got <- name
				}
				n.OnConnection(func(*Socket) { block("connection") }, Inline)
				On(n, "e", func(*Socket, struct{}) { block("event") }, Inline)
				n.OnDisconnect(func(*Socket, Reason) { got <- "disconnect" })
				want := []string{"connection", "event", "disconnect"}
				if disconnecting {
					n.OnDisconnecting(func(*Socket, Reason) { got <- "disconnecting" })
					want = slices.Insert(want, 2, "disconnecting")
				}
				w := newWire(srv)
				go w.say(`0`, `2["e"]`)
				synctest.Wait()
				s := w.client.socket("/")
				s.close(ReasonTransportClose)
				if s.Connected() || w.client.socket("/") != nil {
					t.Error("still connected")
				}
				synctest.Wait()
				close(goOn)
				synctest.Wait()
				if what == "connection" { // the event came too late
					want = slices.Delete(want, 1, 2)
				}
				close(got)
				if order := slices.Collect(each(got)); !slices.Equal(order, want) {
					t.Errorf("while %s ran: %v, want %v", what, order, want)
				}
				if n.Count() != 0 {
					t.Errorf("%d sockets are left", n.Count())
				}
			})
		}
	}
}

func each[T any](c <-chan T) iter.Seq[T] {
	return func(yield func(T) bool) {
		for v := range c {
			if !yield(v) {
				return
			}
		}
	}
}

// What was read while the socket was closed is not handled behind its hooks.
func TestNoEventIsHandledAfterTheDisconnectHooks(t *testing.T) {
	for _, opts := range [][]HandlerOption{nil, {Inline}} {
		srv := newTestServer(t, Options{})
		n := srv.Of("/")
		gone := make(chan Reason, 1)
		n.OnDisconnect(func(_ *Socket, r Reason) { gone <- r })
		late := make(chan struct{}, 1)
		OnEvent(n, "e", func(*Event) { late <- struct{}{} }, opts...)
		s := newWire(srv).join(t, "/")
		// The reading goroutine has found the socket; another one closes it.
		s.close(ReasonServerShutdown)
		wait(t, gone)
		s.onEvent(&incomingEvent{packet: parser.Packet{Type: parser.Event, ID: parser.NoID, Event: "e"}}, 1)
		mustBeNil(t, srv.Shutdown(t.Context()))
		if len(late) > 0 {
			t.Errorf("options %v: an event came after the disconnect hooks", opts)
		}
	}
}
