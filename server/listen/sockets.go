package listen

import (
	"net"
	"net/http"
	"net/netip"
	"sync"

	"podium/protocol/limits"
)

// socketCount counts the connections that net/http serves, by the address of
// their peer. One too many is closed before anything is read from it. Those
// taken over for WebSockets and waiting polls are counted as sessions instead.
type socketCount struct {
	addresses *limits.Addresses
	gate      *limits.Gate
	refused   sync.Map // net.Conn → nothing, until they are closed
}

// changed is http.Server.ConnState.
func (n *socketCount) changed(c net.Conn, state http.ConnState) {
	switch state {
	case http.StateNew:
		if !n.gate.Enter(n.address(c)) {
			n.refused.Store(c, struct{}{})
			c.Close()
		}
	case http.StateHijacked, http.StateClosed:
		if _, without := n.refused.LoadAndDelete(c); !without {
			n.gate.Leave(n.address(c))
		}
	}
}

// address is the peer's, or none for a proxy's: it speaks for many.
func (n *socketCount) address(c net.Conn) netip.Addr {
	return n.addresses.Peer(c.RemoteAddr())
}
