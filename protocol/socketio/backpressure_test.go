package socketio

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/coder/websocket"

	"podium/protocol/budget"
	"podium/protocol/engineio"
)

// Clients that send more than waits for a handler at most are read no faster than it
// takes, and stay.
func TestAClientIsReadNoFasterThanItsHandlersTakeEvents(t *testing.T) {
	for _, c := range []struct {
		name                   string
		events, bytes, pending int
		handler                time.Duration
	}{{"large events", 15, 650_000, 1 << 20, 30 * time.Millisecond}, {"small events", 1000, 20, 32 << 10, time.Millisecond}} {
		for _, transport := range []string{"websocket", "polling"} {
			t.Run(c.name+" over "+transport, func(t *testing.T) {
				srv := newTestServer(t, Options{
					MaxPendingBytes: c.pending,
					Engine:          engineio.Options{PingInterval: 100 * time.Millisecond, PingTimeout: 5 * time.Second},
				})
				var handled atomic.Int64
				done := make(chan struct{})
				On(srv, "big", func(_ *Socket, text string) {
					time.Sleep(c.handler) // it is slow
					if handled.Add(1) == int64(c.events) {
						close(done)
					}
				})
				closed := make(chan Reason, 1)
				srv.Of("/").OnDisconnect(func(_ *Socket, r Reason) { closed <- r })
				web := httptest.NewServer(srv)
				defer web.Close()
				event := fmt.Sprintf(`42["big",%q]`, strings.Repeat("x", c.bytes))
				if transport == "websocket" {
					sendOverWebSocket(t, web.URL, event, c.events)
				} else {
					sendOverPolling(t, web.URL, event, c.events)
				}
				select {
				case <-done:
				case r := <-closed:
					t.Fatalf("%q after %d of %d events", r, handled.Load(), c.events)
				case <-time.After(time.Minute):
					t.Fatalf("%d of %d events were handled", handled.Load(), c.events)
				}
			})
		}
	}
}

// sendOverWebSocket sends the message that often, and answers pings.
func sendOverWebSocket(t *testing.T, url, message string, times int) {
	ws, _, err := websocket.Dial(t.Context(), url+"/socket.io/?EIO=4&transport=websocket", nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = ws.CloseNow() })
	send := func(text string) error { return ws.Write(t.Context(), websocket.MessageText, []byte(text)) }
	go func() {
		for {
			_, data, err := ws.Read(t.Context())
			if err != nil {
				return
			}
			if string(data) == "2" && send("3") != nil {
				return
			}
		}
	}()
	if err := send("40"); err != nil {
		t.Fatal(err)
	}
	for i := range times {
		if err := send(message); err != nil {
			t.Fatalf("message %d: %v", i, err)
		}
	}
}

// sendOverPolling sends the message that often, in bodies of at most 900 kB, and
// answers pings.
func sendOverPolling(t *testing.T, url, message string, times int) {
	url += "/socket.io/?EIO=4&transport=polling"
	do := func(method, body string) string {
		req, err := http.NewRequestWithContext(t.Context(), method, url, strings.NewReader(body))
		if err != nil {
			t.Error(err)
			return ""
		}
		res, err := http.DefaultClient.Do(req)
		if err != nil {
			return ""
		}
		defer res.Body.Close()
		all, err := io.ReadAll(res.Body)
		if err != nil || res.StatusCode != http.StatusOK {
			return ""
		}
		return string(all)
	}
	var open struct{ SID string }
	if err := json.Unmarshal([]byte(do("GET", "")[1:]), &open); err != nil {
		t.Fatal(err)
	}
	url += "&sid=" + open.SID
	t.Cleanup(http.DefaultClient.CloseIdleConnections)
	var posting sync.Mutex // one at a time
	post := func(body string) string {
		posting.Lock()
		defer posting.Unlock()
		return do("POST", body)
	}
	go func() {
		for answer := do("GET", ""); answer != ""; answer = do("GET", "") {
			if strings.Contains("\x1e"+answer+"\x1e", "\x1e2\x1e") {
				post("3")
			}
		}
	}()
	post("40")
	each := min(times, 900_000/len(message))
	for sent := 0; sent < times; sent += each {
		body := strings.Repeat(message+"\x1e", min(each, times-sent))
		if post(strings.TrimSuffix(body, "\x1e")) != "ok" {
			t.Fatalf("a POST after %d events was refused", sent)
		}
	}
}

// What waits for slow handlers is charged, and bounded for all clients together.
func TestEventsThatWaitForHandlersHaveABoundTogether(t *testing.T) {
	for _, how := range []struct {
		name string
		mode []HandlerOption
	}{{"in turn", nil}, {"beside", []HandlerOption{Concurrent}}} {
		t.Run(how.name, func(t *testing.T) {
			const limit = 4 << 20
			machine := budget.New(limit)
			srv := newTestServer(t, Options{Engine: engineio.Options{Memory: machine.Share("messages", 0)}})
			release := make(chan struct{})
			On(srv, "big", func(*Socket, string) { <-release }, how.mode...)
			web := httptest.NewServer(srv)
			defer web.Close()
			event := fmt.Sprintf(`42["big",%q]`, strings.Repeat("x", 300_000))
			for range 8 {
				c, _, err := websocket.Dial(t.Context(), web.URL+"/socket.io/?EIO=4&transport=websocket", nil)
				if err != nil {
					t.Fatal(err)
				}
				defer c.CloseNow()
				for _, text := range []string{"40", event, event, event, event} {
					if c.Write(t.Context(), websocket.MessageText, []byte(text)) != nil {
						break // it made room
					}
				}
			}
			deadline := time.Now().Add(20 * time.Second)
			for srv.engine.Stats().Sessions > 4 {
				if held := machine.Held(); held > limit+1<<20 || time.Now().After(deadline) { // a message is asked for before it is refused
					t.Fatalf("%d bytes are held for %d connections", held, srv.engine.Stats().Sessions)
				}
				<-time.After(time.Millisecond)
			}
			close(release)
			for machine.Held() > 0 {
				if time.Now().After(deadline) {
					t.Fatalf("%d bytes are still held", machine.Held())
				}
				<-time.After(time.Millisecond)
			}
		})
	}
}
