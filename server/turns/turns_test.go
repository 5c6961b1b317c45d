package turns

import (
	"context"
	"net/netip"
	"slices"
	"testing"
	"testing/synctest"
)

func TestAnAddressWithManyJobsDelaysAnotherByOne(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		turns, ran := NewTurns(1), make(chan string, 20)
		if err := turns.Enter(t.Context()); err != nil {
			t.Fatal(err)
		}
		wait := func(address string) {
			ctx := WithAddress(t.Context(), netip.MustParseAddr(address))
			go func() {
				if err := turns.Enter(ctx); err == nil {
					ran <- address
				}
			}()
			synctest.Wait()
		}
		for range 4 {
			wait("1.1.1.1")
		}
		wait("2.2.2.2")
		wait("2001:db8::1")
		wait("2001:db8::2") // of the same network
		var got []string
		for range 7 {
			turns.Leave()
			got = append(got, <-ran)
		}
		want := []string{"1.1.1.1", "2.2.2.2", "2001:db8::1", "1.1.1.1", "2001:db8::2", "1.1.1.1", "1.1.1.1"}
		if !slices.Equal(got, want) {
			t.Errorf("%v, want %v", got, want)
		}
		turns.Leave()
		if turns.free != 1 || len(turns.queue.members) != 0 || turns.queue.order.Len() != 0 {
			t.Errorf("%+v is left", turns)
		}
	})
}

func TestWhoGivesUpWaitingLeavesTheTurnToOthers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		turns := NewTurns(1)
		if err := turns.Enter(t.Context()); err != nil {
			t.Fatal(err)
		}
		impatient, cancel := context.WithCancel(t.Context())
		gaveUp, patient := make(chan error, 1), make(chan error, 1)
		go func() { gaveUp <- turns.Enter(impatient) }()
		synctest.Wait()
		go func() { patient <- turns.Enter(t.Context()) }()
		synctest.Wait()
		cancel()
		if err := <-gaveUp; err == nil {
			t.Error("a turn was got that was given up")
		}
		turns.Leave()
		if err := <-patient; err != nil {
			t.Error(err)
		}
		turns.Leave()
		if turns.free != 1 || len(turns.queue.members) != 0 {
			t.Errorf("%+v is left", turns)
		}
	})
}
