package redis

import (
	"context"
	"os"
	"path/filepath"
	"strconv"
	"testing"
	"time"

	"podium/protocol/services"
	"podium/protocol/socketio/clustertest"
)

func TestCluster(t *testing.T) {
	clustertest.Run(t, func(t *testing.T) clustertest.Setup {
		r := services.StartRedis(t, "appendonly", "yes", "appendfsync", "always", "stream-node-max-entries", "10")
		max := int64(1 << 20)
		at := func(t testing.TB, address string) clustertest.Engine {
			ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
			defer cancel()
			e, err := Open(ctx, Options{URL: "redis://" + address, MaxEntries: max})
			if err != nil {
				t.Fatal(err)
			}
			return clustertest.Engine{Join: e.Join, Recovery: e.Recovery(), Close: e.Close}
		}
		return clustertest.Setup{
			Open:    func(t testing.TB) clustertest.Engine { return at(t, r.Addr) },
			OpenAt:  at,
			Address: r.Addr,
			Kill:    r.Kill, Start: r.Start, Pause: r.Pause, Resume: r.Resume,
			Keep: func(entries int) { max = int64(entries) },
			LoseAll: func() {
				r.Kill()
				if err := os.RemoveAll(filepath.Join(r.Dir, "appendonlydir")); err != nil {
					t.Fatal(err)
				}
				r.Start()
			},
			Refuse: func(on bool) {
				limit := map[bool]string{true: "1", false: "0"}[on]
				ask(t, r, "CONFIG", "SET", "maxmemory", limit)
			},
			LoseTail: func(entries int) { loseTail(t, r, entries) },
			Poison: func() {
				if _, err := r.Do("EVAL", `return redis.call('XADD', '{podium}:log', redis.call('GET', '{podium}:epoch') .. '-*', 'd', 'x')`, "0"); err != nil {
					t.Fatal(err)
				}
			},
		}
	})
}

// loseTail makes a log what it is on a replica that was some entries behind, and the
// server another process, as the replica is.
func loseTail(t *testing.T, r *services.Redis, entries int) {
	t.Helper()
	shorten(t, r, entries)
	r.Kill()
	r.Start()
}

// shorten drops the last entries of a log, as if they had never been.
func shorten(t *testing.T, r *services.Redis, entries int) {
	t.Helper()
	const script = `
local all = redis.call('XRANGE', KEYS[1], '-', '+')
redis.call('DEL', KEYS[1])
for i = 1, #all - tonumber(ARGV[1]) do redis.call('XADD', KEYS[1], all[i][1], unpack(all[i][2])) end
return #all`
	ask(t, r, "EVAL", script, "1", "{podium}:log", strconv.Itoa(entries))
}
