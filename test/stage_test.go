package test

import (
	"fmt"
	"testing"
	"time"

	"github.com/chromedp/chromedp"
)

// crown publishes winners.
func (p *program) crown(cookie, category string, ids ...string) {
	p.t.Helper()
	list := ""
	for i, id := range ids {
		if i > 0 {
			list += ","
		}
		list += `"` + id + `"`
	}
	var answer struct{ Success bool }
	p.asAdmin(cookie, "POST", "/api/save-winners", `{"winners":{"`+category+`":[`+list+`]}}`, &answer)
	if !answer.Success {
		p.t.Fatal("the winners were not saved")
	}
}

// Who is there when winners are announced sees them one after the other, the winner last; who comes later sees the
// result, and an announcement that is taken back is gone.
func TestWinnersAreRevealedOneAfterTheOtherAndAtOnceToLateVisitors(t *testing.T) {
	p := start(t)
	second, first := p.submit("Second best"), p.submit("The very best")
	cookie := p.signIn()
	stage := openWindow(t, p.url+"/winners.html", 1920, 1080)
	wall := openWindow(t, p.url+"/wall", 1920, 1080)
	stage.sees("#winners", "announced on stage")
	stage.sees("#state", "Live")
	wall.sees("#state", "Live")
	p.crown(cookie, "best", first, second)
	for _, tb := range []*window{stage, wall} {
		eventually(t, "closed cards", func() bool { return tb.count(".place") == 2 })
	}
	if eval[bool](stage, `document.querySelector("#winners").innerHTML.includes("The very best")`) {
		t.Error("the winner's name is in the page before the reveal")
	}
	began := time.Now()
	stage.sees(".place:nth-child(2)", "Second best")
	if eval[bool](stage, `document.querySelector(".place:nth-child(1)").innerText.includes("The very best")`) {
		t.Error("the winner was revealed before the second")
	}
	stage.sees(".place:nth-child(1)", "The very best")
	t.Logf("the reveal took %v", time.Since(began).Round(100*time.Millisecond))
	wall.sees("#ceremony .place:nth-child(1)", "The very best")

	late := openWindow(t, p.url+"/winners.html", 390, 844)
	eventually(t, "both winners at once", func() bool { return late.count(".place") > 0 })
	if n := late.count(".veiled"); n != 0 {
		t.Errorf("a late visitor sees %d closed cards", n)
	}
	late.sees(".place:nth-child(1)", "The very best")
	late.sees("#state", "Live")

	p.crown(cookie, "best")
	for _, tb := range []*window{stage, late} {
		tb.sees("#winners", "announced on stage")
		tb.gone(".place")
	}
	eventually(t, "the wall to go on", func() bool { return eval[bool](wall, `document.querySelector("#ceremony").hidden`) })
}

// The wall shows the newest first, lets go of what was taken away, and names the address to join.
func TestTheWallShowsTheNewestAndTheWayToJoin(t *testing.T) {
	p := start(t)
	wall := openWindow(t, p.url+"/wall", 3840, 2160)
	wall.sees("#nothing", "could be yours")
	wall.sees("#state", "Live")
	p.submit("One")
	wall.sees("#show", "One")
	p.submit("Two")
	wall.sees("#show", "Two")
	if first := eval[string](wall, `document.querySelector("#newest img").alt`); first != "Two" {
		t.Errorf("the newest is %q", first)
	}
	wall.sees("#address", "http://")
	eventually(t, "the code", func() bool { return eval[float64](wall, `document.querySelector("#code").naturalWidth`) > 0 })
	wall.run(chromedp.KeyEvent("f"))
	eventually(t, "the full screen", func() bool { return eval[bool](wall, `document.fullscreenElement !== null`) })
}

// A hundred photos a minute arrive for a quarter of a minute, without long tasks that
// a guest would feel.
func TestAHundredPhotosAMinuteDoNotMakeThePageStutter(t *testing.T) {
	if testing.Short() {
		t.Skip("takes a while")
	}
	p := start(t)
	guest := openWindow(t, p.url+"/", 390, 844)
	guest.sees("#connection", "Live")
	eval[bool](guest, `window.tasks = []; new PerformanceObserver(list => window.tasks.push(...list.getEntries().map(e => e.duration))).observe({type: "longtask"}); true`)
	const photos = 25
	tick := time.NewTicker(600 * time.Millisecond)
	defer tick.Stop()
	for i := range photos {
		p.submit(fmt.Sprintf("Photo %d", i+1))
		<-tick.C
	}
	eventually(t, "all photos", func() bool { return guest.count("#prints .print") == photos })
	tasks := eval[[]float64](guest, "window.tasks")
	longest := 0.0
	for _, task := range tasks {
		longest = max(longest, task)
	}
	t.Logf("%d photos in %v: %d long tasks (over 50 ms), the longest %.0f ms", photos, photos*600*time.Millisecond, len(tasks), longest)
	// Other work of this machine lengthens tasks too; one for every fifth photo is no more than that.
	if len(tasks) > photos/5 {
		t.Errorf("%d long tasks for %d photos: %v", len(tasks), photos, tasks)
	}
}
