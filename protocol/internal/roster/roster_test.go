package roster

import (
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"podium/protocol/socketio"
)

func TestWhoIsNotHeardOfFallsSilent(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := New()
		r.Meet(socketio.Member{ID: "a"}, time.Now())
		r.Meet(socketio.Member{ID: "b"}, time.Now().Add(-3*time.Second)) // as old as its row
		time.Sleep(3 * time.Second)
		r.Hear("a")
		r.Hear("nobody")
		if got := r.Silent(5 * time.Second); !slices.Equal(got, []string{"b"}) {
			t.Errorf("silent for 5 s: %q", got)
		}
		if got := r.Silent(7 * time.Second); len(got) != 0 {
			t.Errorf("silent for 7 s: %q", got)
		}
	})
}

func TestAMemberIsDroppedOnce(t *testing.T) {
	r := New()
	r.Meet(socketio.Member{ID: "a"}, time.Now())
	if !r.Drop("a") || r.Drop("a") {
		t.Error("it was known other than once")
	}
	if n := len(r.Members()); n != 0 {
		t.Errorf("%d members are left", n)
	}
}

func TestWhoWaitsForMembersIsToldOfEach(t *testing.T) {
	r := New()
	count, changed := r.Changed()
	r.Meet(socketio.Member{ID: "a"}, time.Now())
	<-changed
	if count != 0 || len(r.Members()) != 1 {
		t.Errorf("%d members before, %d after", count, len(r.Members()))
	}
}
