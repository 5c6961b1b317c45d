package main

import (
	"context"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"time"

	goredis "github.com/redis/go-redis/v9"
	"golang.org/x/sys/unix"

	"podium/protocol/postgres"
	"podium/protocol/redis"
	"podium/protocol/redis/officialwire"
	"podium/protocol/socketio"
)

// kept is how many entries an engine's log keeps, of Node's as of ours: none is to be
// trimmed before the slowest has read it.
const kept = 100_000

// join makes the server one of those that share an engine.
func join(o *socketio.Options, address string) error {
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	scheme, host, _ := strings.Cut(address, "://")
	official := func() officialwire.Options {
		return officialwire.Options{MaxEntries: kept, Client: goredis.NewClient(&goredis.Options{Addr: host, MaxRetries: -1})}
	}
	switch scheme {
	case "redis":
		e, err := redis.Open(ctx, redis.Options{URL: address, MaxEntries: kept})
		if err != nil {
			return err
		}
		o.Cluster, o.Recovery = e.Join, e.Recovery()
	case "redis-streams":
		e, err := officialwire.OpenStream(ctx, official())
		if err != nil {
			return err
		}
		o.Cluster, o.Recovery = e.Join, e.Recovery()
	case "redis-classic":
		o.Cluster, o.Recovery = officialwire.Classic{Options: official()}.Join, nil
	case "postgres":
		e, err := postgres.Open(ctx, postgres.Options{URL: address, MaxEntries: kept})
		if err != nil {
			return err
		}
		o.Cluster, o.Recovery = e.Join, e.Recovery()
	default:
		return fmt.Errorf("--cluster: there is no engine %s", scheme)
	}
	return nil
}

// emits answers
//
//	GET /emits?n=N&first=F&emitters=E&pause=P&size=S
//
// when N events m, numbered from F on, are emitted to all and acknowledged: E emitters at
// once take every E-th each, and pause for P ms after one. An event is a string of S bytes
// that begins with its number and the µs of the machine's monotonic clock, ten digits each.
func emits(all *socketio.Namespace) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		number := func(name string) int { n, _ := strconv.Atoi(r.FormValue(name)); return n }
		n, first, emitters := number("n"), number("first"), number("emitters")
		pause := time.Duration(number("pause")) * time.Millisecond
		filler := strings.Repeat("x", max(0, number("size")-20))
		faults := make(chan error, emitters)
		var done sync.WaitGroup
		for e := range emitters {
			done.Go(func() {
				for i := e; i < n; i += emitters {
					var now unix.Timespec
					if err := unix.ClockGettime(unix.CLOCK_MONOTONIC, &now); err != nil {
						faults <- err
						return
					}
					text := fmt.Sprintf("%010d%010d%s", first+i, now.Nano()/1000%10_000_000_000, filler)
					if err := all.Emit("m", text); err != nil {
						faults <- err
						return
					}
					time.Sleep(pause)
				}
			})
		}
		done.Wait()
		select {
		case err := <-faults:
			http.Error(w, err.Error(), http.StatusInternalServerError)
		default:
		}
	}
}
