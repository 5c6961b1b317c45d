package client_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"podium/protocol/client"
	"podium/protocol/engineio"
	"podium/protocol/socketio"
	"podium/protocol/sockettest"
)

func TestEverySocketMadeByURLHasAConnectionOfItsOwn(t *testing.T) {
	everyServer(t, serverOptions{}, func(t *testing.T, srv *server, o client.Options) {
		ids := map[string]bool{}
		for _, address := range []string{srv.url, srv.url, srv.url + "/?query=1", srv.url + "/chat"} {
			s := unconnected(t, address, o)
			if s.Manager().EngineID() != "" || s.Active() {
				t.Error("connects without being told to")
			}
			mustConnect(t, s)
			ids[s.Manager().EngineID()] = true
		}
		if len(ids) != 4 {
			t.Errorf("%d connections", len(ids))
		}
	})
}

// manager makes a Manager that ends with the test.
func manager(t *testing.T, url string, o client.Options) *client.Manager {
	t.Helper()
	m, err := client.NewManager(url, o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = m.Close() })
	return m
}

func TestOpensAnotherNamespaceWhenTheConnectionWasClosed(t *testing.T) {
	everywhere(t, serverOptions{}, func(t *testing.T, srv *server, o client.Options) {
		closed := make(chan client.Reason, 10)
		o.Trace = &client.Trace{Closed: func(r client.Reason, _ error) { closed <- r }}
		m := manager(t, srv.url, o)
		main, chat := m.Socket("/", client.SocketOptions{}), m.Socket("/chat", client.SocketOptions{})
		mustConnect(t, main)
		first := m.EngineID()
		main.Disconnect()
		if r := receive(t, closed); r != "forced close" {
			t.Errorf("closed for %q", r)
		}
		mustConnect(t, chat)
		if m.EngineID() == first {
			t.Error("goes on over a connection that was closed")
		}
		mustConnect(t, main) // again, while the other leaves
		chat.Disconnect()
		if n, err := client.Call[int](within(t), main, "echo", 1); err != nil || n != 1 {
			t.Errorf("got %v, %v", n, err)
		}
		select {
		case r := <-closed:
			t.Errorf("closed for %q while a socket used it", r)
		default:
		}
		main.Disconnect()
		receive(t, closed)
	})
}

func TestConnectsAgainWhenTold(t *testing.T) {
	everywhere(t, serverOptions{}, func(t *testing.T, srv *server, o client.Options) {
		var attempts atomic.Int64
		reconnected := make(chan int, 10)
		o.Trace = &client.Trace{
			ReconnectAttempt: func(int) { attempts.Add(1) },
			Reconnected:      func(n int) { reconnected <- n },
		}
		s := unconnected(t, srv.url, o)
		ups, reasons := connects(s), disconnects(s)
		refused := make(chan error, 10)
		s.OnConnectError(func(err error) { refused <- err })
		mustConnect(t, s)
		receive(t, ups)
		s.Disconnect()
		s.Open()
		receive(t, ups)
		if got := receive(t, reasons); got != client.ReasonClientDisconnect || len(reasons) != 0 {
			t.Errorf("disconnected for %q, and %d times more", got, len(reasons))
		}
		if n := attempts.Load(); n != 0 {
			t.Errorf("%d attempts to connect again where nothing had failed", n)
		}
		s.Manager().Reset() // it also comes back by itself afterwards
		receive(t, ups)
		if n := receive(t, reconnected); n != 1 || attempts.Load() != 1 {
			t.Errorf("connected by attempt %d of %d", n, attempts.Load())
		}
		if len(refused) != 0 {
			t.Errorf("told of an error: %v", <-refused)
		}
	})
}

func TestOneSocketStopsConnectingAndAnotherGoesOn(t *testing.T) {
	everywhere(t, serverOptions{}, func(t *testing.T, srv *server, o client.Options) {
		attempt := make(chan int, 100)
		o.Trace = &client.Trace{
			ReconnectAttempt: func(n int) { attempt <- n },
			Closed:           func(r client.Reason, err error) { t.Logf("closed for %q: %v", r, err) },
		}
		line := newCable(t, srv.url)
		m := manager(t, line.url(), o)
		main, chat := m.Socket("/", client.SocketOptions{}), m.Socket("/chat", client.SocketOptions{})
		mains, chats, lost := connects(main), connects(chat), disconnects(chat)
		mustConnect(t, main)
		mustConnect(t, chat)
		receive(t, mains)
		receive(t, chats)
		line.cut(true)
		m.Reset() // a connection over polling may not have noticed
		receive(t, lost)
		receive(t, attempt)
		main.Disconnect()
		line.cut(false)
		receive(t, chats)
		if n, err := client.Call[int](within(t), chat, "echo", 1); err != nil || n != 1 {
			t.Errorf("got %v, %v", n, err)
		}
		if len(mains) != 0 || main.Connected() {
			t.Error("the other connected too")
		}
	})
}

func TestTheSameSocketComesBackForANamespace(t *testing.T) {
	everyServer(t, serverOptions{}, func(t *testing.T, srv *server, o client.Options) {
		m := manager(t, srv.url, o)
		s := m.Socket("/chat", client.SocketOptions{})
		mustConnect(t, s)
		if m.Socket("chat", client.SocketOptions{}) != s {
			t.Error("another socket")
		}
		s.Disconnect()
		if again := m.Socket("/chat", client.SocketOptions{}); again != s {
			t.Error("another socket after it left")
		}
		mustConnect(t, s)
	})
}

// inMemory runs a test within a bubble of testing/synctest, where time takes none.
func inMemory(t *testing.T, f func(t *testing.T, srv *sockettest.Server, o client.Options)) {
	for name, mode := range modes {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				o := client.Options{}
				mode(&o)
				f(t, sockettest.NewServer(t, socketio.Options{}), o)
			})
		})
	}
}

func TestASocketThatIsActiveAsksForItsNamespaceOnce(t *testing.T) {
	inMemory(t, func(t *testing.T, srv *sockettest.Server, o client.Options) {
		var asked atomic.Int64
		for _, name := range []string{"/", "/chat"} {
			srv.Of(name).Use(func(*socketio.Socket) error { asked.Add(1); return nil })
		}
		o.Transport = srv.Transport()
		m := manager(t, sockettest.URL, o)
		main, chat := m.Socket("/", client.SocketOptions{}), m.Socket("/chat", client.SocketOptions{})
		for range 3 {
			main.Open()
			chat.Open()
			mustConnect(t, main)
			mustConnect(t, chat)
		}
		synctest.Wait()
		if n := asked.Load(); n != 2 {
			t.Errorf("asked %d times", n)
		}
	})
}

// attempts counts what a Trace is told of, in order.
type attempts struct {
	mu   sync.Mutex // guards told
	told []string
}

func (a *attempts) note(format string, args ...any) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.told = append(a.told, fmt.Sprintf(format, args...))
}

func (a *attempts) take() string {
	a.mu.Lock()
	defer a.mu.Unlock()
	text := strings.Join(a.told, " ")
	a.told = nil
	return text
}

func (a *attempts) trace() *client.Trace {
	return &client.Trace{
		Opened:           func(transport string) { a.note("opened") },
		Closed:           func(r client.Reason, _ error) { a.note("closed") },
		Failed:           func(error) { a.note("failed") },
		ReconnectAttempt: func(n int) { a.note("attempt %d", n) },
		Reconnected:      func(n int) { a.note("reconnected %d", n) },
		ReconnectFailed:  func() { a.note("gave up") },
	}
}

func TestTellsTheTraceOfEachAttempt(t *testing.T) {
	inMemory(t, func(t *testing.T, srv *sockettest.Server, o client.Options) {
		var a attempts
		o.Trace = a.trace()
		o.ReconnectionAttempts = 2
		srv.Network.Down()
		c := srv.Client("/", o)
		for range 2 { // the second time is as the first
			if err := c.Connect(within(t)); err == nil {
				t.Fatal("connected to nobody")
			}
			synctest.Wait()
			if got, want := a.take(), "failed attempt 1 failed attempt 2 failed gave up"; got != want {
				t.Errorf("told of %q", got)
			}
		}
		srv.Network.Up()
		mustConnect(t, c.Socket)
		synctest.Wait()
		if got := a.take(); got != "opened" {
			t.Errorf("told of %q", got)
		}
		c.Manager().Reset()
		synctest.Wait()
		mustConnect(t, c.Socket)
		synctest.Wait()
		if got := a.take(); got != "closed attempt 1 opened reconnected 1" {
			t.Errorf("told of %q", got)
		}
	})
}

func TestAnotherSocketDoesNotBeginTheAttemptsAnew(t *testing.T) {
	inMemory(t, func(t *testing.T, srv *sockettest.Server, o client.Options) {
		var a attempts
		o.Trace, o.Transport, o.ReconnectionAttempts = a.trace(), srv.Transport(), 2
		srv.Network.Down()
		m := manager(t, sockettest.URL, o)
		m.Socket("/one", client.SocketOptions{}).Open()
		time.Sleep(300 * time.Millisecond) // the first has failed, the next has not begun
		m.Socket("/two", client.SocketOptions{}).Open()
		time.Sleep(time.Hour)
		if got, want := a.take(), "failed attempt 1 failed attempt 2 failed gave up"; got != want {
			t.Errorf("told of %q", got)
		}
	})
}

func TestADisconnectedSocketMakesNoAttempt(t *testing.T) {
	inMemory(t, func(t *testing.T, srv *sockettest.Server, o client.Options) {
		var a attempts
		o.Trace = a.trace()
		srv.Network.Down()
		c := srv.Client("/", o)
		told := 0
		c.OnConnectError(func(error) { told++ })
		for _, wait := range []time.Duration{0, time.Millisecond, time.Minute} { // at once, before an attempt, among many
			c.Open()
			time.Sleep(wait)
			c.Disconnect()
			synctest.Wait()
			a.take()
			before := told
			time.Sleep(time.Hour)
			if got := a.take(); got != "" || told != before {
				t.Errorf("after %v and Disconnect: %q, %d errors", wait, got, told-before)
			}
		}
		c.Open()
		time.Sleep(time.Minute)
		if got := a.take(); !strings.Contains(got, "attempt 1") {
			t.Errorf("after Open: %q", got)
		}
		srv.Network.Up()
		mustConnect(t, c.Socket)
	})
}

func TestDelaysGrowUpToTheirBound(t *testing.T) {
	inMemory(t, func(t *testing.T, srv *sockettest.Server, o client.Options) {
		var when []time.Duration
		began := time.Now()
		o.Trace = &client.Trace{ReconnectAttempt: func(int) { when = append(when, time.Since(began)); began = time.Now() }}
		o.RandomizationFactor = -1
		srv.Network.Down()
		c := srv.Client("/", o)
		c.Open()
		time.Sleep(20 * time.Second)
		c.Disconnect()
		synctest.Wait()
		if want := []time.Duration{1 * time.Second, 2 * time.Second, 4 * time.Second, 5 * time.Second, 5 * time.Second}; !slices.Equal(when, want) {
			t.Errorf("waited %v", when)
		}
	})
}

func TestTakesNoLongerToOpenThanItsTimeout(t *testing.T) {
	for name, mode := range modes {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				srv := sockettest.NewServer(t, socketio.Options{})
				srv.Network.Freeze()
				o := client.Options{Timeout: 3 * time.Second, NoReconnection: true}
				mode(&o)
				c := srv.Client("/", o)
				began := time.Now()
				err := c.Connect(within(t))
				if !errors.Is(err, client.ErrTimeout) || !errors.Is(err, context.DeadlineExceeded) || time.Since(began) != 3*time.Second {
					t.Errorf("after %v: %v", time.Since(began), err)
				}
				srv.Network.Up()
			})
		})
	}
}

// TestGivesUpAConnectionThatMakesNoSense has a server send what is no packet, once.
func TestGivesUpAConnectionThatMakesNoSense(t *testing.T) {
	srv := startOurs(t, serverOptions{})
	for _, nonsense := range []string{"4bad", "49", `42{"not":"an array"}`, `42["connect"]`, "452-[\"e\"]\x1e42[\"f\"]"} {
		t.Run(nonsense, func(t *testing.T) {
			var polls atomic.Int64
			address := front(t, srv, func(w http.ResponseWriter, r *http.Request, pass http.Handler) {
				if r.Method == http.MethodGet && r.URL.Query().Get("sid") != "" && polls.Add(1) == 1 {
					w.Header().Set("Content-Type", "text/plain; charset=UTF-8")
					_, _ = w.Write([]byte(nonsense))
					return
				}
				pass.ServeHTTP(w, r)
			})
			closed := make(chan client.Reason, 10)
			o := fast()
			o.Transports = []string{client.TransportPolling}
			o.Trace = &client.Trace{Closed: func(r client.Reason, _ error) { closed <- r }}
			s := unconnected(t, address, o)
			s.Open()
			if r := receive(t, closed); r != client.ReasonParseError {
				t.Errorf("closed for %q", r)
			}
			mustConnect(t, s)
		})
	}
}

func TestErrorsCarryWhatTheServerAnswered(t *testing.T) {
	everyServer(t, serverOptions{}, func(t *testing.T, srv *server, o client.Options) {
		for name, mode := range modes {
			t.Run(name, func(t *testing.T) {
				o := o
				mode(&o)
				o.NoReconnection = true
				o.Query = map[string][]string{"sid": {"unknown"}}
				_, err := client.Dial(within(t), srv.url, o)
				var answer *engineio.ServerError
				if !errors.As(err, &answer) || !errors.Is(err, engineio.ErrUnknownSession) || answer.Status != http.StatusBadRequest {
					t.Errorf("got %v", err)
				}
			})
		}
	})
}

// TestTellsWhichProtocolTheServerSpeaks meets servers of the other protocol.
func TestTellsWhichProtocolTheServerSpeaks(t *testing.T) {
	modern := httptest.NewServer(socketio.NewServer(socketio.Options{}))
	defer modern.Close()
	for name, mode := range modes {
		t.Run("too new, "+name, func(t *testing.T) {
			o := fast()
			mode(&o)
			o.NoReconnection, o.EIO3 = true, true
			if _, err := client.Dial(within(t), modern.URL, o); !errors.Is(err, engineio.ErrUnsupportedProtocol) {
				t.Errorf("got %v", err)
			}
		})
		t.Run("too old, "+name, func(t *testing.T) {
			srv := startNode("socket.io-2.5")(t, serverOptions{})
			o := fast()
			mode(&o)
			o.NoReconnection = true
			if _, err := client.Dial(within(t), srv.url, o); !errors.Is(err, client.ErrOldServer) {
				t.Errorf("got %v", err)
			}
		})
	}
}
