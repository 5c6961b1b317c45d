package websocket

import (
	"sync"
	"testing"
	"time"
)

func TestADrainIsToldOfWhenAllThatWaitedWasWritten(t *testing.T) {
	run(t, func(t *testing.T, mode string) {
		drained := make(chan Handler, 1000)
		r := newRecorder(nil)
		h := serve(t, mode, Options{MaxQueuedBytes: 64 << 20, Drained: func(of Handler) { drained <- of }},
			func() Handler { return r })
		c := h.dial(t)
		conn := h.conn(t)
		const frames, size = 100, 100_000
		for i := range frames {
			if err := conn.Send(numbered(i, size)); err != nil {
				t.Fatal(err)
			}
		}
		if conn.Buffered() == 0 {
			t.Fatal("nothing waits for a peer that does not read")
		}
		var reader sync.WaitGroup
		defer reader.Wait()
		reader.Go(func() {
			for i := range frames {
				wantNumbered(t, c, i, size)
			}
		})
		for deadline := time.After(wait); ; {
			select {
			case of := <-drained:
				if of != Handler(r) {
					t.Errorf("told of %v", of)
				}
				if conn.Buffered() == 0 { // a writer may be faster than the test, and drain it before
					return
				}
			case <-deadline:
				t.Fatal("nobody was told")
			}
		}
	})
}

func TestAPanicWhileADrainIsToldOfHurtsNobody(t *testing.T) {
	run(t, func(t *testing.T, mode string) {
		told := make(chan struct{}, 100)
		h := serve(t, mode, Options{Drained: func(Handler) {
			told <- struct{}{}
			panic("in the hook")
		}}, nil)
		c := h.dial(t)
		if err := h.conn(t).Post(NewMessage(OpText, []byte("a"))); err != nil {
			t.Fatal(err)
		}
		c.want(bitFin|byte(OpText), "a")
		select {
		case <-told:
		case <-time.After(wait):
			t.Fatal("nobody was told")
		}
		c.write(masked(bitFin|byte(OpText), "still there"))
		c.want(bitFin|byte(OpText), "still there")
	})
}
