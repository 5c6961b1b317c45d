package browser

import (
	"fmt"
	"podium/test/harness"
	"strings"
	"testing"

	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"
)

// statuses are the captions of all entries with their status, by category, newest first, as the server has them.
func statuses(p *harness.Program, cookie string) string {
	p.T.Helper()
	var answer struct {
		Submissions map[string][]struct{ Caption, Status string }
	}
	p.AsAdmin(cookie, "GET", "/api/submissions", "", &answer)
	var list []string
	for _, category := range []string{"worst", "best"} {
		for _, one := range answer.Submissions[category] {
			list = append(list, fmt.Sprint(category, " ", one.Caption, " ", one.Status))
		}
	}
	return strings.Join(list, ", ")
}

// Photos are judged with keys alone, one at a time and several at once, moved to another category, and all of it is undone.
func TestPhotosAreJudgedLargeByKeysAndUndone(t *testing.T) {
	t.Parallel()
	p := harness.Start(t, "--moderation")
	cookie := p.SignIn()
	for _, caption := range []string{"One", "Two", "Three"} {
		p.Submit(caption)
	}
	admin := openWindow(t, p.URL+"/admin", 1280, 900)
	admin.signIn()
	admin.sees("#waiting", "3 waiting")
	admin.run(chromedp.Click("#openJudge"))
	admin.sees("#judgeCaption", "Three")
	stands := func(want string) {
		t.Helper()
		harness.Eventually(t, want, func() bool { return statuses(p, cookie) == want })
	}
	press := func(key string) { t.Helper(); admin.run(chromedp.KeyEvent(key)) }
	press("a")
	admin.sees("#judgeCount", "2 of 3")
	press("h")
	admin.sees("#judgeCaption", "One")
	stands("best Three approved, best Two hidden, best One waiting")
	press("u")
	press("u")
	stands("best Three waiting, best Two waiting, best One waiting")

	press(kb.Enter)
	admin.sees("#judgeView", "One at a time")
	if !eval[bool](admin, `[...document.querySelectorAll(".tile")].every(t => t.lastElementChild.getBoundingClientRect().bottom <= t.getBoundingClientRect().bottom)`) {
		t.Error("photos of the grid are on one another")
	}
	press(kb.Home)
	press(" ")
	press(kb.ArrowRight)
	press(" ")
	admin.sees("#judgeCount", "2 selected")
	press("a")
	stands("best Three approved, best Two approved, best One waiting")
	press(kb.Home)
	press("p")
	harness.Eventually(t, "the pick", func() bool { return admin.picks("best") == "Three" })
	admin.run(chromedp.SetValue("#judgeMove", "worst"))
	eval[bool](admin, `document.querySelector("#judgeMove").dispatchEvent(new Event("change")), document.querySelector("#judgePhotos").focus(), true`)
	stands("worst Three approved, best Two approved, best One waiting")
	admin.sees(".toast", "Moved")
	press("u")
	stands("best Three approved, best Two approved, best One waiting")
}

// A second click in the same place hides nothing more, approves nothing more and never meets Delete.
func TestASecondClickNeverMeetsDelete(t *testing.T) {
	t.Parallel()
	p := harness.Start(t, "--moderation")
	cookie := p.SignIn()
	p.Submit("One")
	p.Submit("Two")
	admin := openWindow(t, p.URL+"/admin", 390, 844)
	admin.signIn()
	admin.sees("#entries", "Two")
	for _, label := range []string{"Approve", "Hide", "Approve", "Pick"} {
		at := eval[[]float64](admin, `(() => {
			const button = document.querySelector('.entry button[aria-label="`+label+`: Two"]');
			button.scrollIntoView({ block: "center" });
			const box = button.getBoundingClientRect();
			return [box.right - 3, box.y + box.height / 2];
		})()`)
		admin.run(chromedp.MouseClickXY(at[0], at[1]))
		harness.Eventually(t, label+" to be done", func() bool {
			return eval[bool](admin, `(() => { const b = document.querySelector('.entry button[aria-label="`+label+`: Two"]'); return !b || b.disabled })()`)
		})
		if under := eval[string](admin, fmt.Sprintf(`document.elementFromPoint(%f, %f).textContent`, at[0], at[1])); strings.Contains(under, "Delete") {
			t.Errorf("after %s, %s is under the pointer", label, under)
		}
	}
	harness.Eventually(t, "Two to be approved", func() bool { return statuses(p, cookie) == "best Two approved, best One waiting" })
	admin.run(chromedp.Click(`#entries header button:not(:disabled)`))
	harness.Eventually(t, "all to be approved", func() bool { return statuses(p, cookie) == "best Two approved, best One approved" })
	if top := eval[string](admin, `[...document.querySelectorAll("#desk section")].sort((a, b) => a.getBoundingClientRect().top - b.getBoundingClientRect().top)[0].className`); !strings.Contains(top, "gate") {
		t.Errorf("on a phone the switch for approval is not at the top: %s is", top)
	}
}

// What another admin published in between is shown beside what one was about to publish.
func TestWinnersOfTwoAdminsAreBothShown(t *testing.T) {
	t.Parallel()
	p := harness.Start(t)
	cookie := p.SignIn()
	p.Submit("One")
	other := p.Submit("Two")
	admin := openWindow(t, p.URL+"/admin", 1280, 900)
	admin.signIn()
	admin.sees("#state", "Live")
	admin.pressIn("#entries", "Pick: One")
	crown(p, cookie, "best", other)
	admin.sees("#versions", "One")
	admin.sees("#versions", "Two")
	if got := winners(p, "best"); got != "Two" {
		t.Errorf("the winners are %s", got)
	}
	admin.run(chromedp.Click("#publishMine"))
	harness.Eventually(t, "mine to be published", func() bool { return winners(p, "best") == "One" })
	admin.gone("#conflict:not([hidden])")
}

// A removed category comes back with its photos and winners also later, and the last one stays.
func TestARemovedCategoryIsBroughtBack(t *testing.T) {
	t.Parallel()
	p := harness.Start(t)
	cookie := p.SignIn()
	crown(p, cookie, "best", p.Submit("Kept"))
	admin := openWindow(t, p.URL+"/admin", 1280, 900)
	admin.signIn()
	admin.pressIn("#categories", "Remove category Best Tattoo")
	harness.Eventually(t, "one category", func() bool { return categoryNames(p) == "Worst Tattoo" })
	harness.Eventually(t, "the last one to stay", func() bool { return admin.count("#categories button.danger:disabled") == 1 })
	admin.run(chromedp.Navigate(p.URL+"/admin"), chromedp.WaitVisible("#removed"))
	admin.run(chromedp.Click("#removed summary"))
	admin.sees("#removedRows", "Best Tattoo (1 photo, 1 winner)")
	admin.run(chromedp.Click("#removedRows button"))
	harness.Eventually(t, "the category", func() bool { return categoryNames(p) == "Worst Tattoo, Best Tattoo" })
	harness.Eventually(t, "its winner", func() bool { return admin.picks("best") == "Kept" })
}
