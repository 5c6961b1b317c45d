package limits

import (
	"math"
	"net/http"
	"net/netip"
	"strconv"
	"sync"
	"time"

	"podium/protocol/engineio"
)

// Limits are what a server allows its clients. Those that are nil do not limit. A
// Limits must not be copied or changed once a server has it; several servers may share
// one, and are then limited together.
type Limits struct {
	// Addresses finds the clients' addresses behind proxies. Nil means that there are
	// none. Where there are, a session's Request has the address that it found.
	Addresses *Addresses
	// Handshakes bounds the requests that open sessions, and Payloads the POSTs of
	// long-polling clients. Those beyond it are refused.
	Handshakes, Payloads *Rate
	// Messages bounds what clients send: events, acknowledgements, attachments, each
	// one message. Bytes bounds the bytes of them. Connections beyond it are not read
	// until it is kept again, for half a minute at most: nothing is lost, and over
	// long-polling the POST waits for its answer.
	Messages, Bytes *Rate
	// Connections bounds the open sessions, Unjoined those of them that have not joined
	// a namespace, and Polls the requests that wait for something to be sent.
	Connections, Unjoined, Polls *Gate
	// AtOnce bounds the handshakes that are worked on at the same time; the others wait
	// in the order they came. Zero means two for each processor; negative, no bound.
	AtOnce int
	// BodyTimeout is how long the body of a request may take that is answered without
	// reading it. Zero means 30 s.
	BodyTimeout time.Duration
	// Refuse answers a POST that is beyond Payloads, which may be sent again after
	// wait. Nil means a status of 429 with Retry-After.
	Refuse func(w http.ResponseWriter, r *http.Request, wait time.Duration)
	// Now is the clock. Nil means time.Now.
	Now func() time.Time

	doorOnce sync.Once
	entrance door

	mu         sync.Mutex            // guards the fields below
	unjoined   map[string]netip.Addr // session id → address, until it has joined a namespace
	turnedAway map[string]struct{}   // sessions without a place at Connections, which are being closed
	slowed     map[*engineio.Session]*time.Timer
}

// Default returns limits for a server on the open internet, on one machine with a few
// processors: generous for a room of some hundred people behind one address, and a
// bound on what a single address can do. They are a beginning, not a measurement.
func Default() *Limits {
	return &Limits{
		Handshakes:  NewRate("handshakes", PerSecond{Address: 50, AddressBurst: 500, Total: 1000, TotalBurst: 5000}),
		Payloads:    NewRate("payloads", PerSecond{Address: 500, AddressBurst: 2000, Total: 5000, TotalBurst: 20000}),
		Messages:    NewRate("messages", PerSecond{Address: 2000, AddressBurst: 10000, Total: 50000, TotalBurst: 200000}),
		Bytes:       NewRate("bytes", PerSecond{Address: 4 << 20, AddressBurst: 16 << 20, Total: 64 << 20, TotalBurst: 256 << 20}),
		Connections: NewGate("connections", 1000, 20_000),
		Unjoined:    NewGate("unjoined", 500, 5000),
		Polls:       NewGate("polls", 1000, 20_000),
	}
}

// errBusy is what a client is told that comes when there is no room.
var errBusy = &engineio.Error{Code: engineio.ErrForbidden.Code, Message: "Too many connections"}

// longestPause is how long a connection is not read at a time.
const longestPause = 30 * time.Second

// Apply puts the limits into an Engine.IO server's options, around the hooks that they
// have. Handler is the other half. A Socket.IO server does both with those in its
// options, and tells of who has joined a namespace.
func (l *Limits) Apply(o *engineio.Options) {
	allow, poll, keep, watch := o.AllowRequest, o.AllowPoll, o.Keep, o.Observer
	o.AllowRequest = func(r *http.Request) error {
		if err := l.admit(r); err != nil {
			return err
		}
		if allow != nil {
			return allow(r)
		}
		return nil
	}
	if l.Addresses != nil {
		o.Keep = func(r *http.Request) *http.Request { return l.keep(r, keep) }
	}
	if l.Polls != nil || poll != nil {
		o.AllowPoll = func(s *engineio.Session) bool {
			if !l.Polls.Enter(s.Request().Addr()) {
				return false
			}
			if poll == nil || poll(s) {
				return true
			}
			l.Polls.Leave(s.Request().Addr())
			return false
		}
		o.Observer.PollEnded = func(s *engineio.Session) {
			l.Polls.Leave(s.Request().Addr())
			call(watch.PollEnded, s)
		}
	}
	if post := o.AllowPost; l.Payloads != nil { // of those that Handler does not see
		o.AllowPost = func(s *engineio.Session) bool {
			return l.Payloads.Allow(s.Request().Addr(), l.now()) <= 0 && (post == nil || post(s))
		}
	}
	o.Observer.Opened = func(s *engineio.Session) {
		if !l.enter(s.ID(), s.Request().Addr()) {
			s.Close()
		}
		call(watch.Opened, s)
	}
	o.Observer.Closed = func(s *engineio.Session, reason engineio.Reason) {
		if watch.Closed != nil {
			watch.Closed(s, reason)
		}
		l.leave(s)
	}
	if l.Messages != nil || l.Bytes != nil {
		o.Observer.Received = func(s *engineio.Session, size int) {
			l.received(s, size)
			if watch.Received != nil {
				watch.Received(s, size)
			}
		}
	}
}

func call(f func(*engineio.Session), s *engineio.Session) {
	if f != nil {
		f(s)
	}
}

// Handler puts the limits of requests in front of a server.
func (l *Limits) Handler(server http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method == http.MethodPost {
			if wait := l.Payloads.Allow(l.Addresses.Of(r), l.now()); wait > 0 {
				l.limitBody(w, r)
				l.refuse(w, r, wait)
				return
			}
		}
		if !passes(r) || l.AtOnce < 0 {
			server.ServeHTTP(w, r)
			return
		}
		if r.ContentLength != 0 {
			// Nobody reads it. On a connection that ends, net/http answers without
			// waiting for it.
			w.Header().Set("Connection", "close")
		}
		d := l.door()
		if !d.enter(r) {
			return
		}
		leave := sync.OnceFunc(d.leave)
		defer leave()
		server.ServeHTTP(inside{w, leave}, r)
	})
}

func (l *Limits) door() door {
	l.doorOnce.Do(func() {
		n := l.AtOnce
		if n == 0 {
			n = atOnce()
		}
		l.entrance = make(door, n)
	})
	return l.entrance
}

// limitBody sets the time in which the body of a request that is answered without
// reading it has to arrive: net/http waits for it before the answer leaves. The engine
// does the same for what it reads.
func (l *Limits) limitBody(w http.ResponseWriter, r *http.Request) {
	if r.ContentLength == 0 {
		return
	}
	timeout := l.BodyTimeout
	if timeout == 0 {
		timeout = 30 * time.Second
	}
	_ = http.NewResponseController(w).SetReadDeadline(time.Now().Add(timeout)) // not possible: then there is none
}

func (l *Limits) refuse(w http.ResponseWriter, r *http.Request, wait time.Duration) {
	if l.Refuse != nil {
		l.Refuse(w, r, wait)
		return
	}
	w.Header().Set("Retry-After", strconv.Itoa(max(1, int(math.Ceil(wait.Seconds())))))
	http.Error(w, "Too many requests", http.StatusTooManyRequests)
}

func (l *Limits) now() time.Time {
	if l.Now != nil {
		return l.Now()
	}
	return time.Now()
}

// admit judges a handshake.
func (l *Limits) admit(r *http.Request) error {
	addr := l.Addresses.Of(r)
	if l.Handshakes.Allow(addr, l.now()) > 0 || !l.Connections.Room(addr) || !l.Unjoined.Room(addr) {
		return errBusy
	}
	return nil
}

// keep is what stays of a handshake's request, with the client's address in it.
func (l *Limits) keep(r *http.Request, keep func(*http.Request) *http.Request) *http.Request {
	kept := r
	if keep != nil {
		kept = keep(r)
	}
	addr := l.Addresses.Of(r)
	if !addr.IsValid() || addr == parseHostPort(kept.RemoteAddr) {
		return kept
	}
	named := *kept // what is kept belongs to the caller
	named.RemoteAddr = addr.String()
	return &named
}

// enter takes a place at both gates, or notes that there was none.
func (l *Limits) enter(sid string, addr netip.Addr) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.unjoined == nil {
		l.unjoined, l.turnedAway = make(map[string]netip.Addr), make(map[string]struct{})
	}
	if !l.Connections.Enter(addr) {
		l.turnedAway[sid] = struct{}{}
		return false
	}
	if !l.Unjoined.Enter(addr) {
		l.Connections.Leave(addr)
		l.turnedAway[sid] = struct{}{}
		return false
	}
	l.unjoined[sid] = addr
	return true
}

// Joined gives back a session's place among those that have not joined a namespace.
// Another call for it does nothing.
func (l *Limits) Joined(sid string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if addr, ok := l.unjoined[sid]; ok {
		delete(l.unjoined, sid)
		l.Unjoined.Leave(addr)
	}
}

// leave gives back what a session held that has ended.
func (l *Limits) leave(s *engineio.Session) {
	l.Joined(s.ID())
	l.mu.Lock()
	_, without := l.turnedAway[s.ID()]
	delete(l.turnedAway, s.ID())
	if t, ok := l.slowed[s]; ok {
		t.Stop()
		delete(l.slowed, s)
	}
	l.mu.Unlock()
	if !without {
		l.Connections.Leave(s.Request().Addr())
	}
}

// received counts a message that arrived, and stops reading its connection for as long
// as there is to wait.
func (l *Limits) received(s *engineio.Session, size int) {
	addr, now := s.Request().Addr(), l.now()
	wait := min(longestPause, max(l.Messages.Take(addr, 1, now), l.Bytes.Take(addr, size, now)))
	if wait <= 0 {
		return
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if _, already := l.slowed[s]; already {
		return // what had been read by then
	}
	if l.slowed == nil {
		l.slowed = make(map[*engineio.Session]*time.Timer)
	}
	s.Pause()
	l.slowed[s] = time.AfterFunc(wait, func() { l.resume(s) })
}

// resume goes on reading a connection.
func (l *Limits) resume(s *engineio.Session) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if _, ok := l.slowed[s]; ok {
		delete(l.slowed, s)
		s.Resume()
	}
}

// Refusals returns what each limit refused, or slowed down, and how many places are
// taken. Limits that are nil are not among them.
func (l *Limits) Refusals() (all []Refusals) {
	for _, r := range []*Rate{l.Handshakes, l.Payloads, l.Messages, l.Bytes} {
		if r != nil {
			all = append(all, r.Refusals())
		}
	}
	for _, g := range []*Gate{l.Connections, l.Unjoined, l.Polls} {
		if g != nil {
			all = append(all, g.Refusals())
		}
	}
	return all
}
