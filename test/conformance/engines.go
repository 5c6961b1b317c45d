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

	goredis "github.com/redis/go-redis/v9"

	"podium/protocol/postgres"
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
	"postgres":      openPostgres,
	"postgresql":    openPostgres,
	"redis":         openRedis,
	"rediss":        openRedis,
	"redis-classic": openOfficial(func(o officialwire.Options) joiner { return officialwire.Classic{Options: o}.Join }),
	"redis-sharded": openOfficial(func(o officialwire.Options) joiner { return officialwire.Sharded{Options: o}.Join }),
	"redis-streams": openOfficial(func(o officialwire.Options) joiner { return officialwire.Streams{Options: o}.Join }),
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
func openOfficial(wire func(officialwire.Options) joiner) func(context.Context, string) (engine, error) {
	return func(ctx context.Context, address string) (engine, error) {
		plain, options, err := officialOptions(address)
		if err != nil {
			return engine{}, err
		}
		o, err := goredis.ParseURL(plain)
		if err != nil {
			return engine{}, errURL
		}
		o.MaxRetries = -1
		client := goredis.NewClient(o)
		if err := client.Ping(ctx).Err(); err != nil {
			return engine{}, errors.Join(err, client.Close())
		}
		options.Client = client
		return engine{join: wire(options), close: client.Close}, nil
	}
}

// errURL does not quote the URL, which may hold a password.
var errURL = errors.New("the URL cannot be read: want user:password@host:port/db behind the scheme")

// officialOptions takes the options of Node's adapters, by their names there, out of a
// URL's query, and returns what is left as redis://.
func officialOptions(address string) (string, officialwire.Options, error) {
	var o officialwire.Options
	u, err := url.Parse(address)
	if err != nil || u.Host == "" {
		return "", o, errURL
	}
	q := u.Query()
	take := func(names ...string) (value string) {
		for _, name := range names {
			if q.Has(name) {
				value = q.Get(name)
				q.Del(name)
			}
		}
		return value
	}
	o.Prefix = take("key", "channelPrefix")
	o.Subscriptions = officialwire.Subscriptions(take("mode", "subscriptionMode"))
	o.Stream = take("streamName")
	for name, into := range map[string]*int{"streamCount": &o.StreamCount, "maxLen": &o.MaxEntries} {
		if text := take(name); text != "" {
			if *into, err = strconv.Atoi(text); err != nil || *into < 1 {
				return "", o, fmt.Errorf("%s=%s is not a number of 1 or more", name, text)
			}
		}
	}
	switch o.Subscriptions {
	case "", officialwire.Dynamic, officialwire.DynamicPrivate, officialwire.Static:
	default:
		return "", o, fmt.Errorf("subscriptionMode=%s: want dynamic, dynamic-private or static", o.Subscriptions)
	}
	u.Scheme, u.RawQuery = "redis", q.Encode()
	return u.String(), o, nil
}

func openPostgres(ctx context.Context, url string) (engine, error) {
	e, err := postgres.Open(ctx, postgres.Options{URL: url, MaxEntries: 2 * recoverMost})
	if err != nil {
		return engine{}, err
	}
	return engine{join: e.Join, recovery: e.Recovery(), close: e.Close}, nil
}
