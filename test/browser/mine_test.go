package browser

import (
	"os"
	"podium/test/harness"
	"strings"
	"testing"

	"github.com/chromedp/chromedp"
)

// A guest sends several photos from one sheet, and finds them again after closing the page: one that won, one that waits, and
// one that they take back. A photo is passed on by its address.
func TestAGuestsPhotosLast(t *testing.T) {
	t.Parallel()
	axe, err := os.ReadFile("node_modules/axe-core/axe.min.js")
	harness.Need(t, err == nil, "axe-core")
	p := harness.Start(t)
	cookie := p.SignIn()
	guest := openWindow(t, p.URL+"/", 390, 844)
	guest.run(chromedp.WaitReady(`input[name=category]`))
	guest.run(chromedp.SetUploadFiles(`#library`, []string{photoFile(t), photoFile(t), photoFile(t), photoFile(t)}))
	guest.sees("#sheet-title", "4 photos")
	harness.Eventually(t, "four previews", func() bool { return guest.count("#batch img") == 4 })
	guest.run(chromedp.Click("#batch li:last-child button"))
	guest.sees("#send", "Send 3 photos")
	// The button is on the screen and on nothing, whatever is open.
	eval[bool](guest, `document.querySelector("#contact").open = true`)
	if shown := eval[float64](guest, `document.querySelector(".preview").clientHeight / document.querySelector("#batch").clientHeight`); shown < 0.99 {
		t.Errorf("%.2f of the photos' row is to be seen", shown)
	}
	if !eval[bool](guest, `(() => { const b = document.querySelector("#send").getBoundingClientRect(), f = document.querySelector(".fields").getBoundingClientRect(); return b.bottom <= innerHeight && f.bottom <= b.top; })()`) {
		t.Error("the button is off the screen, or on the fields")
	}
	guest.look(string(axe), "sheet", "phone")
	// Far down on the page, the sending is told where the thumb is.
	eval[bool](guest, `document.body.style.minHeight = "5000px"; scrollTo({top: 4000, behavior: "instant"}); true`)
	guest.sendShown("Three of us")
	guest.sees("#toast", "On the wall")
	// The next sheet begins at its beginning, wherever this one was left.
	eval[bool](guest, `scrollTo({top: 0, behavior: "instant"}); true`)
	guest.run(chromedp.SetUploadFiles(`#library`, []string{photoFile(t)}), chromedp.WaitVisible(`#preview`))
	if at := eval[float64](guest, `document.querySelector(".fields").scrollTop`); at != 0 {
		t.Errorf("the sheet opens %v pixels down", at)
	}
	guest.run(chromedp.Click("#sheet-close"))
	harness.Eventually(t, "photos on the wall", func() bool { return guest.count(`#outbox li[data-state="wall"]`) == 3 })
	if high := eval[float64](guest, `Math.max(...[...document.querySelectorAll("#outbox li")].map(li => li.getBoundingClientRect().height))`); high > 80 {
		t.Errorf("a photo's row is %v pixels high", high)
	}
	var feed struct {
		Feed map[string][]struct{ ID, Caption string }
	}
	harness.Eventually(t, "three photos", func() bool {
		p.Call("GET", "/api/feed", "", nil, &feed)
		return len(feed.Feed["best"])+len(feed.Feed["worst"]) == 3
	})
	// What the page has not seen on the wall waits in the outbox of the next one, and not among what was sent before.
	harness.Eventually(t, "the page to be done with all three", func() bool {
		eval[bool](guest, keptCaptions)
		return guest.count(`#outbox li[data-state="wall"]`) == 3 && eval[string](guest, `window.captions ?? "unread"`) == ""
	})
	category := "worst"
	if len(feed.Feed["best"]) > 0 {
		category = "best"
	}
	crown(p, cookie, category, feed.Feed[category][1].ID)
	p.AsAdmin(cookie, "POST", "/api/submissions/"+feed.Feed[category][0].ID+"/hide", "{}", &struct{}{})

	guest.run(chromedp.Navigate(p.URL + "/"))
	guest.sees("#kept", "3 photos that you sent before")
	guest.sees("#kept", "You won!")
	guest.sees("#kept", "doesn’t show it")
	guest.sees("#kept", "On the wall")
	guest.look(string(axe), "own-photos", "phone")
	eval[bool](guest, `window.confirm = () => true; navigator.share = async (what) => { window.shared = what.url; }; true`)
	guest.run(chromedp.Click(`#kept li[data-state="wall"] button:first-of-type`))
	harness.Eventually(t, "a photo to be shared", func() bool { return eval[string](guest, `window.shared ?? ""`) != "" })
	guest.run(chromedp.Click(`#kept li[data-state="wall"] .actions button:last-child`))
	guest.sees("#toast", "Deleted")
	guest.sees("#kept", "2 photos that you sent before")
	harness.Eventually(t, "one photo on the wall", func() bool {
		p.Call("GET", "/api/feed", "", nil, &feed)
		return len(feed.Feed[category]) == 1
	})
	friend := openWindow(t, p.URL+"/#photo/"+feed.Feed[category][0].ID, 1280, 800)
	harness.Eventually(t, "the photo of the address", func() bool { return eval[bool](friend, `document.querySelector("#large").open`) })
	if save := eval[string](friend, `(a => a.hasAttribute("download") ? a.pathname : "")(document.querySelector("#large-save"))`); !strings.HasPrefix(save, "/uploads/") {
		t.Errorf("Save saves %q", save)
	}
	friend.gone("#kept:not([hidden])")
}

// A guest whose photo was hidden while their page was closed finds that said among what they sent, and not that it still waits.
func TestAPhotoThatWasHiddenMeanwhileIsToldOf(t *testing.T) {
	t.Parallel()
	p := harness.Start(t)
	cookie := p.SignIn()
	p.AsAdmin(cookie, "POST", "/api/settings", `{"moderation":true}`, &struct{}{})
	guest := openWindow(t, p.URL+"/", 390, 844)
	guest.sees("#connection", "Live")
	guest.send("Not for everybody")
	guest.sees("#outbox", "when the organiser has approved it")
	guest.run(chromedp.Navigate("about:blank"))
	var entries struct {
		Submissions map[string][]struct{ ID string }
	}
	p.AsAdmin(cookie, "GET", "/api/submissions", "", &entries)
	for _, list := range entries.Submissions {
		for _, entry := range list {
			judge(p, cookie, "POST", entry.ID+"/hide")
		}
	}
	// The phone's own memory is faster than the server: it says first that the photo waits.
	guest.run(beforeEachPage(`const ask = fetch; window.fetch = async (path, ...all) => {
		while (path === "/api/mine" && !window.waited && !document.querySelector("#outbox li")) await new Promise(requestAnimationFrame);
		window.waited ||= path === "/api/mine";
		return ask(path, ...all);
	}`))
	guest.run(chromedp.Navigate(p.URL + "/"))
	guest.sees("#kept", "1 photo that you sent before")
	guest.gone("#outbox li")
	guest.run(chromedp.Click("#kept summary"))
	guest.sees("#kept", "doesn’t show it")
}
