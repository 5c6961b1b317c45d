package websocket

import (
	"net/http"
	"strings"
	"testing"

	"podium/protocol/internal/cost"
)

// ignore is a handler that does nothing.
type ignore struct{}

func (ignore) OnMessage(*Conn, Opcode, []byte) {}
func (ignore) OnClose(*Conn, error)            {}

// receivedInPieces has a connection read the input in pieces as a loop reads them.
func receivedInPieces(deflate bool) func(string) {
	return func(input string) {
		c, _ := fakeConn(Options{MaxMessageBytes: 64 << 10, MessageTimeout: -1}, ignore{}, deflate)
		for b := []byte(input); len(b) > 0; {
			n := min(len(b), 4<<10)
			c.receive(b[:n])
			b = b[n:]
		}
	}
}

// parsers are what reads something of a peer's, each with inputs that would be costly
// if it read anything more than once.
var parsers = map[string]struct {
	read  func(input string)
	seeds []string
}{
	"frames": {receivedInPieces(false), []string{
		string(masked(0x81, "")), string(masked(0x89, "")), string(masked(0x01, "")), string(masked(0x80, "a")), string(masked(0x88, "")),
		string(masked(0x01, "")) + strings.Repeat(string(masked(0x00, "a")), 1000), "\x81",
	}},
	"extensions": {func(s string) { _ = deflateAnswer([]string{s}) }, []string{
		"permessage-deflate,", "permessage-deflate;a,", ",", ";", "permessage-deflate;server_max_window_bits=15;", "\"",
	}},
	"upgrade": {func(s string) {
		_ = IsUpgrade(&http.Request{Header: http.Header{"Connection": {s}, "Upgrade": {s}}})
	}, []string{"upgrade,", ",", " "}},
	"key": {func(s string) { _ = limitKey(s) }, []string{"A"}},
}

func TestWhatIsReadCostsNoMoreThanItsSize(t *testing.T) {
	for name, p := range parsers {
		t.Run(name, func(t *testing.T) {
			for _, seed := range p.seeds {
				input := strings.Repeat(seed, max(1, 128<<10/len(seed)))
				cost.Bound(t, len(input), func() { p.read(input) })
			}
		})
	}
}

func FuzzCost(f *testing.F) {
	for _, p := range parsers {
		for _, seed := range p.seeds {
			f.Add(seed, "", "", uint16(1000))
		}
	}
	f.Fuzz(func(t *testing.T, before, again, after string, times uint16) {
		input := before + strings.Repeat(again, min(int(times), 128<<10/max(1, len(again)))) + after
		for name, p := range parsers {
			t.Log(name)
			cost.Bound(t, len(input), func() { p.read(input) })
		}
	})
}
