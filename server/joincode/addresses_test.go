package joincode

import (
	"strings"
	"testing"
)

// Whatever way "on all interfaces" is written, phones are told this machine's addresses; a server that only this machine
// reaches names none, and one on a single address that one.
func TestPhonesAreToldTheAddressesThatTheServerListensOn(t *testing.T) {
	here := New(Options{}).ownAddresses("3000")
	for host, want := range map[string][]string{
		"": here, "0.0.0.0": here, "::": here, "[::]": here,
		"127.0.0.1": nil, "localhost": nil, "::1": nil,
		"192.168.1.7": {"http://192.168.1.7:3000/"}, "2001:db8::7": {"http://[2001:db8::7]:3000/"}, "party.example": {"http://party.example:3000/"},
	} {
		got := New(Options{Listen: host}).ownAddresses("3000")
		if strings.Join(got, " ") != strings.Join(want, " ") {
			t.Errorf("--host %q: %v, want %v", host, got, want)
		}
	}
	secure := New(Options{Listen: "192.168.1.7", TLS: true}).ownAddresses("443")
	if len(secure) != 1 || secure[0] != "https://192.168.1.7:443/" {
		t.Errorf("with a certificate: %v", secure)
	}
}
