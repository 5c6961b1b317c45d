package limits_test

import (
	"net/http/httptest"
	"net/netip"
	"testing"

	"podium/protocol/limits"
)

// Only a trusted proxy is believed about the host and the protocol of a request.
func TestATrustedProxySaysHowAPageWasAskedFor(t *testing.T) {
	addresses := &limits.Addresses{Proxies: []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8")}}
	for _, row := range []struct {
		addresses            *limits.Addresses
		peer, host, protocol string
		want                 string
		secure               bool
	}{
		{addresses, "10.1.2.3:4", "contest.example", "https", "contest.example", true},
		{addresses, "10.1.2.3:4", " contest.example:8443 , inner.example", "http", "contest.example:8443", false},
		{addresses, "10.1.2.3:4", "", "", "asked.example", false},
		{addresses, "192.0.2.1:4", "contest.example", "https", "asked.example", false},
		{nil, "10.1.2.3:4", "contest.example", "http", "asked.example", false},
	} {
		r := httptest.NewRequest("GET", "http://asked.example/", nil)
		r.RemoteAddr = row.peer
		r.Header.Set("X-Forwarded-Host", row.host)
		r.Header.Set("X-Forwarded-Proto", row.protocol)
		if got := row.addresses.Host(r); got != row.want {
			t.Errorf("%+v: host %q", row, got)
		}
		if row.addresses != nil && row.addresses.Secure(r) != row.secure {
			t.Errorf("%+v: secure %v", row, !row.secure)
		}
	}
}
