package redis

import (
	"cmp"
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"net"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	goredis "github.com/redis/go-redis/v9"

	"podium/protocol/socketio"
)

// Options say which Redis it is.
type Options struct {
	// URL is redis://user:password@host:port/db, or rediss:// for TLS, with the
	// parameters of go-redis's ParseURL. Several hosts divided by commas are a Redis
	// Cluster; with the parameter sentinel=NAME they are Sentinels that know the
	// primary by that name.
	URL string
	// Client configures the connection instead of URL, where that says too little: TLS
	// certificates, passwords of Sentinels. MaxRetries is ignored.
	Client *goredis.UniversalOptions
	// Prefix begins the name of every key and channel. Servers with the same prefix
	// are one. Empty means "podium".
	Prefix string
	// MaxEntries is about how many entries the log keeps: events that clients may
	// have missed. Zero means 10,000.
	MaxEntries int64
	// SessionAge is for how long the record of a session is kept. Zero means 25 hours.
	SessionAge time.Duration
}

// Engine is what servers that are one have in common. All methods are safe for
// concurrent use. It is a [socketio.Log] and a [socketio.SessionStore]; whoever emits
// without being a server appends to it.
type Engine struct {
	o      Options
	keys   keys
	client goredis.UniversalClient // for everything but following
	reader goredis.UniversalClient // has one connection, which Follow waits on
	key    []byte                  // signs session ids

	node string        // names this process in the log
	seq  atomic.Uint64 // of the batches that it appended

	mu   sync.Mutex        // guards last
	last socketio.Position // as it was last read; only what names the history counts
}

var (
	_ socketio.AppenderAt   = (*Engine)(nil)
	_ socketio.Follower     = (*Engine)(nil)
	_ socketio.SessionStore = (*Engine)(nil)
)

// keys are the names of what is kept. Those that a script uses are in one slot.
type keys struct{ epoch, log, secret, batch, session, all, to string }

func keysOf(prefix string) keys {
	slot := "{" + prefix + "}:"
	return keys{
		epoch: slot + "epoch", log: slot + "log", secret: slot + "key", batch: slot + "batch:",
		session: prefix + ":session:", all: prefix + ":all", to: prefix + ":to:",
	}
}

// Open connects to Redis, and makes what is not there yet. It returns an error where
// Redis does not answer before ctx ends.
func Open(ctx context.Context, o Options) (*Engine, error) {
	if o.Prefix == "" {
		o.Prefix = "podium"
	}
	if o.MaxEntries == 0 {
		o.MaxEntries = 10_000
	}
	if o.SessionAge == 0 {
		o.SessionAge = 25 * time.Hour
	}
	u := o.Client
	if u == nil {
		var err error
		if u, err = parseURL(o.URL); err != nil {
			return nil, fmt.Errorf("redis: %w", err)
		}
	}
	e := &Engine{o: o, keys: keysOf(o.Prefix), node: randomID()}
	e.client = goredis.NewUniversalClient(prudent(*u))
	reading := prudent(*u)
	reading.PoolSize, reading.MinIdleConns = 1, 0
	reading.ReadTimeout = followBlock + cmp.Or(max(u.ReadTimeout, 0), 3*time.Second)
	e.reader = goredis.NewUniversalClient(reading)
	if err := e.prepare(ctx); err != nil {
		_ = e.Close()
		return nil, err
	}
	return e, nil
}

// prudent returns options under which nothing is sent twice behind the back of the
// caller.
func prudent(u goredis.UniversalOptions) *goredis.UniversalOptions {
	u.MaxRetries = -1
	u.ContextTimeoutEnabled = true
	u.DisableIdentity = true
	return &u
}

// parseURL reads Options.URL.
func parseURL(s string) (*goredis.UniversalOptions, error) {
	scheme, rest, ok := strings.Cut(s, "://")
	if !ok || scheme != "redis" && scheme != "rediss" {
		return nil, errors.New("the URL must begin with redis:// or rediss://")
	}
	// What go-redis parses has one host; the others share all else.
	authority, tail := rest, ""
	if i := strings.IndexAny(rest, "/?"); i >= 0 {
		authority, tail = rest[:i], rest[i:]
	}
	user, hosts := "", authority
	if i := strings.LastIndexByte(authority, '@'); i >= 0 {
		user, hosts = authority[:i+1], authority[i+1:]
	}
	path, query, _ := strings.Cut(tail, "?")
	var sentinel string
	var kept []string
	for _, pair := range strings.Split(query, "&") {
		if name, ok := strings.CutPrefix(pair, "sentinel="); ok {
			sentinel = name
		} else if pair != "" {
			kept = append(kept, pair)
		}
	}
	list := strings.Split(hosts, ",")
	one := scheme + "://" + user + list[0] + path
	if len(kept) > 0 {
		one += "?" + strings.Join(kept, "&")
	}
	o, err := goredis.ParseURL(one)
	if err != nil {
		// The error of ParseURL can quote the URL, and so the password.
		return nil, errors.New("the URL cannot be read: want redis://user:password@host:port/db")
	}
	u := &goredis.UniversalOptions{
		DB: o.DB, Username: o.Username, Password: o.Password, TLSConfig: o.TLSConfig, MasterName: sentinel,
		DialTimeout: o.DialTimeout, ReadTimeout: o.ReadTimeout, WriteTimeout: o.WriteTimeout,
		PoolSize: o.PoolSize, Protocol: o.Protocol, ClientName: o.ClientName,
	}
	for _, host := range list {
		if _, _, err := net.SplitHostPort(host); err != nil {
			host = net.JoinHostPort(strings.Trim(host, "[]"), "6379")
		}
		u.Addrs = append(u.Addrs, host)
	}
	return u, nil
}

// prepare makes the log and the key, where they are missing.
func (e *Engine) prepare(ctx context.Context) error {
	if _, _, err := e.Read(ctx, 0, 0); err != nil {
		return err
	}
	fresh := make([]byte, 32)
	_, _ = rand.Read(fresh) // never fails
	if err := e.client.SetNX(ctx, e.keys.secret, fresh, 0).Err(); err != nil {
		return fmt.Errorf("redis: make the key of sessions: %w", err)
	}
	key, err := e.client.Get(ctx, e.keys.secret).Bytes()
	if err != nil {
		return fmt.Errorf("redis: read the key of sessions: %w", err)
	}
	e.key = key
	return nil
}

// Recovery returns what the servers have in common, for [socketio.Options]. It may be
// changed.
func (e *Engine) Recovery() *socketio.Recovery {
	return &socketio.Recovery{Log: e, Sessions: e, Key: e.key}
}

// Close closes the connections. Servers that use it end before.
func (e *Engine) Close() error { return errors.Join(e.reader.Close(), e.client.Close()) }

func randomID() string {
	var b [8]byte
	_, _ = rand.Read(b[:]) // never fails
	return hex.EncodeToString(b[:])
}
