package browser

import (
	"podium/test/harness"
	"testing"

	"github.com/chromedp/chromedp"
)

// judge hides, approves or deletes an entry.
func judge(p *harness.Program, cookie, method, path string) {
	p.T.Helper()
	var answer struct{ Success bool }
	if p.AsAdmin(cookie, method, "/api/submissions/"+path, "{}", &answer); !answer.Success {
		p.T.Fatalf("%s %s was refused", method, path)
	}
}

// What the organiser hides or deletes leaves the pages that show it, large or among the winners, on phones and on
// desktops, over WebSocket and by polling; and those who stay are not revealed once more.
func TestWhatIsHiddenLeavesEveryPageThatShowsIt(t *testing.T) {
	t.Parallel()
	for name, args := range map[string][]string{"default": nil, "polling only": {"--transports=polling"}} {
		t.Run(name, func(t *testing.T) {
			p := harness.Start(t, args...)
			cookie := p.SignIn()
			first, second := p.Submit("Rude gesture"), p.Submit("Nice smile")
			crown(p, cookie, "best", first, second)
			var stages []*window
			for _, width := range []int{390, 1440} {
				tb := openWindow(t, p.URL+"/winners.html", width, 844)
				tb.sees(".place:nth-child(2)", "Nice smile")
				tb.sees("#state", "Live")
				eval[bool](tb, `window.veiled = 0; new MutationObserver(() => { veiled += document.querySelectorAll(".veiled").length }).observe(document.body, {childList: true, subtree: true}); true`)
				stages = append(stages, tb)
			}
			guest := openWindow(t, p.URL+"/", 390, 844)
			guest.sees("#connection", "Live")
			guest.sees("#prints", "Rude gesture")
			guest.run(chromedp.Click(`.print[data-id="` + first + `"] button`))
			guest.sees("#large-caption", "Rude gesture")

			judge(p, cookie, "POST", first+"/hide")
			guest.gone("#large[open]")
			for _, tb := range stages {
				harness.Eventually(t, "one winner", func() bool { return tb.count(".place") == 1 })
				tb.sees(".place", "Nice smile")
				if n := eval[int](tb, "veiled"); n > 0 {
					t.Errorf("%d winners were revealed once more", n)
				}
			}
			judge(p, cookie, "DELETE", second)
			for _, tb := range stages {
				tb.sees("#winners", "announced on stage")
			}
			guest.gone(".print")
		})
	}
}

// A redrawn list takes neither the field from under somebody's fingers nor a pick out of somebody's hand.
func TestPhotosThatArriveDisturbNobodyAtTheDesk(t *testing.T) {
	t.Parallel()
	p := harness.Start(t)
	p.Submit("Before")
	admin := openWindow(t, p.URL+"/admin", 1280, 900)
	admin.signIn()
	admin.sees(".entry .facts", "Before")
	admin.run(chromedp.Click(`.entry button[aria-label^=Pick]`))
	admin.sees(".picked li[draggable]", "Before")
	eval[bool](admin, `window.pick = document.querySelector(".picked li[draggable]"); true`)
	admin.run(chromedp.Click(chromedp.CSS(`#categories input`)), chromedp.KeyEvent("s of the evening"))
	typed := eval[string](admin, `document.activeElement.value`)
	p.Submit("Meanwhile")
	admin.sees("#entries", "Meanwhile")
	if now := eval[string](admin, `document.activeElement.value ?? "nothing"`); now != typed {
		t.Errorf("after a photo arrived, %q is being edited, and %q was", now, typed)
	}
	if !eval[bool](admin, `pick.isConnected`) {
		t.Error("the pick was made anew")
	}
}
