package limits_test

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"

	"podium/protocol/client"
	"podium/protocol/engineio"
	"podium/protocol/limits"
	"podium/protocol/socketio"
	"podium/protocol/sockettest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// refused is how often a limit said no.
func refused(l *limits.Limits, name string) (n uint64) {
	for _, r := range l.Refusals() {
		if r.Limit == name {
			n += r.Address + r.Total
		}
	}
	return n
}

func TestConnectionsAreBoundedAndTheirPlacesGivenBack(t *testing.T) {
	for _, transport := range []string{"polling", "websocket"} {
		synctest.Test(t, func(t *testing.T) {
			l := &limits.Limits{Connections: limits.NewGate("connections", 0, 2), Unjoined: limits.NewGate("unjoined", 0, 1)}
			srv := sockettest.NewServer(t, socketio.Options{Limits: l})
			o := client.Options{Transports: []string{transport}, NoReconnection: true}
			one, _ := srv.Connect("/", o), srv.Connect("/", o) // the second finds the place that joining gave back
			third := srv.Client("/", o)
			if err := third.Socket.Connect(t.Context()); err == nil || refused(l, "connections") == 0 {
				t.Errorf("a third connection: %v, %v", err, l.Refusals())
			}
			one.Disconnect()
			synctest.Wait()
			srv.Connect("/", o)
			if n := l.Connections.Count(); n != 2 {
				t.Errorf("%d places are taken", n)
			}
			if n := l.Unjoined.Count(); n != 0 {
				t.Errorf("%d have not joined", n)
			}
		})
	}
}

// Clients up to 2.x are in the main namespace as their session opens.
func TestClientsThatJoinAsTheyOpenGiveTheirPlaceBack(t *testing.T) {
	for _, transport := range []string{"polling", "websocket"} {
		synctest.Test(t, func(t *testing.T) {
			l := &limits.Limits{Unjoined: limits.NewGate("unjoined", 0, 1)}
			srv := sockettest.NewServer(t, socketio.Options{Limits: l, Engine: engineio.Options{AllowEIO3: true}})
			o := client.Options{Transports: []string{transport}, EIO3: true, NoReconnection: true}
			srv.Connect("/", o)
			srv.Connect("/", o)
			if n := l.Unjoined.Count(); n != 0 {
				t.Errorf("%d have not joined", n)
			}
		})
	}
}

func TestMessagesBeyondTheRateAreSlowedAndNotLost(t *testing.T) {
	for _, transport := range []string{"polling", "websocket"} {
		for what, set := range map[string]func(*limits.Limits){
			"messages": func(l *limits.Limits) {
				l.Messages = limits.NewRate("messages", limits.PerSecond{Total: 10, TotalBurst: 5})
			},
			"bytes": func(l *limits.Limits) {
				l.Bytes = limits.NewRate("bytes", limits.PerSecond{Total: 100, TotalBurst: 50})
			},
		} {
			t.Run(what+" over "+transport, func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					l := new(limits.Limits)
					set(l)
					srv := sockettest.NewServer(t, socketio.Options{Limits: l})
					got := make(chan int, 100)
					socketio.On(srv, "n", func(_ *socketio.Socket, n int) { got <- n })
					c := srv.Connect("/", client.Options{Transports: []string{transport}})
					start := time.Now()
					const rounds = 25
					for n := range rounds { // each by itself: what was read before a pause is not held back
						if err := c.Emit("n", n); err != nil {
							t.Fatal(err)
						}
						if back := <-got; back != n {
							t.Fatalf("got %d, want %d", back, n)
						}
					}
					if took := time.Since(start); took < 1500*time.Millisecond || took > 10*time.Second {
						t.Errorf("%d messages took %v", rounds, took)
					}
					if refused(l, what) == 0 {
						t.Error("nothing was counted")
					}
					c.Disconnect()
				})
			})
		}
	}
}

func TestASessionThatIsPausedMayEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := &limits.Limits{Messages: limits.NewRate("messages", limits.PerSecond{Total: 0.01, TotalBurst: 1})}
		srv := sockettest.NewServer(t, socketio.Options{Limits: l})
		c := srv.Connect("/", client.Options{Transports: []string{"websocket"}})
		_ = c.Emit("x")
		synctest.Wait()
		for s := range srv.Of("/").Sockets() {
			s.Disconnect(true)
		}
		c.AwaitDisconnect()
	})
}

// behind is a server behind a proxy that names its clients in X-Forwarded-For.
func behind(t *testing.T, l *limits.Limits) (*socketio.Server, func(address, method, query, body string) *http.Response) {
	t.Helper()
	l.Addresses = &limits.Addresses{Proxies: []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}, Header: "X-Forwarded-For"}
	srv := socketio.NewServer(socketio.Options{Limits: l})
	web := httptest.NewServer(srv)
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
		defer cancel()
		_ = srv.Shutdown(ctx) // cuts the polls that nobody makes
		web.Close()
	})
	return srv, func(address, method, query, body string) *http.Response {
		r, err := http.NewRequestWithContext(t.Context(), method, web.URL+"/socket.io/?EIO=4&transport=polling"+query, strings.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		r.Header.Set("X-Forwarded-For", address)
		res, err := web.Client().Do(r)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { res.Body.Close() })
		return res
	}
}

func TestAddressesAreLimitedEachByItself(t *testing.T) {
	l := &limits.Limits{
		Handshakes:  limits.NewRate("handshakes", limits.PerSecond{Address: 0.001, AddressBurst: 3}),
		Connections: limits.NewGate("connections", 2, 0),
	}
	srv, ask := behind(t, l)
	for i, want := range []int{200, 200, 403, 403} {
		if got := ask("192.0.2.1", "GET", "", "").StatusCode; got != want {
			t.Errorf("handshake %d has status %d, want %d", i+1, got, want)
		}
	}
	if got := ask("192.0.2.2", "GET", "", "").StatusCode; got != 200 {
		t.Errorf("another address has status %d", got)
	}
	if refused(l, "connections") != 1 || refused(l, "handshakes") != 1 {
		t.Errorf("counted %v", l.Refusals())
	}
	if n := srv.Connections(); n != 3 {
		t.Errorf("%d connections", n)
	}
}

func TestPayloadsBeyondTheRateAreToBeSentLater(t *testing.T) {
	l := &limits.Limits{Payloads: limits.NewRate("payloads", limits.PerSecond{Address: 0.1, AddressBurst: 1})}
	srv, ask := behind(t, l)
	joined := make(chan string, 1)
	srv.OnConnection(func(s *socketio.Socket) { joined <- s.Handshake().Address })
	opened, err := io.ReadAll(ask("192.0.2.1", "GET", "", "").Body)
	if err != nil {
		t.Fatal(err)
	}
	_, rest, _ := strings.Cut(string(opened), `"sid":"`)
	sid, _, _ := strings.Cut(rest, `"`)
	if got := ask("192.0.2.1", "POST", "&sid="+sid, "40").StatusCode; got != 200 {
		t.Fatalf("the first has status %d", got)
	}
	if got := <-joined; got != "192.0.2.1" {
		t.Errorf("the client's address is %s", got)
	}
	res := ask("192.0.2.1", "POST", "&sid="+sid, "3")
	if res.StatusCode != http.StatusTooManyRequests || res.Header.Get("Retry-After") != "10" {
		t.Errorf("the second has status %d, Retry-After %q", res.StatusCode, res.Header.Get("Retry-After"))
	}
}

func TestTheHooksThatWereThereAreCalledToo(t *testing.T) {
	var called []string
	l := limits.Default()
	srv := sockettest.NewServer(t, func() socketio.Options {
		o := socketio.Options{Limits: l}
		o.Engine.AllowRequest = func(*http.Request) error { called = append(called, "allow"); return nil }
		return o
	}())
	srv.Connect("/", client.Options{Transports: []string{"websocket"}})
	if fmt.Sprint(called) != "[allow]" {
		t.Errorf("called %v", called)
	}
	if n := l.Connections.Count(); n != 1 {
		t.Errorf("%d connections are counted", n)
	}
}
