package engineio_test

import (
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"podium/protocol/engineio"
)

// short are heartbeats as the official suites set them.
var short = engineio.Options{PingInterval: 300 * time.Millisecond, PingTimeout: 200 * time.Millisecond, AllowEIO3: true}

func sleep(d time.Duration) {
	time.Sleep(d)
	synctest.Wait()
}

func TestPingsComeToTheMillisecond(t *testing.T) {
	inBubble(t, short, func(b *bubble) {
		b.open(4)
		a := b.get()
		sleep(299 * time.Millisecond)
		if a.done() {
			t.Fatalf("a ping after 299 ms: %q", a.body)
		}
		sleep(3 * time.Millisecond)
		if a.body != "2" {
			t.Fatalf("poll got %q, want a ping after 300 ms", a.body)
		}
		b.post("3")
		a = b.get()
		sleep(299 * time.Millisecond)
		if a.done() {
			t.Fatal("the next ping counts from the pong")
		}
		sleep(3 * time.Millisecond)
		if !a.done() {
			t.Fatal("no second ping")
		}
	})
}

func TestASessionWithoutPongEndsToTheMillisecond(t *testing.T) {
	inBubble(t, short, func(b *bubble) {
		b.open(4)
		time.Sleep(499 * time.Millisecond)
		if b.ended() {
			t.Fatal("ended too early")
		}
		time.Sleep(time.Millisecond)
		if a := b.get(); a.status != 400 || !strings.Contains(a.body, "Session ID unknown") {
			t.Errorf("poll after the timeout: %d %q", a.status, a.body)
		}
		if b.reasons[0] != engineio.ReasonPingTimeout {
			t.Errorf("reason %q", b.reasons[0])
		}
	})
}

func TestOtherPacketsProlongTheTimeToAnswerAPingOnce(t *testing.T) {
	inBubble(t, short, func(b *bubble) {
		b.open(4)
		sleep(450 * time.Millisecond) // the ping was sent at 300
		b.post("4still here")
		sleep(100 * time.Millisecond)
		if b.ended() {
			t.Fatal("a packet did not prolong the time")
		}
		b.post("4and here")
		sleep(150 * time.Millisecond)
		if !b.ended() {
			t.Error("prolonged twice")
		}
	})
}

func TestClientsOfProtocol3Ping(t *testing.T) {
	inBubble(t, short, func(b *bubble) {
		b.open(3)
		for range 3 {
			sleep(450 * time.Millisecond)
			if a := b.post("1:2"); a.status != 200 {
				t.Fatalf("ping got %d", a.status)
			}
			if a := b.get(); a.body != "1:3" {
				t.Fatalf("pong %q", a.body)
			}
		}
		sleep(499 * time.Millisecond)
		if b.ended() {
			t.Fatal("ended too early")
		}
		sleep(2 * time.Millisecond)
		if !b.ended() || b.reasons[0] != engineio.ReasonPingTimeout {
			t.Errorf("reasons %v", b.reasons)
		}
	})
}

func TestHeartbeatsInTheWrongDirectionEndTheSession(t *testing.T) {
	for version, body := range map[int]string{4: "2", 3: "1:3"} {
		inBubble(t, short, func(b *bubble) {
			b.open(version)
			b.post(body)
			if !b.ended() || b.reasons[0] != engineio.ReasonTransportError {
				t.Errorf("protocol %d: reasons %v", version, b.reasons)
			}
		})
	}
}

func TestAProbeThatIsNeverFinishedIsClosed(t *testing.T) {
	inBubble(t, engineio.Options{UpgradeTimeout: time.Second}, func(b *bubble) {
		b.open(4)
		w := b.dialWebSocket(websocketQuery(b))
		w.send("2probe")
		for i := range 3 { // a client may not have seen the pong yet
			a := b.get()
			sleep(10 * time.Millisecond)
			if a.body != "6" {
				t.Fatalf("poll %d: %q", i, a.body)
			}
		}
		a := b.get()
		if a.done() {
			t.Fatal("the client can poll as fast as it likes")
		}
		sleep(101 * time.Millisecond)
		if a.body != "6" {
			t.Fatalf("held poll: %q", a.body)
		}
		sleep(time.Second)
		if !w.closed() {
			t.Fatal("the probe is still open")
		}
		if a = b.get(); a.done() || b.ended() {
			t.Error("the session does not go on polling")
		}
	})
}

// A client may send its poll after the packet that ends its upgrade, and both
// come on connections of their own: which is read first is chance.
func TestAPollAtTheEndOfAnUpgradeIsRefusedInEitherOrder(t *testing.T) {
	for name, order := range map[string]func(*bubble, *socket) *answer{
		"poll last": func(b *bubble, w *socket) *answer {
			w.send("2probe")
			w.send("5")
			return b.get()
		},
		"poll before the end": func(b *bubble, w *socket) *answer {
			w.send("2probe")
			a := b.get()
			w.send("5")
			return a
		},
		"poll first": func(b *bubble, w *socket) *answer {
			a := b.get()
			w.send("2probe")
			w.send("5")
			return a
		},
	} {
		t.Run(name, func(t *testing.T) {
			inBubble(t, engineio.Options{}, func(b *bubble) {
				b.open(4)
				w := b.dialWebSocket(websocketQuery(b))
				if a := order(b, w); a.status != 400 || a.body != `{"code":3,"message":"Bad request"}` {
					t.Errorf("the poll got %d %q", a.status, a.body)
				}
				_ = b.session.Send(engineio.Text([]byte("hello")))
				sleep(time.Millisecond)
				if got := b.messages(); len(got) != 1 || b.ended() {
					t.Errorf("the WebSocket got %q", got)
				}
			})
		})
	}
}

func TestThePollOfAClientThatClosesIsEndedWithANoop(t *testing.T) {
	for version, farewell := range map[int]string{4: "1", 3: "1:1"} {
		inBubble(t, engineio.Options{AllowEIO3: true}, func(b *bubble) {
			b.open(version)
			a := b.get()
			b.post(farewell)
			if a.status != 200 || !strings.HasSuffix(a.body, "6") {
				t.Errorf("protocol %d: the poll got %d %q", version, a.status, a.body)
			}
			if a := b.get(); a.status != 400 {
				t.Errorf("protocol %d: a poll after it got %d", version, a.status)
			}
		})
	}
}

// A client's last poll and its close come on two connections.
func TestAPollThatIsReadAfterTheCloseIsEndedWithANoop(t *testing.T) {
	inBubble(t, engineio.Options{}, func(b *bubble) {
		b.open(4)
		farewell := b.post("1")
		sleep(30 * time.Millisecond)
		if a := b.get(); a.status != 200 || a.body != "6" || farewell.status != 200 || !b.ended() {
			t.Errorf("the poll got %d %q, the POST %d, ended %v", a.status, a.body, farewell.status, b.ended())
		}
		if a := b.get(); a.status != 400 {
			t.Errorf("a poll after it got %d", a.status)
		}
		b.open(4)
		farewell = b.post("1")
		sleep(60 * time.Millisecond)
		if a := b.get(); a.status != 400 || farewell.status != 200 {
			t.Errorf("a poll that comes too late got %d, the POST %d", a.status, farewell.status)
		}
	})
}

func TestAClosingSessionWaitsForItsClientButNotForEver(t *testing.T) {
	inBubble(t, engineio.Options{CloseTimeout: time.Second}, func(b *bubble) {
		b.open(4)
		b.session.Close()
		sleep(900 * time.Millisecond)
		if b.ended() {
			t.Fatal("did not wait")
		}
		sleep(200 * time.Millisecond)
		if !b.ended() || b.reasons[0] != engineio.ReasonForcedClose {
			t.Errorf("reasons %v", b.reasons)
		}
	})
}

func TestAClosingSessionWaitsNoLongerThanForAPong(t *testing.T) {
	for _, version := range []int{4, 3} {
		inBubble(t, short, func(b *bubble) {
			b.open(version)
			b.session.Close()
			sleep(499 * time.Millisecond)
			if b.ended() {
				t.Fatalf("protocol %d: did not wait", version)
			}
			sleep(4 * time.Millisecond)
			if !b.ended() || b.reasons[0] != engineio.ReasonPingTimeout {
				t.Errorf("protocol %d: reasons %v", version, b.reasons)
			}
		})
	}
}

// Whoever shuts the HTTP server down would wait for the rest of the body.
func TestAPOSTInProgressIsBrokenOffWhereItsSessionEnds(t *testing.T) {
	for name, end := range map[string]func(*bubble){
		"by the server": func(b *bubble) { b.session.Close() },
		"by a mistake":  func(b *bubble) { b.post("4overlap") },
	} {
		inBubble(t, engineio.Options{BodyTimeout: -1}, func(b *bubble) {
			b.open(4)
			if err := b.session.Send(engineio.Text([]byte("queued"))); err != nil {
				t.Fatal(err)
			}
			a := b.requestInPart("POST", b.query, "4sl", 6)
			end(b)
			if synctest.Wait(); a.status != http.StatusRequestTimeout {
				t.Errorf("ended %s: the POST got %d", name, a.status)
			}
			if name != "by the server" {
				return
			}
			if p := b.get(); p.body != "4queued" {
				t.Errorf("what was queued did not leave: %d %q", p.status, p.body)
			}
		})
	}
}

func TestSessionsThatAreNeverUsedAreBounded(t *testing.T) {
	inBubble(t, engineio.Options{MaxUnused: 10}, func(b *bubble) {
		b.open(4)
		if a := b.post("4x"); a.status != 200 {
			t.Fatal(a.status)
		}
		used := b.query
		for range 30 {
			b.open(4)
		}
		if n := b.engine.Stats().Sessions; n != 11 {
			t.Errorf("%d sessions, want 11", n)
		}
		if a := b.request("POST", used, "4y"); a.status != 200 {
			t.Errorf("a session in use got %d", a.status)
		}
	})
}

func TestSessionsAreBounded(t *testing.T) {
	inBubble(t, engineio.Options{MaxSessions: 1}, func(b *bubble) {
		b.open(4)
		if a := b.request("GET", "EIO=4&transport=polling", ""); a.status != 503 {
			t.Errorf("the second session got %d", a.status)
		}
		b.post("1")
		sleep(100 * time.Millisecond)
		b.open(4)
	})
}

func TestWhatIsSentAtTheConnectionWaitsForTheFirstPoll(t *testing.T) {
	inBubble(t, engineio.Options{}, func(b *bubble) {
		b.greet = true
		b.open(4)
		if n := len(b.messages()); n != 0 {
			t.Errorf("the handshake's answer holds %d messages", n)
		}
		if a := b.get(); a.body != "4hi" {
			t.Errorf("first poll: %q", a.body)
		}
	})
}

func TestClosingWhileUpgradingLosesNothing(t *testing.T) {
	inBubble(t, engineio.Options{}, func(b *bubble) {
		b.open(4)
		w := b.dialWebSocket(websocketQuery(b))
		w.send("2probe")
		for i := range 3 {
			if err := b.session.Send(engineio.Text(fmt.Append(nil, i))); err != nil {
				t.Fatal(err)
			}
		}
		b.session.Close()
		w.send("5") // was on its way already
		if got := fmt.Sprint(b.messages()); got != "[0 1 2]" || !b.ended() || !w.closed() {
			t.Errorf("got %s, ended %v, closed %v", got, b.ended(), w.closed())
		}
	})
}

// Two timers fire in the same turn of the wheel: a client has not answered its ping,
// and another one is to be pinged, but is sent something and closed because of the first.
func TestATimerThatHasFiredDoesNotCutASessionThatBeganToClose(t *testing.T) {
	inBubble(t, short, func(b *bubble) {
		b.open(4) // its ping is due at 300 ms, and the answer at 500
		sleep(200 * time.Millisecond)
		b.open(4) // its ping is due at 500 ms
		second := b.session
		b.mu.Lock()
		b.atEnd = func() {
			if err := second.Send(engineio.Text([]byte("bye"))); err != nil {
				t.Error(err)
			}
			second.Close()
		}
		b.mu.Unlock()
		sleep(301 * time.Millisecond)
		b.mu.Lock()
		n := len(b.reasons)
		b.mu.Unlock()
		if n != 1 {
			t.Fatalf("%d sessions have ended", n)
		}
		if a := b.get(); a.body != "4bye" {
			t.Errorf("the poll got %d %q", a.status, a.body)
		}
	})
}

// A client that goes on with its heartbeat, but fetches nothing, cannot keep a session
// from closing.
func TestHeartbeatsDoNotProlongAClosingSession(t *testing.T) {
	for version, heartbeat := range map[int]string{4: "3", 3: "1:2"} {
		o := short
		o.CloseTimeout = 100 * time.Millisecond
		inBubble(t, o, func(b *bubble) {
			b.open(version)
			sleep(301 * time.Millisecond) // in protocol 4 a ping was sent
			b.session.Close()
			for range 5 {
				sleep(20 * time.Millisecond)
				b.post(heartbeat)
			}
			sleep(10 * time.Millisecond)
			if !b.ended() {
				t.Errorf("protocol %d: the session is still open", version)
			}
		})
	}
}

// A timer that is stopped may have fired already, and its function run only then.
func TestAnUpgradeThatIsCompleteIsNotGivenUp(t *testing.T) {
	inBubble(t, engineio.Options{}, func(b *bubble) {
		b.open(4)
		w := b.dialWebSocket(websocketQuery(b))
		w.send("2probe")
		_, timer := b.session.Upgrade()
		w.send("5")
		timer.Reset(0)
		sleep(time.Millisecond)
		if err := b.session.Send(engineio.Text([]byte("hello"))); err != nil {
			t.Error(err)
		}
		sleep(time.Millisecond)
		if got := fmt.Sprint(b.messages()); got != "[hello]" || b.ended() || w.closed() {
			t.Errorf("got %s, ended %v, closed %v", got, b.ended(), w.closed())
		}
	})
}

// brokenWriter is the answer to a request whose connection broke unnoticed.
type brokenWriter struct{ header http.Header }

func (w brokenWriter) Header() http.Header     { return w.header }
func (brokenWriter) WriteHeader(int)           {}
func (brokenWriter) Write([]byte) (int, error) { return 0, io.ErrClosedPipe }

// A client that drops its poll when it upgrades loses nothing but a noop.
func TestAPollThatBreaksAtAnUpgradeDoesNotEndTheSession(t *testing.T) {
	inBubble(t, engineio.Options{}, func(b *bubble) {
		b.open(4)
		r, err := http.NewRequestWithContext(b.Context(), "GET", "/engine.io/?"+b.query, http.NoBody)
		if err != nil {
			t.Fatal(err)
		}
		go b.engine.ServeHTTP(brokenWriter{make(http.Header)}, r)
		w := b.dialWebSocket(websocketQuery(b))
		sleep(10 * time.Millisecond)
		w.send("2probe") // ends the poll
		w.send("5")
		if err := b.session.Send(engineio.Text([]byte("hello"))); err != nil {
			t.Error(err)
		}
		sleep(time.Millisecond)
		if got := fmt.Sprint(b.messages()); got != "[hello]" || b.ended() {
			t.Errorf("got %s, ended %v", got, b.ended())
		}
	})
}
