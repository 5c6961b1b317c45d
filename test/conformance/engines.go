package main

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"

	"podium/protocol/redis"
	"podium/protocol/socketio"
)

// engine is what makes a server one of a cluster.
type engine struct {
	join     func(socketio.Member, socketio.Node) (socketio.Cluster, error)
	recovery *socketio.Recovery // nil where the engine has no log
	close    func() error
}

// engines opens an engine by the scheme of its URL.
var engines = map[string]func(ctx context.Context, url string) (engine, error){
	"redis":  openRedis,
	"rediss": openRedis,
}

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
