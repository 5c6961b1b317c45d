package browser

import (
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
	phone := openWindow(t, eval[string](admin, `document.querySelector("#link").href`), 390, 844)
	phone.sees("#now", "Ready")
	phone.sees("#state", "Live")
	if got := wall.presenting(); got != "nothing" {
		t.Errorf("the wall shows %s before anything was presented", got)
	}

	phone.run(chromedp.Click(`#next`))
	harness.Eventually(t, "the second on the wall", func() bool { return wall.presenting() == "Second best" })
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

// A presented photo is seen whole, and nothing of the page is cut, on every screen.
func TestAPresentedPhotoIsWhole(t *testing.T) {
	t.Parallel()
	p := harness.Start(t)
	upright := p.SubmitPicture("A caption that is so long that it takes more than one line on nearly every screen there is", harness.Photo(t, 300, 900))
	cookie := p.SignIn()
	var answer struct{ Success bool }
	p.AsAdmin(cookie, "POST", "/api/reveal", `{"winners":{"best":["`+upright+`"]}}`, &answer)
	p.AsAdmin(cookie, "POST", "/api/reveal/next", `{"turn":0}`, &answer)
	for _, size := range [][2]int{{3840, 2160}, {1920, 1080}, {768, 1024}, {390, 844}} {
		wall := openWindow(t, p.URL+"/wall", size[0], size[1])
		harness.Eventually(t, "the photo", func() bool { return eval[bool](wall, `document.querySelector(".presented img")?.complete ?? false`) })
		if fit := eval[string](wall, `getComputedStyle(document.querySelector(".presented img")).objectFit`); fit != "contain" {
			t.Errorf("%v: the photo is shown with %s", size, fit)
		}
		if share := eval[float64](wall, `document.querySelector(".presented img").getBoundingClientRect().height / innerHeight`); share < 0.55 {
			t.Errorf("%v: the photo takes %.2f of the height", size, share)
		}
		if eval[bool](wall, `document.documentElement.scrollHeight > innerHeight || document.documentElement.scrollWidth > innerWidth`) {
			t.Errorf("%v: the page is larger than the screen", size)
		}
		wall.keepScreenshot("presented")
	}
}
