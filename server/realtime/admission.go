package realtime

import (
	"net/http"
	"net/netip"
	"net/url"
	"strings"
	"sync"

	"podium/protocol/engineio"
	"podium/protocol/socketio"
	"podium/server/answer"
	"podium/server/limits"
)

// errBusy is what a client is told that comes when there is no room.
var errBusy = &engineio.Error{Code: engineio.ErrForbidden.Code, Message: "Too many connections"}

// admission counts sessions at the gates. A session that found no room after
// all, when many came at once, is closed and must not give back a place that it
// never had.
type admission struct {
	mu         sync.Mutex            // guards the fields below
	unjoined   map[string]netip.Addr // session id → address, until it has joined a namespace
	turnedAway map[string]struct{}
}

// mayPost says whether a client may send a payload now, and answers it where
// it may not.
func (rt *Realtime) mayPost(w http.ResponseWriter, r *http.Request) bool {
	if r.Method != http.MethodPost {
		return true
	}
	wait := rt.o.Payloads.Allow(rt.o.Addresses.Of(r), rt.o.Now())
	if wait > 0 {
		rt.limitBody(w, r)
		answer.Later(wait, "Too many requests; please wait a moment.").Write(w)
	}
	return wait == 0
}

// allow judges a handshake.
func (rt *Realtime) allow(r *http.Request) error {
	addr := rt.o.Addresses.Of(r)
	if rt.o.Handshakes.Allow(addr, rt.o.Now()) > 0 || !rt.o.Gate.Room(addr) || !rt.o.Unjoined.Room(addr) {
		return errBusy
	}
	return nil
}

// keep is what stays of a handshake's request: the client's address, once and
// for all, because headers may have kilobytes, and nobody asks for them.
func (rt *Realtime) keep(r *http.Request) *http.Request {
	kept := &http.Request{URL: &url.URL{Path: socketPath}, TLS: r.TLS}
	if addr := rt.o.Addresses.Of(r); addr.IsValid() {
		kept.RemoteAddr = addr.String()
	}
	return kept
}

// socketPath is the path that sessions are noted with.
const socketPath = "/socket.io/"

// addressOf is the address that keep kept.
func addressOf(s *engineio.Session) netip.Addr {
	addr, err := netip.ParseAddr(s.Request().Address)
	if err != nil {
		return netip.Addr{} // a local socket's
	}
	return addr
}

func (rt *Realtime) opened(s *engineio.Session) {
	addr := addressOf(s)
	if rt.enter(s.ID(), addr) {
		return
	}
	s.Close()
}

// enter takes a place at both gates, or notes that there was none.
func (rt *Realtime) enter(sid string, addr netip.Addr) bool {
	a := &rt.admission
	a.mu.Lock()
	defer a.mu.Unlock()
	if !rt.o.Gate.Enter(addr) {
		a.turnedAway[sid] = struct{}{}
		return false
	}
	if !rt.o.Unjoined.Enter(addr) {
		rt.o.Gate.Leave(addr)
		a.turnedAway[sid] = struct{}{}
		return false
	}
	a.unjoined[sid] = addr
	return true
}

// joined gives back a place among those who have not joined a namespace.
func (rt *Realtime) joined(s *socketio.Socket) { rt.joinedAs(s.ConnID()) }

func (rt *Realtime) joinedAs(sid string) {
	a := &rt.admission
	a.mu.Lock()
	defer a.mu.Unlock()
	if addr, ok := a.unjoined[sid]; ok {
		delete(a.unjoined, sid)
		rt.o.Unjoined.Leave(addr)
	}
}

func (rt *Realtime) closed(s *engineio.Session, reason engineio.Reason) {
	if reason == engineio.ReasonPingTimeout {
		rt.pingTimeouts.Add(1)
	}
	if f := rt.o.Observer.Disconnected; f != nil {
		f(string(reason))
	}
	rt.joinedAs(s.ID())
	a := &rt.admission
	a.mu.Lock()
	_, without := a.turnedAway[s.ID()]
	delete(a.turnedAway, s.ID())
	a.mu.Unlock()
	if !without {
		rt.o.Gate.Leave(addressOf(s))
	}
}

// Refusals says what limits of single sockets refused.
func (rt *Realtime) Refusals() []limits.Refusals {
	stats := rt.io.Stats()
	return []limits.Refusals{
		{Limit: "events", Total: stats.TooFast + rt.io.Engine().Stats().TooIdle},
		{Limit: "rooms", Total: stats.TooManyRooms},
		{Limit: "auth", Total: stats.TooLargeAuth},
	}
}

// isNode reports whether a machine's id that a client named can be one: it goes
// into a header that Fly's proxy obeys.
func isNode(id string) bool {
	return len(id) <= 64 && id != "" && strings.Trim(id, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_") == ""
}
