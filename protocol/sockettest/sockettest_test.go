package sockettest_test

import (
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"

	"podium/protocol/client"
	"podium/protocol/engineio"
	"podium/protocol/socketio"
	"podium/protocol/socketio/msgpack"
	"podium/protocol/socketio/parser"
	"podium/protocol/sockettest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// inBubble runs f in a bubble, over each transport.
func inBubble(t *testing.T, f func(t *testing.T, o client.Options)) {
	for name, transports := range map[string][]string{"polling": {"polling"}, "websocket": {"websocket"}, "upgrade": nil} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) { f(t, client.Options{Transports: transports}) })
		})
	}
}

func TestAwaitsEventsAndAnswers(t *testing.T) {
	inBubble(t, func(t *testing.T, o client.Options) {
		srv := sockettest.NewServer(t, socketio.Options{})
		socketio.OnAck(srv, "double", func(_ *socketio.Socket, n int) (int, error) { return 2 * n, nil })
		srv.OnConnection(func(s *socketio.Socket) {
			_ = s.Emit("one", 1)
			_ = s.Emit("two", "x")
		})
		c := srv.Connect("/", o)
		var text string
		var number int
		c.Await("two", &text)
		c.Await("one", &number)
		if text != "x" || number != 1 {
			t.Errorf("got %q and %d", text, number)
		}
		c.Ask(&number, "double", 21)
		if number != 42 {
			t.Errorf("got %d", number)
		}
		synctest.Wait()
		if n := c.Pending("one"); n != 0 {
			t.Errorf("%d more", n)
		}
	})
}

func TestRecoversAfterACut(t *testing.T) {
	inBubble(t, func(t *testing.T, o client.Options) {
		srv := sockettest.NewServer(t, socketio.Options{Recovery: &socketio.Recovery{Log: &socketio.MemoryLog{}}})
		c := srv.Connect("/", o)
		_ = srv.Emit("n", 0)
		c.Await("n")
		id := c.ID()
		srv.Network.Down()
		if r := c.AwaitDisconnect(); r != client.ReasonTransportClose && r != client.ReasonTransportError {
			t.Errorf("reason %q", r)
		}
		_ = srv.Emit("n", 1)
		_ = srv.Emit("n", 2)
		srv.Network.Up()
		c.AwaitConnect()
		if !c.Recovered() || c.ID() != id {
			t.Error("not recovered")
		}
		for want := 1; want <= 2; want++ {
			var n int
			if c.Await("n", &n); n != want {
				t.Errorf("got %d instead of %d", n, want)
			}
		}
	})
}

// TestHeartbeatsTakeNoTime shows the clock.
func TestHeartbeatsTakeNoTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		srv := sockettest.NewServer(t, socketio.Options{Engine: engineio.Options{PingInterval: 25 * time.Second, PingTimeout: 20 * time.Second}})
		c := srv.Connect("/", client.Options{})
		time.Sleep(10 * time.Minute) // heartbeats keep it alive
		if !c.Connected() {
			t.Fatal("healthy connection ended")
		}
	})
}

func TestPingTimeout(t *testing.T) {
	inBubble(t, func(t *testing.T, o client.Options) {
		srv := sockettest.NewServer(t, socketio.Options{Engine: engineio.Options{PingInterval: time.Second, PingTimeout: time.Second}})
		o.NoReconnection = true
		c := srv.Connect("/", o)
		start := time.Now()
		srv.Network.Freeze()
		if r := c.AwaitDisconnect(); r != client.ReasonPingTimeout {
			t.Errorf("reason %q", r)
		}
		if d := time.Since(start); d > 2*time.Second {
			t.Errorf("after %v", d)
		}
		srv.Network.Cut()
	})
}

// TestExamples runs what the examples show.
func TestExamples(t *testing.T) {
	t.Run("chat", func(t *testing.T) { synctest.Test(t, testChat) })
	t.Run("log", testMyLog)
}

func TestMemoryLog(t *testing.T) {
	sockettest.TestLog(t, func(*testing.T) socketio.Appender { return &socketio.MemoryLog{} })
}

func TestParsers(t *testing.T) {
	t.Run("JSON", func(t *testing.T) { sockettest.TestParser(t, parser.JSON{}) })
	t.Run("msgpack", func(t *testing.T) { sockettest.TestParser(t, msgpack.Parser{}) })
}

func TestMemoryCluster(t *testing.T) {
	t.Run("log", func(t *testing.T) {
		sockettest.TestLog(t, func(*testing.T) socketio.Appender {
			return new(socketio.MemoryCluster).Recovery().Log.(socketio.Appender)
		})
	})
	t.Run("messages", func(t *testing.T) {
		sockettest.TestCluster(t, func(*testing.T) sockettest.Join { return new(socketio.MemoryCluster).Join })
	})
	t.Run("sessions", func(t *testing.T) {
		sockettest.TestSessionStore(t, func(*testing.T) socketio.SessionStore { return new(socketio.MemoryCluster).Recovery().Sessions })
	})
}
