package main

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"
	goredis "github.com/redis/go-redis/v9"

	"podium/protocol/postgres"
	pgwire "podium/protocol/postgres/officialwire"
	"podium/protocol/redis"
	"podium/protocol/redis/officialwire"
	"podium/protocol/socketio"
)

// engine is what makes a server one of a cluster.
type engine struct {
	join     joiner
	recovery *socketio.Recovery // nil where the engine has no log
	close    func() error
}

// engines opens an engine by the scheme of its URL.
var engines = map[string]func(ctx context.Context, url string) (engine, error){
	"postgres":          openPostgres,
	"postgresql":        openPostgres,
	"redis":             openRedis,
	"rediss":            openRedis,
	"redis-classic":     openOfficial(without(func(o officialwire.Options) joiner { return officialwire.Classic{Options: o}.Join })),
	"redis-sharded":     openOfficial(without(func(o officialwire.Options) joiner { return officialwire.Sharded{Options: o}.Join })),
	"socketio-postgres": openOfficialPostgres,
	"redis-streams":     openOfficial(openStream),
}

// joiner makes a server one of those that an engine joins.
type joiner = func(socketio.Member, socketio.Node) (socketio.Cluster, error)

// openEngine opens the engine that a URL names.
func openEngine(ctx context.Context, url string) (engine, error) {
	scheme, _, ok := strings.Cut(url, "://")
	open := engines[scheme]
	if !ok || open == nil {
		// The URL may hold a password.
		names := slices.Sorted(maps.Keys(engines))
		return engine{}, fmt.Errorf("--cluster wants a URL that begins with one of %s://", strings.Join(names, "://, "))
	}
	e, err := open(ctx, url)
	if err != nil {
		return engine{}, fmt.Errorf("--cluster: %w", err)
	}
	return e, nil
}

func openRedis(ctx context.Context, url string) (engine, error) {
	e, err := redis.Open(ctx, redis.Options{URL: url, MaxEntries: 2 * recoverMost})
	if err != nil {
		return engine{}, err
	}
	return engine{join: e.Join, recovery: e.Recovery(), close: e.Close}, nil
}

// openOfficial opens a wire of the official adapters on Redis.
func openOfficial(wire func(context.Context, officialwire.Options) (engine, error)) func(context.Context, string) (engine, error) {
	return func(ctx context.Context, address string) (engine, error) {
		plain, options, err := officialOptions(address)
		if err != nil {
			return engine{}, err
		}
		o, err := goredis.ParseURL(plain)
		if err != nil {
			return engine{}, errURL
		}
		o.MaxRetries, o.ContextTimeoutEnabled = -1, true
		client := goredis.NewClient(o)
		if err := client.Ping(ctx).Err(); err != nil {
			return engine{}, errors.Join(err, client.Close())
		}
		options.Client = client
		e, err := wire(ctx, options)
		if err != nil {
			return engine{}, errors.Join(err, client.Close())
		}
		e.close = client.Close
		return e, nil
	}
}

// without is a wire that recovers nothing.
func without(wire func(officialwire.Options) joiner) func(context.Context, officialwire.Options) (engine, error) {
	return func(_ context.Context, o officialwire.Options) (engine, error) { return engine{join: wire(o)}, nil }
}

// openStream opens the wire of the streams adapter, which recovers sessions where all is
// in one stream.
func openStream(ctx context.Context, o officialwire.Options) (engine, error) {
	if o.StreamCount > 1 {
		return engine{join: officialwire.Streams{Options: o}.Join}, nil
	}
	if o.MaxEntries == 0 {
		o.MaxEntries = recoverMost
	}
	o.MaxDisconnection = recoverFor
	e, err := officialwire.OpenStream(ctx, o)
	if err != nil {
		return engine{}, err
	}
	return engine{join: e.Join, recovery: e.Recovery()}, nil
}

// openOfficialPostgres opens the wire of the official adapter on PostgreSQL.
func openOfficialPostgres(ctx context.Context, address string) (engine, error) {
	var o pgwire.Options
	plain, q, err := splitOptions(address, "postgres")
	if err != nil {
		return engine{}, err
	}
	o.Prefix, o.Table = q.take("channelPrefix"), q.take("tableName")
	if o.PayloadThreshold, err = q.number("payloadThreshold"); err != nil {
		return engine{}, err
	}
	for name, into := range map[string]*time.Duration{
		"heartbeatInterval": &o.HeartbeatInterval, "heartbeatTimeout": &o.HeartbeatTimeout, "cleanupInterval": &o.CleanupInterval,
	} {
		ms, err := q.number(name)
		if err != nil {
			return engine{}, err
		}
		*into = time.Duration(ms) * time.Millisecond
	}
	config, err := pgxpool.ParseConfig(plain(q))
	if err != nil {
		return engine{}, errURL
	}
	pool, err := pgxpool.NewWithConfig(ctx, config)
	if err != nil {
		return engine{}, err
	}
	if err := pool.Ping(ctx); err != nil {
		pool.Close()
		return engine{}, err
	}
	o.Pool = pool
	return engine{join: pgwire.Postgres{Options: o}.Join, close: func() error { pool.Close(); return nil }}, nil
}

// errURL does not quote the URL, which may hold a password.
var errURL = errors.New("the URL cannot be read: want user:password@host:port/database behind the scheme")

// options are the query of a URL.
type options url.Values

// take takes an option out, by one of its names.
func (o options) take(names ...string) (value string) {
	for _, name := range names {
		if q := url.Values(o); q.Has(name) {
			value = q.Get(name)
			q.Del(name)
		}
	}
	return value
}

// number takes a number out; 0 where it is missing.
func (o options) number(name string) (int, error) {
	text := o.take(name)
	if text == "" {
		return 0, nil
	}
	n, err := strconv.Atoi(text)
	if err != nil || n < 1 {
		return 0, fmt.Errorf("%s=%s is not a number of 1 or more", name, text)
	}
	return n, nil
}

// splitOptions takes a URL's query off, and returns what puts the rest of it back, under
// the scheme by which a client knows the address.
func splitOptions(address, scheme string) (plain func(options) string, q options, err error) {
	u, err := url.Parse(address)
	if err != nil || u.Host == "" {
		return nil, nil, errURL
	}
	return func(q options) string {
		u.Scheme, u.RawQuery = scheme, url.Values(q).Encode()
		return u.String()
	}, options(u.Query()), nil
}

// officialOptions takes the options of Node's adapters, by their names there, out of a
// URL's query, and returns what is left as redis://.
func officialOptions(address string) (string, officialwire.Options, error) {
	var o officialwire.Options
	plain, q, err := splitOptions(address, "redis")
	if err != nil {
		return "", o, err
	}
	o.Prefix, o.Stream = q.take("key", "channelPrefix"), q.take("streamName")
	o.Subscriptions = officialwire.Subscriptions(q.take("mode", "subscriptionMode"))
	switch o.Subscriptions {
	case "", officialwire.Dynamic, officialwire.DynamicPrivate, officialwire.Static:
	default:
		return "", o, fmt.Errorf("subscriptionMode=%s: want dynamic, dynamic-private or static", o.Subscriptions)
	}
	if o.StreamCount, err = q.number("streamCount"); err != nil {
		return "", o, err
	}
	if o.MaxEntries, err = q.number("maxLen"); err != nil {
		return "", o, err
	}
	return plain(q), o, nil
}

func openPostgres(ctx context.Context, url string) (engine, error) {
	e, err := postgres.Open(ctx, postgres.Options{URL: url, MaxEntries: 2 * recoverMost})
	if err != nil {
		return engine{}, err
	}
	return engine{join: e.Join, recovery: e.Recovery(), close: e.Close}, nil
}
