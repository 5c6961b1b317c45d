package websocket

import (
	"net/netip"
	"strings"
	"testing"
	"time"

	"podium/protocol/budget"
)

func TestAMessageThatIsNotFinishedInTimeEndsItsConnection(t *testing.T) {
	for name, beginning := range map[string][]byte{
		"half a header":   {0x81},
		"half a frame":    masked(0x81, "half a frame")[:10],
		"a fragment":      masked(0x01, "fragment"),
		"half a ping":     masked(0x89, "ping")[:7],
		"behind another":  append(masked(0x81, "whole"), masked(0x81, "half a frame")[:10]...),
		"pings in a part": append(masked(0x01, "fragment"), masked(0x89, "ping")...),
	} {
		for _, mode := range modes {
			t.Run(name+" "+mode, func(t *testing.T) {
				t.Parallel()
				rec := newRecorder(nil)
				h := serve(t, mode, Options{MessageTimeout: 50 * time.Millisecond}, func() Handler { return rec })
				peer := h.dial(t)
				h.conn(t)
				peer.write(beginning)
				if err := rec.wantClosed(t); err != ErrMessageTimeout {
					t.Errorf("closed with %v", err)
				}
			})
		}
	}
}

func TestMessagesThatComeInPiecesAllTheTimeHaveTimeEach(t *testing.T) {
	rec := newRecorder(nil)
	h := serve(t, "loop", Options{MessageTimeout: time.Second}, func() Handler { return rec })
	peer := h.dial(t)
	h.conn(t)
	frame := masked(0x81, strings.Repeat("x", 100))
	peer.write(frame[:50])
	for began := time.Now(); time.Since(began) < 1500*time.Millisecond; {
		peer.write(append(append([]byte{}, frame[50:]...), frame[:50]...)) // one ends, the next begins
		peer.want(0x81, strings.Repeat("x", 100))
	}
	peer.write(frame[50:])
	peer.want(0x81, strings.Repeat("x", 100))
	select {
	case err := <-rec.closed:
		t.Error("closed with", err)
	default:
	}
}

func TestUnfinishedMessagesOfAllConnectionsHaveABound(t *testing.T) {
	for _, mode := range []string{"loop", "stream", "loop-tls"} {
		t.Run(mode, func(t *testing.T) {
			machine := budget.New(4 << 20)
			share := machine.Share("messages", 0)
			h := serve(t, mode, Options{Charge: func(_ Handler, evict func()) *budget.Charge {
				return share.Open(netip.MustParseAddr("192.0.2.1"), evict)
			}}, nil)
			frame := masked(0x82, strings.Repeat("x", 900_000))
			for range 20 {
				peer := h.dial(t)
				_, _ = peer.Write(frame[:800_000]) // it may be cut meanwhile
			}
			for deadline := time.Now().Add(wait); h.Stats().Connections > 4; {
				if held := machine.Held(); held > 5<<20 || // what is asked for counts until it is refused
					time.Now().After(deadline) {
					t.Fatalf("%d bytes are held for %d connections", held, h.Stats().Connections)
				}
				time.Sleep(time.Millisecond)
			}
		})
	}
}
