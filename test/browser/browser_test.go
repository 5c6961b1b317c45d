package browser

import (
	"cmp"
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"podium/test/harness"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/page"
	"github.com/chromedp/chromedp"
)

// chromium is a running browser and the folder of its profile.
type chromium struct {
	ctx context.Context
	dir string
}

// chromiumPath is where Chromium is, or "": its headless shell, which computes a third less than the whole browser does for the
// same tests, or else the browser.
var chromiumPath = sync.OnceValue(func() string {
	return cmp.Or(lookPath("chromium-headless-shell"), lookPath("chromium"))
})

// lookPath is where a program is, or "".
func lookPath(name string) string {
	path, err := exec.LookPath(name)
	if err != nil {
		return ""
	}
	return path
}

// start runs a Chromium with the profile in dir until its context is cancelled.
func start(path, dir string, more ...chromedp.ExecAllocatorOption) (context.Context, error) {
	options := slices.Concat(chromedp.DefaultExecAllocatorOptions[:], []chromedp.ExecAllocatorOption{
		chromedp.ExecPath(path), chromedp.NoSandbox, chromedp.DisableGPU, chromedp.UserDataDir(dir),
		chromedp.Flag("disable-component-update", true), chromedp.Flag("disable-background-networking", true), chromedp.Flag("disable-sync", true),
	}, more)
	allocator, cancelAllocator := chromedp.NewExecAllocator(context.Background(), options...)
	ctx, cancel := chromedp.NewContext(allocator)
	context.AfterFunc(ctx, cancelAllocator)
	if err := chromedp.Do(ctx); err != nil { // the browser lives as long as the context of the first call
		cancel()
		return nil, err
	}
	return ctx, nil
}

// startOwn runs a Chromium for one test, with what a shared one can't be given.
func startOwn(t *testing.T, path string, more ...chromedp.ExecAllocatorOption) context.Context {
	t.Helper()
	harness.Need(t, path != "", "chromium")
	ctx, err := start(path, t.TempDir(), more...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = chromedp.Cancel(ctx) })
	return ctx
}

// browser is the one Chromium of all tests. Each window has a context of its own in it, and with that no other test's
// cookies, storage or workers.
var browser = sync.OnceValues(func() (chromium, error) {
	dir, err := os.MkdirTemp("", "podium-chromium-")
	if err != nil {
		return chromium{}, err
	}
	ctx, err := start(chromiumPath(), dir, chromedp.Flag("disable-quic", true))
	if err != nil {
		_ = os.RemoveAll(dir)
		return chromium{}, err
	}
	return chromium{ctx, dir}, nil
})

// closeBrowser ends Chromium, where it was started.
func closeBrowser() {
	if chromiumPath() == "" {
		return
	}
	if b, err := browser(); err == nil {
		_ = chromedp.Cancel(b.ctx)
		_ = os.RemoveAll(b.dir)
	}
}

// window is a page in a browser context of its own.
type window struct {
	t   *testing.T
	ctx context.Context
}

// shared is the context of the one Chromium.
func shared(t *testing.T) context.Context {
	t.Helper()
	harness.Need(t, chromiumPath() != "", "chromium")
	b, err := browser()
	if err != nil {
		t.Fatal(err)
	}
	return b.ctx
}

// openWindow opens a page. What it writes to the console as an error fails the test.
func openWindow(t *testing.T, url string, width, height int) *window {
	t.Helper()
	return openWindowIn(t, shared(t), url, width, height)
}

// openWindowIn is openWindow in another Chromium than the shared one.
func openWindowIn(t *testing.T, chromium context.Context, url string, width, height int) *window {
	t.Helper()
	tb := newWindow(t, chromium, url, width, height, chromedp.WithNewBrowserContext())
	tb.run(chromedp.Navigate(url))
	return tb
}

// beside opens another page that shares cookies, storage and worker with this one.
func (tb *window) beside(url string, width, height int) *window {
	tb.t.Helper()
	other := newWindow(tb.t, tb.ctx, url, width, height)
	other.run(chromedp.Navigate(url))
	return other
}

// newWindow makes an empty page for url.
func newWindow(t *testing.T, parent context.Context, url string, width, height int, options ...chromedp.ContextOption) *window {
	t.Helper()
	ctx, cancel := chromedp.NewContext(parent, options...)
	// The page lives as long as the context of the first call.
	if err := chromedp.Do(ctx); err != nil {
		cancel()
		t.Fatal(err)
	}
	tb := &window{t: t, ctx: ctx}
	tb.run(chromedp.Navigate("about:blank"), chromedp.EmulateViewport(int64(width), int64(height)))
	console := chromedp.Console(ctx)
	read := make(chan struct{})
	go func() {
		defer close(read)
		for m, err := range console {
			if err == nil && (m.IsException() || strings.Contains(m.Text, "Content Security Policy")) {
				t.Errorf("%s: the page's console says %s", url, m)
			}
		}
	}()
	t.Cleanup(func() {
		cancel()
		<-read
	})
	return tb
}

// beforeEachPage lets every page that is opened from now on run a script first.
func beforeEachPage(script string) chromedp.Action[chromedp.Void] {
	return chromedp.Func(func(ctx context.Context, target *chromedp.Target) error {
		_, err := cdp.Call(ctx, target, page.AddScriptToEvaluateOnNewDocument, page.AddScriptToEvaluateOnNewDocumentParams{Source: script})
		return err
	})
}

func (tb *window) run(actions ...chromedp.Action[chromedp.Void]) {
	tb.t.Helper()
	ctx, cancel := context.WithTimeout(tb.ctx, harness.Patience)
	defer cancel()
	if err := chromedp.Do(ctx, actions...); err != nil {
		tb.t.Fatal(err)
	}
}

// eval evaluates an expression in the page.
func eval[T any](tb *window, expression string) T {
	tb.t.Helper()
	ctx, cancel := context.WithTimeout(tb.ctx, harness.Patience)
	defer cancel()
	v, err := chromedp.Run(ctx, chromedp.Evaluate[T](expression))
	if err != nil {
		tb.t.Fatal(err)
	}
	return v
}

// isTrue evaluates a condition in a page that may be loaded anew meanwhile: then it is not true yet.
func (tb *window) isTrue(condition string) bool {
	yes, err := chromedp.Run(tb.ctx, chromedp.Evaluate[bool](condition))
	return err == nil && yes
}

// sees waits until an element's text holds the words, in whatever case the page sets them.
func (tb *window) sees(selector, words string) {
	tb.t.Helper()
	var text string
	tb.t.Cleanup(func() {
		if tb.t.Failed() && !said(text, words) {
			tb.t.Logf("%s said %q", selector, text)
		}
	})
	harness.Eventually(tb.t, selector+" to say "+words, func() bool {
		var err error
		text, err = chromedp.Run(tb.ctx, chromedp.Evaluate[string](`document.querySelector(`+quote(selector)+`)?.innerText ?? ""`))
		return err == nil && said(text, words)
	})
}

// said reports whether a text holds the words.
func said(text, words string) bool {
	return strings.Contains(strings.ToLower(text), strings.ToLower(words))
}

func quote(s string) string { return "`" + strings.ReplaceAll(s, "`", "\\`") + "`" }

// photoFile writes a JPEG for a form.
func photoFile(t *testing.T) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "photo.jpg")
	if err := os.WriteFile(path, harness.Photo(t, 1200, 900), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// send fills the form of the feed page and sends it.
func (tb *window) send(caption string) {
	tb.t.Helper()
	tb.run(chromedp.WaitReady(`input[name=category]`))
	tb.run(chromedp.SetUploadFiles(`#library`, []string{photoFile(tb.t)}))
	tb.run(chromedp.WaitVisible(`#preview`))
	tb.run(chromedp.SetValue(`#caption`, caption))
	tb.run(chromedp.SetValue(`#name`, "Ann"), chromedp.SetValue(`#phone`, "0170 123"))
	tb.run(chromedp.Click(`#send`))
}

// The whole evening: a guest sends a photo, another one sees it, an admin
// picks it, and everybody sees that it won.
func TestAnEveningInTheBrowser(t *testing.T) {
	t.Parallel()
	for name, args := range map[string][]string{"default": nil, "polling only": {"--transports=polling"}} {
		t.Run(name, func(t *testing.T) {
			p := harness.Start(t, args...)
			guest := openWindow(t, p.URL+"/", 390, 844)
			watcher := openWindow(t, p.URL+"/", 1280, 800)
			stage := openWindow(t, p.URL+"/winners.html", 1920, 1080)
			state := "Live"
			if name == "polling only" {
				state = "Live, by polling"
			}
			watcher.sees("#connection", state)
			stage.sees("#state", state)

			guest.send("My <b>best</b> one")
			guest.sees("#outbox", "On the wall")
			watcher.sees("#prints .print", "My <b>best</b> one")
			harness.Eventually(t, "the photo to be shown", func() bool {
				return eval[float64](watcher, `document.querySelector("#prints .print img")?.naturalWidth ?? 0`) > 0
			})

			admin := openWindow(t, p.URL+"/admin", 1280, 800)
			admin.run(chromedp.WaitVisible(`#password`))
			admin.run(chromedp.SendKeys(`#password`, harness.Password))
			admin.run(chromedp.Click(`#signin button`))
			admin.sees(".entry .facts", "0170 123")
			admin.run(chromedp.Click(`.entry button[aria-label^=Pick]`))
			admin.sees(".picked li", "My <b>best</b> one")
			admin.run(chromedp.Click(`#publish`))
			stage.sees(".place", "My <b>best</b> one")
		})
	}
}
