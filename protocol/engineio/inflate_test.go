package engineio_test

import (
	"context"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/coder/websocket"

	"podium/protocol/engineio"
	ours "podium/protocol/websocket"
)

// sizes counts what sessions receive, by the client's address.
type sizes struct {
	small, large *atomic.Int64
}

func (s sizes) OnMessage(data []byte, _ bool) {
	if len(data) > 1000 {
		s.large.Add(1)
	} else {
		s.small.Add(1)
	}
}

func (sizes) OnClose(engineio.Reason, error) {}

// All connections of an address together have a bound of what their messages become;
// small ones pass, and other addresses are not held up.
func TestWhatMessagesBecomeIsBoundedForAnAddress(t *testing.T) {
	const crowd, each, size = 4, 10, 50_000
	received := map[string]*sizes{}
	for _, address := range []string{"192.0.2.1", "192.0.2.2"} {
		received[address] = &sizes{new(atomic.Int64), new(atomic.Int64)}
	}
	srv := engineio.NewServer(engineio.Options{Compression: &ours.Compression{}, InflatePerSecond: size / 8}, func(s *engineio.Session) engineio.Receiver {
		return *received[s.Request().Address]
	})
	web := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		r.RemoteAddr = r.Header.Get("X-From")
		srv.ServeHTTP(w, r)
	}))
	defer web.Close()
	defer func() { _ = srv.Shutdown(context.Background()) }()
	send := func(address string) {
		c, _, err := websocket.Dial(t.Context(), web.URL+"/engine.io/?EIO=4&transport=websocket", &websocket.DialOptions{
			HTTPHeader: http.Header{"X-From": {address}}, CompressionMode: websocket.CompressionNoContextTakeover, CompressionThreshold: 1,
		})
		if err != nil {
			t.Error(err)
			return
		}
		t.Cleanup(func() { _ = c.CloseNow() })
		for _, text := range []string{"4small", "4" + strings.Repeat("x", size)} {
			for range each {
				if err := c.Write(t.Context(), websocket.MessageText, []byte(text)); err != nil {
					t.Error(err)
					return
				}
			}
		}
	}
	var all sync.WaitGroup
	for range crowd {
		all.Go(func() { send("192.0.2.1") })
	}
	all.Wait()
	greedy, honest := received["192.0.2.1"], received["192.0.2.2"]
	waitUntil(t, "small messages and some of the large ones arrived", func() bool {
		return greedy.small.Load() == crowd*each && greedy.large.Load() > 0
	})
	began := time.Now()
	send("192.0.2.2")
	waitUntil(t, "another's arrived", func() bool { return honest.small.Load() == each && honest.large.Load() > 0 })
	// One at once, and one in eight seconds.
	if n, most := greedy.large.Load(), int64(3+time.Since(began)/(8*time.Second)); n > most {
		t.Errorf("%d large messages of one address were inflated, more than %d", n, most)
	}
}
