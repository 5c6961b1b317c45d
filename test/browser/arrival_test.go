package browser

import (
	"net/http"
	"podium/test/harness"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/chromedp/chromedp"
)

// A page of which a script does not arrive, or one of another release does, is loaded anew by itself: on a phone's first
// visit, on the wall that nobody watches, and on a page that has still to be shown.
func TestAPageThatDidNotArriveInWholeIsLoadedAgain(t *testing.T) {
	t.Parallel()
	p := harness.Start(t)
	for _, c := range []struct{ page, module, ready, as string }{
		{"/", "/js/outbox.js", `document.querySelector("#connection")?.textContent === "Live"`, ""},
		{"/", "/js/dom.js", `document.querySelector("#connection")?.textContent === "Live"`, "/js/ago.js"},
		{"/wall", "/js/slideshow.js", `document.querySelector("#state")?.textContent === "Live"`, ""},
		{"/admin", "/js/entry-list.js", `document.querySelector("#signin")?.hidden === false`, ""},
	} {
		t.Run(c.page+" without "+c.module+" "+c.as, func(t *testing.T) {
			var missing, asked atomic.Int32
			missing.Store(2)
			var away atomic.Bool
			front := harness.InFrontOf(t, p, func(r *http.Request, forward func()) {
				if r.Method == http.MethodHead && r.URL.Path == c.page && asked.Add(1) == 1 {
					return // the server is not there yet: the page must not give itself up for it
				}
				if r.URL.Path == c.module && missing.Add(-1) >= 0 {
					away.Store(true)
					if c.as == "" {
						return
					}
					r.URL.Path = c.as // which exports something else
				}
				forward()
			})
			tb := openWindow(t, "about:blank", 1280, 800)
			tb.run(beforeEachPage(`addEventListener("error", (event) => event.preventDefault()); // the console need not say it
				const real = setTimeout; window.setTimeout = (f, ms, ...all) => real(f, ms < 1000 ? ms : ms / 20, ...all)`))
			tb.run(chromedp.Navigate(front + c.page))
			harness.Eventually(t, "the whole page", func() bool { return away.Load() && tb.isTrue(c.ready) })
			if asked.Load() < 2 {
				t.Errorf("it was loaded anew after %d looks for the server", asked.Load())
			}
		})
	}
}

// The network may go silent while the client is loaded: it is loaded once more.
func TestAClientThatNeverArrivesIsAskedForAgain(t *testing.T) {
	t.Parallel()
	p := harness.Start(t)
	front := harness.InFrontOf(t, p, func(r *http.Request, forward func()) {
		if strings.HasPrefix(r.URL.Path, "/socket.io/socket.io.esm") && r.URL.RawQuery == "" {
			<-r.Context().Done()
			return
		}
		forward()
	})
	guest := openWindow(t, "about:blank", 390, 844)
	guest.run(beforeEachPage(`const real = setTimeout; window.setTimeout = (f, ms, ...all) => real(f, ms === 20000 ? 50 : ms, ...all)`))
	guest.run(chromedp.Navigate(front + "/"))
	guest.sees("#connection", "Live")
}

// A page that one left and came back to, and that the browser had kept, has the news at once, whatever it was connected by.
func TestAPageThatTheBrowserKeptHasNewsAtOnce(t *testing.T) {
	t.Parallel()
	browser := startOwn(t, lookPath("chromium")) // its headless shell keeps no pages
	for _, name := range []string{"WebSocket", "polling", "event stream", "reading"} {
		t.Run(name, func(t *testing.T) {
			p := harness.Start(t)
			address := p.URL + "/"
			switch name {
			case "polling":
				address += "?transport=polling"
			case "event stream":
				address = withoutSocketIO(t, p) + "/"
			case "reading":
				address = withoutSocketIO(t, p, "/api/events") + "/"
			}
			guest := openWindowIn(t, browser, address, 390, 844)
			guest.sees("#connection", "Live")
			harness.Eventually(t, "the service worker, whose coming would end what is kept", func() bool {
				return eval[bool](guest, `navigator.serviceWorker.controller !== null`)
			})
			eval[bool](guest, `window.wasHere = true`)
			guest.run(chromedp.Navigate(p.URL + "/api/contest"))
			p.Submit("Missed")
			eval[bool](guest, `history.back(); true`)
			guest.sees("#prints", "Missed")
			if !eval[bool](guest, `window.wasHere ?? false`) {
				t.Fatal("the browser did not keep the page: this shows nothing")
			}
			p.Submit("Later")
			guest.sees("#prints", "Later")
		})
	}
}
