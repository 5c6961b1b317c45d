package browser

import (
	"context"
	"net/http"
	"podium/test/harness"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/chromedp"
)

// offline takes the network away from a window, or gives it back, as the switch in the developer tools does.
func (tb *window) offline(off bool) {
	tb.t.Helper()
	tb.run(chromedp.Func(func(ctx context.Context, target *chromedp.Target) error {
		conditions := []*network.Conditions{}
		if off {
			conditions = append(conditions, &network.Conditions{Offline: off, DownloadThroughput: -1, UploadThroughput: -1})
		}
		if _, err := cdp.Call(ctx, target, network.EmulateNetworkConditionsByRule, network.EmulateNetworkConditionsByRuleParams{
			EmulateOfflineServiceWorker: &off, MatchedNetworkConditions: conditions}); err != nil {
			return err
		}
		_, err := cdp.Call(ctx, target, network.OverrideNetworkState, network.OverrideNetworkStateParams{
			Offline: off, DownloadThroughput: -1, UploadThroughput: -1})
		return err
	}))
}

// count is the number of elements that a selector finds.
func (tb *window) count(selector string) int {
	tb.t.Helper()
	return eval[int](tb, `document.querySelectorAll(`+quote(selector)+`).length`)
}

// submissions is how many entries the feed has.
func submissions(p *harness.Program) int {
	p.T.Helper()
	var answer struct{ Feed map[string][]any }
	p.Call("GET", "/api/feed", "", nil, &answer)
	n := 0
	for _, list := range answer.Feed {
		n += len(list)
	}
	return n
}

// A photo taken without a network waits, survives a reload that the service worker answers, and is sent once.
func TestAPhotoTakenOfflineIsSentOnceWhenTheNetworkIsBack(t *testing.T) {
	t.Parallel()
	p := harness.Start(t)
	guest := openWindow(t, p.URL+"/", 390, 844)
	guest.sees("#connection", "Live")
	harness.Eventually(t, "the page to be kept for offline", func() bool {
		return eval[bool](guest, `navigator.serviceWorker.controller !== null`)
	})
	guest.offline(true)
	guest.sees("#connection", "Offline")
	guest.send("From the lift")
	guest.sees("#outbox", "kept here")
	p.Submit("Missed meanwhile")
	guest.offline(false)
	guest.sees("#outbox", "On the wall")
	guest.sees("#prints", "Missed meanwhile")
	guest.sees("#connection", "Live")
	if n := guest.count("#prints .print"); n != 2 {
		t.Errorf("the page shows %d photos, want 2", n)
	}
	if n := submissions(p); n != 2 {
		t.Errorf("the server has %d submissions, want 2", n)
	}
}

// A guest who thought better of a photo that still waits holds it back, also over a reload of the page, until they
// want it sent after all.
func TestAPhotoThatIsHeldBackWaitsForTheGuest(t *testing.T) {
	t.Parallel()
	p := harness.Start(t)
	guest := openWindow(t, p.URL+"/", 320, 640)
	guest.sees("#connection", "Live")
	harness.Eventually(t, "the page to be kept for offline", func() bool {
		return eval[bool](guest, `navigator.serviceWorker.controller !== null`)
	})
	guest.offline(true)
	guest.send("Better not")
	guest.sees("#outbox", "kept here")
	guest.fits("a photo that waits", "320 pixels")
	guest.keepScreenshot("outbox-waits-320")
	guest.pressIn("#outbox", "Don’t send")
	guest.sees("#outbox", "held back")
	guest.keepScreenshot("outbox-held-320")
	guest.offline(false)
	guest.run(chromedp.Reload())
	guest.sees("#connection", "Live")
	guest.sees("#outbox", "held back")
	if n := submissions(p); n != 0 {
		t.Errorf("the server has %d submissions of a photo that is held back", n)
	}
	guest.pressIn("#outbox", "Send")
	guest.sees("#outbox", "On the wall")
	if n := submissions(p); n != 1 {
		t.Errorf("the server has %d submissions, want 1", n)
	}
}

// An answer that never arrived leaves the guest with a photo that is already on the server: sending it again, also
// from a reloaded page, makes no second one.
func TestAPhotoWhoseAnswerWasLostIsNotSentTwice(t *testing.T) {
	t.Parallel()
	p := harness.Start(t)
	var keys atomic.Int32
	var losing atomic.Bool
	losing.Store(true)
	seen := make(chan string, 100)
	front := harness.InFrontOf(t, p, func(r *http.Request, forward func()) {
		if r.Method == http.MethodPost && r.URL.Path == "/api/submit" {
			seen <- r.Header.Get("Idempotency-Key")
			keys.Add(1)
			forward()
			return
		}
		forward()
	}, func(r *http.Request) bool {
		return r.Method == http.MethodPost && r.URL.Path == "/api/submit" && losing.Load()
	})
	guest := openWindow(t, front+"/", 390, 844)
	guest.sees("#connection", "Live")
	guest.send("Only once")
	first := <-seen
	guest.sees("#prints .print", "Only once")
	guest.run(chromedp.Reload())
	losing.Store(false)
	guest.sees("#outbox", "On the wall")
	for range keys.Load() - 1 {
		if key := <-seen; key != first || key == "" {
			t.Errorf("key %q was sent after %q", key, first)
		}
	}
	if n := submissions(p); n != 1 {
		t.Errorf("the server has %d submissions, want 1", n)
	}
	if n := guest.count("#prints .print"); n != 1 {
		t.Errorf("the page shows %d photos, want 1", n)
	}
}

// Where Socket.IO is blocked altogether, events come as a stream; where that is blocked too, the feed is read again
// and again. When the way is open, the page takes it.
func TestWhereSocketIOIsBlockedThePageFallsBackAndComesBack(t *testing.T) {
	t.Parallel()
	for name, blocked := range map[string][]string{"event stream": {"/socket.io/"}, "reading": {"/socket.io/", "/api/events"}} {
		t.Run(name, func(t *testing.T) {
			p := harness.Start(t)
			var open atomic.Bool
			front := harness.InFrontOf(t, p, func(r *http.Request, forward func()) {
				for _, prefix := range blocked {
					if strings.HasPrefix(r.URL.Path, prefix) && !strings.HasSuffix(r.URL.Path, ".js") && !open.Load() {
						return
					}
				}
				forward()
			})
			guest := openWindow(t, front+"/", 390, 844)
			guest.sees("#connection", "Live, by polling")
			first, second := p.Submit("Through the side door"), p.Submit("Next to it")
			guest.sees("#prints", "Through the side door")
			guest.sees("#prints", "Next to it")
			cookie := p.SignIn()
			crown(p, cookie, "best", first)
			harness.Eventually(t, "a winner", func() bool { return guest.count(`.won[data-id="`+first+`"]`) == 1 })
			crown(p, cookie, "best", second) // the photos are as they were
			rename(p, cookie, "Through the Windows")
			harness.Eventually(t, "the other winner", func() bool { return guest.count(`.won[data-id="`+second+`"]`) == 1 && guest.count(".won") == 1 })
			guest.sees("#categories", "Through the Windows")
			guest.sees(`.print[data-id="`+first+`"] .meta`, "Through the Windows")
			open.Store(true)
			if name == "reading" { // not to wait for the next try: the guest looks at the phone again
				eval[bool](guest, `document.dispatchEvent(new Event("visibilitychange"))`)
			}
			harness.Eventually(t, "the page to use Socket.IO again", func() bool {
				return eval[string](guest, `document.querySelector("#connection").innerText`) == "Live"
			})
			p.Submit("Through the front door")
			guest.sees("#prints", "Through the front door")
			if n := guest.count("#prints .print"); n != 3 {
				t.Errorf("the page shows %d photos, want 3", n)
			}
		})
	}
}

// rename gives the category "best" another name.
func rename(p *harness.Program, cookie, name string) {
	p.T.Helper()
	var answer struct{ Success bool }
	if p.AsAdmin(cookie, "POST", "/api/categories", `{"categories":[{"id":"worst","name":"Worst Tattoo"},{"id":"best","name":"`+name+`"}]}`, &answer); !answer.Success {
		p.T.Fatal("the category was not renamed")
	}
}

// A planned stop is named as such, and afterwards the page goes on by itself.
func TestThePageSaysThatTheServerIsUpdating(t *testing.T) {
	t.Parallel()
	p := harness.Start(t)
	guest := openWindow(t, p.URL+"/", 390, 844)
	guest.sees("#connection", "Live")
	harness.Eventually(t, "a WebSocket", func() bool {
		var figures struct{ Connections struct{ Websocket int } }
		p.AsAdmin(p.SignIn(), "GET", "/api/dashboard", "", &figures)
		return figures.Connections.Websocket == 1
	})
	p.Signal(syscall.SIGTERM)
	guest.sees("#connection", "updating")
	p.Run()
	p.Wait()
	guest.sees("#connection", "Live")
	p.Submit("After the update")
	guest.sees("#prints", "After the update")
}

// With moderation, a photo is saved at once and on the wall when it was approved; what is hidden or deleted leaves
// every page that is open.
func TestModerationIsSeenByEverybodyAtOnce(t *testing.T) {
	t.Parallel()
	p := harness.Start(t)
	guest := openWindow(t, p.URL+"/", 390, 844)
	wall := openWindow(t, p.URL+"/wall", 1920, 1080)
	admin := openWindow(t, p.URL+"/admin", 390, 844)
	admin.signIn()
	admin.run(chromedp.Click(`#moderation`))
	harness.Eventually(t, "moderation to be on", func() bool {
		var contest struct{ Moderation bool }
		p.Call("GET", "/api/contest", "", nil, &contest)
		return contest.Moderation
	})
	guest.sees("#connection", "Live")
	guest.send("Please approve")
	guest.sees("#outbox", "when the organiser has approved it")
	admin.sees(".entry .badge", "waits for approval")
	if n := submissions(p); n != 0 {
		t.Errorf("the feed holds %d photos that wait", n)
	}
	admin.press("Approve")
	guest.sees("#outbox", "On the wall")
	guest.sees("#prints", "Please approve")
	wall.sees("#show", "Please approve")
	admin.sees(".entry .badge", "on the wall")
	admin.press("Hide")
	guest.gone("#prints .print")
	wall.gone("#newest li")
	admin.sees(".entry .badge", "hidden")
	admin.press("Approve")
	guest.sees("#prints", "Please approve")
	eval[bool](admin, `(window.confirm = () => true, true)`)
	admin.press("Delete")
	guest.gone("#prints .print")
	wall.gone("#newest li")
	admin.gone(".entry")
}

// gone waits until no element matches.
func (tb *window) gone(selector string) {
	tb.t.Helper()
	harness.Eventually(tb.t, selector+" to be gone", func() bool { return tb.count(selector) == 0 })
}
