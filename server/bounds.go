package server

import (
	"io"
	"net/http"
	"strings"
	"time"

	"podium/protocol/budget"
	"podium/protocol/limits"
	"podium/protocol/webtransport"
	"podium/server/api"
	"podium/server/machine"
	"podium/server/turns"
)

// rateLimits are the limits that requests meet.
type rateLimits struct {
	requests, submissions *limits.Rate
	sockets, streams      *limits.Gate
	quic                  *limits.Gate // connections of WebTransport
	waiting               *limits.Gate // bytes of photos
	albums                *limits.Gate // zips of all photos for guests
	realtime              *limits.Limits
	uploads               *turns.Uploads
	memory                shares
}

// shares are the kinds of use of the one budget of what is held for clients.
// Together they may be larger than it: then those make room that package budget
// chooses.
type shares struct {
	all         *budget.Budget
	readers     *budget.Share // of the feed, and of an admin's list
	messages    *budget.Share // that have not arrived whole, or wait for their client
	spools      *budget.Share // submissions that arrive or wait
	streams     *budget.Share // events on their way to Server-Sent Events
	pictures    *budget.Share // being decoded
	passwords   *budget.Share // being hashed
	sockets     *budget.Share // of net/http
	connections *budget.Share // real-time sessions
	quic        *budget.Share // the connections of those over WebTransport
}

// What a connection takes at most while nothing is on its way, in bytes.
const (
	socketBytes     = 16 << 10 // a goroutine's stack and the buffers of net/http
	connectionBytes = 5 << 10  // a session of Engine.IO and one of Socket.IO, and a queue that is not charged
)

// divide divides the memory of a machine, 0 for one without limit.
func divide(limit int64) shares {
	held := heldMemory(limit)
	all := budget.New(held)
	return shares{
		all:         all,
		readers:     all.Share("readers", held/4),
		messages:    all.Share("messages", held/3),
		spools:      all.Share("spools", held/4),
		streams:     all.Share("streams", held/16),
		pictures:    all.Share("pictures", pictureBudget(limit)),
		passwords:   all.Share("passwords", 0),
		sockets:     all.Share("sockets", held/4),
		connections: all.Share("connections", held/2),
		quic:        all.Share("quic", held/8), // who finds no room goes on with WebSocket
	}
}

// limits makes the limits from the settings.
//
// A contest happens in one room, and a room is usually one address: 2,000 phones behind
// one router must all be able to take part. So the defaults of the limits per address
// are what 2,000 well-behaved phones with two open pages each do at the worst moment (all
// return at once after the Wi-Fi dropped; all send a photo when the host says "now").
// What protects the machine from a single hostile phone are the limits in total, the
// bounds on memory and time of each request, and the reserve that is kept free on the
// disk for what admins do.
func (s *Settings) limits() rateLimits {
	// A room returns, or sends, all at once: as much as seconds of it may.
	rate := func(name string, address, total, seconds float64) *limits.Rate {
		return limits.NewRate(name, limits.PerSecond{
			Address: address, AddressBurst: int(seconds * address), Total: total, TotalBurst: int(seconds * total),
		})
	}
	memory := divide(machine.MemoryLimit())
	return rateLimits{
		memory:      memory,
		requests:    rate("requests", s.LimitRequestsAddress, s.LimitRequests, 5),
		submissions: rate("submissions", s.LimitSubmissionsAddress/60, s.LimitSubmissions/60, 40),
		realtime: &limits.Limits{
			Handshakes:  rate("handshakes", s.LimitHandshakesAddress, s.LimitHandshakes, 5),
			Payloads:    rate("payloads", s.LimitPayloadsAddress, s.LimitPayloads, 5),
			Connections: limits.NewGate("connections", s.LimitConnectionsAddress, s.connectionLimit()).Charge(memory.connections, connectionBytes),
			Unjoined:    limits.NewGate("unjoined", s.LimitUnjoinedAddress, s.LimitUnjoined),
			Polls:       limits.NewGate("polls", s.LimitPollsAddress, s.LimitPolls),
		},
		sockets: s.socketGate(),
		quic:    limits.NewGate("quic", s.LimitConnectionsAddress, s.connectionLimit()/4).Charge(memory.quic, webtransport.ConnectionBytes),
		streams: limits.NewGate("streams", s.LimitConnectionsAddress, s.connectionLimit()/4),
		albums:  limits.NewGate("albums", 12, 16),
		waiting: limits.NewGate("waiting", int(s.LimitWaitingAddress), int(s.LimitWaitingBytes)),
		uploads: turns.NewUploads("uploads", int64(s.LimitUploadBytesAddress), int64(s.LimitUploadBytes)),
	}
}

// connectionLimit is how many real-time connections there may be: what the
// settings say, or seven tenths of the files that the process may open.
func (s *Settings) connectionLimit() int {
	if s.LimitConnections > 0 {
		return s.LimitConnections
	}
	return machine.ShareOfFiles(7)
}

// socketLimit is how many connections net/http may serve: what the settings
// say, or two tenths of the files. The last tenth is for files.
func (s *Settings) socketLimit() int {
	if s.LimitSockets > 0 {
		return s.LimitSockets
	}
	return machine.ShareOfFiles(2)
}

func (s *Settings) socketGate() *limits.Gate {
	return limits.NewGate("sockets", s.LimitSocketsAddress, s.socketLimit())
}

// addresses finds clients' addresses as the settings say.
func (s *Settings) addresses() (*limits.Addresses, error) {
	proxies, err := s.proxies()
	if err != nil {
		return nil, err
	}
	return &limits.Addresses{Proxies: proxies, Header: s.AddressHeader}, nil
}

// refusals are the figures of every limit, for the metrics.
func (s *Server) refusals() []limits.Refusals {
	l := &s.limits
	all := []limits.Refusals{
		l.requests.Refusals(), l.submissions.Refusals(), l.sockets.Refusals(), l.quic.Refusals(), l.streams.Refusals(),
		l.uploads.Refusals(), l.waiting.Refusals(), l.albums.Refusals(),
	}
	all = append(all, l.realtime.Refusals()...)
	for _, one := range l.memory.all.Usage() {
		all = append(all, limits.Refusals{Limit: "memory-" + one.Name, Total: one.Evicted + one.Refused, Held: one.Held})
	}
	return append(all, s.realtime.Refusals()...)
}

// exportTimeout is how long an admin's download of everything may take.
const exportTimeout = time.Hour

// limitTime sets the times in which r's body has to arrive and its answer to be
// taken. Submissions and event streams go on to set their own.
func (s *Server) limitTime(w http.ResponseWriter, r *http.Request) {
	control := http.NewResponseController(w)
	switch r.URL.Path {
	case "/api/submit":
		_ = control.SetWriteDeadline(time.Now().Add(api.LongestUpload + s.settings.AnswerTimeout)) // best effort: tests have no connection
	case "/api/export.zip", "/api/album.zip", "/api/photos.zip":
		_ = control.SetWriteDeadline(time.Now().Add(exportTimeout))
	}
	if r.ContentLength == 0 {
		return
	}
	if control.SetReadDeadline(time.Now().Add(s.settings.BodyTimeout)) == nil {
		r.Body = &timedBody{r.Body, control}
	}
}

// maxRanges is how many parts of a file may be asked for at once. Players and viewers of
// documents ask for a few.
const maxRanges = 8

// limitRanges has who asks for too many parts of a file get all of it: each part costs a
// few bytes to name, and its head in the answer and a switch of goroutines to send.
// (RFC 9110, 14.2: a server may ignore the header, and section 17.15 why it should)
func limitRanges(r *http.Request) {
	if strings.Count(r.Header.Get("Range"), ",") >= maxRanges {
		r.Header.Del("Range")
	}
}

// timedBody lifts the deadline of a body when it has arrived. What a handler
// leaves unread must arrive in time too: net/http reads it after the answer.
type timedBody struct {
	io.ReadCloser
	control *http.ResponseController
}

// Read implements io.Reader.
func (b *timedBody) Read(p []byte) (int, error) {
	n, err := b.ReadCloser.Read(p)
	if err == io.EOF {
		_ = b.control.SetReadDeadline(time.Time{}) // as it was set
	}
	return n, err
}
