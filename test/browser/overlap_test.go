package browser

import (
	"context"
	"fmt"
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

// overlapping makes a page note the events that it is told of in heard, and keep back the answers of addresses that begin
// with holding, once they are there, until they are let go one by one.
const overlapping = `window.heard = [];
	const dispatch = EventTarget.prototype.dispatchEvent;
	EventTarget.prototype.dispatchEvent = function (event) { if (event.type === "event") heard.push(event.detail.name); return dispatch.call(this, event) };
	window.holding = "none"; window.held = [];
	const ask = fetch;
	window.fetch = async (path, ...all) => { const answer = await ask(path, ...all); if (path.startsWith(holding)) await new Promise(go => held.push(go)); return answer }; true`

// holds waits until a page keeps back that many answers.
func (tb *window) holds(n int) {
	tb.t.Helper()
	harness.Eventually(tb.t, "answers that are kept back", func() bool { return eval[int](tb, "held.length") >= n })
}

// A reading of the feed that failed is done once more, while the page is connected and when it is connected again.
func TestWhatCouldNotBeReadIsReadAgain(t *testing.T) {
	t.Parallel()
	for _, again := range []string{"connected", "recovered"} {
		t.Run(again, func(t *testing.T) {
			p := harness.Start(t)
			first := p.Submit("There before")
			crown(p, p.SignIn(), "best", first)
			var failing atomic.Bool
			failing.Store(true)
			gone := make(chan struct{})
			var refused [2]atomic.Int32 // readings of the feed and of the winners
			front := harness.InFrontOf(t, p, func(r *http.Request, forward func()) {
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
			harness.Eventually(t, "readings that fail", func() bool { return refused[0].Load() > 1 && refused[1].Load() > 1 })
			if again == "recovered" {
				p.Signal(syscall.SIGKILL)
				guest.sees("#connection", "Reconnecting")
				stage.sees("#state", "Reconnecting")
			}
			failing.Store(false)
			close(gone)
			if again == "recovered" {
				p.Run()
				p.Wait()
			}
			guest.sees("#prints", "There before")
			stage.sees("#winners", "There before")
		})
	}
}

// Winners that are announced while the page reads the old ones are revealed as any others are.
func TestWinnersAnnouncedDuringAReadingAreRevealed(t *testing.T) {
	t.Parallel()
	p := harness.Start(t)
	cookie := p.SignIn()
	second, first := p.Submit("Second best"), p.Submit("The very best")
	stage := openWindow(t, p.URL+"/winners.html", 1920, 1080)
	stage.sees("#state", "Live")
	eval[bool](stage, overlapping)
	eval[bool](stage, `holding = "/api/winners"; window.veiled = 0; new MutationObserver(() => { veiled = Math.max(veiled, document.querySelectorAll(".veiled").length) }).observe(document.body, {childList: true, subtree: true}); true`)
	rename(p, cookie, "Best of the Evening")
	stage.holds(1)
	crown(p, cookie, "best", first, second)
	harness.Eventually(t, "the announcement", func() bool { return eval[bool](stage, `heard.includes("winnersUpdated")`) })
	eval[bool](stage, `holding = "none"; held.forEach(go => go()); true`)
	stage.sees(".place:nth-child(1)", "The very best")
	if n := eval[int](stage, "veiled"); n != 2 {
		t.Errorf("%d cards were closed, want 2", n)
	}
}

// submitTo is submit to a category of the caller's.
func submitTo(p *harness.Program, category, caption string) string {
	p.T.Helper()
	body, kind := harness.Form(p.T, map[string]string{"category": category, "caption": caption}, harness.Photo(p.T, 64, 48))
	var answer struct{ Entry struct{ ID string } }
	if status := p.Call("POST", "/api/submit", kind, body, &answer); status != http.StatusOK {
		p.T.Fatalf("submit: status %d", status)
	}
	return answer.Entry.ID
}

// Two categories that are announced one soon after the other have both their time on the big screen, also where one of the
// winners on it is taken away meanwhile.
func TestTheWallAnnouncesEveryCategory(t *testing.T) {
	t.Parallel()
	for _, name := range []string{"another one", "one taken away"} {
		t.Run(name, func(t *testing.T) {
			p := harness.Start(t)
			cookie := p.SignIn()
			second, first := p.Submit("Second best"), p.Submit("The very best")
			worst := submitTo(p, "worst", "The very worst")
			wall := openWindow(t, p.URL+"/wall", 1920, 1080)
			wall.sees("#state", "Live")
			eval[bool](wall, `const later = setTimeout; window.setTimeout = (work, ms, ...all) => later(work, ms / 5, ...all);
				window.closed = 0; window.seen = new Set();
				new MutationObserver(() => {
					for (const card of document.querySelectorAll("#ceremony .place:not(.veiled)")) seen.add(card.innerText.split("\n").pop());
				}).observe(document.querySelector("#ceremony"), {childList: true, subtree: true}); true`)
			if name == "another one" {
				crown(p, cookie, "best", first, second)
				wall.sees("#ceremony .stage[data-category=best]", "Second best")
				crown(p, cookie, "worst", worst)
			} else {
				var answer struct{ Success bool }
				p.AsAdmin(cookie, "POST", "/api/save-winners", fmt.Sprintf(`{"winners":{"worst":[%q],"best":[%q,%q]}}`, worst, first, second), &answer)
				wall.sees("#ceremony .stage[data-category=worst]", "Worst")
				judge(p, cookie, "POST", worst+"/hide")
			}
			want := map[string][]string{"another one": {"Second best", "The very best", "The very worst"}, "one taken away": {"Second best", "The very best"}}[name]
			for _, caption := range want {
				harness.Eventually(t, caption, func() bool { return eval[bool](wall, `seen.has("`+caption+`")`) })
			}
			harness.Eventually(t, "the wall to go on", func() bool { return eval[bool](wall, `document.querySelector("#ceremony").hidden`) })
		})
	}
}

// A photo that was taken away while the guest was further down the page is not counted among the new ones.
func TestAPhotoThatWasTakenAwayIsNotNew(t *testing.T) {
	t.Parallel()
	p := harness.Start(t)
	cookie := p.SignIn()
	for i := range 24 {
		p.Submit(fmt.Sprint("Photo ", i))
	}
	guest := openWindow(t, p.URL+"/", 390, 844)
	guest.sees("#connection", "Live")
	harness.Eventually(t, "the photos", func() bool { return guest.count("#prints .print") == 24 })
	harness.Eventually(t, "the guest to be further down", func() bool {
		return eval[bool](guest, `scrollTo(0, document.body.scrollHeight); document.querySelector("#photos").getBoundingClientRect().top < -200`)
	})
	one, other := p.Submit("Rude"), p.Submit("Nice")
	guest.sees("#fresh", "2 new photos")
	judge(p, cookie, "POST", one+"/hide")
	guest.sees("#fresh", "1 new photo")
	judge(p, cookie, "DELETE", other)
	guest.gone("#fresh:not([hidden])")
}

// onlyTheSign tells a page that the network is gone, or back, while its connections go on.
func (tb *window) onlyTheSign(off bool) {
	tb.t.Helper()
	tb.run(chromedp.Func(func(ctx context.Context, target *chromedp.Target) error {
		_, err := cdp.Call(ctx, target, network.OverrideNetworkState, network.OverrideNetworkStateParams{Offline: off, DownloadThroughput: -1, UploadThroughput: -1})
		return err
	}))
}

// withoutSocketIO starts a proxy before the program that lets no Socket.IO through.
func withoutSocketIO(t *testing.T, p *harness.Program, blocked ...string) string {
	t.Helper()
	return harness.InFrontOf(t, p, func(r *http.Request, forward func()) {
		for _, prefix := range append(blocked, "/socket.io/") {
			if strings.HasPrefix(r.URL.Path, prefix) && !strings.HasSuffix(r.URL.Path, ".js") {
				return
			}
		}
		forward()
	})
}

// An event stream that outlives a moment without a network is a connection still.
func TestAStreamThatOutlivesAMomentOfflineIsSaidToBeThere(t *testing.T) {
	t.Parallel()
	p := harness.Start(t)
	guest := openWindow(t, withoutSocketIO(t, p)+"/", 390, 844)
	guest.sees("#connection", "Live, by polling")
	guest.onlyTheSign(true)
	guest.sees("#connection", "Offline")
	guest.onlyTheSign(false)
	guest.sees("#connection", "Live, by polling")
	p.Submit("Meanwhile")
	guest.sees("#prints", "Meanwhile")
}

// The desk that reads everything again and again says so when the server is gone.
func TestTheDeskNoticesThatTheServerIsGone(t *testing.T) {
	t.Parallel()
	p := harness.Start(t)
	admin := openWindow(t, withoutSocketIO(t, p, "/api/events")+"/admin", 1280, 900)
	admin.signIn()
	admin.sees("#state", "Live, by polling")
	p.Signal(syscall.SIGKILL)
	admin.sees("#state", "Reconnecting")
}

// What is picked while the picks before are being published is not published, and stays.
func TestAPickMadeWhilePublishingIsKept(t *testing.T) {
	t.Parallel()
	p := harness.Start(t)
	p.Submit("One")
	p.Submit("Two")
	admin := openWindow(t, p.URL+"/admin", 1280, 900)
	admin.signIn()
	admin.sees("#state", "Live")
	eval[bool](admin, overlapping)
	admin.pressIn("#entries", "Pick: One")
	eval[bool](admin, `holding = "/api/save-winners"; true`)
	admin.run(chromedp.Click("#publish"))
	admin.holds(1)
	admin.pressIn("#entries", "Pick: Two")
	eval[bool](admin, `holding = "none"; held.forEach(go => go()); true`)
	admin.sees(".toast", "published")
	p.Submit("Three") // the page reads everything anew
	admin.sees("#entries", "Three")
	if got := admin.picks("best"); got != "One, Two" {
		t.Errorf("picked %q", got)
	}
	if admin.count("#pending:not([hidden])") != 1 {
		t.Error("the page says that the second pick is published")
	}
	admin.run(chromedp.Click("#publish"))
	harness.Eventually(t, "both winners", func() bool { return winners(p, "best") == "One, Two" })
}

// Publishing twice, as by a double click, can be taken back as publishing once can.
func TestPublishingTwiceIsTakenBackAtOnce(t *testing.T) {
	t.Parallel()
	p := harness.Start(t)
	p.Submit("One")
	admin := openWindow(t, p.URL+"/admin", 1280, 900)
	admin.signIn()
	admin.sees("#state", "Live")
	admin.pressIn("#entries", "Pick: One")
	admin.run(chromedp.Click("#publish"))
	admin.sees(".toast", "published")
	admin.run(chromedp.Click("#publish"))
	p.Submit("Two") // when the page has read that, it has done what the second click asked for
	admin.sees("#entries", "Two")
	eval[bool](admin, `document.querySelector(".toast button").click(), true`)
	harness.Eventually(t, "no winners", func() bool { return winners(p, "best") == "" })
}

// categoryNames are the categories' names, as the server has them.
func categoryNames(p *harness.Program) string {
	p.T.Helper()
	var list []struct{ Name string }
	p.Call("GET", "/categories.json", "", nil, &list)
	var names []string
	for _, one := range list {
		names = append(names, one.Name)
	}
	return strings.Join(names, ", ")
}

// Categories that are changed while the server is slow are all changed: none of the changes takes back another.
func TestCategoriesChangedInQuickSuccessionAreAllChanged(t *testing.T) {
	t.Parallel()
	p := harness.Start(t)
	admin := openWindow(t, p.URL+"/admin", 1280, 900)
	admin.signIn()
	admin.sees("#state", "Live")
	admin.run(chromedp.WaitReady(`#categories input`))
	eval[bool](admin, overlapping)
	eval[bool](admin, `holding = "/api/categories";
		window.add = name => { document.querySelector("#newCategory").value = name; document.querySelector("#addCategory").requestSubmit() };
		window.rename = (id, name) => { const field = document.querySelector('#categories input[aria-label="Name of category ' + id + '"]'); field.value = name; field.dispatchEvent(new Event("change")) };
		add("Loudest"); rename("best", "Prettiest"); true`)
	admin.holds(1)
	eval[bool](admin, `rename("worst", "Ugliest"); document.querySelector('#categories button[aria-label="Remove category Best Tattoo"]').click(); add("Quietest");
		setTimeout(() => { holding = "none"; held.forEach(go => go()) }); true`)
	const want = "Ugliest, Loudest, Quietest"
	harness.Eventually(t, "all changes, not "+categoryNames(p), func() bool { return categoryNames(p) == want })
	admin.sees(".toast", "Removed")
	eval[bool](admin, `document.querySelector(".toast button").click(), true`)
	harness.Eventually(t, "the removed one", func() bool { return categoryNames(p) == "Ugliest, Prettiest, Loudest, Quietest" })
}

// A double click on Remove removes one category, also where the row below has moved up in between, and can be taken back.
func TestADoubleClickRemovesOneCategory(t *testing.T) {
	t.Parallel()
	p := harness.Start(t)
	admin := openWindow(t, p.URL+"/admin", 1280, 900)
	admin.signIn()
	admin.sees("#state", "Live")
	admin.run(chromedp.WaitReady(`#categories button`))
	eval[bool](admin, overlapping)
	at := eval[[]float64](admin, `(() => {
		const button = document.querySelector("#categories button");
		button.scrollIntoView({ block: "center" });
		const box = button.getBoundingClientRect();
		return [box.x + box.width / 2, box.y + box.height / 2];
	})()`)
	click := func(count int) {
		t.Helper()
		admin.run(chromedp.MouseClickXY(at[0], at[1], chromedp.ClickCount(count)))
	}
	eval[bool](admin, `holding = "/api/categories"; true`)
	click(1)
	click(2)
	admin.holds(1)
	eval[bool](admin, `holding = "none"; held.forEach(go => go()); true`)
	harness.Eventually(t, "one row", func() bool { return admin.count("#categories button.danger") == 1 })
	click(2)
	eval[bool](admin, `document.querySelector("#newCategory").value = "Quietest", document.querySelector("#addCategory").requestSubmit(), true`)
	harness.Eventually(t, "what comes after it", func() bool { return strings.HasSuffix(categoryNames(p), "Quietest") })
	if got := categoryNames(p); got != "Best Tattoo, Quietest" {
		t.Errorf("the categories are %s", got)
	}
	eval[bool](admin, `document.querySelector(".toast button").click(), true`)
	harness.Eventually(t, "the removed one", func() bool { return categoryNames(p) == "Worst Tattoo, Best Tattoo, Quietest" })
}

// The box that says whether photos wait says what the server does, also where the server did not take a change, and where
// the page was reading everything while it was made.
func TestTheBoxForApprovalSaysWhatTheServerDoes(t *testing.T) {
	t.Parallel()
	p := harness.Start(t)
	var failing atomic.Bool
	front := harness.InFrontOf(t, p, func(r *http.Request, forward func()) {
		if r.Method != http.MethodPost || r.URL.Path != "/api/settings" || !failing.Load() {
			forward()
		}
	})
	admin := openWindow(t, front+"/admin", 1280, 900)
	admin.signIn()
	admin.sees("#state", "Live")
	checked := func() bool { return eval[bool](admin, `document.querySelector("#moderation").checked`) }
	failing.Store(true)
	admin.run(chromedp.Click("#moderation"))
	admin.sees(".toast", "502")
	harness.Eventually(t, "the box to be empty", func() bool { return !checked() })
	failing.Store(false)

	eval[bool](admin, overlapping)
	eval[bool](admin, `holding = "/api/settings"; true`)
	p.Submit("One")
	admin.holds(1) // the settings as they were
	admin.run(chromedp.Click("#moderation"))
	admin.holds(2)
	eval[bool](admin, `holding = "none"; held.forEach(go => go()); true`)
	admin.sees("#entries", "One")
	harness.Eventually(t, "the box to be full", checked)
}

// The desk looks for photos that wait once at a time, however long the answer takes, and goes on looking for those that it
// could not read.
func TestTheDeskLooksForWaitingPhotosOnceAtATime(t *testing.T) {
	t.Parallel()
	p := harness.Start(t, "--moderation")
	admin := openWindow(t, p.URL+"/admin", 1280, 900)
	admin.run(chromedp.WaitVisible(`#password`))
	eval[bool](admin, overlapping)
	eval[bool](admin, `window.ticks = []; window.setInterval = (work) => { ticks.push(work); return 0 }; true`)
	admin.signIn()
	admin.sees("#state", "Live")
	eval[bool](admin, `holding = "/api/dashboard"; window.asked = 0; const between = fetch; window.fetch = (path, ...all) => { if (path === "/api/dashboard") asked++; return between(path, ...all) }; ticks.forEach(tick => tick()); true`)
	admin.holds(1)
	eval[bool](admin, `ticks.forEach(tick => tick()); true`)
	if n := eval[int](admin, "asked"); n != 1 {
		t.Errorf("%d looks at a time", n)
	}
	eval[bool](admin, `holding = "none"; held.forEach(go => go()); true`)
	harness.Eventually(t, "two more looks", func() bool { return eval[bool](admin, `ticks.forEach(tick => tick()); asked >= 3`) })
	eval[bool](admin, `window.broken = 1; const way = fetch; window.fetch = (path, ...all) => (path === "/api/submissions" && broken-- > 0 ? Promise.reject(new TypeError()) : way(path, ...all)); true`)
	p.Submit("Please approve")
	harness.Eventually(t, "a reading that fails", func() bool {
		return eval[bool](admin, `ticks.forEach(tick => tick()); broken < 1`)
	})
	harness.Eventually(t, "the photo that waits", func() bool {
		return eval[bool](admin, `ticks.forEach(tick => tick()); document.querySelector("#entries").innerText.includes("Please approve")`)
	})
}

// Winners of another category don't spoil the reveal under way: they are revealed after it.
func TestAnotherCategoryDoesNotSpoilTheReveal(t *testing.T) {
	t.Parallel()
	p := harness.Start(t)
	cookie := p.SignIn()
	second, first := p.Submit("Second best"), p.Submit("The very best")
	worst := submitTo(p, "worst", "The very worst")
	stage := openWindow(t, p.URL+"/winners.html", 1920, 1080)
	stage.sees("#state", "Live")
	eval[bool](stage, `window.seen = []; new MutationObserver(() => {
			for (const card of document.querySelectorAll(".place.reveal")) { const name = card.innerText.split("\n").pop(); if (!seen.includes(name)) seen.push(name) }
		}).observe(document.querySelector("#winners"), {childList: true, subtree: true, attributes: true}); true`)
	crown(p, cookie, "best", first, second)
	stage.sees(".stage[data-category=best]", "Second best")
	crown(p, cookie, "worst", worst)
	stage.sees(".stage[data-category=worst]", "The very worst")
	if got := eval[string](stage, `seen.join(", ")`); !strings.EqualFold(got, "Second best, The very best, The very worst") {
		t.Errorf("revealed were %s", got)
	}
}

// Photos leave the pages with their category and come back with it, and the wall calls winners by its new name.
func TestPhotosComeAndGoWithTheirCategory(t *testing.T) {
	t.Parallel()
	p := harness.Start(t)
	cookie := p.SignIn()
	id := p.Submit("Kept")
	crown(p, cookie, "best", id)
	guest, wall := openWindow(t, p.URL+"/", 390, 844), openWindow(t, p.URL+"/wall", 1920, 1080)
	guest.sees("#connection", "Live")
	wall.sees("#state", "Live")
	guest.sees("#prints", "Kept")
	wall.sees("#show", "Best Tattoo: Winner")
	rename(p, cookie, "Best of the Evening")
	wall.sees("#show", "Best of the Evening: Winner")
	var answer struct{ Success bool }
	p.AsAdmin(cookie, "POST", "/api/categories", `{"categories":[{"id":"worst","name":"Worst Tattoo"}]}`, &answer)
	guest.gone(`.print[data-id="` + id + `"]`)
	wall.gone(`#newest li[data-id="` + id + `"]`)
	rename(p, cookie, "Best Tattoo")
	guest.sees("#prints", "Kept")
	harness.Eventually(t, "the photo on the wall", func() bool { return wall.count(`#newest li[data-id="`+id+`"]`) == 1 })
}

// Who could not be signed out is told so, and not that they are.
func TestSigningOutThatFailedIsNotShownAsDone(t *testing.T) {
	t.Parallel()
	p := harness.Start(t)
	p.Submit("Private")
	var failing atomic.Bool
	failing.Store(true)
	front := harness.InFrontOf(t, p, func(r *http.Request, forward func()) {
		if !strings.HasPrefix(r.URL.Path, "/api/logout") || !failing.Load() {
			forward()
		}
	})
	admin := openWindow(t, front+"/admin", 1280, 900)
	admin.signIn()
	admin.sees("#entries", "Private")
	for _, button := range []string{"#signout", "#signoutAll"} {
		eval[bool](admin, `document.querySelector(".toast")?.remove(); true`)
		admin.run(chromedp.Click(button))
		admin.sees(".toast", "502")
		if admin.count("#signin:not([hidden])") != 0 {
			t.Fatalf("%s: the page says that one has to sign in, and the session goes on", button)
		}
	}
	failing.Store(false)
	admin.run(chromedp.Click("#signout"), chromedp.WaitVisible("#signin"))
}
