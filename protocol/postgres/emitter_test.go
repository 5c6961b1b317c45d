package postgres_test

import (
	"testing"

	"podium/protocol/internal/wiretest"
	"podium/protocol/postgres"
	"podium/protocol/services"
	"podium/protocol/socketio"
)

func TestAnEmitterReachesAllServers(t *testing.T) {
	server := services.StartPostgres(t)
	open := func() *postgres.Engine {
		e, err := postgres.Open(t.Context(), postgres.Options{URL: server.URL()})
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
