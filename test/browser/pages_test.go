package browser

import (
	"bytes"
	"compress/gzip"
	"context"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"podium/test/harness"
	"regexp"
	"strings"
	"syscall"
	"testing"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/cdproto/page"
	"github.com/chromedp/chromedp"
)

// scheme makes the page see a light or a dark preference.
func (tb *window) scheme(name string) {
	tb.t.Helper()
	tb.run(chromedp.Func(func(ctx context.Context, target *chromedp.Target) error {
		_, err := cdp.Call(ctx, target, emulation.SetEmulatedMedia, emulation.SetEmulatedMediaParams{
			Features: []*emulation.MediaFeature{{Name: "prefers-color-scheme", Value: name}}})
		return err
	}))
}

// keepScreenshot writes what the window shows to the folder in PODIUM_SCREENSHOTS, where one is named.
func (tb *window) keepScreenshot(name string) {
	tb.t.Helper()
	dir := os.Getenv("PODIUM_SCREENSHOTS")
	if dir == "" {
		return
	}
	tb.run(chromedp.Func(func(ctx context.Context, target *chromedp.Target) error {
		shot, err := cdp.Call(ctx, target, page.CaptureScreenshot, page.CaptureScreenshotParams{Format: "png"})
		if err != nil {
			return err
		}
		return os.WriteFile(filepath.Join(dir, name+".png"), []byte(shot.Data), 0o600)
	}))
}

// findings are the rules that axe-core sees broken, as "rule: element", with a serious or critical impact.
func (tb *window) findings(axe string) []string {
	tb.t.Helper()
	eval[bool](tb, axe+"; true")
	eval[bool](tb, `window.axeFound = null; axe.run().then(r => { window.axeFound = r.violations.filter(v => ["serious", "critical"].includes(v.impact)).flatMap(v => v.nodes.map(n => v.id + ": " + n.target.join(" ") + " " + n.failureSummary)) }); true`)
	harness.Eventually(tb.t, "axe to finish", func() bool { return eval[bool](tb, "window.axeFound !== null") })
	return eval[[]string](tb, "window.axeFound")
}

// Every page, on a phone and on a desktop, light and dark: nothing serious for those who can't see it, and a
// screenshot for those who can.
func TestPagesAreAccessibleInEverySizeAndScheme(t *testing.T) {
	t.Parallel()
	axe, err := os.ReadFile("node_modules/axe-core/axe.min.js")
	harness.Need(t, err == nil, "axe-core")
	p := harness.Start(t)
	captions := []string{"Grandma leads the conga", "First dance", "He said he would only have one", "The band at midnight", "Rose in her good shoes", "Cake, before", "Nobody wanted to go home"}
	for i := range captions {
		category := []string{"best", "worst"}[i%2]
		body, kind := harness.Form(t, map[string]string{"category": category, "caption": captions[i], "name": "Ann", "phone": "0170 123"}, harness.Scene(t, i, 900+60*i, 700+110*(i%3)))
		var answer struct{ Entry struct{ ID string } }
		if status := p.Call("POST", "/api/submit", kind, body, &answer); status != http.StatusOK {
			t.Fatalf("submit: status %d", status)
		}
		if i == 6 {
			var ok struct{ Success bool }
			p.AsAdmin(p.SignIn(), "POST", "/api/save-winners", `{"winners":{"best":["`+answer.Entry.ID+`"]}}`, &ok)
		}
	}
	sizes := []struct {
		name          string
		width, height int
	}{{"phone", 390, 844}, {"desktop", 1440, 900}}
	for _, size := range sizes {
		tb := openWindow(t, p.URL+"/", size.width, size.height)
		tb.sees("#prints .print", "wanted to go home")
		tb.look(string(axe), "feed", size.name)
		tb.run(chromedp.Navigate(p.URL + "/winners.html"))
		tb.sees(".place", "wanted to go home")
		tb.look(string(axe), "winners", size.name)
		tb.run(chromedp.Navigate(p.URL + "/wall"))
		tb.run(chromedp.WaitReady("#newest li"))
		tb.look(string(axe), "wall", size.name)
		tb.run(chromedp.Navigate(p.URL+"/admin"), chromedp.WaitVisible("#password"))
		tb.look(string(axe), "sign-in", size.name)
		tb.run(chromedp.SendKeys("#password", harness.Password), chromedp.Click("#signin button"))
		tb.sees(".entry .facts", "0170 123")
		tb.look(string(axe), "admin", size.name)
		tb.run(chromedp.Click("#openJudge"), chromedp.WaitVisible("#judgePhotos img"))
		tb.look(string(axe), "judging", size.name)
		tb.run(chromedp.Click("#judgeView"), chromedp.WaitVisible("#judgePhotos .tile"))
		tb.look(string(axe), "judging-grid", size.name)
		tb.run(chromedp.Navigate(p.URL+"/admin/dashboard"), chromedp.WaitReady("#figures .figure"))
		tb.look(string(axe), "dashboard", size.name)
		tb.run(chromedp.Navigate(p.URL+"/admin/codes"), chromedp.WaitReady(".code"))
		tb.look(string(axe), "codes", size.name)
	}
}

// No page is wider than any screen, however many photos there are and whatever their captions hold: nothing, a word without
// an end, or Arabic. Where screenshots are wanted, and in make soak, every width is looked at, with more photos; else the
// narrowest and the widest.
func TestPagesFitEveryScreenWithNoPhotosAFewAndMany(t *testing.T) {
	t.Parallel()
	captions := []string{
		"First dance", "رقصة العروسين الأولى على أنغام الموسيقى", strings.Repeat("Donaudampfschifffahrt", 12), "",
		"Everybody who came from far away, and some who live next door, beside the cake before it was cut, " + strings.Repeat("and then some ", 8),
	}
	widths, many := []int{320, 3840}, 250 // more than the desk has rows at first
	if os.Getenv("PODIUM_SCREENSHOTS") != "" || *harness.Long {
		widths, many = []int{320, 390, 768, 1440, 1920, 3840}, 600
	}
	for _, count := range []int{0, 3, many} {
		t.Run(fmt.Sprint(count, " photos"), func(t *testing.T) {
			p := harness.Start(t)
			const different = 70 // photos: ten scenes in seven widths and five heights
			var scenes [][]byte
			for i := range min(count, different) {
				scenes = append(scenes, harness.Scene(t, i%10, 400+20*(i%7), 300+40*(i%5)))
			}
			for i := range count {
				p.SubmitPicture(captions[i%len(captions)], scenes[i%different])
			}
			for _, width := range widths {
				height := map[int]int{320: 568, 390: 844, 768: 1024}[width]
				if height == 0 {
					height = width * 9 / 16
				}
				tb := openWindow(t, p.URL+"/", width, height)
				see := func(name, ready string) {
					t.Helper()
					tb.run(chromedp.WaitReady(ready))
					tb.still()
					for _, scheme := range []string{"light", "dark"} {
						tb.scheme(scheme)
						tb.keepScreenshot(fmt.Sprintf("%s-%d-photos-%d-%s", name, count, width, scheme))
					}
					size := fmt.Sprint(width, " pixels")
					tb.fits(name, size)
					tb.readable(name, size)
					if width < 700 && name != "wall" {
						tb.pressable(name, size)
					}
				}
				open := func(path string) { t.Helper(); tb.run(chromedp.Navigate(p.URL + path)) }
				there := map[bool]string{true: "", false: ":not(*), body"}[count > 0] // what there is only with photos
				see("feed", "#prints .print"+there)
				open("/winners.html")
				see("winners", "#winners h1")
				open("/wall")
				see("wall", "#newest li"+there)
				open("/admin")
				tb.run(chromedp.WaitVisible("#password"), chromedp.SendKeys("#password", harness.Password), chromedp.Click("#signin button"))
				see("admin", "#entries "+map[bool]string{true: ".entry", false: "h2"}[count > 0])
				tb.run(chromedp.Click("#openJudge"))
				see("judging", "#judgePhotos img"+there)
				tb.run(chromedp.Click("#judgeView"))
				see("judging-grid", "#judgePhotos .tile"+there)
				open("/admin/dashboard")
				see("dashboard", "#figures .figure")
				tb.evenRows("#figures .figure")
				open("/admin/codes")
				see("codes", ".code")
				tb.evenRows(".code")
				open("/present")
				see("present", "#now")
			}
		})
	}
}

// still waits until nothing moves and every picture in sight is there and drawn.
func (tb *window) still() {
	tb.t.Helper()
	const inSight = `[...document.images].filter(i => i.checkVisibility() && i.getBoundingClientRect().top <= innerHeight)`
	harness.Eventually(tb.t, "animations to end", func() bool {
		return eval[bool](tb, `document.getAnimations().every(a => a.playState !== "running") && `+inSight+`.every(i => i.complete)`)
	})
	// What came is drawn only once it is decoded.
	eval[bool](tb, `window.drawn = false; Promise.allSettled(`+inSight+`.filter(i => i.naturalWidth).map(i => i.decode())).then(() => requestAnimationFrame(() => requestAnimationFrame(() => { drawn = true }))); true`)
	harness.Eventually(tb.t, "pictures to be drawn", func() bool { return eval[bool](tb, "drawn") })
}

// look checks and photographs a page in both schemes.
func (tb *window) look(axe, name, size string) {
	tb.t.Helper()
	for _, scheme := range []string{"light", "dark"} {
		tb.scheme(scheme)
		tb.still()
		tb.keepScreenshot(name + "-" + size + "-" + scheme)
		for _, finding := range tb.findings(axe) {
			tb.t.Errorf("%s, %s, %s: %s", name, size, scheme, finding)
		}
		tb.fits(name, size)
	}
}

// fits fails the test where a page is wider than the screen.
func (tb *window) fits(name, size string) {
	tb.t.Helper()
	if wide := eval[float64](tb, "document.documentElement.scrollWidth - innerWidth"); wide > 0 {
		tb.t.Errorf("%s, %s: %v pixels wider than the screen", name, size, wide)
	}
}

// A server that is killed with a photo in its hands gets it again, also from a page that was reloaded without a
// server, and has it once.
func TestAPhotoSurvivesAKilledServerAndAReloadedPage(t *testing.T) {
	t.Parallel()
	p := harness.Start(t)
	guest := openWindow(t, p.URL+"/", 390, 844)
	guest.sees("#connection", "Live")
	harness.Eventually(t, "the page to be kept for offline", func() bool {
		return eval[bool](guest, `navigator.serviceWorker.controller !== null`)
	})
	if err := p.Cmd.Process.Signal(syscall.SIGSTOP); err != nil {
		t.Fatal(err)
	}
	guest.send("From the cellar")
	guest.sees("#outbox", "Sen")
	p.Signal(syscall.SIGKILL)
	guest.sees("#outbox", "kept here")
	guest.sees("#connection", "Reconnecting")
	guest.run(chromedp.Navigate(p.URL + "/"))
	guest.sees("#outbox", "From the cellar")
	p.Run()
	p.Wait()
	guest.sees("#outbox", "On the wall")
	guest.sees("#connection", "Live")
	var feed struct {
		Feed map[string][]struct{ Caption string }
	}
	p.Call("GET", "/api/feed", "", nil, &feed)
	if n := len(feed.Feed["best"]) + len(feed.Feed["worst"]); n != 1 {
		t.Errorf("the server has %d submissions, want 1", n)
	}
	if n := eval[float64](guest, `document.querySelectorAll("#prints .print").length`); n != 1 {
		t.Errorf("the page shows %v photos, want 1", n)
	}
}

// An answer that was on its way when an event arrived is older than the event, and must not undo it.
func TestAnOlderFeedDoesNotTakeAwayAPhotoThatArrivedMeanwhile(t *testing.T) {
	t.Parallel()
	p := harness.Start(t)
	asked, release := make(chan struct{}, 100), make(chan struct{})
	front := harness.InFrontOf(t, p, func(r *http.Request, forward func()) {
		if r.URL.Path == "/api/feed" {
			// The proxy has the answer when the page gets it later.
			asked <- struct{}{}
			forward()
			<-release
			return
		}
		forward()
	})
	watcher := openWindow(t, front+"/", 390, 844)
	<-asked
	watcher.sees("#connection", "Live")
	p.Submit("Just in time")
	watcher.sees("#prints .print", "Just in time")
	close(release)
	harness.Eventually(t, "the feed to be read", func() bool {
		return eval[bool](watcher, `performance.getEntriesByType("resource").some(e => e.name.endsWith("/api/feed") && e.responseEnd > 0)`)
	})
	// Two frames later, the page has drawn what it read.
	eval[bool](watcher, `window.drawn = false; setTimeout(() => requestAnimationFrame(() => requestAnimationFrame(() => { window.drawn = true })), 50); true`)
	harness.Eventually(t, "the page to be drawn", func() bool { return eval[bool](watcher, `window.drawn`) })
	if n := eval[float64](watcher, `document.querySelectorAll("#prints .print").length`); n != 1 {
		t.Errorf("the page shows %v photos, want 1", n)
	}
}

// The first visit costs less than 60 KB, besides the Socket.IO client and pictures.
func TestTheFirstPageIsLight(t *testing.T) {
	t.Parallel()
	const budget = 60_000
	p := harness.Start(t)
	get := func(path string) []byte {
		res, err := http.Get(p.URL + path)
		if err != nil {
			t.Fatal(err)
		}
		defer res.Body.Close()
		body, err := io.ReadAll(res.Body)
		if err != nil || res.StatusCode != http.StatusOK {
			t.Fatalf("%s: %s, %v", path, res.Status, err)
		}
		return body
	}
	total := 0
	weigh := func(body []byte) {
		var b bytes.Buffer
		w := gzip.NewWriter(&b)
		_, _ = w.Write(body) // to memory
		_ = w.Close()
		total += b.Len()
	}
	index := get("/")
	weigh(index)
	files := map[string]bool{"/icons.svg": true}
	for _, m := range regexp.MustCompile(`(?:href|src)="(/[^"#]+\.(?:js|css|svg|webmanifest))`).FindAllSubmatch(index, -1) {
		files[string(m[1])] = true
	}
	for path := range files {
		weigh(get(path))
	}
	t.Logf("first page: %d files, %d bytes compressed of %d allowed", len(files)+1, total, budget)
	if total > budget {
		t.Errorf("the first page weighs %d bytes compressed, more than %d", total, budget)
	}
}
