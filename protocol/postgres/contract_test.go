package postgres

import (
	"fmt"
	"testing"

	"podium/protocol/services"
	"podium/protocol/socketio"
	"podium/protocol/sockettest"
)

// TestKeepsTheContracts runs the suites of package sockettest, each part with a schema of
// its own.
func TestKeepsTheContracts(t *testing.T) {
	p := services.StartPostgres(t, "max_connections", "200", "shared_buffers", "16MB")
	schemas := 0
	next := func() Options { schemas++; return Options{URL: p.URL(), Schema: fmt.Sprint("contract", schemas)} }
	t.Run("log", func(t *testing.T) {
		sockettest.TestLog(t, func(t *testing.T) socketio.Appender { return openWith(t, next()) })
	})
	t.Run("sessions", func(t *testing.T) {
		sockettest.TestSessionStore(t, func(t *testing.T) socketio.SessionStore { return openWith(t, next()) })
	})
	t.Run("messages", func(t *testing.T) {
		sockettest.TestCluster(t, func(t *testing.T) sockettest.Join {
			o := next()
			return func(self socketio.Member, node socketio.Node) (socketio.Cluster, error) {
				return openWith(t, o).Join(self, node)
			}
		})
	})
}
