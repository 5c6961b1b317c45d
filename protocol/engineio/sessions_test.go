package engineio_test

import (
	"testing"

	"podium/protocol/engineio"
)

func TestSessionsAreFoundAndListedWhileTheyAreOpen(t *testing.T) {
	s := serve(t, engineio.Options{})
	s.open()
	s.open()
	session := s.last().session
	if found, ok := s.engine.Session(session.ID()); !ok || found != session {
		t.Errorf("found %v, %v", found, ok)
	}
	count := 0
	s.engine.Sessions(func(*engineio.Session) bool { count++; return true })
	first := 0
	s.engine.Sessions(func(*engineio.Session) bool { first++; return false })
	if count != 2 || first != 1 {
		t.Errorf("listed %d, and %d where asked to stop", count, first)
	}
	session.Close()
	s.do("GET", "EIO=4&transport=polling&sid="+session.ID(), "")
	s.wantClosed(s.last(), engineio.ReasonForcedClose)
	if _, ok := s.engine.Session(session.ID()); ok {
		t.Error("found after its end")
	}
}

func TestASessionIsWritableWhereSomethingWouldLeaveAtOnce(t *testing.T) {
	inBubble(t, engineio.Options{}, func(b *bubble) {
		b.open(4)
		if b.session.Writable() {
			t.Error("no poll waits")
		}
		b.get()
		if !b.session.Writable() {
			t.Error("a poll waits")
		}
		_ = b.session.Send(engineio.Text([]byte("x")))
		_ = b.session.Send(engineio.Text([]byte("yz")))
		if b.session.Writable() {
			t.Error("the poll is gone")
		}
	})
}

// Clients that take no binary say so: their WebSocket messages are base64.
func TestClientsThatTakeNoBinaryGetBase64OverWebSocketToo(t *testing.T) {
	for query, want := range map[string]string{"EIO=4": "bAQL/", "EIO=3": "b4AQL/"} {
		s := serve(t, engineio.Options{AllowEIO3: true})
		c := s.dial(query + "&transport=websocket&b64=1")
		s.read(c)
		if err := s.last().session.Send(engineio.Binary([]byte{1, 2, 255}), engineio.Text([]byte("t"))); err != nil {
			t.Fatal(err)
		}
		if got := s.read(c); got != want {
			t.Errorf("%s: got %q, want %q", query, got, want)
		}
		if got := s.read(c); got != "4t" {
			t.Errorf("%s: got %q", query, got)
		}
	}
}
