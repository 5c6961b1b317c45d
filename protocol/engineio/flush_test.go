package engineio_test

import (
	"context"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"podium/protocol/engineio"
)

// What goes through long-polling, and what waits for clients, can be told.
func TestBytesOfLongPollingAreCounted(t *testing.T) {
	inBubble(t, engineio.Options{}, func(b *bubble) {
		b.open(4)
		before := b.engine.Stats()
		if before.PollOut == 0 {
			t.Error("the handshake was not counted")
		}
		if err := b.session.Send(engineio.Text([]byte("hello"))); err != nil {
			t.Fatal(err)
		}
		if n := b.engine.Buffered(); n != len("4hello") {
			t.Errorf("%d bytes wait", n)
		}
		if a := b.get(); a.body != "4hello" {
			t.Fatalf("poll: %q", a.body)
		}
		b.post("4you")
		synctest.Wait()
		after := b.engine.Stats()
		if out, in := after.PollOut-before.PollOut, after.PollIn-before.PollIn; out != 6 || in != 4 {
			t.Errorf("%d bytes out, %d in", out, in)
		}
		if n := b.engine.Buffered(); n != 0 {
			t.Errorf("%d bytes wait", n)
		}
	})
}

func TestFlushWaitsForClientsBetweenTwoPollsButNotForEver(t *testing.T) {
	inBubble(t, engineio.Options{}, func(b *bubble) {
		b.open(4)
		if err := b.session.Send(engineio.Text([]byte("hi"))); err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithTimeout(b.Context(), time.Second)
		defer cancel()
		left := make(chan int, 2)
		go func() { left <- b.engine.Flush(ctx) }()
		sleep(500 * time.Millisecond)
		if len(left) != 0 {
			t.Fatal("did not wait")
		}
		if a := b.get(); a.body != "4hi" {
			t.Fatalf("poll: %q", a.body)
		}
		if n := <-left; n != 0 {
			t.Errorf("%d clients left", n)
		}
		if err := b.session.Send(engineio.Text([]byte("unheard"))); err != nil {
			t.Fatal(err)
		}
		began := time.Now()
		if n := b.engine.Flush(ctx); n != 1 || time.Since(began) > time.Second {
			t.Errorf("%d clients left after %v", n, time.Since(began))
		}
		synctest.Wait()
	})
}

// What was sent before a shutdown can still be fetched during it, by clients that
// were between two polls, and apart from the end; nobody new comes in.
func TestShutdownLetsClientsBetweenTwoPollsFetchWhatWasSent(t *testing.T) {
	inBubble(t, engineio.Options{ShutdownGrace: 10 * time.Second}, func(b *bubble) {
		b.open(4)
		if err := b.session.Send(engineio.Text([]byte("last"))); err != nil {
			t.Fatal(err)
		}
		began := time.Now()
		down := make(chan error, 1)
		go func() { down <- b.engine.Shutdown(b.Context()) }()
		sleep(time.Second)
		if a := b.request("GET", "EIO=4&transport=polling", ""); a.status != 400 {
			t.Errorf("a new client got %d %q", a.status, a.body)
		}
		for _, want := range []string{"4last", "6\x1e1"} {
			if a := b.get(); a.body != want {
				t.Errorf("poll: %d %q, want %q", a.status, a.body, want)
			}
		}
		if err := <-down; err != nil || time.Since(began) > 2*time.Second {
			t.Errorf("shutdown: %v after %v", err, time.Since(began))
		}
		if a := b.get(); a.status != 400 {
			t.Errorf("a poll after the shutdown got %d %q", a.status, a.body)
		}
	})
}

// What ends the poll of a client that has upgraded is left where the client drops that
// poll: it waits for nobody.
func TestFlushDoesNotWaitForThePollOfAClientThatHasUpgraded(t *testing.T) {
	held, release := make(chan struct{}), make(chan struct{})
	s := serve(t, engineio.Options{AllowPoll: func(*engineio.Session) bool {
		close(held)
		<-release
		return true
	}})
	q := s.open()
	w := s.dial(strings.Replace(q, "polling", "websocket", 1))
	ctx, drop := context.WithCancel(t.Context())
	r := httptest.NewRequestWithContext(ctx, "GET", "/engine.io/?"+q, nil)
	ended := make(chan struct{})
	go func() {
		s.engine.ServeHTTP(httptest.NewRecorder(), r)
		close(ended)
	}()
	<-held
	s.write(w, "2probe")
	if pong := s.read(w); pong != "3probe" {
		t.Fatalf("probe answered with %q", pong)
	}
	s.write(w, "5")
	waitUntil(t, "the upgrade is complete", func() bool {
		return s.last().session.Transport() == engineio.TransportWebSocket
	})
	drop()
	close(release)
	<-ended
	ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer cancel()
	if n := s.engine.Flush(ctx); n != 0 {
		t.Errorf("%d clients are left", n)
	}
}
