package limits

import (
	"net/http"
	"net/netip"
	"strings"
	"testing"

	"podium/protocol/internal/cost"
)

// FuzzCost: finding a client's address behind proxies costs no more than the header.
func FuzzCost(f *testing.F) {
	for _, part := range []string{"127.0.0.1,", ",", "[::1]:80,", "fe80::1%eth0,", " ", "10.0.0.1", "unknown,", "[[[[", "::,"} {
		f.Add("", part, "192.0.2.1", uint16(10_000))
	}
	a := &Addresses{Proxies: []netip.Prefix{netip.MustParsePrefix("0.0.0.0/0"), netip.MustParsePrefix("::/0")}, Header: "X-Forwarded-For"}
	f.Fuzz(func(t *testing.T, before, again, after string, times uint16) {
		text := before + strings.Repeat(again, min(int(times), 128<<10/max(1, len(again)))) + after
		r := &http.Request{RemoteAddr: "127.0.0.1:1", Header: http.Header{"X-Forwarded-For": {text}, "X-Forwarded-Proto": {text}}}
		cost.Bound(t, len(text), func() { _, _ = a.Of(r), a.Secure(r) })
	})
}
