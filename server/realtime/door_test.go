package realtime

import (
	"context"
	"net/http/httptest"
	"testing"
	"testing/synctest"
	"time"
)

func TestTheDoorLetsNoMoreInAtOnceAndNobodyBlocksIt(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := make(door, 2)
		r := httptest.NewRequest("GET", "/socket.io/?EIO=4&transport=polling", nil)
		first, second := d.enter(r), d.enter(r)
		entered := make(chan func(), 1)
		go func() { entered <- d.enter(r) }()
		if synctest.Wait(); len(entered) != 0 {
			t.Fatal("a third was let in")
		}
		first()
		first() // gives back one place only
		third := <-entered

		gone, cancel := context.WithCancel(t.Context())
		go func() { entered <- d.enter(r.WithContext(gone)) }()
		synctest.Wait()
		cancel()
		if <-entered != nil {
			t.Error("a client that went away was let in")
		}

		go func() { entered <- d.enter(r) }() // second and third wait for clients that do not read
		time.Sleep(doorHold - time.Millisecond)
		if synctest.Wait(); len(entered) != 0 {
			t.Fatal("let in too early")
		}
		time.Sleep(2 * time.Millisecond)
		synctest.Wait()
		if len(entered) != 1 {
			t.Fatal("the door is blocked")
		}
		(<-entered)()
		second()
		third()
		if len(d) != 0 {
			t.Errorf("%d places are taken by nobody", len(d))
		}
	})
}
