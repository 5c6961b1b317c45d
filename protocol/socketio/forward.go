package socketio

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"net/http"
	"net/http/httputil"
	"net/url"
	"strconv"
	"strings"
	"time"

	"podium/protocol/engineio"
)

// forwardedHeader marks a request that another server of the cluster passes on: from
// which client address, when, and a signature of that. A marked one is not passed on
// again, so that none goes round for ever.
const forwardedHeader = "Podium-Forwarded"

// forwardAge is how old a mark may be: clocks of servers differ, and connections hang.
const forwardAge = 5 * time.Minute

// forwarder passes requests for sessions of other servers on to those. An Engine.IO
// session lives in one server, and the polls of one client may come to any; its id
// begins with the name of its server.
type forwarder struct {
	server    *Server
	transport *http.Transport
	proxy     *httputil.ReverseProxy
}

func newForwarder(srv *Server) *forwarder {
	f := &forwarder{server: srv, transport: &http.Transport{
		MaxIdleConnsPerHost: 256, IdleConnTimeout: time.Minute, DisableCompression: true,
	}}
	f.proxy = &httputil.ReverseProxy{
		Transport:     f.transport,
		Rewrite:       f.rewrite,
		FlushInterval: -1, // what a poll waits for is sent on as it comes
		ErrorHandler: func(w http.ResponseWriter, r *http.Request, err error) {
			srv.opts.Logger.Debug("socket.io cluster: pass a request on", "error", err)
			w.WriteHeader(http.StatusBadGateway) // the client connects anew
		},
	}
	return f
}

// forward passes r on where its session is another server's, and reports whether it
// did. One whose server is gone is answered here: that the session is unknown.
func (f *forwarder) forward(w http.ResponseWriter, r *http.Request) bool {
	sid := r.URL.Query().Get("sid")
	node := engineio.NodeOf(sid)
	if node == "" || node == f.server.opts.Engine.NodeID || r.Header.Get(forwardedHeader) != "" {
		return false
	}
	member, ok := f.find(r, node)
	if !ok {
		return false
	}
	to, err := url.Parse(member.Address)
	if err != nil || to.Host == "" {
		return false
	}
	f.proxy.ServeHTTP(w, r.WithContext(withTarget(r.Context(), to)))
	return true
}

// find returns the server whose session ids begin with a name: the newest, where one
// was restarted a moment ago.
func (f *forwarder) find(r *http.Request, node string) (found Member, ok bool) {
	members, err := f.server.cluster.peers.Members(r.Context(), "/")
	if err != nil {
		return found, false
	}
	for _, m := range members {
		if m.NodeID == node && m.Address != "" && (!ok || m.Since.After(found.Since)) {
			found, ok = m, true
		}
	}
	return found, ok
}

func (f *forwarder) rewrite(p *httputil.ProxyRequest) {
	to := targetOf(p.In.Context())
	p.Out.URL.Scheme, p.Out.URL.Host, p.Out.URL.Path, p.Out.URL.RawPath = to.Scheme, to.Host, to.Path, ""
	p.Out.Host = p.In.Host
	for _, name := range []string{"X-Forwarded-For", "X-Forwarded-Host", "X-Forwarded-Proto", "Forwarded"} {
		p.Out.Header[name] = p.In.Header[name] // as they came, for who trusts the proxy that set them
	}
	said := p.In.RemoteAddr + " " + strconv.FormatInt(f.now().Unix(), 10)
	p.Out.Header.Set(forwardedHeader, said+" "+f.sign(said, p.In.URL.RawQuery))
}

// now is the time by the clock that the servers have in common, where they have one.
func (f *forwarder) now() time.Time {
	if p := f.server.publisher; p != nil {
		return p.now()
	}
	return time.Now()
}

// sign authenticates a mark, and the request that it is on.
func (f *forwarder) sign(said, query string) string {
	pub := f.server.publisher
	if pub == nil {
		return "-" // the servers have no key in common: nothing that it says is believed
	}
	h := hmac.New(sha256.New, pub.options.Key)
	h.Write([]byte("podium forwarded\x00" + said + "\x00" + query))
	return hex.EncodeToString(h.Sum(nil))
}

// receive gives a request that another server passed on the address of its client. It
// believes only who knows the key that the servers have in common.
func (f *forwarder) receive(r *http.Request) *http.Request {
	mark := r.Header.Get(forwardedHeader)
	if mark == "" {
		return r
	}
	r = r.Clone(r.Context())
	words := strings.Fields(mark)
	if len(words) != 3 || f.server.publisher == nil {
		return r
	}
	at, err := strconv.ParseInt(words[1], 10, 64)
	if err != nil || f.now().Sub(time.Unix(at, 0)).Abs() > forwardAge {
		return r
	}
	if hmac.Equal([]byte(words[2]), []byte(f.sign(words[0]+" "+words[1], r.URL.RawQuery))) {
		r.RemoteAddr = words[0]
	}
	return r
}

// targetKey is the context key of where a request is passed on to.
type targetKey struct{}

func withTarget(ctx context.Context, to *url.URL) context.Context {
	return context.WithValue(ctx, targetKey{}, to)
}

func targetOf(ctx context.Context) *url.URL {
	to, _ := ctx.Value(targetKey{}).(*url.URL)
	return to
}
