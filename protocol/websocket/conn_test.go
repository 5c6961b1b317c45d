package websocket

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"
	"time"
)

// run runs a behaviour over every link.
func run(t *testing.T, f func(t *testing.T, mode string)) {
	for _, mode := range modes {
		t.Run(mode, func(t *testing.T) { f(t, mode) })
	}
}

func TestMessagesComeBackAtEachLengthBoundary(t *testing.T) {
	run(t, func(t *testing.T, mode string) {
		h := serve(t, mode, Options{}, nil)
		c := h.dial(t)
		for _, n := range []int{0, 1, 2, 124, 125, 126, 127, 128, 65534, 65535, 65536, 65537, 131072, 900000} {
			for _, op := range []Opcode{OpText, OpBinary} {
				payload := strings.Repeat("é", n/2) + strings.Repeat("x", n%2)
				go c.write(masked(bitFin|byte(op), payload))
				c.want(bitFin|byte(op), payload)
			}
		}
	})
}

func TestBytesArriveOneByOne(t *testing.T) {
	run(t, func(t *testing.T, mode string) {
		h := serve(t, mode, Options{}, nil)
		c := h.dial(t)
		var all []byte
		all = append(all, masked(byte(OpText), "κό")...)
		all = append(all, masked(bitFin|byte(opPing), "in between")...)
		all = append(all, masked(0, "")...)
		all = append(all, masked(bitFin, "σμε")...)
		all = append(all, masked(bitFin|byte(OpBinary), strings.Repeat("z", 300))...)
		for i := range all {
			c.write(all[i : i+1])
		}
		c.want(bitFin|byte(opPong), "in between")
		c.want(bitFin|byte(OpText), "κόσμε")
		c.want(bitFin|byte(OpBinary), strings.Repeat("z", 300))
	})
}

func TestWhatCameWithTheHandshakeIsNotLost(t *testing.T) {
	run(t, func(t *testing.T, mode string) {
		h := serve(t, mode, Options{}, nil)
		early := string(masked(bitFin|byte(OpText), "early")) + string(masked(bitFin|byte(OpText), "bird"))
		c := h.dialWith(t, early[:len(early)-2])
		c.want(bitFin|byte(OpText), "early")
		c.write([]byte(early[len(early)-2:]))
		c.want(bitFin|byte(OpText), "bird")
	})
}

func TestPeerClosesFirst(t *testing.T) {
	run(t, func(t *testing.T, mode string) {
		for _, code := range []int{0, 1000, 1001, 1002, 1003, 1007, 1008, 1009, 1010, 1011, 1012, 1013, 1014, 3000, 3999, 4000, 4999} {
			r := newRecorder(nil)
			h := serve(t, mode, Options{}, func() Handler { return r })
			c := h.dial(t)
			payload, want := "", CloseNoStatus
			if code != 0 {
				payload, want = closePayload(code, "bye"), code
			}
			c.write(masked(bitFin|byte(opClose), payload))
			c.wantClose(want)
			c.wantEOF()
			var peer *CloseError
			if err := r.wantClosed(t); !errors.As(err, &peer) || peer.Code != want {
				t.Fatalf("OnClose got %v, want code %d", err, want)
			}
			if err := h.conn(t).Send(NewMessage(OpText)); err != ErrClosed {
				t.Fatalf("Send after the end gives %v", err)
			}
		}
	})
}

func TestServerClosesFirst(t *testing.T) {
	run(t, func(t *testing.T, mode string) {
		r := newRecorder(nil)
		h := serve(t, mode, Options{}, func() Handler { return r })
		c := h.dial(t)
		conn := h.conn(t)
		if err := conn.Send(NewMessage(OpText, []byte("last"))); err != nil {
			t.Fatal(err)
		}
		conn.Close(4001, "enough")
		conn.Close(4002, "again")
		if err := conn.Send(NewMessage(OpText)); err != ErrClosed {
			t.Fatalf("Send after Close gives %v", err)
		}
		c.want(bitFin|byte(OpText), "last")
		c.want(bitFin|byte(opClose), closePayload(4001, "enough"))
		c.write(masked(bitFin|byte(OpText), "too late"))
		c.write(masked(bitFin|byte(opClose), closePayload(4001, "")))
		c.wantEOF()
		var peer *CloseError
		if err := r.wantClosed(t); !errors.As(err, &peer) || peer.Code != 4001 {
			t.Fatalf("OnClose got %v", err)
		}
		if len(r.messages) != 0 {
			t.Error("a message was delivered after Close")
		}
	})
}

func TestCloseHandshakeHasADeadline(t *testing.T) {
	run(t, func(t *testing.T, mode string) {
		r := newRecorder(nil)
		h := serve(t, mode, Options{CloseTimeout: 20 * time.Millisecond}, func() Handler { return r })
		c := h.dial(t)
		h.conn(t).Close(CloseNormal, "")
		c.wantClose(CloseNormal)
		if err := r.wantClosed(t); err != ErrCloseTimeout {
			t.Fatalf("OnClose got %v", err)
		}
		c.wantEOF()
	})
}

func TestPeerVanishes(t *testing.T) {
	run(t, func(t *testing.T, mode string) {
		r := newRecorder(nil)
		h := serve(t, mode, Options{}, func() Handler { return r })
		c := h.dial(t)
		c.write(masked(bitFin|byte(OpText), "partial")[:5])
		_ = c.Close()
		if err := r.wantClosed(t); err == nil {
			t.Fatal("OnClose got no error")
		}
	})
}

func TestAbortReportsItsError(t *testing.T) {
	run(t, func(t *testing.T, mode string) {
		r := newRecorder(nil)
		h := serve(t, mode, Options{}, func() Handler { return r })
		c := h.dial(t)
		h.conn(t).Abort(io.ErrNoProgress)
		if err := r.wantClosed(t); err != io.ErrNoProgress {
			t.Fatalf("OnClose got %v", err)
		}
		c.wantEOF()
	})
}

func TestHandlerPanicEndsOneConnectionOnly(t *testing.T) {
	run(t, func(t *testing.T, mode string) {
		r := newRecorder(func(c *Conn, op Opcode, data []byte) {
			if string(data) == "panic" {
				panic("as asked")
			}
			_ = c.Send(NewMessage(op, data))
		})
		h := serve(t, mode, Options{}, func() Handler { return r })
		bad, good := h.dial(t), h.dial(t)
		bad.write(append(masked(bitFin|byte(OpText), "fine"), masked(bitFin|byte(OpText), "panic")...))
		bad.want(bitFin|byte(OpText), "fine")
		bad.wantClose(CloseInternalError)
		_ = bad.Close()
		if err := r.wantClosed(t); err != ErrHandlerPanic {
			t.Fatalf("OnClose got %v", err)
		}
		good.write(masked(bitFin|byte(OpText), "still here"))
		good.want(bitFin|byte(OpText), "still here")
	})
}

func TestSeveralWaysOfSendingKeepTheirOrder(t *testing.T) {
	run(t, func(t *testing.T, mode string) {
		h := serve(t, mode, Options{}, nil)
		c := h.dial(t)
		conn := h.conn(t)
		text := func(i int) []byte { return fmt.Append(nil, "message ", i) }
		const rounds = 2000
		go func() {
			for i := 0; i < rounds*4; i += 4 {
				_ = conn.Send(NewMessage(OpText, text(i)))
				_ = conn.Post(NewMessage(OpText, text(i+1)))
				_ = conn.SendParts(OpText, text(i + 2)[:3], text(i + 2)[3:])
				_ = conn.Post(NewMessage(OpText, text(i+3)))
			}
		}()
		for i := range rounds * 4 {
			c.want(bitFin|byte(OpText), string(text(i)))
		}
		if s := h.Stats(); s.MessagesOut != rounds*4 || s.Connections != 1 || s.Accepted != 1 {
			t.Errorf("Stats gives %+v", s)
		}
	})
}

func TestRepliesToOneReadKeepTheirOrder(t *testing.T) {
	run(t, func(t *testing.T, mode string) {
		shared := NewMessage(OpBinary, []byte(strings.Repeat("s", 3000)))
		h := serve(t, mode, Options{}, func() Handler {
			return newRecorder(func(c *Conn, op Opcode, data []byte) {
				_ = c.SendParts(op, []byte("ack "), data)
				_ = c.Send(shared)
			})
		})
		c := h.dial(t)
		var all []byte
		for i := range 100 {
			all = append(all, masked(bitFin|byte(OpText), fmt.Sprint(i))...)
			all = append(all, masked(bitFin|byte(opPing), fmt.Sprint(i))...)
		}
		c.write(all)
		for i := range 100 {
			c.want(bitFin|byte(OpText), fmt.Sprint("ack ", i))
			c.want(bitFin|byte(OpBinary), strings.Repeat("s", 3000))
			c.want(bitFin|byte(opPong), fmt.Sprint(i))
		}
	})
}

func TestShutdownSaysGoodbye(t *testing.T) {
	run(t, func(t *testing.T, mode string) {
		r := newRecorder(nil)
		h := serve(t, mode, Options{}, func() Handler { return r })
		c := h.dial(t)
		h.conn(t)
		done := make(chan error, 1)
		go func() { done <- h.Shutdown(context.Background()) }()
		c.wantClose(CloseGoingAway)
		c.write(masked(bitFin|byte(opClose), closePayload(CloseGoingAway, "")))
		if err := <-done; err != nil {
			t.Fatal(err)
		}
		if len(r.closed) != 1 {
			t.Error("Shutdown returned before OnClose")
		}
		if s := h.Stats(); s.Connections != 0 {
			t.Errorf("%d connections are left", s.Connections)
		}
	})
}

func TestShutdownCutsThoseWhoDoNotAnswer(t *testing.T) {
	run(t, func(t *testing.T, mode string) {
		h := serve(t, mode, Options{CloseTimeout: time.Hour}, nil)
		h.dial(t)
		h.conn(t)
		ctx, cancel := context.WithCancel(context.Background())
		cancel()
		if err := h.Shutdown(ctx); err != context.Canceled {
			t.Fatalf("Shutdown gives %v", err)
		}
	})
}

func TestSendingNothingIsNoHarm(t *testing.T) {
	run(t, func(t *testing.T, mode string) {
		h := serve(t, mode, Options{}, nil)
		c := h.dial(t)
		conn := h.conn(t)
		for _, send := range []func(...*Message) error{conn.Send, conn.Post} {
			if err := send(); err != nil {
				t.Error(err)
			}
			c.write(masked(bitFin|byte(OpText), "hello"))
			c.want(bitFin|byte(OpText), "hello")
		}
	})
}
