package limits

import (
	"context"
	"net/http/httptest"
	"testing"
	"testing/synctest"
)

func TestTheDoorLetsNoMoreInAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := make(door, 2)
		r := httptest.NewRequest("GET", "/socket.io/?EIO=4&transport=polling", nil)
		d.enter(r)
		d.enter(r)
		entered := make(chan bool, 1)
		go func() { entered <- d.enter(r) }()
		if synctest.Wait(); len(entered) != 0 {
			t.Fatal("a third was let in")
		}
		d.leave()
		<-entered

		gone, cancel := context.WithCancel(t.Context())
		go func() { entered <- d.enter(r.WithContext(gone)) }()
		synctest.Wait()
		cancel()
		if <-entered {
			t.Error("a client that went away was let in")
		}
	})
}

func TestEveryRequestThatOpensASessionPassesTheDoor(t *testing.T) {
	for query, want := range map[string]bool{
		"EIO=4&transport=polling": true, "EIO=4&transport=polling&sid=": true, "sid=x&EIO=4&transport=polling&sid=": true,
		"EIO=4&transport=polling&sid=x": false, "sid=&EIO=4&transport=polling&sid=x": false,
		"s%69d=&EIO=4&transport=polling": true, "EIO=4&transport=polling&sid=%zz": false, "sid=x;sid=&EIO=4": false,
	} {
		if got := passes(httptest.NewRequest("GET", "/socket.io/?"+query, nil)); got != want {
			t.Errorf("%s: %v", query, got)
		}
	}
}
