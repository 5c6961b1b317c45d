package browser

import (
	"encoding/json"
	"io"
	"net/http"
	"podium/test/harness"
	"regexp"
	"strings"
	"testing"

	"github.com/chromedp/chromedp"
)

var messagesPlace = regexp.MustCompile(`id="messages">([^<]*)</script>`)

// messagesOf are the texts of a page in a language by their keys; those that count something are left out.
func messagesOf(t *testing.T, url, language string) map[string]string {
	t.Helper()
	r, err := http.NewRequest("GET", url, nil)
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Accept-Language", language)
	res, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	found := messagesPlace.FindSubmatch(body)
	if err != nil || found == nil {
		t.Fatalf("%s holds no messages: %v", url, err)
	}
	var all map[string]any
	if err := json.Unmarshal(found[1], &all); err != nil {
		t.Fatal(err)
	}
	texts := map[string]string{}
	for key, message := range all {
		if text, ok := message.(string); ok {
			texts[key] = text
		}
	}
	return texts
}

// says are the texts that the page shows or has read aloud.
const says = `[...document.querySelectorAll("body *")].filter(e => !["SCRIPT", "STYLE"].includes(e.tagName) && !e.closest("[lang], #language")).flatMap(e => [
	...[...e.childNodes].filter(n => n.nodeType === Node.TEXT_NODE).map(n => n.data.trim()),
	...["aria-label", "placeholder", "alt", "title"].map(name => e.getAttribute(name) ?? "")]).filter(Boolean)`

// misdirected are the elements in which a caption runs against its own direction, whatever the page's.
const misdirected = `[...document.querySelectorAll("body *")].filter(e => !["SCRIPT", "STYLE"].includes(e.tagName)).filter(e => {
	const own = [...e.childNodes].filter(n => n.nodeType === Node.TEXT_NODE).map(n => n.data).join("");
	const wants = own.includes("` + latinCaption + `") ? "ltr" : own.includes("` + arabicCaption + `") ? "rtl" : "";
	return wants && getComputedStyle(e).direction !== wants;
}).map(e => e.outerHTML.slice(0, 120))`

const latinCaption, arabicCaption = "First dance", "رقصة العروسين"

// Every page is in the language that was chosen, also what its scripts say, laid out from the side where it begins, and no
// wider than a small phone, however long its words are.
func TestEveryPageIsInTheLanguageThatWasChosen(t *testing.T) {
	t.Parallel()
	p := harness.Start(t)
	harness.Eventually(t, "the address of the first-run page", func() bool { return harness.SetupAddress(p) != "" })
	_, setup, _ := strings.Cut(harness.SetupAddress(p), "/setup")
	setup = "/setup" + setup
	guest := openWindow(t, p.URL+setup, 320, 640)
	languages := map[string]string{"de": "ltr", "es": "ltr", "fr": "ltr", "ar": "rtl"}
	inEach := func(path, ready string, prepare ...string) {
		t.Helper()
		english := messagesOf(t, p.URL+strings.Replace(path, "/nothing", "/admin", 1), "en")
		for language, direction := range languages {
			own := messagesOf(t, p.URL+strings.Replace(path, "/nothing", "/admin", 1), language)
			eval[bool](guest, `document.cookie = "podium_language=`+language+`; path=/"; true`)
			guest.run(chromedp.Navigate(p.URL + path))
			harness.Eventually(t, path+" in "+language, func() bool {
				return eval[bool](guest, `document.documentElement.lang === "`+language+`" && document.readyState === "complete" && document.querySelector("`+ready+`") !== null`)
			})
			for _, script := range prepare {
				harness.Eventually(t, path+" to be prepared", func() bool { return eval[bool](guest, script) })
			}
			if got := eval[string](guest, `document.documentElement.lang + " " + getComputedStyle(document.body).direction`); got != language+" "+direction {
				t.Errorf("%s is %s, want %s %s", path, got, language, direction)
			}
			left := map[string]bool{}
			for key, text := range english {
				left[text] = own[key] != text
			}
			for _, text := range own {
				delete(left, text) // another message of this language is the same word
			}
			for _, text := range eval[[]string](guest, says) {
				if left[text] {
					t.Errorf("%s in %s says %q", path, language, text)
				}
			}
			for _, element := range eval[[]string](guest, misdirected) {
				t.Errorf("%s in %s has a caption in the wrong direction: %s", path, language, element)
			}
			name, _, _ := strings.Cut("page"+strings.ReplaceAll(path, "/", "-"), "?")
			guest.keepScreenshot(name + "-" + language)
			guest.fits(path, language+" on 320 pixels")
		}
	}
	inEach(setup, "#categories input")
	p.Submit(latinCaption)
	p.Submit(arabicCaption)
	const open = `document.querySelectorAll("details").forEach(d => { d.open = true }), true`
	inEach("/", "#prints .print")
	inEach("/winners.html", "#winners h1")
	inEach("/wall", "#newest li")
	inEach("/nothing", "h1")
	inEach("/admin", "#password", `!document.querySelector("#signin").hidden`)
	guest.signIn()
	guest.sees("#entries", latinCaption)
	inEach("/admin", ".entry", open, `document.querySelector(".entry .acts button")?.click(), document.querySelectorAll(".picked li[tabindex]").length > 0`)
	inEach("/admin", ".entry", `document.querySelector("#openJudge").click(), document.querySelector("#judgePhotos").children.length > 0`)
	inEach("/admin/codes", ".code")
	inEach("/admin/dashboard", "#figures .figure", open)
	inEach("/present", "#now", `document.querySelector("#state").dataset.state === "live"`)
	// The organiser chooses on the admin page too.
	guest.run(chromedp.Navigate(p.URL + "/admin"))
	guest.sees("#entries", latinCaption)
	eval[bool](guest, `(s => { s.value = "en"; s.dispatchEvent(new Event("change")); return true })(document.querySelector("#language"))`)
	guest.sees("#publish", "Publish winners")
}

// What the server refuses, the page says in its own language.
func TestARefusalIsInThePagesLanguage(t *testing.T) {
	t.Parallel()
	p := harness.Start(t)
	admin := openWindow(t, p.URL+"/admin", 1280, 900)
	eval[bool](admin, `document.cookie = "podium_language=de; path=/"; true`)
	admin.run(chromedp.Navigate(p.URL + "/admin"))
	admin.signIn()
	admin.sees("#state", "Live")
	eval[bool](admin, `(() => {
		const form = document.querySelector("#eventForm");
		form.elements.opens.value = "2026-12-31T22:00";
		form.elements.closes.value = "2026-12-31T20:00";
		form.requestSubmit();
		return true;
	})()`)
	admin.sees(".toast", "muss nach ihrem Anfang liegen")
	eval[bool](admin, `document.querySelector("#prepare").click(), true`)
	admin.sees(".toast", "niemanden zu präsentieren")

	p.AsAdmin(p.SignIn(), "POST", "/api/settings", `{"event":{"closes":1}}`, &struct{}{})
	guest := openWindow(t, p.URL+"/", 390, 844)
	eval[bool](guest, `document.cookie = "podium_language=fr; path=/"; true`)
	guest.run(chromedp.Navigate(p.URL + "/"))
	guest.sees("#times", "clos")
	guest.send("Trop tard")
	guest.sees("#outbox", "aucune photo n’est plus acceptée")
}
