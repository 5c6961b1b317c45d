package websocket

import (
	"errors"
	"os"
	"strings"
	"testing"
	"time"
)

func TestAPausedConnectionIsNotReadButWrittenTo(t *testing.T) {
	for _, mode := range []string{"loop", "stream"} { // a TLS connection does not survive a write that timed out
		t.Run(mode, func(t *testing.T) {
			rec := newRecorder(func(c *Conn, _ Opcode, data []byte) {
				if string(data) == "pause" {
					c.Pause()
				}
			})
			h := serve(t, mode, Options{}, func() Handler { return rec })
			peer := h.dial(t)
			conn := h.conn(t)
			peer.write(masked(0x81, "pause"))
			<-rec.messages
			frame := masked(0x82, strings.Repeat("x", 60_000))
			sent, rest := 1, frame
			for { // until there is no room: nobody reads
				_ = peer.SetWriteDeadline(time.Now().Add(200 * time.Millisecond))
				n, err := peer.Write(rest)
				if rest = rest[n:]; len(rest) == 0 {
					sent, rest = sent+1, frame
				}
				if errors.Is(err, os.ErrDeadlineExceeded) {
					break
				}
				if err != nil || sent > 4096 {
					t.Fatal(sent, err)
				}
			}
			if n := len(rec.messages); n > 2 { // what was read with the first message
				t.Errorf("%d messages were delivered", n)
			}
			if err := conn.Send(NewMessage(OpText, []byte("still here"))); err != nil {
				t.Error(err)
			}
			peer.want(0x81, "still here")
			conn.Resume()
			_ = peer.SetWriteDeadline(time.Now().Add(wait))
			peer.write(rest)
			for range sent {
				if m := <-rec.messages; len(m.data) != 60_000 {
					t.Fatalf("a message of %d bytes", len(m.data))
				}
			}
		})
	}
}

func TestThePeerOfAPausedConnectionMayGo(t *testing.T) {
	for _, mode := range modes {
		t.Run(mode, func(t *testing.T) {
			rec := newRecorder(func(c *Conn, _ Opcode, _ []byte) { c.Pause() })
			h := serve(t, mode, Options{}, func() Handler { return rec })
			peer := h.dial(t)
			conn := h.conn(t)
			peer.write(masked(0x81, "1"))
			<-rec.messages
			_ = peer.Close()
			conn.Resume()
			rec.wantClosed(t)
		})
	}
}

func TestAPausedConnectionCanBeClosed(t *testing.T) {
	for _, mode := range modes {
		t.Run(mode, func(t *testing.T) {
			rec := newRecorder(func(c *Conn, _ Opcode, _ []byte) { c.Pause() })
			h := serve(t, mode, Options{}, func() Handler { return rec })
			peer := h.dial(t)
			conn := h.conn(t)
			peer.write(masked(0x81, "1"))
			<-rec.messages
			conn.Close(CloseNormal, "")
			peer.write(masked(0x88, closePayload(CloseNormal, "")))
			if closed := (*CloseError)(nil); !errors.As(rec.wantClosed(t), &closed) || closed.Code != CloseNormal {
				t.Error("the peer's answer was not read")
			}
			conn.Resume()
		})
	}
}
