package parser

import (
	"fmt"
	"testing"
)

// wireMessage is a message as a decoder gets it.
type wireMessage struct {
	data   []byte
	binary bool
}

func (m wireMessage) String() string {
	if m.binary {
		return fmt.Sprintf("binary %x", m.data)
	}
	return string(m.data)
}

// decodeAll gives messages to a decoder and returns the packet they make.
func decodeAll(t testing.TB, d Decoder, ms []wireMessage) (Packet, error) {
	t.Helper()
	var p Packet
	for i, m := range ms {
		done, err := d.Decode(m.data, m.binary, &p)
		if err != nil {
			return p, err
		}
		if done != (i == len(ms)-1) {
			t.Fatalf("message %d of %d: done %v", i+1, len(ms), done)
		}
	}
	return p, nil
}

// encodeAll encodes a packet: a text, and its attachments.
func encodeAll(t testing.TB, by Parser, p *Packet) []wireMessage {
	t.Helper()
	ms, err := by.Encode(p)
	mustBeNil(t, err)
	out := []wireMessage{{ms[0].Payload()[1:], false}} // behind the Engine.IO packet type
	for _, m := range ms[1:] {
		out = append(out, wireMessage{m.Payload(), true})
	}
	return out
}

func mustBeNil(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
