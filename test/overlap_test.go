package test

import (
	"net/http"
	"sync/atomic"
	"syscall"
	"testing"
)

// A reading of the feed that failed is done once more, while the page is connected and when it is connected again.
func TestWhatCouldNotBeReadIsReadAgain(t *testing.T) {
	for _, again := range []string{"connected", "recovered"} {
		t.Run(again, func(t *testing.T) {
			p := start(t)
			first := p.submit("There before")
			p.crown(p.signIn(), "best", first)
			var failing atomic.Bool
			failing.Store(true)
			gone := make(chan struct{})
			var refused [2]atomic.Int32 // readings of the feed and of the winners
			front := inFrontOf(t, p, func(r *http.Request, forward func()) {
				which := map[string]int{"/api/feed": 1, "/api/winners": 2}[r.URL.Path]
				if which == 0 || !failing.Load() {
					forward()
					return
				}
				// The first reading fails at once. The one of the new connection outlives it.
				if refused[which-1].Add(1) > 1 && again == "recovered" {
					<-gone
				}
			})
			guest, stage := openWindow(t, front+"/", 390, 844), openWindow(t, front+"/winners.html", 1920, 1080)
			guest.sees("#connection", "Live")
			stage.sees("#state", "Live")
			eventually(t, "readings that fail", func() bool { return refused[0].Load() > 1 && refused[1].Load() > 1 })
			if again == "recovered" {
				p.signal(syscall.SIGKILL)
				guest.sees("#connection", "Reconnecting")
				stage.sees("#state", "Reconnecting")
			}
			failing.Store(false)
			close(gone)
			if again == "recovered" {
				p.run()
				p.wait()
			}
			guest.sees("#prints", "There before")
			stage.sees("#winners", "There before")
		})
	}
}
