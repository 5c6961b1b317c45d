package main

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
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
	return func(ctx context.Context, url string) (engine, error) {
		_, rest, _ := strings.Cut(url, "://")
		o, err := goredis.ParseURL("redis://" + rest)
		if err != nil {
			return engine{}, errors.New("the URL cannot be read: want user:password@host:port/db behind the scheme") // the error may quote a password
		}
		o.MaxRetries = -1
		client := goredis.NewClient(o)
		if err := client.Ping(ctx).Err(); err != nil {
			return engine{}, errors.Join(err, client.Close())
		}
		return engine{join: wire(officialwire.Options{Client: client}), close: client.Close}, nil
	}
}

func openPostgres(ctx context.Context, url string) (engine, error) {
	e, err := postgres.Open(ctx, postgres.Options{URL: url, MaxEntries: 2 * recoverMost})
	if err != nil {
		return engine{}, err
	}
	return engine{join: e.Join, recovery: e.Recovery(), close: e.Close}, nil
}
