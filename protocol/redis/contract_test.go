package redis

import (
	"fmt"
	"testing"

	"podium/protocol/services"
	"podium/protocol/socketio"
	"podium/protocol/sockettest"
)

// TestKeepsTheContracts runs the suites of package sockettest, each part with keys of its
// own.
func TestKeepsTheContracts(t *testing.T) {
	r := services.StartRedis(t)
	prefixes := 0
	next := func() string { prefixes++; return fmt.Sprint("contract", prefixes) }
	t.Run("log", func(t *testing.T) {
		sockettest.TestLog(t, func(t *testing.T) socketio.Appender {
			return openWith(t, Options{URL: "redis://" + r.Addr, Prefix: next()})
		})
	})
	t.Run("sessions", func(t *testing.T) {
		sockettest.TestSessionStore(t, func(t *testing.T) socketio.SessionStore {
			return openWith(t, Options{URL: "redis://" + r.Addr, Prefix: next()})
		})
	})
	t.Run("messages", func(t *testing.T) {
		sockettest.TestCluster(t, func(t *testing.T) sockettest.Join {
			o := Options{URL: "redis://" + r.Addr, Prefix: next()}
			return func(self socketio.Member, node socketio.Node) (socketio.Cluster, error) {
				return openWith(t, o).Join(self, node)
			}
		})
	})
}
