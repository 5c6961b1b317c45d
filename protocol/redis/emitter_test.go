package redis_test

import (
	"testing"

	"podium/protocol/internal/wiretest"
	"podium/protocol/redis"
	"podium/protocol/services"
	"podium/protocol/socketio"
)

func TestAnEmitterReachesAllServers(t *testing.T) {
	server := services.StartRedis(t)
	open := func() *redis.Engine {
		e, err := redis.Open(t.Context(), redis.Options{URL: server.URL()})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = e.Close() })
		return e
	}
	wiretest.RunEmitter(t, func() socketio.Options {
		e := open()
		return socketio.Options{Cluster: e.Join, Recovery: e.Recovery()}
	}, open().Emitter())
}
