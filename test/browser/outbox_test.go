package browser

import (
	"bytes"
	"image"
	"image/color"
	"image/gif"
	"net/http"
	"os"
	"path/filepath"
	"podium/test/harness"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/chromedp/chromedp"
)

// animation is a GIF of two pictures.
func animation(t *testing.T) []byte {
	t.Helper()
	var whole gif.GIF
	for i := range 2 {
		m := image.NewPaletted(image.Rect(0, 0, 64, 48), color.Palette{color.Black, color.White})
		m.SetColorIndex(i, i, 1)
		whole.Image, whole.Delay = append(whole.Image, m), append(whole.Delay, 10)
	}
	var b bytes.Buffer
	if err := gif.EncodeAll(&b, &whole); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// A picture that is sent as it is was read when it was chosen: what becomes of its file afterwards changes nothing.
func TestAPictureWhoseFileIsDeletedIsSent(t *testing.T) {
	t.Parallel()
	p := harness.Start(t)
	front, open := harness.ClosedTo(t, p, "/api/submit")
	guest := openWindow(t, front+"/", 390, 844)
	guest.sees("#connection", "Live")
	guest.run(chromedp.WaitReady(`input[name=category]`))
	path := filepath.Join(t.TempDir(), "moving.gif")
	if err := os.WriteFile(path, animation(t), 0o600); err != nil {
		t.Fatal(err)
	}
	guest.run(chromedp.SetUploadFiles(`#library`, []string{path}), chromedp.WaitVisible(`#preview`))
	guest.sendShown("It moves")
	guest.sees("#outbox", "busy")
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
	open()
	guest.pressIn("#outbox", "Try now")
	guest.sees("#outbox", "On the wall")
	if found := captions(p); found["It moves"] != 1 {
		t.Errorf("the server has %v", found)
	}
}

// A photo that the server fails at again and again is tried again and again, between the others.
func TestAPhotoThatTheServerFailsAtHoldsUpNoOther(t *testing.T) {
	t.Parallel()
	p := harness.Start(t)
	var mu sync.Mutex
	var failing string // the key of the first photo; under mu
	front := harness.InFrontOf(t, p, func(r *http.Request, forward func()) {
		mu.Lock()
		key := r.Header.Get("Idempotency-Key")
		if failing == "" {
			failing = key
		}
		fails := key != "" && key == failing
		mu.Unlock()
		if !fails {
			forward()
		}
	})
	guest := openWindow(t, front+"/", 390, 844)
	guest.sees("#connection", "Live")
	guest.send("Poison")
	guest.sees("#outbox", "busy")
	guest.send("Good")
	guest.sees("#prints", "Good")
	guest.sees("#outbox", "busy")
}

// A page that does not know the categories says so where the guest looks, and sends the photo when it knows them.
func TestTheSheetSaysWhyItDoesNotSend(t *testing.T) {
	t.Parallel()
	p := harness.Start(t)
	front, open := harness.ClosedTo(t, p, "/categories.json")
	guest := openWindow(t, front+"/", 390, 844)
	guest.sees("#connection", "Live")
	guest.run(chromedp.SetUploadFiles(`#library`, []string{photoFile(t)}), chromedp.WaitVisible(`#preview`))
	guest.sendShown("Where to?")
	guest.sees("#sheet", "categories aren’t known")
	open()
	eval[bool](guest, `dispatchEvent(new Event("online"))`)
	guest.run(chromedp.WaitReady(`input[name=category]`), chromedp.Click(`#send`))
	guest.sees("#outbox", "On the wall")
}

// What a guest does with a photo in one page holds for every other page that the phone has open.
func TestAPhotoIsTheSameInEveryPageOfAPhone(t *testing.T) {
	t.Parallel()
	p := harness.Start(t)
	var way atomic.Value // "closed", "crooked" or "open"
	way.Store("closed")
	front := harness.InFrontOf(t, p, func(r *http.Request, forward func()) {
		if r.URL.Path == "/api/submit" {
			switch way.Load() {
			case "closed":
				return
			case "crooked": // the server refuses the photo for good
				r.Header.Set("Content-Type", "text/plain")
			}
		}
		forward()
	})
	guest := openWindow(t, front+"/", 390, 844)
	guest.sees("#connection", "Live")
	guest.send("Better not")
	guest.sees("#outbox", "busy")
	other := guest.beside(front+"/", 390, 844)
	other.sees("#outbox", "busy")
	guest.pressIn("#outbox", "Don’t send")
	other.sees("#outbox", "held back")
	guest.pressIn("#outbox", "Remove")
	other.gone("#outbox li")

	way.Store("crooked")
	guest.send("Perhaps")
	guest.sees("#outbox", "multipart")
	third := guest.beside(front+"/", 390, 844)
	third.sees("#outbox", "multipart")
	way.Store("open")
	guest.pressIn("#outbox", "Send again")
	guest.sees("#outbox", "On the wall")
	third.gone("#outbox li") // where it could be sent once more
	if found := captions(p); len(found) != 1 || found["Perhaps"] != 1 {
		t.Errorf("the server has %v", found)
	}
}

// A photo whose category was taken away while it waited is not lost: the guest chooses another.
func TestAPhotoWhoseCategoryIsGoneCanBeSentToAnother(t *testing.T) {
	t.Parallel()
	p := harness.Start(t)
	front, open := harness.ClosedTo(t, p, "/api/submit")
	guest := openWindow(t, front+"/#best", 390, 844)
	guest.sees("#connection", "Live")
	guest.send("Homeless")
	guest.sees("#outbox", "busy")
	var answer struct{ Success bool }
	cookie := p.SignIn()
	if p.AsAdmin(cookie, "POST", "/api/categories", `{"categories":[{"id":"worst","name":"Worst"},{"id":"new","name":"New"}]}`, &answer); !answer.Success {
		t.Fatal("the categories were not changed")
	}
	guest.sees("#categories", "New")
	open()
	guest.sees("#outbox", "no such category")
	guest.pressIn("#outbox", "Send again")
	guest.run(chromedp.WaitVisible(`#preview`))
	if got := eval[string](guest, `document.getElementById("caption").value`); got != "Homeless" {
		t.Errorf("the sheet has %q for caption", got)
	}
	guest.run(chromedp.Click(`#choices label:last-of-type`), chromedp.Click(`#send`))
	guest.sees("#outbox", "On the wall")
	if n := eval[int](guest, `document.querySelectorAll("#outbox li").length`); n != 1 {
		t.Errorf("%d photos in the list", n)
	}
	guest.run(chromedp.Click(`#categories [data-id="new"]`))
	guest.sees("#photos", "Homeless")
}

// What waited in a page that was closed is sent by the one that the guest sees instead, not only at the next visit.
func TestAPhotoOfAClosedPageIsSentByAnother(t *testing.T) {
	t.Parallel()
	p := harness.Start(t)
	front, open := harness.ClosedTo(t, p, "/api/submit")
	guest := openWindow(t, front+"/", 390, 844)
	guest.sees("#connection", "Live")
	other := guest.beside(front+"/", 390, 844)
	other.sees("#connection", "Live")
	guest.send("Left behind")
	guest.sees("#outbox", "busy")
	guest.run(chromedp.Navigate("about:blank"))
	open()
	eval[bool](other, `document.dispatchEvent(new Event("visibilitychange", {bubbles: true}))`)
	other.sees("#outbox", "On the wall")
	if n := submissions(p); n != 1 {
		t.Errorf("the server has %d submissions, want 1", n)
	}
}

// later makes the browser open databases only when openNow is called, in pages of which the session says so.
const later = `if (sessionStorage.later) {
	const real = indexedDB.open.bind(indexedDB);
	indexedDB.open = (...all) => {
		const request = {};
		const pass = (from, name) => { from[name] = () => { request.result = from.result; request[name]?.(); }; };
		window.openNow = () => { const found = real(...all); pass(found, "onsuccess"); pass(found, "onupgradeneeded"); };
		return request;
	};
}`

// keptCaptions reads the captions of what waits in the database into window.captions.
const keptCaptions = `IDBFactory.prototype.open.call(indexedDB, "podium").onsuccess = ({ target: { result: database } }) => {
	database.transaction("items").objectStore("items").getAll().onsuccess = ({ target }) => {
		window.captions = target.result.map((item) => item.caption).sort().join();
		database.close();
	};
}; true`

// A phone that takes its time to open the database shows and sends what waits in it all the same, and keeps what came
// meanwhile.
func TestADatabaseThatOpensLateIsUsed(t *testing.T) {
	t.Parallel()
	p := harness.Start(t)
	front, open := harness.ClosedTo(t, p, "/api/submit")
	guest := openWindow(t, front+"/", 390, 844)
	guest.run(beforeEachPage(later))
	guest.sees("#connection", "Live")
	guest.send("Before")
	guest.sees("#outbox", "busy")
	eval[bool](guest, `sessionStorage.later = "yes"; true`)
	guest.run(chromedp.Reload())
	guest.send("Meanwhile")
	guest.sees("#outbox", "busy") // it was not kept, and is sent from memory
	eval[bool](guest, `openNow(); sessionStorage.clear(); true`)
	guest.sees("#outbox", "Before")
	harness.Eventually(t, "the other one to be kept", func() bool {
		eval[bool](guest, keptCaptions)
		return eval[string](guest, `window.captions ?? ""`) == "Before,Meanwhile"
	})
	open()
	guest.run(chromedp.Reload())
	guest.sees("#prints", "Before")
	guest.sees("#prints", "Meanwhile")
	if n := submissions(p); n != 2 {
		t.Errorf("the server has %d submissions, want 2", n)
	}
}

// A photo that an earlier visit left is known to be on the wall, whichever of the two is read first.
func TestAPhotoOfAnEarlierVisitIsOnTheWall(t *testing.T) {
	t.Parallel()
	p := harness.Start(t)
	cookie := p.SignIn()
	var answer struct{ Success bool }
	p.AsAdmin(cookie, "POST", "/api/settings", `{"moderation":true}`, &answer)
	guest := openWindow(t, p.URL+"/", 390, 844)
	guest.run(beforeEachPage(later))
	guest.sees("#connection", "Live")
	guest.send("Approved meanwhile")
	guest.sees("#outbox", "when the organiser has approved it")
	eval[bool](guest, `sessionStorage.later = "yes"; true`)
	guest.run(chromedp.Navigate(p.URL + "/winners.html"))
	var entries struct {
		Submissions map[string][]struct{ ID string }
	}
	p.AsAdmin(cookie, "GET", "/api/submissions", "", &entries)
	for _, list := range entries.Submissions {
		for _, entry := range list {
			judge(p, cookie, "POST", entry.ID+"/approve")
		}
	}
	guest.run(chromedp.Navigate(p.URL + "/"))
	guest.sees("#prints", "Approved meanwhile")
	guest.sees("#connection", "Live")
	eval[bool](guest, `openNow(); true`)
	guest.sees("#outbox", "On the wall")
}

// isKept waits until the page is kept for offline: the worker comes into control only then.
func (tb *window) isKept() {
	tb.t.Helper()
	harness.Eventually(tb.t, "the page to be kept for offline", func() bool {
		return eval[bool](tb, `navigator.serviceWorker.controller !== null`)
	})
}

// A page that is opened without a network takes a photo as any other does, and keeps it over one more reload.
func TestAPhotoIsTakenByAPageThatWasOpenedOffline(t *testing.T) {
	t.Parallel()
	p := harness.Start(t)
	guest := openWindow(t, p.URL+"/", 390, 844)
	guest.sees("#connection", "Live")
	guest.run(chromedp.WaitReady(`input[name=category]`))
	guest.isKept()
	guest.offline(true)
	guest.run(chromedp.Reload())
	guest.sees("#connection", "Offline")
	guest.run(chromedp.SetUploadFiles(`#library`, []string{photoFile(t)}), chromedp.WaitVisible(`#preview`))
	guest.sendShown("From the cellar")
	guest.sees("#outbox", "kept here")
	guest.run(chromedp.Reload())
	guest.sees("#outbox", "From the cellar")
	guest.offline(false)
	guest.sees("#outbox", "On the wall")
	if n := submissions(p); n != 1 {
		t.Errorf("the server has %d submissions, want 1", n)
	}
}

// While a server is replaced, the proxy before it refuses some files and not others: those come from what was kept.
func TestAScriptThatTheServerFailsAtComesFromWhatWasKept(t *testing.T) {
	t.Parallel()
	p := harness.Start(t)
	var failing atomic.Bool
	front := harness.InFrontOf(t, p, func(r *http.Request, forward func()) {
		if !failing.Load() || !strings.HasSuffix(r.URL.Path, "/outbox.js") {
			forward()
		}
	})
	guest := openWindow(t, front+"/", 390, 844)
	guest.sees("#connection", "Live")
	guest.isKept()
	failing.Store(true)
	guest.run(chromedp.Reload())
	guest.sees("#connection", "Live")
	guest.send("In between")
	guest.sees("#outbox", "On the wall")
}

// A server that is replaced while the page is being kept does not leave one of two releases.
func TestThePageThatIsKeptIsOfOneRelease(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	if err := os.CopyFS(dir, os.DirFS("../static")); err != nil {
		t.Fatal(err)
	}
	release := func() {
		for _, name := range []string{"index.html", "js/ago.js"} {
			text, err := os.ReadFile(filepath.Join(dir, name))
			if err == nil {
				err = os.WriteFile(filepath.Join(dir, name), append(text, map[string]string{".html": "<!-- the second release -->", ".js": "// the second release\n"}[filepath.Ext(name)]...), 0o600)
			}
			if err != nil {
				t.Error(err)
			}
		}
	}
	p := harness.Start(t, "--static", dir)
	var armed atomic.Bool
	pageCame := make(chan struct{}, 1)
	front := harness.InFrontOf(t, p, func(r *http.Request, forward func()) {
		keeping := armed.Load() && r.Header.Get("Sec-Fetch-Dest") == "empty" && r.Header.Get("Sec-Fetch-Mode") == "cors"
		switch {
		case keeping && r.URL.Path == "/":
			forward()
			select {
			case pageCame <- struct{}{}:
			default:
			}
		case keeping && r.URL.Path == "/js/ago.js":
			select {
			case <-pageCame:
				if armed.CompareAndSwap(true, false) {
					release()
				}
			case <-time.After(500 * time.Millisecond): // the browser may hold the page back for this one: the next loading may have another order
			}
			forward()
		default:
			forward()
		}
	})
	guest := openWindow(t, front+"/", 390, 844)
	guest.sees("#connection", "Live")
	guest.isKept()
	armed.Store(true)
	harness.Eventually(t, "the server to be replaced while the page is being kept", func() bool {
		guest.run(chromedp.Reload())
		return !armed.Load()
	})
	harness.Eventually(t, "the second release to be kept whole", func() bool {
		eval[bool](guest, `Promise.all(["/", "/js/ago.js"].map(async (path) => (await (await caches.match(path)).text()).includes("the second release"))).then((all) => { window.second = all.join() }), true`)
		return eval[string](guest, `window.second ?? ""`) == "true,true"
	})
}
