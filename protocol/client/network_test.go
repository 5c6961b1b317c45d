package client_test

import (
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/cookiejar"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"reflect"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"podium/protocol/client"
	"podium/protocol/socketio/parser"
)

// roundTripper is a function that makes requests.
type roundTripper func(*http.Request) (*http.Response, error)

func (f roundTripper) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

func TestAnHTTPClientOfOnesOwnMakesEveryRequest(t *testing.T) {
	everywhere(t, serverOptions{}, func(t *testing.T, srv *server, o client.Options) {
		base := &http.Transport{}
		defer base.CloseIdleConnections()
		var mu sync.Mutex
		seen := map[string]int{}
		o.HTTPClient = &http.Client{Transport: roundTripper(func(r *http.Request) (*http.Response, error) {
			mu.Lock()
			seen[r.URL.Query().Get("transport")]++
			mu.Unlock()
			r = r.Clone(r.Context())
			r.Header.Set("X-Via", "mine")
			return base.RoundTrip(r)
		})}
		testEcho(t, srv, o)
		s := connect(t, srv.url, o)
		got, err := client.Call[about](within(t), s, "about")
		if err != nil || got.Headers["x-via"] != "mine" {
			t.Errorf("headers %v, %v", got.Headers, err)
		}
		mu.Lock()
		defer mu.Unlock()
		for _, transport := range []string{client.TransportPolling, client.TransportWebSocket} {
			wanted := o.Transports == nil || o.Transports[0] == transport
			if (seen[transport] > 0) != wanted {
				t.Errorf("requests %v", seen)
			}
		}
	})
}

// forwardProxy is an HTTP proxy: requests of http pass through it, for https it tunnels.
// asked counts what it was asked for, by method.
func forwardProxy(t *testing.T) (address *url.URL, asked func(method string) int) {
	t.Helper()
	var mu sync.Mutex // guards count and ended, and has no tunnel begin once ended is set
	count, ended := map[string]int{}, false
	pass := &httputil.ReverseProxy{Rewrite: func(*httputil.ProxyRequest) {}, ErrorHandler: func(http.ResponseWriter, *http.Request, error) {}}
	var tunnels sync.WaitGroup
	hs := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		mu.Lock()
		count[r.Method]++
		mu.Unlock()
		if r.Method != http.MethodConnect {
			pass.ServeHTTP(w, r)
			return
		}
		// Counted while it is not hijacked, since hs.Close waits no longer for what is.
		tunnels.Add(1)
		defer tunnels.Done()
		far, err := net.Dial("tcp", r.Host)
		if err != nil {
			w.WriteHeader(http.StatusBadGateway)
			return
		}
		near, _, err := http.NewResponseController(w).Hijack()
		if err != nil {
			t.Error(err)
			return
		}
		_, _ = io.WriteString(near, "HTTP/1.1 200 OK\r\n\r\n")
		mu.Lock()
		defer mu.Unlock()
		if ended {
			_, _ = near.Close(), far.Close()
			return
		}
		tunnels.Go(func() { _, _ = io.Copy(far, near); _ = far.Close() })
		tunnels.Go(func() { _, _ = io.Copy(near, far); _ = near.Close() })
	}))
	t.Cleanup(func() {
		hs.Close() // which waits for no connection that was taken over
		mu.Lock()
		ended = true
		mu.Unlock()
		tunnels.Wait()
	})
	u, err := url.Parse(hs.URL)
	if err != nil {
		t.Fatal(err)
	}
	return u, func(method string) int {
		mu.Lock()
		defer mu.Unlock()
		return count[method]
	}
}

// transportFor is a Transport for a test's connections.
func transportFor(t *testing.T, tr *client.Transport) *client.Transport {
	t.Cleanup(tr.Close)
	return tr
}

func TestGoesThroughAProxy(t *testing.T) {
	for _, secure := range []bool{false, true} {
		t.Run(fmt.Sprintf("TLS=%v", secure), func(t *testing.T) {
			everywhere(t, serverOptions{TLS: secure}, func(t *testing.T, srv *server, o client.Options) {
				proxy, asked := forwardProxy(t)
				o.Transport = transportFor(t, &client.Transport{Proxy: http.ProxyURL(proxy), TLS: &tls.Config{RootCAs: srv.roots}})
				testEcho(t, srv, o)
				if tunnelled := asked(http.MethodConnect) > 0; tunnelled != secure || !secure && asked(http.MethodGet) == 0 {
					t.Errorf("%d tunnels and %d requests", asked(http.MethodConnect), asked(http.MethodGet))
				}
			})
		})
	}
}

func TestSpeaksTLS(t *testing.T) {
	everywhere(t, serverOptions{TLS: true}, func(t *testing.T, srv *server, o client.Options) {
		distrusting := o
		distrusting.NoReconnection = true
		var unknown *tls.CertificateVerificationError
		if _, err := client.Dial(within(t), srv.url, distrusting); !errors.As(err, &unknown) {
			t.Errorf("unknown certificate: %v", err)
		}
		o.Transport = transportFor(t, &client.Transport{TLS: &tls.Config{RootCAs: srv.roots}})
		testEcho(t, srv, o)
		again := *srv
		again.url = "wss" + strings.TrimPrefix(srv.url, "https")
		testEcho(t, &again, o)
	})
}

// front has a handler see each request before a server does. It returns its address.
func front(t *testing.T, srv *server, handle func(w http.ResponseWriter, r *http.Request, pass http.Handler)) string {
	t.Helper()
	u, err := url.Parse(srv.url)
	if err != nil {
		t.Fatal(err)
	}
	pass := httputil.NewSingleHostReverseProxy(u)
	base := &http.Transport{}
	pass.Transport = base
	pass.ErrorHandler = func(w http.ResponseWriter, _ *http.Request, _ error) { w.WriteHeader(http.StatusBadGateway) }
	hs := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { handle(w, r, pass) }))
	t.Cleanup(func() {
		hs.CloseClientConnections()
		hs.Close()
		base.CloseIdleConnections()
	})
	return hs.URL
}

// TestKeepsTheCookiesOfAJar puts a load balancer in front that knows its server by a
// cookie, which the first answer sets.
func TestKeepsTheCookiesOfAJar(t *testing.T) {
	everywhere(t, serverOptions{}, func(t *testing.T, srv *server, o client.Options) {
		address := front(t, srv, func(w http.ResponseWriter, r *http.Request, pass http.Handler) {
			_, err := r.Cookie("route")
			if r.URL.Query().Get("sid") != "" && err != nil {
				http.Error(w, "no route", http.StatusBadRequest)
				return
			}
			if err != nil {
				http.SetCookie(w, &http.Cookie{Name: "route", Value: "1", Path: "/"})
			}
			pass.ServeHTTP(w, r)
		})
		jar, err := cookiejar.New(nil)
		if err != nil {
			t.Fatal(err)
		}
		base := &http.Transport{}
		defer base.CloseIdleConnections()
		with := o
		with.HTTPClient = &http.Client{Jar: jar, Transport: base}
		through := *srv
		through.url = address
		testEcho(t, &through, with)
		if u, _ := url.Parse(address); o.Transports == nil || o.Transports[0] == client.TransportPolling {
			if len(jar.Cookies(u)) == 0 {
				t.Error("no cookie was kept")
			}
			lost := make(chan error, 1)
			o.NoReconnection = true
			o.Trace = &client.Trace{Closed: func(_ client.Reason, err error) { lost <- err }}
			s := unconnected(t, address, o)
			s.Open()
			if err := receive(t, lost); err == nil || !strings.Contains(err.Error(), "no route") {
				t.Errorf("without a jar: %v", err)
			}
		}
	})
}

func TestRemembersAnUpgrade(t *testing.T) {
	everyServer(t, serverOptions{}, func(t *testing.T, srv *server, o client.Options) {
		for _, remember := range []bool{true, false} {
			t.Run(fmt.Sprint(remember), func(t *testing.T) {
				var closed atomic.Bool // to WebSockets
				address := front(t, srv, func(w http.ResponseWriter, r *http.Request, pass http.Handler) {
					if closed.Load() && r.URL.Query().Get("transport") == client.TransportWebSocket {
						http.Error(w, "no WebSockets here", http.StatusForbidden)
						return
					}
					pass.ServeHTTP(w, r)
				})
				opened, upgraded := make(chan string, 100), make(chan struct{}, 100)
				o := o
				o.RememberUpgrade = remember
				o.Trace = &client.Trace{
					Opened:   func(transport string) { opened <- transport },
					Upgraded: func() { upgraded <- struct{}{} },
				}
				s := connect(t, address, o)
				if got := receive(t, opened); got != client.TransportPolling {
					t.Fatalf("began with %s", got)
				}
				receive(t, upgraded)
				s.Manager().Reset()
				want := map[bool]string{true: client.TransportWebSocket, false: client.TransportPolling}[remember]
				if got := receive(t, opened); got != want {
					t.Errorf("began again with %s", got)
				}
				mustConnect(t, s)
				closed.Store(true)
				s.Manager().Reset()
				if got := receive(t, opened); got != client.TransportPolling {
					t.Errorf("where WebSockets are refused, began with %s", got)
				}
				mustConnect(t, s)
				if n, err := client.Call[int](within(t), s, "echo", 1); err != nil || n != 1 {
					t.Errorf("got %v, %v", n, err)
				}
			})
		}
	})
}

func TestTriesItsTransportsInOrder(t *testing.T) {
	both := []string{client.TransportPolling, client.TransportWebSocket}
	everyServer(t, serverOptions{}, func(t *testing.T, srv *server, o client.Options) {
		for _, first := range both {
			t.Run(first+" is refused", func(t *testing.T) {
				address := front(t, srv, func(w http.ResponseWriter, r *http.Request, pass http.Handler) {
					if r.URL.Query().Get("transport") == first {
						http.Error(w, "not over "+first, http.StatusForbidden)
						return
					}
					pass.ServeHTTP(w, r)
				})
				o := o
				o.NoReconnection = true
				o.Transports = both
				if first == client.TransportWebSocket {
					o.Transports = []string{client.TransportWebSocket, client.TransportPolling}
				}
				if _, err := client.Dial(within(t), address, o); err == nil || !strings.Contains(err.Error(), "not over "+first) {
					t.Errorf("with the first alone: %v", err)
				}
				o.TryAllTransports = true
				s := connect(t, address, o)
				if got := s.Manager().Transport(); got == first {
					t.Errorf("transport %s", got)
				}
				if n, err := client.Call[int](within(t), s, "echo", 1); err != nil || n != 1 {
					t.Errorf("got %v, %v", n, err)
				}
			})
		}
		t.Run("none", func(t *testing.T) {
			o := o
			o.NoReconnection, o.Transports = true, []string{}
			if _, err := client.Dial(within(t), srv.url, o); err == nil || !strings.Contains(err.Error(), "no transport") {
				t.Errorf("got %v", err)
			}
		})
	})
}

func TestStaysOnItsTransportWhereAsked(t *testing.T) {
	everyServer(t, serverOptions{}, func(t *testing.T, srv *server, o client.Options) {
		var mu sync.Mutex
		sockets := 0
		address := front(t, srv, func(w http.ResponseWriter, r *http.Request, pass http.Handler) {
			if r.URL.Query().Get("transport") == client.TransportWebSocket {
				mu.Lock()
				sockets++
				mu.Unlock()
			}
			pass.ServeHTTP(w, r)
		})
		o.NoUpgrade = true
		s := connect(t, address, o)
		for i := range 20 {
			if n, err := client.Call[int](within(t), s, "echo", i); err != nil || n != i {
				t.Fatalf("got %v, %v", n, err)
			}
		}
		mu.Lock()
		defer mu.Unlock()
		if got := s.Manager().Transport(); got != client.TransportPolling || sockets != 0 {
			t.Errorf("transport %s after %d WebSockets", got, sockets)
		}
	})
}

func TestFindsServersThatAreMountedElsewhere(t *testing.T) {
	everywhere(t, serverOptions{Path: "/deep/er/"}, func(t *testing.T, srv *server, o client.Options) {
		for _, path := range []string{"/deep/er/", "deep/er"} {
			o.Path = path
			s := connect(t, srv.url+"/chat", o)
			if n, err := client.Call[int](within(t), s, "echo", 1); err != nil || n != 1 || s.Namespace() != "/chat" {
				t.Errorf("at %s: got %v, %v in %s", path, n, err, s.Namespace())
			}
		}
	})
}

func TestEveryPollHasAnAddressOfItsOwn(t *testing.T) {
	everyServer(t, serverOptions{}, func(t *testing.T, srv *server, o client.Options) {
		var mu sync.Mutex
		seen := map[string]bool{}
		address := front(t, srv, func(w http.ResponseWriter, r *http.Request, pass http.Handler) {
			mu.Lock()
			if seen[r.Method+r.URL.RawQuery] || r.URL.Query().Get("t") == "" {
				t.Errorf("a cache could answer %s %s", r.Method, r.URL.RawQuery)
			}
			seen[r.Method+r.URL.RawQuery] = true
			mu.Unlock()
			pass.ServeHTTP(w, r)
		})
		o.Transports = []string{client.TransportPolling}
		s := connect(t, address, o)
		for i := range 20 {
			if n, err := client.Call[int](within(t), s, "echo", i); err != nil || n != i {
				t.Fatalf("got %v, %v", n, err)
			}
		}
	})
}

func TestLeavesItsOptionsAlone(t *testing.T) {
	srv := startOurs(t, serverOptions{})
	options := func() client.Options {
		o := fast()
		o.Query = url.Values{"a": {"b"}}
		o.Header = http.Header{"x-own": {"value"}}
		o.Transports = []string{client.TransportWebSocket, client.TransportPolling}
		o.Socket.Auth = map[string]any{"k": []string{"v"}}
		return o
	}
	given, want := options(), options()
	want.Logger = given.Logger
	var all sync.WaitGroup
	for range 4 { // which share them
		all.Go(func() {
			s, err := client.Dial(t.Context(), srv.url+"/?c=d", given)
			if err != nil {
				t.Error(err)
				return
			}
			_ = s.Close()
		})
	}
	all.Wait()
	if !reflect.DeepEqual(given, want) {
		t.Errorf("options are now %+v", given)
	}
}

// TestWorksOverSlowNetworks has a network that passes little at a time, late and in any
// pieces.
func TestWorksOverSlowNetworks(t *testing.T) {
	everywhere(t, serverOptions{Pings: true}, func(t *testing.T, srv *server, o client.Options) {
		for _, n := range []struct {
			delay time.Duration
			piece int
		}{{2 * time.Millisecond, 2 << 10}, {100 * time.Microsecond, 61}} {
			slow := *srv
			slow.url = newSlowCable(t, srv.url, n.delay, n.piece).url()
			s := unconnected(t, slow.url, o)
			numbers, reasons := arrivals[int](s, "n"), disconnects(s)
			mustConnect(t, s)
			_ = s.Emit("burst", 20)
			for i := range 20 {
				if got := receive(t, numbers); got != i {
					t.Fatalf("got %d instead of %d", got, i)
				}
			}
			if n.piece > 100 {
				testEcho(t, &slow, o)
			}
			select {
			case r := <-reasons:
				t.Errorf("disconnected: %s", r)
			default:
			}
		}
	})
}

// TestComesBackAfterItsServerWasKilled has the server begin anew: what was emitted
// meanwhile is sent, what waits for an answer is told that there will be none.
func TestComesBackAfterItsServerWasKilled(t *testing.T) {
	everyServer(t, serverOptions{Recovery: true, Alone: true}, func(t *testing.T, srv *server, o client.Options) {
		var all []*survivor
		for name, mode := range modes {
			o := o
			mode(&o)
			all = append(all, newSurvivor(t, name, srv.url, o))
		}
		for round := range 2 {
			for _, s := range all {
				s.ask()
			}
			srv.kill()
			for _, s := range all {
				s.isLost(round)
			}
			srv.restart()
			for _, s := range all {
				s.isBack(round)
			}
		}
	})
}

// survivor is a client whose server is killed.
type survivor struct {
	*client.Socket
	t    *testing.T
	name string
	id   string // before the kill

	left       chan struct{} // the question
	unanswered chan error
	reasons    <-chan client.Reason
	ups        <-chan struct{}
	echoes     <-chan int
}

func newSurvivor(t *testing.T, name, url string, o client.Options) *survivor {
	t.Helper()
	s := &survivor{Socket: unconnected(t, url, o), t: t, name: name, left: make(chan struct{}, 1), unanswered: make(chan error, 1)}
	s.reasons, s.ups, s.echoes = disconnects(s.Socket), connects(s.Socket), arrivals[int](s.Socket, "echo")
	s.OnAnyOutgoing(func(event string, _ parser.Args) {
		if event == "silent" {
			s.left <- struct{}{}
		}
	})
	mustConnect(t, s.Socket)
	receive(t, s.ups)
	return s
}

// ask asks what will not be answered.
func (s *survivor) ask() {
	s.t.Helper()
	s.id = s.ID()
	go func() {
		_, err := s.EmitWithAck(s.t.Context(), "silent")
		s.unanswered <- err
	}()
	receive(s.t, s.left)
}

func (s *survivor) isLost(round int) {
	s.t.Helper()
	if r := receive(s.t, s.reasons); r != client.ReasonTransportClose && r != client.ReasonTransportError {
		s.t.Errorf("%s: reason %q", s.name, r)
	}
	if err := receive(s.t, s.unanswered); !errors.Is(err, client.ErrDisconnected) {
		s.t.Errorf("%s: unanswered: %v", s.name, err)
	}
	_ = s.Emit("echo", round)
}

func (s *survivor) isBack(round int) {
	s.t.Helper()
	receive(s.t, s.ups)
	if s.Recovered() || s.ID() == s.id {
		s.t.Errorf("%s: recovered from a server that knows nothing", s.name)
	}
	if got := receive(s.t, s.echoes); got != round {
		s.t.Errorf("%s: got %d instead of %d", s.name, got, round)
	}
}
