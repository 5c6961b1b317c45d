package realtime

import (
	"net/http"
	"net/url"
	"strings"
	"time"

	"podium/protocol/engineio"
	"podium/protocol/limits"
	"podium/server/answer"
)

// refuse answers a POST of a client that sends too many.
func refuse(w http.ResponseWriter, _ *http.Request, wait time.Duration) {
	answer.Later(wait, "Too many requests; please wait a moment.").Coded("tooFast").Write(w)
}

// keep is what stays of a handshake's request: the client's address, once and
// for all, because headers may have kilobytes, and nobody asks for them.
func (rt *Realtime) keep(r *http.Request) *http.Request {
	kept := &http.Request{URL: &url.URL{Path: socketPath}, TLS: r.TLS}
	if addr := rt.o.Limits.Addresses.Of(r); addr.IsValid() {
		kept.RemoteAddr = addr.String()
	}
	return kept
}

// socketPath is the path that sessions are noted with.
const socketPath = "/socket.io/"

func (rt *Realtime) closed(_ *engineio.Session, reason engineio.Reason) {
	if reason == engineio.ReasonPingTimeout {
		rt.pingTimeouts.Add(1)
	}
	if f := rt.o.Observer.Disconnected; f != nil {
		f(string(reason))
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
