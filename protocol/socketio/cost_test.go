package socketio

import (
	"strings"
	"testing"

	"podium/protocol/internal/cost"
)

// FuzzCost: what a client offers to recover with costs no more than its bytes.
func FuzzCost(f *testing.F) {
	key, tag := []byte("key"), tagOf("e")
	sealed := ticket{id: "abc"}.seal(key, "/", tag)
	for _, part := range []string{"A", "=", "-", "~", ".", "z", "\x00", "é", sealed} {
		f.Add(sealed[:4], part, "~00000000.zz", uint16(10_000))
	}
	f.Fuzz(func(t *testing.T, before, again, after string, times uint16) {
		text := before + strings.Repeat(again, min(int(times), 128<<10/max(1, len(again)))) + after
		cost.Bound(t, len(text), func() {
			_, _ = openTicket(text, key, "/", tag)
			_, _ = parseOffset(text, tag)
			_, _ = parseOffset("~"+text, tag)
		})
	})
}
