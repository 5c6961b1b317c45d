package browser

import (
	"fmt"
	"testing"
	"time"

	"github.com/chromedp/chromedp"

	"podium/test/harness"
)

// The organiser says what the event is called and asks of guests; the guest's page says so, asks for it before a photo
// leaves, counts down, and offers nothing any more when submissions have closed.
func TestTheOrganisersEventIsWhatGuestsMeet(t *testing.T) {
	t.Parallel()
	p := harness.Start(t)
	guest := openWindow(t, p.URL+"/", 390, 844)
	admin := openWindow(t, p.URL+"/admin", 1280, 900)
	admin.signIn()
	admin.run(chromedp.Click(`#event summary`), chromedp.WaitVisible(`#eventForm`))
	eval[bool](admin, `(() => {
		const form = document.querySelector("#eventForm");
		Object.assign(form.elements.name, { value: "Anna & Ben" });
		form.elements.welcome.value = "Say cheese";
		form.elements.terms.value = "Photos are shown.";
		form.elements.nameRequired.checked = form.elements.ownAccent.checked = true;
		form.elements.accent.value = "#0b5a55";
		form.elements.wallSeconds.value = 4;
		form.requestSubmit();
		return true;
	})()`)
	admin.sees(".toast", "Saved")
	harness.Eventually(t, "the guest is asked for a name", func() bool { return eval[bool](guest, `document.querySelector("#name").required`) })

	guest.run(chromedp.Navigate(p.URL + "/"))
	guest.sees("#welcome", "Say cheese")
	guest.sees("#title", "Anna & Ben")
	if got := eval[string](guest, `document.title + " " + getComputedStyle(document.documentElement).getPropertyValue("--accent")`); got != "Anna & Ben #0b5a55" {
		t.Errorf("the page is called and coloured %q", got)
	}
	guest.run(chromedp.SetUploadFiles(`#library`, []string{photoFile(t)}), chromedp.WaitVisible(`#send`))
	harness.Eventually(t, "terms in the sheet", func() bool { return eval[bool](guest, `!document.querySelector("#terms-line").hidden`) })
	guest.run(chromedp.Click(`#send`))
	if !eval[bool](guest, `document.querySelector("#sheet").open`) {
		t.Fatal("a photo left without a name")
	}
	eval[bool](guest, `(() => { document.querySelector("#name").value = "Ada"; document.querySelector("#terms").click(); document.querySelector("#send").click(); return true; })()`)
	guest.sees("#outbox", "On the wall")

	cookie := p.SignIn()
	p.AsAdmin(cookie, "POST", "/api/settings", fmt.Sprintf(`{"event":{"closes":%d}}`, time.Now().Add(time.Hour).UnixMilli()), &struct{}{})
	guest.sees("#times", "another")
	p.AsAdmin(cookie, "POST", "/api/settings", fmt.Sprintf(`{"event":{"closes":%d}}`, time.Now().Add(-time.Second).UnixMilli()), &struct{}{})
	guest.sees("#times", "have closed")
	if eval[bool](guest, `document.querySelector("#camera").checkVisibility()`) {
		t.Error("photos are still asked for")
	}
}
