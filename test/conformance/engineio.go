package main

import (
	"encoding/json"
	"net/http"
	"strings"
	"sync"
	"time"

	"podium/protocol/engineio"
)

// engineOptions are the flags as Engine.IO options.
func engineOptions(c config) engineio.Options {
	return engineio.Options{
		PingInterval: c.pingInterval,
		PingTimeout:  c.pingTimeout,
		MaxPayload:   c.maxPayload,
		AllowEIO3:    c.eio3,
	}
}

// echo sends back what it receives.
type echo struct{ session *engineio.Session }

func (e echo) OnMessage(data []byte, binary bool) { send(e.session, data, binary) }

func (e echo) OnClose(engineio.Reason, error) {}

// send sends a message; a client that is gone misses it.
func send(s *engineio.Session, data []byte, binary bool) {
	m := engineio.Text(data)
	if binary {
		m = engineio.Binary(data)
	}
	_ = s.Send(m)
}

// openEcho is the mode of the Engine.IO protocol's test suite.
func openEcho(c config) server {
	return engineio.NewServer(engineOptions(c), func(s *engineio.Session) engineio.Receiver { return echo{s} })
}

// hi greets, and answers some messages in a way of their own.
type hi struct {
	echo
	posts *posts
}

func (h hi) OnMessage(data []byte, binary bool) {
	switch string(data) {
	case "give binary":
		send(h.session, []byte{0, 1, 2, 3, 4}, true)
	case "give utf8":
		send(h.session, []byte("пойду спать всем спокойной ночи"), false)
	case "sendHeaders":
		send(h.session, headersJSON(h.posts.headers(h.session.ID())), false)
	default:
		h.echo.OnMessage(data, binary)
	}
}

// headersJSON is header as Node shows it: names in lower case.
func headersJSON(header http.Header) []byte {
	flat := make(map[string]string, len(header))
	for name, values := range header {
		flat[strings.ToLower(name)] = strings.Join(values, ", ")
	}
	out, err := json.Marshal(flat)
	if err != nil {
		return []byte("{}")
	}
	return out
}

// openHi is the mode of the Engine.IO client's own tests.
func openHi(c config) server {
	o := engineOptions(c)
	o.AllowRequest = func(r *http.Request) error {
		if r.URL.Query().Has("deny") {
			return engineio.ErrForbidden
		}
		return nil
	}
	o.InitialHeaders = func(h http.Header, _ *http.Request) {
		h.Add("Set-Cookie", "1=1; Max-Age=86400")
		h.Add("Set-Cookie", "2=2; Path=/; HttpOnly; Secure; SameSite=Strict")
		h.Add("Set-Cookie", "3=3; Max-Age=0")
		h.Add("Set-Cookie", "4=4; Expires="+expiresNow())
	}
	p := &posts{current: make(map[string]http.Header)}
	p.Server = engineio.NewServer(o, func(s *engineio.Session) engineio.Receiver {
		send(s, []byte("hi"), false)
		return hi{echo{s}, p}
	})
	return p
}

// posts is a server that knows the headers of the POSTs that are being served.
type posts struct {
	*engineio.Server
	mu      sync.Mutex // guards current
	current map[string]http.Header
}

func (p *posts) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if r.Method == http.MethodPost {
		sid := r.URL.Query().Get("sid")
		p.mu.Lock()
		p.current[sid] = received(r)
		p.mu.Unlock()
		defer func() {
			p.mu.Lock()
			delete(p.current, sid)
			p.mu.Unlock()
		}()
	}
	p.Server.ServeHTTP(w, r)
}

// received are the request's headers; net/http keeps the host elsewhere.
func received(r *http.Request) http.Header {
	h := r.Header.Clone()
	h.Set("Host", r.Host)
	return h
}

// headers are those of the POST that the session is sending, if any.
func (p *posts) headers(sid string) http.Header {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.current[sid]
}

func expiresNow() string { return time.Now().UTC().Format(http.TimeFormat) }
