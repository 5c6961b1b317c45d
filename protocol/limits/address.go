package limits

import (
	"net"
	"net/http"
	"net/netip"
	"strings"
)

// Addresses finds the address of the client behind a request. The zero value
// trusts no proxy and takes the peer of the connection.
type Addresses struct {
	// Proxies are the networks whose requests may name the client's address
	// in Header. Nobody else's header is looked at.
	Proxies []netip.Prefix
	// Header is where the proxies put it: X-Forwarded-For (a list that each
	// proxy appends to) or a header with a single address, such as
	// Fly-Client-IP.
	Header string
}

// Of returns the address of the client behind r. It is the zero Addr when the
// connection has none, as with a local socket. A nil Addresses trusts no proxy.
func (a *Addresses) Of(r *http.Request) netip.Addr {
	peer := parseHostPort(r.RemoteAddr)
	if a == nil || a.Header == "" || !a.trusts(peer) {
		return peer
	}
	values := r.Header.Values(a.Header)
	if len(values) == 0 {
		return peer
	}
	// The nearest proxy appended last. Going from the right, the first address
	// that is not one of our proxies is the client; what stands left of it
	// came from the client itself and may be made up.
	list := strings.Split(strings.Join(values, ","), ",")
	client := peer
	for i := len(list) - 1; i >= 0; i-- {
		next := parseAddress(strings.TrimSpace(list[i]))
		if !next.IsValid() {
			break
		}
		client = next
		if !a.trusts(next) {
			break
		}
	}
	return client
}

// Peer is the address at the other end of a connection, or the zero Addr where
// that is one of the proxies, which speak for many, or there is none.
func (a *Addresses) Peer(remote net.Addr) netip.Addr {
	peer := parseHostPort(remote.String())
	if a.trusts(peer) {
		return netip.Addr{}
	}
	return peer
}

// Secure reports whether r came over TLS: to this server, or to a trusted
// proxy that says so in X-Forwarded-Proto.
func (a *Addresses) Secure(r *http.Request) bool {
	if r.TLS != nil {
		return true
	}
	return a.trusts(parseHostPort(r.RemoteAddr)) && strings.EqualFold(r.Header.Get("X-Forwarded-Proto"), "https")
}

// Host returns the host, with a port where it has one, by which the client asked: that
// of the request, or the first that a trusted proxy names in X-Forwarded-Host.
func (a *Addresses) Host(r *http.Request) string {
	if a == nil || !a.trusts(parseHostPort(r.RemoteAddr)) {
		return r.Host
	}
	host, _, _ := strings.Cut(r.Header.Get("X-Forwarded-Host"), ",")
	if host = strings.TrimSpace(host); host == "" {
		return r.Host
	}
	return host
}

// trusts reports whether addr is one of our proxies.
func (a *Addresses) trusts(addr netip.Addr) bool {
	if !addr.IsValid() {
		return false
	}
	for _, p := range a.Proxies {
		if p.Contains(addr) {
			return true
		}
	}
	return false
}

// Key is what limits count by: an IPv4 address, or the /64 network of an IPv6
// address, because a single household or phone has all of one.
func Key(addr netip.Addr) netip.Prefix {
	addr = addr.Unmap().WithZone("")
	bits := addr.BitLen()
	if addr.Is6() {
		bits = 64
	}
	p, err := addr.Prefix(bits)
	if err != nil {
		return netip.Prefix{}
	}
	return p
}

// wideTimes is how many times what a limit gives to an address it gives to all
// addresses of an IPv6 /48 together: who owns one has 65,536 addresses by Key, and would
// be met by the limit in total only, together with everybody else.
const wideTimes = 2

// Wide is the /48 network of an IPv6 address, and no prefix for others.
func Wide(addr netip.Addr) netip.Prefix {
	if addr = addr.Unmap().WithZone(""); !addr.Is6() {
		return netip.Prefix{}
	}
	p, _ := addr.Prefix(48) // every IPv6 address has one
	return p
}

// parseHostPort reads an address from net/http's RemoteAddr.
func parseHostPort(text string) netip.Addr {
	host, _, err := net.SplitHostPort(text)
	if err != nil {
		host = text
	}
	return parseAddress(host)
}

// parseAddress reads an address, with or without port or brackets, and returns
// the zero Addr for anything else.
func parseAddress(text string) netip.Addr {
	if ap, err := netip.ParseAddrPort(text); err == nil {
		return ap.Addr().Unmap()
	}
	addr, err := netip.ParseAddr(strings.Trim(text, "[]"))
	if err != nil {
		return netip.Addr{}
	}
	return addr.Unmap()
}
