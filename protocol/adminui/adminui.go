// Package adminui lets the official admin UI, @socket.io/admin-ui, connect to a server: what
// is connected, in which rooms, and what happens, and where that is allowed, emitting, joining,
// leaving and disconnecting. It was tried with the page of version 0.5.1 in Chromium.
//
//	ui, err := adminui.Instrument(srv, adminui.Options{Username: "admin", Password: secret})
//	...
//	ui.Close() // before srv.Shutdown
//
// The UI itself is a page, which its makers serve, and which is in the folder ui/dist of the npm
// package: options of CORS must let it in where it comes from another origin.
//
// # What it costs
//
// While no admin is connected nothing is collected. To many sockets the page would be of no
// use, since it looks through its lists with each socket that it adds: so it is shown
// Options.MaxSockets of them, and Options.MaxEvents of what happens to these a second. Where
// sockets or rooms were left out the list is sent again within ten seconds, so that it becomes
// true. A list has 2 MB at most, and what is long is left out of it: headers, queries, data,
// arguments. The figures count everything.
//
// Of several servers the figures are shown of all, the sockets of the one that the page is
// connected to; what the page does, it does to the sockets of all.
//
// # What is shown
//
// Whoever signs in sees the handshakes and data of sockets, and in development mode what they
// send and get. The headers Cookie and Authorization are left out, and so are auth payloads and
// long arguments.
package adminui

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"podium/protocol/limits"
	"podium/protocol/socketio"
)

// Options configure an admin UI's endpoint. Username and Password, Check, or NoAuth must be
// set.
type Options struct {
	// Namespace is where the UI connects. Empty means "/admin".
	Namespace string
	// Username and Password let in who knows both.
	Username, Password string
	// Check, where set, decides instead: with hashes of passwords, say. It may block. Tries
	// are limited before it is called.
	Check func(ctx context.Context, username, password string) bool
	// NoAuth lets everybody in.
	NoAuth bool
	// ReadOnly keeps the UI from emitting, joining, leaving and disconnecting.
	ReadOnly bool
	// Development shows sockets, rooms and events one by one, and not figures alone.
	Development bool
	// ServerID names this server. Empty means the host's name and the process's number.
	ServerID string
	// MaxSockets bounds the sockets that are shown. Zero means 1,000.
	MaxSockets int
	// MaxEvents bounds what is shown a second of what happens to them. Zero means 100.
	MaxEvents int
	// Tries bounds the attempts to sign in. Nil means five of an address at once and one in
	// ten seconds from then on, and twenty at once and one a second in total.
	Tries *limits.Rate
}

// UI is an admin UI's endpoint. It is safe for concurrent use.
type UI struct {
	server    *socketio.Server
	o         Options
	namespace *socketio.Namespace
	tries     *limits.Rate
	admins    atomic.Int64
	began     time.Time
	hostname  string
	check     func(ctx context.Context, username, password string) bool

	feed    chan entry
	missed  atomic.Bool // something did not fit into the feed
	refresh chan struct{}
	cancel  context.CancelFunc
	work    sync.WaitGroup

	mu       sync.Mutex // guards the fields below
	sessions map[string]time.Time
	shown    map[*socketio.Socket]string // what was last told of them
}

// How long an admin may come back without a password, and how many are remembered.
const (
	sessionAge  = 24 * time.Hour
	maxSessions = 1000
)

// statsEvery is how often figures are sent, as the official server does.
const statsEvery = 2 * time.Second

// listEvery is how often the list is sent again where something was left out.
const listEvery = 10 * time.Second

// Instrument begins to serve admin UIs. It is called before the server serves.
func Instrument(srv *socketio.Server, o Options) (*UI, error) {
	if o.Namespace == "" {
		o.Namespace = "/admin"
	}
	if o.MaxSockets == 0 {
		o.MaxSockets = 1000
	}
	if o.MaxEvents == 0 {
		o.MaxEvents = 100
	}
	host, err := os.Hostname()
	if err != nil {
		return nil, fmt.Errorf("adminui: %w", err)
	}
	if o.ServerID == "" {
		o.ServerID = fmt.Sprintf("%s#%d", host, os.Getpid())
	}
	ui := &UI{
		server: srv, o: o, namespace: srv.Of(o.Namespace), tries: o.Tries, began: time.Now(), hostname: host, check: o.Check,
		feed: make(chan entry, o.MaxEvents), refresh: make(chan struct{}, 1),
		sessions: make(map[string]time.Time), shown: make(map[*socketio.Socket]string),
	}
	if ui.tries == nil {
		ui.tries = limits.NewRate("admin-sign-ins", limits.PerSecond{Address: 0.1, AddressBurst: 5, Total: 1, TotalBurst: 20})
	}
	switch {
	case ui.check != nil || o.NoAuth:
	case o.Username == "" || o.Password == "":
		return nil, errors.New("adminui: Username and Password, Check or NoAuth must be set")
	default:
		ui.check = both(o.Username, o.Password)
	}
	if !o.NoAuth {
		ui.namespace.Use(ui.signIn)
	}
	ui.namespace.OnConnection(ui.connected)
	ui.namespace.OnDisconnect(func(*socketio.Socket, socketio.Reason) { ui.admins.Add(-1) })
	if !o.ReadOnly {
		ui.allowActions()
	}
	if o.Development {
		srv.OnNewNamespace(ui.watch)
		for _, name := range srv.Namespaces() {
			if n := srv.Lookup(name); n != nil {
				ui.watch(n)
			}
		}
	}
	ctx, cancel := context.WithCancel(context.Background())
	ui.cancel = cancel
	ui.work.Go(func() { ui.sendStats(ctx) })
	if o.Development {
		ui.work.Go(func() { ui.sendFeed(ctx) })
	}
	return ui, nil
}

// Close ends what Instrument began. Admins that are connected see no more, and are put out with
// the server.
func (ui *UI) Close() {
	ui.cancel()
	ui.work.Wait()
}

// both compares with a name and a password in constant time.
func both(username, password string) func(context.Context, string, string) bool {
	name, word := sha256.Sum256([]byte(username)), sha256.Sum256([]byte(password))
	return func(_ context.Context, u, p string) bool {
		gotName, gotWord := sha256.Sum256([]byte(u)), sha256.Sum256([]byte(p))
		return subtle.ConstantTimeCompare(name[:], gotName[:])&subtle.ConstantTimeCompare(word[:], gotWord[:]) == 1
	}
}

// credentials are what the UI sends: a name and a password, or the session that they were
// answered with.
type credentials struct {
	Username  string `json:"username"`
	Password  string `json:"password"`
	SessionID string `json:"sessionId"`
}

// The texts are the official ones as far as the UI knows them.
var (
	errCredentials = &socketio.Error{Message: "invalid credentials"}
	errTries       = &socketio.Error{Message: "too many attempts, please wait a moment"}
)

// signIn is the namespace's middleware.
func (ui *UI) signIn(s *socketio.Socket) error {
	var c credentials
	if err := s.Handshake().Auth.Decode(&c); err != nil {
		return errCredentials
	}
	if ui.hasSession(c.SessionID) {
		return nil
	}
	if c.Username == "" && c.Password == "" {
		return errCredentials // the UI's first attempt, with a session of before or nothing
	}
	if ui.tries.Allow(s.Conn().Request().Addr(), time.Now()) > 0 {
		return errTries
	}
	if !ui.check(s.Context(), c.Username, c.Password) {
		return errCredentials
	}
	return nil
}

// hasSession reports whether an admin signed in with that id a while ago.
func (ui *UI) hasSession(id string) bool {
	if id == "" {
		return false
	}
	ui.mu.Lock()
	defer ui.mu.Unlock()
	until, ok := ui.sessions[key(id)]
	return ok && time.Now().Before(until)
}

// newSession makes a session. Those that are over are forgotten, and where there are too many,
// any one.
func (ui *UI) newSession() string {
	id := rand.Text()
	now := time.Now()
	ui.mu.Lock()
	defer ui.mu.Unlock()
	for k, until := range ui.sessions {
		if now.After(until) || len(ui.sessions) >= maxSessions {
			delete(ui.sessions, k)
		}
	}
	ui.sessions[key(id)] = now.Add(sessionAge)
	return id
}

// key is what a session is remembered by: looking it up tells nothing of how much of it was right.
func key(id string) string {
	sum := sha256.Sum256([]byte(id))
	return hex.EncodeToString(sum[:])
}

// features says to the UI what it may do.
func (ui *UI) features() []string {
	features := []string{"AGGREGATED_EVENTS"}
	if !ui.o.ReadOnly {
		features = append(features, "EMIT", "JOIN", "LEAVE", "DISCONNECT", "MJOIN", "MLEAVE", "MDISCONNECT")
	}
	if ui.o.Development {
		features = append(features, "ALL_EVENTS")
	}
	return features
}

// connected greets an admin.
func (ui *UI) connected(s *socketio.Socket) {
	ui.admins.Add(1)
	to := ui.namespace.Local().In(s.ID()) // what is local is in no log
	var c credentials
	if s.Handshake().Auth.Decode(&c) == nil && c.Username != "" && !ui.o.NoAuth {
		_ = to.Emit("session", ui.newSession()) // the admin may be gone, here and below
	}
	_ = to.Emit("config", map[string]any{"supportedFeatures": ui.features()})
	_ = to.Emit("server_stats", ui.stats(nil))
	if ui.o.Development {
		select { // the list is sent to all admins by who notes what is in it
		case ui.refresh <- struct{}{}:
		default:
		}
	}
}

// allowActions registers what the UI may ask for.
func (ui *UI) allowActions() {
	n := ui.namespace
	socketio.On(n, "emit", func(_ *socketio.Socket, args socketio.Args) {
		var event string
		if to, ok := ui.target(args.Get(0), args.Get(1)); ok && args.Get(2).Decode(&event) == nil {
			_ = to.Emit(event, args[min(3, len(args)):].Any()...) // as any event that nobody waits for
		}
	})
	socketio.On(n, "join", func(_ *socketio.Socket, args socketio.Args) {
		var room string
		if to, ok := ui.target(args.Get(0), args.Get(2)); ok && args.Get(1).Decode(&room) == nil && room != "" {
			_ = to.SocketsJoin(room)
		}
	})
	socketio.On(n, "leave", func(_ *socketio.Socket, args socketio.Args) {
		var room string
		if to, ok := ui.target(args.Get(0), args.Get(2)); ok && args.Get(1).Decode(&room) == nil && room != "" {
			_ = to.SocketsLeave(room)
		}
	})
	socketio.On(n, "_disconnect", func(_ *socketio.Socket, args socketio.Args) {
		var closeConn bool
		if to, ok := ui.target(args.Get(0), args.Get(2)); ok && args.Get(1).Decode(&closeConn) == nil {
			_ = to.DisconnectSockets(closeConn)
		}
	})
}

// target is who an action is for: the sockets of a namespace that there is, or those in a room
// of it. A filter that is no string must not mean everybody.
func (ui *UI) target(namespace, filter socketio.Value) (to socketio.Broadcast, ok bool) {
	var name string
	var room *string
	if namespace.Decode(&name) != nil || filter.Decode(&room) != nil {
		return to, false
	}
	n := ui.server.Lookup(name)
	if n == nil {
		return to, false
	}
	if to = n.In(); room != nil && *room != "" {
		to = n.In(*room)
	}
	return to, true
}
