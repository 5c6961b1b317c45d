package browser

import (
	"fmt"
	"strings"
	"testing"

	"github.com/chromedp/chromedp"

	"podium/test/harness"
)

// resize gives a window another size.
func (tb *window) resize(width, height int) {
	tb.t.Helper()
	tb.run(chromedp.EmulateViewport(int64(width), int64(height)))
	harness.Eventually(tb.t, "the new size", func() bool { return eval[int](tb, "innerWidth") == width })
}

// pressable fails the test where something that a thumb presses is smaller than a thumb, or its words are too small to read.
func (tb *window) pressable(name, size string) {
	tb.t.Helper()
	const faults = `(() => {
		const faults = [];
		for (const e of document.querySelectorAll("a[href], button, summary, select, textarea, input")) {
			if (!e.checkVisibility({ visibilityProperty: true }) || e.closest(".skip, .sr, .unseen")) continue;
			const target = e.matches("[type=checkbox], [type=radio], [type=file]") && e.closest("label") || e;
			const { width, height } = target.getBoundingClientRect();
			if (height < 43.5 || width < 28) faults.push("too small to press: " + Math.round(width) + " × " + Math.round(height) + " " + e.outerHTML.slice(0, 90));
		}
		return faults;
	})()`
	for _, fault := range eval[[]string](tb, faults) {
		tb.t.Errorf("%s, %s: %s", name, size, fault)
	}
}

// readable fails the test where words are smaller than people read.
func (tb *window) readable(name, size string) {
	tb.t.Helper()
	const small = `[...document.querySelectorAll("body *")].filter(e => e.checkVisibility({ visibilityProperty: true }) && !e.closest(".sr, .unseen, noscript") &&
		[...e.childNodes].some(n => n.nodeType === Node.TEXT_NODE && n.data.trim()) && parseFloat(getComputedStyle(e).fontSize) < (innerWidth > 3000 ? 16 : 11.5))
		.map(e => getComputedStyle(e).fontSize + " " + e.outerHTML.slice(0, 90))`
	for _, fault := range eval[[]string](tb, small) {
		tb.t.Errorf("%s, %s: too small to read: %s", name, size, fault)
	}
}

// evenRows fails the test where the last row of a grid has fewer cells than the others.
func (tb *window) evenRows(cells string) {
	tb.t.Helper()
	rows := `Object.values(Object.groupBy([...document.querySelectorAll(` + quote(cells) + `)], e => Math.round(e.getBoundingClientRect().top))).map(row => row.length)`
	if got := eval[[]int](tb, rows); len(got) == 0 || got[0] != got[len(got)-1] {
		tb.t.Errorf("the rows of %s have %v", cells, got)
	}
}

// Whatever a big screen's size and shape is, what it shows is whole, and so is the way to join: also with an event that has a
// long name, a date and a caption without an end.
func TestTheWallIsWholeOnEveryScreen(t *testing.T) {
	t.Parallel()
	p := harness.Start(t)
	p.AsAdmin(p.SignIn(), "POST", "/api/settings", `{"event":{"name":"The wedding of Annabelle and Benjamin","date":"2026-12-31"}}`, &struct{}{})
	for i := range 7 {
		p.SubmitPicture(strings.Repeat("Donaudampfschifffahrt", 12), harness.Scene(t, i, 300+80*(i%3), 300))
	}
	wall := openWindow(t, p.URL+"/wall", 1920, 1080)
	wall.sees("#show", "Donau")
	wall.sees("#join", "Annabelle")
	wall.sees("#join", "31 December 2026")
	wall.sees("#state", "Live")
	for _, size := range [][2]int{{320, 568}, {390, 844}, {768, 1024}, {1280, 720}, {1440, 900}, {3840, 2160}} {
		wall.resize(size[0], size[1])
		wall.still()
		wall.fitsTheRoom()
		if share := eval[float64](wall, `Math.min(document.querySelector("#code").clientWidth, document.querySelector("#code").clientHeight) / Math.min(innerWidth, innerHeight)`); share < 0.2 {
			t.Errorf("%v: the code has %.2f of the screen", size, share)
		}
		wall.readable("wall", fmt.Sprint(size))
		wall.keepScreenshot(fmt.Sprintf("wall-named-%d", size[0]))
	}
}

// A winner's photo is whole on the page of the winners, upright or wide, and no higher than the screen.
func TestWinnersPhotosAreWhole(t *testing.T) {
	t.Parallel()
	p := harness.Start(t)
	upright, wide := p.SubmitPicture("Upright", harness.Photo(t, 300, 900)), p.SubmitPicture("Wide", harness.Photo(t, 900, 300))
	crown(p, p.SignIn(), "best", upright, wide)
	page := openWindow(t, p.URL+"/winners.html", 390, 844)
	page.sees("#winners", "Wide")
	for _, size := range [][2]int{{320, 568}, {390, 844}, {1920, 1080}, {3840, 2160}} {
		page.resize(size[0], size[1])
		page.still()
		if cut := eval[int](page, `[...document.querySelectorAll(".place img")].filter(i => getComputedStyle(i).objectFit !== "contain" || i.clientHeight > innerHeight || i.clientHeight < 60).length`); cut > 0 {
			t.Errorf("%v: %d photos are cut, or higher than the screen", size, cut)
		}
		page.fits("winners", fmt.Sprint(size))
		page.keepScreenshot(fmt.Sprintf("winners-two-%d", size[0]))
	}
}

// The jury sees photos large: the one that is judged has much of the smallest phone, and the largest screen has no end of
// tiles before there is one of photos.
func TestPhotosAreJudgedLargeOnEveryScreen(t *testing.T) {
	t.Parallel()
	p := harness.Start(t)
	for i := range 130 {
		p.SubmitPicture(fmt.Sprint("Photo ", i, " ", strings.Repeat("of the evening ", 9)), harness.Photo(t, 64, 48))
	}
	admin := openWindow(t, p.URL+"/admin", 320, 568)
	admin.signIn()
	admin.sees("#entries", "Photo 129")
	admin.run(chromedp.Click("#openJudge"), chromedp.WaitVisible("#judgePhotos img"))
	for _, size := range [][2]int{{320, 568}, {390, 844}, {1440, 900}} {
		admin.resize(size[0], size[1])
		if share := eval[float64](admin, `document.querySelector("#judgePhotos").clientHeight / innerHeight`); share < 0.42 {
			t.Errorf("%v: the photo has %.2f of the height", size, share)
		}
		admin.still()
		admin.keepScreenshot(fmt.Sprintf("judging-long-caption-%d", size[0]))
	}
	admin.run(chromedp.Click("#judgeView"), chromedp.WaitVisible("#judgePhotos .tile"))
	admin.resize(3840, 2160)
	harness.Eventually(t, "all tiles, or some to scroll to", func() bool {
		return eval[bool](admin, `document.querySelectorAll(".tile").length === 130 || document.querySelector("#judgePhotos").scrollHeight > 1.5 * document.querySelector("#judgePhotos").clientHeight`)
	})
}
