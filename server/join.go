package server

import (
	"bytes"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"strings"

	"rsc.io/qr"
)

// reachable lists addresses under which phones may find this server, the best
// first: the settings' own, the one that the request came by, and those of
// this machine's interfaces.
func (s *Server) reachable(r *http.Request) []string {
	var list []string
	if s.settings.PublicURL != "" {
		list = append(list, strings.TrimSuffix(s.settings.PublicURL, "/")+"/")
	}
	host, _, err := net.SplitHostPort(r.Host)
	if err != nil {
		host = r.Host
	}
	if host != "" && host != "localhost" && !loopback(host) && !strings.ContainsAny(r.Host, "/\"'<>\\ ") {
		scheme := "http"
		if s.addresses.Secure(r) {
			scheme = "https"
		}
		list = append(list, scheme+"://"+r.Host+"/")
	}
	list = append(list, s.ownAddresses(portOf(r))...)
	if len(list) == 0 {
		list = append(list, "http://localhost:"+portOf(r)+"/")
	}
	return list
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
func (s *Server) scheme() string {
	if s.settings.TLSCert != "" {
		return "https"
	}
	return "http"
}

// everywhere reports whether the server listens on all interfaces.
func (s *Server) everywhere() bool {
	addr, err := netip.ParseAddr(strings.Trim(s.settings.Host, "[]"))
	return s.settings.Host == "" || err == nil && addr.IsUnspecified()
}

// ownAddresses are the addresses of this machine that other machines can
// reach and the server listens on, as URLs with a port.
func (s *Server) ownAddresses(port string) []string {
	if !s.everywhere() {
		if host := strings.Trim(s.settings.Host, "[]"); host != "localhost" && !loopback(host) {
			return []string{s.scheme() + "://" + net.JoinHostPort(host, port) + "/"}
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
		list = append(list, fmt.Sprintf("%s://%s/", s.scheme(), net.JoinHostPort(prefix.Addr().String(), port)))
	}
	return list
}

// Addresses lists the URLs under which a server that listens on l is found:
// from other machines first, and from this one last.
func (s *Server) Addresses(l *Front) []string {
	_, port, err := net.SplitHostPort(l.Addr().String())
	if err != nil {
		return nil
	}
	var list []string
	if s.settings.PublicURL != "" {
		list = append(list, s.settings.PublicURL)
	}
	list = append(list, s.ownAddresses(port)...)
	host := "localhost"
	if !s.everywhere() {
		host = strings.Trim(s.settings.Host, "[]")
	}
	return append(list, s.scheme()+"://"+net.JoinHostPort(host, port)+"/")
}

// qrSVG draws a QR code with its quiet zone.
func qrSVG(text string) ([]byte, error) {
	code, err := qr.Encode(text, qr.M)
	if err != nil {
		return nil, fmt.Errorf("make a QR code: %w", err)
	}
	const quiet = 4
	var b bytes.Buffer
	side := code.Size + 2*quiet
	fmt.Fprintf(&b, `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 %d %d" shape-rendering="crispEdges"><path fill="#fff" d="M0 0h%dv%dH0z"/><path d="`, side, side, side, side)
	for y := range code.Size {
		for x := range code.Size {
			if code.Black(x, y) {
				fmt.Fprintf(&b, "M%d %dh1v1h-1z", x+quiet, y+quiet)
			}
		}
	}
	b.WriteString(`"/></svg>`)
	return b.Bytes(), nil
}
