package browser

import (
	"fmt"
	"strings"
	"syscall"
	"testing"

	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"

	"podium/test/harness"
)

// presenting is the caption that a wall presents, or what it shows instead.
func (tb *window) presenting() string {
	tb.t.Helper()
	return eval[string](tb, `(() => {
		const stage = document.querySelector("#presentation");
		if (stage.hidden) return "nothing";
		return stage.dataset.shows === "photo" ? stage.querySelector(".whose").innerText : stage.dataset.shows;
	})()`)
}

// badge is what a guest's page says that a photo won.
func (tb *window) badge(id string) string {
	tb.t.Helper()
	return eval[string](tb, `document.querySelector('.print[data-id="`+id+`"].won .frame')?.dataset.place ?? ""`)
}

// The admin prepares, a presenter's phone goes on, the wall's keys too, and every page follows: no page tells of a place
// before its turn, also where the server is killed in the middle and for whoever comes late.
func TestWinnersArePresentedPlaceByPlace(t *testing.T) {
	t.Parallel()
	p := harness.Start(t)
	second, first := p.Submit("Second best"), p.Submit("The very best")
	cookie := p.SignIn()
	wall := openWindow(t, p.URL+"/wall", 1920, 1080)
	guest := openWindow(t, p.URL+"/", 390, 844)
	page := openWindow(t, p.URL+"/winners.html", 390, 844)
	admin := openWindow(t, p.URL+"/admin", 1280, 900)
	guest.sees("#prints", "Second best")
	admin.signIn()
	admin.pressIn(`.entry[data-id="`+first+`"]`, "Pick")
	admin.pressIn(`.entry[data-id="`+second+`"]`, "Pick")
	admin.run(chromedp.Click(`#ceremony summary`), chromedp.Click(`#prepare`))
	admin.sees("#stageState", "Next: Second")
	admin.run(chromedp.Click(`#makeLink`), chromedp.WaitVisible(`#link`))
	harness.Eventually(t, "the link as a code", func() bool { return eval[bool](admin, `document.querySelector("#linkCode").naturalWidth > 0`) })
	phone := openWindow(t, eval[string](admin, `document.querySelector("#link").href`), 390, 844)
	phone.sees("#now", "Ready")
	phone.sees("#state", "Live")
	if got := wall.presenting(); got != "nothing" {
		t.Errorf("the wall shows %s before anything was presented", got)
	}

	const thumb = `Math.round(document.querySelector("#next").getBoundingClientRect().top)`
	before := eval[int](phone, thumb)
	phone.run(chromedp.Click(`#next`))
	harness.Eventually(t, "the second on the wall", func() bool { return wall.presenting() == "Second best" })
	phone.sees("#now", "Second: Best Tattoo")
	if after := eval[int](phone, thumb); after != before {
		t.Errorf("the presenter's button has moved from %d to %d", before, after)
	}
	harness.Eventually(t, "the second's badge", func() bool { return guest.badge(second) == "Second" })
	page.sees(".place", "Second best")
	for name, tb := range map[string]*window{"feed": guest, "winners": page, "wall": wall} {
		if guest.badge(first) != "" || eval[bool](tb, `document.querySelector("#winners, #presentation")?.innerText.includes("The very best") ?? false`) {
			t.Errorf("the %s page tells of the winner before its turn", name)
		}
	}

	p.Signal(syscall.SIGKILL)
	p.Run()
	p.Wait()
	late := openWindow(t, p.URL+"/wall", 1920, 1080)
	harness.Eventually(t, "a late wall in the middle of it", func() bool { return late.presenting() == "Second best" })
	phone.sees("#state", "Live")
	phone.run(chromedp.Click(`#next`))
	for _, tb := range []*window{wall, late} {
		harness.Eventually(t, "the winner on the wall", func() bool { return tb.presenting() == "The very best" })
	}
	harness.Eventually(t, "the winner's badge", func() bool { return guest.badge(first) == "Winner" && guest.badge(second) == "Second" })
	phone.run(chromedp.Click(`#back`))
	harness.Eventually(t, "the winner taken back", func() bool { return wall.presenting() == "Second best" && guest.badge(first) == "" })

	// The wall's own keys work where somebody is signed in; the second window shares the admin's cookie.
	keys := admin.beside(p.URL+"/wall", 1920, 1080)
	harness.Eventually(t, "the wall beside the admin page", func() bool { return keys.presenting() == "Second best" })
	keys.run(chromedp.KeyEvent(kb.PageDown)) // as clickers send it
	harness.Eventually(t, "the winner by a key", func() bool { return keys.presenting() == "The very best" })
	keys.run(chromedp.KeyEvent(kb.PageDown))
	harness.Eventually(t, "the podium of all", func() bool { return keys.presenting() == "all" && wall.presenting() == "all" })
	var answer struct{ Success bool }
	p.AsAdmin(cookie, "DELETE", "/api/reveal", "", &answer)
	harness.Eventually(t, "the show to go on", func() bool { return wall.presenting() == "nothing" })
	if got := winners(p, "best"); got != "The very best, Second best" {
		t.Errorf("winners are %s", got)
	}
}

// onStage fails the test where a presentation's photo is cropped, or any of it is off the screen.
func (tb *window) onStage(size [2]int) {
	tb.t.Helper()
	tb.still()
	const faults = `(() => {
		const faults = [];
		for (const img of document.querySelectorAll("#presentation img")) if (getComputedStyle(img).objectFit !== "contain") faults.push("a photo is cropped");
		for (const e of document.querySelectorAll("#presentation *")) {
			const { left, top, right, bottom } = e.getBoundingClientRect();
			if (left < -1 || top < -1 || right > innerWidth + 1 || bottom > innerHeight + 1) faults.push("off the screen: " + e.outerHTML.slice(0, 90));
		}
		for (const img of document.querySelectorAll(".presented img")) if (img.clientHeight / innerHeight < 0.5) faults.push("the photo has " + img.clientHeight + " pixels of the height");
		for (const img of document.querySelectorAll(".podium-of img")) if (img.clientHeight < 60) faults.push("a photo of the podium has " + img.clientHeight + " pixels of the height");
		return faults;
	})()`
	for _, fault := range eval[[]string](tb, faults) {
		tb.t.Errorf("%v, %s: %s", size, tb.presenting(), fault)
	}
	tb.keepScreenshot(fmt.Sprintf("presented-%s-%d", eval[string](tb, `document.querySelector("#presentation").dataset.shows`), size[0]))
}

// A presented photo is seen whole, and nothing of the page is cut, on every screen and at every turn: also with captions and
// categories that take more than one line, or run from right to left.
func TestAPresentedPhotoIsWhole(t *testing.T) {
	t.Parallel()
	p := harness.Start(t)
	upright := p.SubmitPicture("A caption that is so long that it takes more than one line on nearly every screen there is", harness.Photo(t, 300, 900))
	wide := p.SubmitPicture("رقصة العروسين الأولى على أنغام الموسيقى", harness.Photo(t, 1200, 500))
	cookie := p.SignIn()
	rename(p, cookie, "The best of all that was seen on this long evening")
	var answer struct{ Success bool }
	p.AsAdmin(cookie, "POST", "/api/reveal", `{"winners":{"best":["`+upright+`","`+wide+`"]}}`, &answer)
	sizes := [][2]int{{3840, 2160}, {1920, 1080}, {768, 1024}, {390, 844}, {320, 568}}
	wall := openWindow(t, p.URL+"/wall", 1920, 1080)
	wall.run(beforeEachPage(`const later = setTimeout; window.setTimeout = (work, ms, ...all) => later(work, ms !== 12000 ? ms : window.rests ? 100 : 1e9, ...all)`))
	look := func(turn int, shows string) {
		t.Helper()
		if turn >= 0 {
			p.AsAdmin(cookie, "POST", "/api/reveal/next", fmt.Sprintf(`{"turn":%d}`, turn), &answer)
		}
		for _, size := range sizes {
			wall.resize(size[0], size[1])
			harness.Eventually(t, shows, func() bool {
				return eval[bool](wall, `document.querySelector("#presentation").dataset.shows === "`+shows+`" && document.querySelector("#presentation img")?.complete`)
			})
			wall.onStage(size)
		}
	}
	wall.run(chromedp.Navigate(p.URL + "/wall"))
	wall.sees("#state", "Live")
	look(0, "photo")
	look(1, "photo")
	// After the winner's rest the podium of the category.
	wall.run(beforeEachPage(`window.rests = true`), chromedp.Navigate(p.URL+"/wall"))
	look(-1, "podium")
	look(2, "all")
}

// Who agreed to it is named on stage when they win, and nobody else is.
func TestAWinnerWhoAgreedIsNamedOnStage(t *testing.T) {
	t.Parallel()
	p := harness.Start(t)
	guest := openWindow(t, p.URL+"/", 390, 844)
	guest.sees("#connection", "Live")
	guest.send("Silently")
	guest.sees("#outbox", "On the wall")
	eval[bool](guest, `document.querySelector("#credit").checked = true`)
	guest.send("Proudly")
	harness.Eventually(t, "both photos", func() bool { return guest.count(`#outbox li[data-state="wall"]`) == 2 })
	var feed struct {
		Feed map[string][]struct{ ID, Caption string }
	}
	p.Call("GET", "/api/feed", "", nil, &feed)
	ids, category := map[string]string{}, ""
	for name, list := range feed.Feed {
		for _, one := range list {
			ids[one.Caption], category = one.ID, name
		}
	}
	cookie := p.SignIn()
	var answer struct{ Success bool }
	p.AsAdmin(cookie, "POST", "/api/reveal", fmt.Sprintf(`{"names":true,"winners":{%q:[%q,%q]}}`, category, ids["Proudly"], ids["Silently"]), &answer)
	wall := openWindow(t, p.URL+"/wall", 1920, 1080)
	for turn, says := range []string{"Silently", "Proudly\nAnn"} {
		p.AsAdmin(cookie, "POST", "/api/reveal/next", fmt.Sprintf(`{"turn":%d}`, turn), &answer)
		harness.Eventually(t, says, func() bool { return strings.Join(strings.Fields(wall.presenting()), "\n") == says })
	}
}
