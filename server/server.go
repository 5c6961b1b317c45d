// Package server assembles Podium: it builds the rooms below it from the
// settings, mounts them on one HTTP server, and starts and stops them in
// order.
//
// Settings come in; a server that listens goes out. What a request means is
// decided in the rooms: api (the REST API), realtime (Socket.IO and event
// streams), admin (who may), pages, pictures, joincode, observe (health and
// metrics). Connections come in by listen; memory,
// files and disks are the business of machine.
package server

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"podium/contest"
	"podium/protocol/limits"
	"podium/server/admin"
	"podium/server/api"
	"podium/server/clock"
	"podium/server/joincode"
	"podium/server/listen"
	"podium/server/machine"
	"podium/server/observe"
	"podium/server/pages"
	"podium/server/pictures"
	"podium/server/realtime"
	"podium/server/signin"
	"podium/static"
	"podium/store/archive"
	"podium/store/backup"
	"podium/store/uploads"
)

// DatabaseName is the name of the database in the data folder.
const DatabaseName = "podium.db"

// settingRealtimeKey is where the key that signs session ids is kept.
const settingRealtimeKey = "realtime.key"

// Server is a Podium that can serve.
type Server struct {
	settings    Settings
	log         *slog.Logger
	level       *slog.LevelVar
	ages        *clock.Clock     // ages of what is stored are taken by it
	wall        func() time.Time // the time of day, by a clock that machines which share a contest have in common
	contest     *contest.Contest
	file        contest.File // nil where the contest is not kept in one
	source      backup.Source
	admin       *admin.Admin
	api         *api.API
	realtime    *realtime.Realtime
	uploads     *uploads.Place
	pictures    *pictures.Pictures
	pages       *pages.Pages
	lastEvening atomic.Pointer[static.Evening] // what the pages said last
	client      *pages.Client
	observe     *observe.Observer
	instruments *observe.Instruments
	backups     *backup.Keeper
	requests    inFlight
	addresses   *limits.Addresses
	limits      rateLimits
	joining     *joincode.Codes
	signIn      *signin.SignIn

	// tidying is what removes old copies of the data until stopTidying is called.
	tidying     sync.WaitGroup
	stopTidying context.CancelFunc

	handler http.Handler
	setup   string // the code of the first-run page, "" where the event is set up
	// Password is the admin password that New made, or "": the only time that it
	// can be read.
	Password string
}

// New builds a server from its settings: it opens the store, which another
// process must not have open, and starts the real-time service. Close ends what
// it started. level is the level of log, changeable while the server runs.
func New(settings Settings, log *slog.Logger, level *slog.LevelVar) (*Server, error) {
	settings.onFly()
	instruments := observe.NewInstruments()
	ages := clock.New()
	db, err := settings.openContest(log, ages.Now, func(c contest.Commit) { instruments.Committed(c.Took) })
	if err != nil {
		return nil, err
	}
	s := &Server{settings: settings, log: log, level: level, contest: contest.New(db), instruments: instruments, ages: ages, wall: time.Now}
	if shared, ok := db.(contest.Shared); ok { // one machine's clock may be wrong
		s.wall = shared.Clock
		ages.Follow(s.wall)
	}
	s.contest.PhoneCountry = settings.PhoneCountry
	s.source = settings.backupSource(db)
	s.file, _ = db.(contest.File)
	if err := s.build(); err != nil {
		if s.admin != nil {
			s.admin.Close()
		}
		if s.uploads != nil {
			err = errors.Join(err, s.uploads.Close())
		}
		return nil, errors.Join(err, db.Close())
	}
	return s, nil
}

// onFly takes over what Fly's environment says, where settings do not.
func (s *Settings) onFly() {
	machine := os.Getenv("FLY_MACHINE_ID")
	if machine == "" {
		return
	}
	if s.NodeID == "" {
		s.NodeID = machine
	}
	if len(s.TrustedProxies) == 0 {
		// Requests reach a machine through Fly's proxy only, from private networks.
		s.TrustedProxies = []string{"172.16.0.0/12", "10.0.0.0/8", "fdaa::/16"}
		s.AddressHeader = "Fly-Client-IP"
	}
	if app := os.Getenv("FLY_APP_NAME"); app != "" && s.PublicURL == "" {
		s.PublicURL = "https://" + app + ".fly.dev"
	}
}

// build makes the rooms, those first that the others need.
func (s *Server) build() error {
	var err error
	if s.addresses, err = s.settings.addresses(); err != nil {
		return err
	}
	s.limits = s.settings.limits()
	s.limits.realtime.Addresses = s.addresses
	s.joining = joincode.New(joincode.Options{
		PublicURL: s.settings.PublicURL, Listen: s.settings.Host, TLS: s.settings.TLSCert != "",
		Secure: s.addresses.Secure, Host: s.addresses.Host, AddressOf: s.addresses.Of,
	})
	s.admin, s.Password, err = admin.New(s.contest, admin.Options{
		Password: s.settings.AdminPassword, SessionAge: s.settings.SessionAge, AtOnce: s.settings.SignInsAtOnce,
		FailuresPerMinute: s.settings.LimitSignIns, Shared: s.settings.Database != "", Memory: s.limits.memory.passwords, Now: s.ages.Now, Logger: s.log,
	})
	if err != nil {
		return err
	}
	if err := s.buildRealtime(); err != nil {
		return err
	}
	if err := s.openUploads(); err != nil {
		return err
	}
	if err := s.buildPictures(); err != nil {
		return err
	}
	s.api.Pictures = s.pictures
	s.api.Founded = s.admin.EndSetup
	if err := s.beginSetup(); err != nil {
		return err
	}
	gone, err := s.contest.FinishDeletions(context.Background())
	if err != nil {
		return err
	}
	s.api.RemovePictures(context.Background(), gone)
	s.buildPages()
	if err := s.buildBackups(); err != nil {
		return err
	}
	key, err := s.realtimeKey()
	if err != nil {
		return err
	}
	s.observe = observe.New(observe.Options{
		Contest: s.contest, Realtime: s.realtime, Admin: s.admin, Pictures: s.pictures, Backups: s.backups, Instruments: s.instruments, Machine: s.settings.NodeID, Likeness: s.likeness(key), DataDir: s.settings.Data, UploadsDir: s.settings.UploadsDir(),
		Refusals: s.refusals, Level: s.level, Now: time.Now, MemoryLimit: machine.MemoryLimit(),
	})
	s.signIn = s.newSignIn()
	s.handler = s.routes()
	running, stop := context.WithCancel(context.Background())
	s.tidying.Go(func() { s.pruneAsides(running, s.log) })
	s.stopTidying = stop
	return nil
}

func (s *Server) buildRealtime() error {
	key, err := s.realtimeKey()
	if err != nil {
		return err
	}
	newest, err := s.newest()
	if err != nil {
		return err
	}
	set := &s.settings
	s.api = api.New(api.Options{
		Contest: s.contest, EscapeText: set.EscapesText(), WinnersLimit: set.WinnersLimit, Moderation: set.Moderation,
		MaxPhoto: int64(set.MaxPhoto), Spools: s.limits.memory.spools, SpoolDir: set.UploadsDir(), Uploads: s.limits.uploads, Waiting: s.limits.waiting, Albums: s.limits.albums,
		FeedMemory: feedMemory(machine.MemoryLimit()), Readers: s.limits.memory.readers,
		Published: func() { s.realtime.Publish() }, Uploaded: s.instruments.Uploaded,
		Kept:      func(ctx context.Context) archive.Pictures { return s.uploads.Within(ctx) },
		Disk:      machine.NewDisk(set.Data, set.UploadsDir()),
		AddressOf: s.addresses.Of, UploadWindow: set.UploadWindow,
		Allow: func(r *http.Request) time.Duration { return s.limits.submissions.Allow(s.addresses.Of(r), time.Now()) },
		Facts: map[string]any{
			"heartbeatInterval": set.HeartbeatInterval.Milliseconds(),
			"recovery":          map[string]int64{"maxMessages": int64(set.RecoveryMessages), "maxAge": set.RecoveryAge.Milliseconds()},
			"reconnect":         []int{1000, 2000, 4000, 8000, 16000, 30000},
		},
		CleanupInterval: set.CleanupInterval, AnswerAge: set.IdempotencyAge,
		Now: s.wall, Stamp: clock.NewOrdered(newest, s.wall).Now, Logger: s.log,
	})
	s.realtime = realtime.New(realtime.Options{
		Contest: s.contest, Payload: s.api.EventPayload, Key: key,
		HeartbeatInterval: set.HeartbeatInterval, HeartbeatTimeout: set.HeartbeatTimeout,
		MaxMissed: set.RecoveryMessages, MaxAge: set.RecoveryAge, CleanupInterval: set.CleanupInterval,
		MaxQueuedBytes: int(set.ClientQueue), MaxPayload: int64(set.MaxPayload), Loops: set.EventLoops, Transports: set.Transports, AllowEIO3: set.AllowEIO3,
		NodeID: set.NodeID, Address: set.NodeAddress, CORSOrigins: set.CORSOrigins, Compress: set.Compress, ShutdownGrace: set.ShutdownGrace,
		Limits:  s.limits.realtime,
		Streams: s.limits.streams, Memory: s.limits.memory.messages, StreamMemory: s.limits.memory.streams,
		ConnectTimeout: set.ConnectTimeout, BodyTimeout: set.BodyTimeout, MaxPacketsPerSecond: set.LimitEvents, MaxRooms: set.LimitRooms,
		Observer: realtime.Observer{Delivered: s.instruments.Delivered, Pong: s.instruments.Ponged, Disconnected: s.instruments.Disconnected},
		Now:      s.ages.Now, Logger: s.log,
	})
	return nil
}

// newest is when the newest submission arrived.
func (s *Server) newest() (time.Time, error) {
	spans, err := s.contest.Spans()
	var ms int64
	for _, span := range spans {
		ms = max(ms, span.Newest)
	}
	return time.UnixMilli(ms), err
}

// realtimeKey returns the key that signs session ids, made at the first start:
// sessions outlive the process because it does.
func (s *Server) realtimeKey() ([]byte, error) {
	key := make([]byte, 32)
	_, _ = rand.Read(key) // never fails
	return s.contest.EnsureSetting(settingRealtimeKey, key)
}

func (s *Server) buildPictures() error {
	set := &s.settings
	var cloud *pictures.Cloud
	if set.CloudinaryCloudName != "" {
		var err error
		cloud, err = pictures.NewCloud(set.CloudinaryCloudName, set.CloudinaryAPIKey, set.CloudinaryAPISecret, set.CloudinaryURL)
		if err != nil {
			return err
		}
	}
	var bucket *pictures.Bucket
	if s.uploads.Bucket != nil {
		bucket = pictures.NewBucket(s.uploads.Bucket)
	}
	limit := machine.MemoryLimit()
	var err error
	s.pictures, err = pictures.New(pictures.Options{
		Dir: set.UploadsDir(), MaxPixels: set.MaxPixels, MemoryBudget: pictureBudget(limit), Memory: s.limits.memory.pictures, KeepOriginals: set.KeepOriginals, AddressOf: s.addresses.Of,
		Bucket: bucket, Cloud: cloud, Contest: s.contest, Published: func() { s.realtime.Publish() }, Logger: s.log,
	})
	return err
}

// buildBackups begins to make backups. Of a database, which has backups of its
// own, they are made only where a place for them is named, by one machine at a
// time and without pictures: each machine may have others.
func (s *Server) buildBackups() error {
	set := &s.settings
	if s.file == nil && set.Backups == "" {
		return nil
	}
	options := backup.Options{
		Store: s.source, Dest: set.BackupsDest(), Scratch: set.Data, Uploads: set.UploadsDir(), Every: set.BackupInterval,
		Keep: set.BackupKeep, Days: set.BackupKeepDays, Now: time.Now, Logger: s.log,
	}
	if s.file == nil {
		options.Uploads, options.Alone = "", s.contest.Alone
	}
	var err error
	s.backups, err = backup.New(context.Background(), options)
	return err
}

func (s *Server) buildPages() {
	s.client = pages.NewClient(static.Client(), static.ClientVersion, s.log)
	files, place := static.For(s.evening), static.Origin
	if s.settings.Static != "" {
		// A root cannot be left through links either.
		if root, err := os.OpenRoot(s.settings.Static); err == nil {
			files, place = root.FS(), ""
		} else {
			s.log.Error("open the folder of pages", "error", err)
		}
	}
	s.pages = pages.New(files, s.client.Origin(), pages.Origin{Place: place, Of: s.joining.Origin})
}

// evening is what the pages say of the event: the last that is known, where the
// store can't be read.
func (s *Server) evening() static.Evening {
	e, changed, err := s.contest.Evening()
	if err != nil {
		if last := s.lastEvening.Load(); last != nil {
			return *last
		}
		return static.Evening{}
	}
	now := static.Evening{Name: e.Name, Date: e.Date, Accent: e.Accent, Welcome: e.Welcome, Logo: e.Logo, Changed: changed}
	s.lastEvening.Store(&now)
	return now
}

// newSignIn makes the routes of signing in. Pages of one's own have no first-run page.
func (s *Server) newSignIn() *signin.SignIn {
	o := signin.Options{
		Admin: s.admin, AddressOf: s.addresses.Of, SetUp: s.api.SetUp, Logger: s.log,
		Secure: func(r *http.Request) bool { return s.settings.SecureCookies || s.addresses.Secure(r) },
	}
	if s.settings.Static == "" {
		o.SetupPage = s.pages.Serve
	}
	return signin.New(o)
}

// Addresses lists the URLs under which the server is found where it listens: from other
// machines first, and from this one last.
func (s *Server) Addresses(at net.Addr) []string { return s.joining.Addresses(at) }

// Handler is the server's HTTP handler.
func (s *Server) Handler() http.Handler { return s.handler }

// Contest is the contest that the server serves.
func (s *Server) Contest() *contest.Contest { return s.contest }

// Source is what is backed up.
func (s *Server) Source() backup.Source { return s.source }

// File is the file that keeps the contest, nil where another kind of store does.
func (s *Server) File() contest.File { return s.file }

// Listen takes the listening socket and begins to accept connections. Who has slow
// storage listens before New. Either Run gets the Front, or the caller closes it.
func (s *Settings) Listen(log *slog.Logger) (*listen.Front, error) {
	s.onFly()
	addresses, err := s.addresses()
	if err != nil {
		return nil, err
	}
	return listen.New(listen.Options{
		Address: s.listenAddress(), TLSCert: s.TLSCert, TLSKey: s.TLSKey, UDP: s.offersQUIC(),
		Addresses: addresses, Sockets: s.socketGate(),
		HeaderTimeout: s.HeaderTimeout, BodyTimeout: s.BodyTimeout, AnswerTimeout: s.AnswerTimeout,
		MaxHeader: int(s.MaxHeader), Logger: log,
	})
}

// Listen is [Settings.Listen] of the server's settings.
func (s *Server) Listen() (*listen.Front, error) { return s.settings.Listen(s.log) }

// Run serves behind front until ctx ends, and then stops in order (see stop).
// It returns nil after a stop that was asked for.
func (s *Server) Run(ctx context.Context, front *listen.Front) error {
	s.limits.sockets = front.Sockets().Charge(s.limits.memory.sockets, socketBytes) // before anybody can ask for the figures
	metrics, err := s.serveMetrics()
	if err != nil {
		return errors.Join(err, front.Close(), s.Abandon())
	}
	quic, err := s.serveQUIC(front)
	if err != nil {
		return errors.Join(err, front.Close(), s.Abandon())
	}
	if err := s.realtime.Register(); err != nil {
		s.log.Warn("tell the other machines where this one is: polls of its guests that reach them fail", "error", err)
	}
	s.observe.Ready()
	front.Open(s.handler)
	select {
	case <-front.Done(): // stop says why
	case <-ctx.Done():
	}
	return s.stop(front, quic, metrics)
}

// serveMetrics serves Prometheus on an address of its own, where one is set.
func (s *Server) serveMetrics() (*http.Server, error) {
	if s.settings.MetricsAddress == "" {
		return nil, nil
	}
	l, err := net.Listen("tcp", s.settings.MetricsAddress)
	if err != nil {
		return nil, fmt.Errorf("listen for metrics on %s: %w", s.settings.MetricsAddress, err)
	}
	mux := http.NewServeMux()
	mux.Handle("GET /metrics", s.observe.Prometheus())
	srv := &http.Server{
		Handler: mux, ReadHeaderTimeout: s.settings.HeaderTimeout,
		ReadTimeout: s.settings.BodyTimeout, WriteTimeout: s.settings.AnswerTimeout,
	}
	go func() {
		if err := srv.Serve(l); !errors.Is(err, http.ErrServerClosed) {
			s.log.Error("serve metrics", "error", err)
		}
	}()
	return srv, nil
}

// Close ends what New started besides the real-time service and lets go of the
// store. Run calls it.
func (s *Server) Close() error {
	s.api.Close()
	s.stopTidying()
	s.tidying.Wait()
	s.pictures.Close()
	s.observe.Close()
	s.admin.Close()
	return errors.Join(s.backups.Close(), s.uploads.Close(), s.contest.Close())
}
