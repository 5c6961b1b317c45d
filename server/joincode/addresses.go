package joincode

import (
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"strings"
)

// reachable lists addresses under which phones may find this server, the best
// first: the settings' own, the one that the request came by, and those of
// this machine's interfaces.
func (c *Codes) reachable(r *http.Request) []string {
	var list []string
	if c.options.PublicURL != "" {
		list = append(list, strings.TrimSuffix(c.options.PublicURL, "/")+"/")
	}
	if asked := c.asked(r); asked != "" {
		list = append(list, asked+"/")
	}
	list = append(list, c.ownAddresses(portOf(r))...)
	if len(list) == 0 {
		list = append(list, "http://localhost:"+portOf(r)+"/")
	}
	return list
}

// asked is the origin by which a request came, "" where it is none that other machines
// can reach.
func (c *Codes) asked(r *http.Request) string {
	whole := c.options.Host(r)
	host, _, err := net.SplitHostPort(whole)
	if err != nil {
		host = whole
	}
	if host == "" || host == "localhost" || loopback(host) || strings.ContainsAny(whole, "/\"'<>\\ ") {
		return ""
	}
	if c.options.Secure(r) {
		return "https://" + whole
	}
	return "http://" + whole
}

// Origin is the origin of the addresses that others should open: the settings' own, or
// the one that the request came by. It is "" where neither is known.
func (c *Codes) Origin(r *http.Request) string {
	if c.options.PublicURL != "" {
		return strings.TrimSuffix(c.options.PublicURL, "/")
	}
	return c.asked(r)
}

func loopback(host string) bool {
	addr, err := netip.ParseAddr(strings.Trim(host, "[]"))
	return err == nil && addr.IsLoopback()
}

// portOf is the port that a request arrived at.
func portOf(r *http.Request) string {
	if addr, ok := r.Context().Value(http.LocalAddrContextKey).(net.Addr); ok {
		if _, port, err := net.SplitHostPort(addr.String()); err == nil {
			return port
		}
	}
	return "80"
}

// scheme is what the server speaks by itself.
func (c *Codes) scheme() string {
	if c.options.TLS {
		return "https"
	}
	return "http"
}

// everywhere reports whether the server listens on all interfaces.
func (c *Codes) everywhere() bool {
	addr, err := netip.ParseAddr(strings.Trim(c.options.Listen, "[]"))
	return c.options.Listen == "" || err == nil && addr.IsUnspecified()
}

// ownAddresses are the addresses of this machine that other machines can
// reach and the server listens on, as URLs with a port.
func (c *Codes) ownAddresses(port string) []string {
	if !c.everywhere() {
		if host := strings.Trim(c.options.Listen, "[]"); host != "localhost" && !loopback(host) {
			return []string{c.scheme() + "://" + net.JoinHostPort(host, port) + "/"}
		}
		return nil
	}
	addrs, err := net.InterfaceAddrs()
	if err != nil {
		return nil
	}
	var list []string
	for _, a := range addrs {
		prefix, err := netip.ParsePrefix(a.String())
		if err != nil || !prefix.Addr().Is4() || prefix.Addr().IsLoopback() || prefix.Addr().IsLinkLocalUnicast() {
			continue
		}
		list = append(list, fmt.Sprintf("%s://%s/", c.scheme(), net.JoinHostPort(prefix.Addr().String(), port)))
	}
	return list
}

// Addresses lists the URLs under which a server that listens at an address is found:
// from other machines first, and from this one last.
func (c *Codes) Addresses(at net.Addr) []string {
	_, port, err := net.SplitHostPort(at.String())
	if err != nil {
		return nil
	}
	var list []string
	if c.options.PublicURL != "" {
		list = append(list, c.options.PublicURL)
	}
	list = append(list, c.ownAddresses(port)...)
	host := "localhost"
	if !c.everywhere() {
		host = strings.Trim(c.options.Listen, "[]")
	}
	return append(list, c.scheme()+"://"+net.JoinHostPort(host, port)+"/")
}
