package browser

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"podium/test/harness"
	"strings"
	"syscall"
	"testing"

	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"
)

// signIn signs in on the admin page.
func (tb *window) signIn() {
	tb.t.Helper()
	tb.run(chromedp.WaitVisible(`#password`), chromedp.SendKeys(`#password`, harness.Password), chromedp.Click(`#signin button`), chromedp.WaitVisible(`#desk`))
}

// press presses a button of the first entry.
func (tb *window) press(label string) {
	tb.t.Helper()
	tb.pressIn(".entry", label)
}

// pressIn presses the first button of a list, by how its label begins. The list may put a newer element in the entry's place while the button is
// looked for: then nothing was pressed yet, and it is looked for again.
func (tb *window) pressIn(list, label string) {
	tb.t.Helper()
	selector := list + ` button[aria-label^="` + label + `"]`
	harness.Eventually(tb.t, label, func() bool {
		if tb.count(selector) == 0 {
			return false
		}
		ctx, cancel := context.WithTimeout(tb.ctx, harness.Patience)
		defer cancel()
		err := chromedp.Do(ctx, chromedp.Click(selector))
		if err != nil && !strings.Contains(err.Error(), "Could not find node") {
			tb.t.Fatal(err)
		}
		return err == nil
	})
}

// picks are the captions of a category's picks, in order, as the admin page has them.
func (tb *window) picks(category string) string {
	tb.t.Helper()
	return eval[string](tb, `[...document.querySelectorAll('.picked[data-category="`+category+`"] li .grow')].map(e => e.textContent).join(", ")`)
}

// winners are the ids of a category's winners, as the server has them.
func winners(p *harness.Program, category string) string {
	p.T.Helper()
	var answer struct {
		Winners map[string][]struct{ Caption string }
	}
	p.Call("GET", "/api/winners", "", nil, &answer)
	var list []string
	for _, one := range answer.Winners[category] {
		list = append(list, one.Caption)
	}
	return strings.Join(list, ", ")
}

// Picks are made, put in order and published with the keyboard alone, and published by mistake they are taken back.
func TestWinnersAreOrderedByKeyboardPublishedAndTakenBack(t *testing.T) {
	t.Parallel()
	p := harness.Start(t)
	p.Submit("One")
	p.Submit("Two")
	admin := openWindow(t, p.URL+"/admin", 1280, 900)
	admin.signIn()
	focus := func(selector string) {
		harness.Eventually(t, selector, func() bool { return admin.count(selector) > 0 })
		admin.run(chromedp.Focus(selector))
	}
	for _, caption := range []string{"One", "Two"} {
		focus(`.entry button[aria-label="Pick: ` + caption + `"]`)
		admin.run(chromedp.KeyEvent(kb.Enter))
	}
	if got := admin.picks("best"); got != "One, Two" {
		t.Fatalf("picked %q", got)
	}
	focus(`.picked[data-category="best"] li:nth-child(2)`)
	admin.run(chromedp.KeyEvent(kb.ArrowUp))
	if got := admin.picks("best"); got != "Two, One" {
		t.Fatalf("after an arrow key: %q", got)
	}
	if place := eval[int](admin, `[...document.activeElement.parentElement.children].indexOf(document.activeElement)`); place != 0 {
		t.Errorf("the moved pick is at %d and has lost the focus", place)
	}
	focus("#publish")
	admin.run(chromedp.KeyEvent(kb.Enter))
	harness.Eventually(t, "the winners", func() bool { return winners(p, "best") == "Two, One" })
	focus(".toast button")
	admin.run(chromedp.KeyEvent(kb.Enter))
	harness.Eventually(t, "no winners", func() bool { return winners(p, "best") == "" })
	admin.sees(".toast", "As it was before")
	harness.Eventually(t, "no picks", func() bool { return admin.picks("best") == "" })
}

func TestEntriesAreDraggedToThePodiumAndIntoOrder(t *testing.T) {
	t.Parallel()
	p := harness.Start(t)
	p.Submit("One")
	p.Submit("Two")
	admin := openWindow(t, p.URL+"/admin", 1280, 900)
	admin.signIn()
	admin.sees("#entries", "Two")
	podium := `.picked[data-category="best"]`
	drag := func(from, to string) {
		admin.run(chromedp.DragAndDrop(chromedp.CSS(from), chromedp.CSS(to)))
	}
	drag(`.entry:nth-child(1) .facts`, podium+` li`)
	harness.Eventually(t, "one pick", func() bool { return admin.picks("best") == "Two" })
	drag(`.entry:nth-child(2) .facts`, podium+` li`)
	harness.Eventually(t, "two picks", func() bool { return admin.picks("best") == "One, Two" })
	drag(podium+` li:nth-child(2) .grow`, podium+` li:nth-child(1) .grow`)
	harness.Eventually(t, "another order", func() bool { return admin.picks("best") == "Two, One" })
	admin.run(chromedp.Click(podium + ` button[aria-label="Move Two down"]`))
	harness.Eventually(t, "the order before", func() bool { return admin.picks("best") == "One, Two" })
}

// A pick in somebody's hand is the one that is moved, though another organiser changed the order meanwhile.
func TestAPickThatIsDraggedIsTheOneThatMoves(t *testing.T) {
	t.Parallel()
	p := harness.Start(t)
	cookie := p.SignIn()
	first, second := p.Submit("First"), p.Submit("Second")
	crown(p, cookie, "best", first, second)
	admin := openWindow(t, p.URL+"/admin", 1280, 900)
	admin.signIn()
	picks := func(want string) {
		t.Helper()
		harness.Eventually(t, "the picks "+want, func() bool { return admin.picks("best") == want })
	}
	picks("First, Second")
	admin.sees("#state", "Live")
	eval[bool](admin, `window.data = new DataTransfer();
		window.drag = (type, row) => document.querySelector('.picked[data-category="best"] li:nth-child(' + row + ')')
			.dispatchEvent(new DragEvent(type, {dataTransfer: data, bubbles: true, cancelable: true}));
		drag("dragstart", 1)`)
	crown(p, cookie, "best", second, first)
	picks("Second, First")
	eval[bool](admin, `drag("drop", 2), true`)
	if now := admin.picks("best"); now != "Second, First" {
		t.Errorf("after the first one was dropped on its own place the order is %s", now)
	}
	eval[bool](admin, `drag("drop", 1), true`)
	picks("First, Second")
}

// Signing out everywhere ends the session of another browser, and categories are edited in place.
func TestSigningOutEverywhereEndsEverySession(t *testing.T) {
	t.Parallel()
	p := harness.Start(t)
	one, other := openWindow(t, p.URL+"/admin", 1280, 900), openWindow(t, p.URL+"/admin", 390, 844)
	one.signIn()
	other.signIn()
	one.run(chromedp.SetValue(`#newCategory`, "Loudest Shirt"), chromedp.Click(`#addCategory button`))
	harness.Eventually(t, "the category on the other page", func() bool {
		return other.count(`#categories input[aria-label="Name of category loudest-shirt"]`) == 1
	})
	one.run(chromedp.Click(`#signoutAll`), chromedp.WaitVisible(`#signin`))
	p.Submit("To be looked at") // the other page asks for the list, and learns that it is signed out
	other.run(chromedp.WaitVisible(`#signin`))
	if n := other.count(`#desk:not([hidden])`); n != 0 {
		t.Error("the other page still shows entries")
	}
}

// Ten thousand entries are searched and scrolled without ten thousand elements.
func TestTheAdminPageHoldsTenThousandEntries(t *testing.T) {
	t.Parallel()
	p := harness.Start(t)
	const many = 10_000
	fill(p, many)
	admin := openWindow(t, p.URL+"/admin", 390, 844)
	admin.signIn()
	admin.sees("#entries", "10,000 entries")
	if n := admin.count(".entry"); n == 0 || n > 200 {
		t.Errorf("%d rows have elements", n)
	}
	before := admin.count(".entry")
	eval[bool](admin, `document.querySelector(".more:not([hidden])").scrollIntoView(), true`)
	harness.Eventually(t, "more rows", func() bool { return admin.count(".entry") > before })
	admin.run(chromedp.Focus(`#search`), chromedp.KeyEvent("photo 4711"))
	harness.Eventually(t, "one entry", func() bool { return admin.count(".entry") == 1 })
	admin.sees(".entry .facts", "photo 4711")
	took := eval[float64](admin, `(() => { const began = performance.now(); const s = document.querySelector("#search"); s.value = ""; s.dispatchEvent(new Event("input")); document.body.offsetHeight; return performance.now() - began })()`)
	t.Logf("drawing the list of %d entries anew took %.0f ms", many, took)
}

// fill imports entries without pictures, and starts the program again.
func fill(p *harness.Program, n int) {
	p.T.Helper()
	p.Signal(syscall.SIGTERM)
	body, err := json.Marshal(map[string]any{"submissions": map[string]any{"best": entries(n)}, "winners": map[string]any{}})
	if err != nil {
		p.T.Fatal(err)
	}
	old := p.T.TempDir()
	if err := os.WriteFile(filepath.Join(old, "data.json"), body, 0o600); err != nil {
		p.T.Fatal(err)
	}
	if out, err := exec.Command(p.Cmd.Path, "import", old, "--data", p.Data).CombinedOutput(); err != nil {
		p.T.Fatalf("import: %v\n%s", err, out)
	}
	p.Run()
	p.Wait()
}

// entries are entries of an old deployment, newest first.
func entries(n int) []map[string]any {
	list := make([]map[string]any, n)
	for i := range list {
		created := 1_700_000_000_000 + int64(n-i)
		list[i] = map[string]any{"id": fmt.Sprintf("%d-%06d", created, i), "category": "best", "caption": fmt.Sprintf("photo %d", n-i),
			"name": "Ann", "phone": "123", "imageUrl": nil, "storageMethod": "none", "createdAt": created, "submissionId": fmt.Sprintf("sub-%d-%06d", created, i)}
	}
	return list
}

// The sheet of codes names the address that it encodes, as often as asked for.
func TestCodesArePrintedForEveryTable(t *testing.T) {
	t.Parallel()
	p := harness.Start(t)
	sheet := openWindow(t, p.URL+"/admin/codes", 390, 844)
	harness.Eventually(t, "six codes", func() bool {
		return eval[bool](sheet, `document.querySelectorAll(".code img").length === 6 && [...document.querySelectorAll(".code img")].every(i => i.complete && i.naturalWidth > 0)`)
	})
	sheet.run(chromedp.SetValue(`#page`, "/winners.html"))
	eval[bool](sheet, `document.querySelector("#choice").dispatchEvent(new Event("change", {bubbles: true}))`)
	sheet.sees(".code", "/winners.html")
}

// The dashboard shows sums for whoever is signed in, and reads nothing while nobody looks.
func TestTheDashboardShowsTheLastHour(t *testing.T) {
	t.Parallel()
	p := harness.Start(t)
	p.Submit("Counted")
	admin := openWindow(t, p.URL+"/admin", 1280, 900)
	admin.signIn()
	admin.run(chromedp.Navigate(p.URL + "/admin/dashboard"))
	admin.sees("#status", "Everything works")
	for _, words := range []string{"Open pages", "Photos", "To the phones and back", "Phones that lost the network", "Failures", "Room for photos", "Safety copies", "Running for"} {
		admin.sees("#figures", words)
	}
	// What a technician asks for is one step further in.
	if eval[bool](admin, `document.querySelector("#technicalFigures").checkVisibility()`) {
		t.Error("an organiser meets the technical figures")
	}
	admin.run(chromedp.Click("#technical summary"))
	for _, words := range []string{"Connections", "Messages a second", "Event log", "Refused requests", "Memory", "Database", "Bucket", "Cloudinary"} {
		admin.sees("#technicalFigures", words)
	}
	if n := admin.count("#charts svg, #technicalCharts svg"); n != 6 {
		t.Errorf("%d charts", n)
	}
	eval[bool](admin, `Object.defineProperty(document, "hidden", {get: () => true, configurable: true}); performance.clearResourceTimings(); window.asked = 0; const real = fetch; window.fetch = (...a) => { window.asked++; return real(...a) }; true`)
	eval[bool](admin, `window.waited = false; setTimeout(() => { window.waited = true }, 5500); true`)
	harness.Eventually(t, "more than one interval to pass", func() bool { return eval[bool](admin, "window.waited") })
	if n := eval[int](admin, "window.asked"); n != 0 {
		t.Errorf("hidden, the dashboard asked %d times", n)
	}
	eval[bool](admin, `Object.defineProperty(document, "hidden", {get: () => false, configurable: true}); document.dispatchEvent(new Event("visibilitychange"))`)
	harness.Eventually(t, "the dashboard to ask again", func() bool { return eval[int](admin, "window.asked") > 0 })
}
