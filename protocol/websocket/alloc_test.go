//go:build !race

package websocket

import "testing"

// quiet is a handler that does nothing.
type quiet struct{ quietBench }

func TestDeliveryAndSendingDoNotAllocate(t *testing.T) {
	c, l := fakeConn(Options{}, quiet{}, false)
	l.sent = make([]byte, 0, 1<<20)
	m := NewMessage(OpText, []byte("prepared"))
	frame := masked(bitFin|byte(OpText), "a small message")
	buf := make([]byte, len(frame))
	part := []byte("part")
	for name, f := range map[string]func(){
		"receive":   func() { copy(buf, frame); c.receive(buf) },
		"Send":      func() { _ = c.Send(m) },
		"SendParts": func() { _ = c.SendParts(OpText, part, part) },
	} {
		l.sent = l.sent[:0]
		if n := testing.AllocsPerRun(1000, f); n >= 1 {
			t.Errorf("%s allocates %v times", name, n)
		}
	}
}
