package browser

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"

	"github.com/chromedp/chromedp"

	"podium/test/harness"
)

// room is a number of official clients.
type room struct {
	t   *testing.T
	in  io.Writer
	out *bufio.Reader
}

// roomReport is what they have seen; see clients/guests.cjs.
type roomReport struct {
	Connected, Fewest, Most, Twice int
	Reveals                        []string
}

func openRoom(t *testing.T, url string, number int) *room {
	t.Helper()
	harness.NeedClients(t, "socket.io-client")
	cmd := exec.CommandContext(t.Context(), "node", "clients/guests.cjs", "socket.io-client", url, fmt.Sprint(number))
	in, out := harness.StartPiped(t, cmd)
	t.Cleanup(func() {
		_ = in.Close() // which ends it
		_ = cmd.Wait()
	})
	return &room{t, in, bufio.NewReader(out)}
}

func (r *room) report() (report roomReport) {
	r.t.Helper()
	if _, err := io.WriteString(r.in, "report\n"); err != nil {
		r.t.Fatal(err)
	}
	line, err := r.out.ReadBytes('\n')
	if err != nil || json.Unmarshal(line, &report) != nil {
		r.t.Fatalf("the clients report %q, %v", line, err)
	}
	return report
}

// asGuest is a request of the phone with that secret.
func asGuest(p *harness.Program, secret string, into any) {
	p.T.Helper()
	req, err := http.NewRequestWithContext(p.T.Context(), http.MethodGet, p.URL+"/api/mine", nil)
	if err != nil {
		p.T.Fatal(err)
	}
	req.Header.Set("Podium-Guest", secret)
	p.Do(req, into)
}

// A whole evening of 300 guests: an organiser sets it up on the first-run page, each guest sends a photo, two admins judge, a
// presenter tells the winners place by place, the server is killed in the middle of that, and everybody takes the photos home.
func TestAnEveningOf300Guests(t *testing.T) {
	t.Parallel()
	const guests = 300
	p := harness.Start(t, "--admin-password=") // the organiser chooses one
	address := harness.SetupAddress(p)
	if address == "" {
		t.Fatalf("no address was printed: %s", p.Log)
	}
	organiser := openWindow(t, address, 1280, 900)
	harness.Eventually(t, "the categories", func() bool { return organiser.count("#categories input") == 2 })
	eval[bool](organiser, `(() => {
		const form = document.querySelector("#setup");
		const [first, second] = form.querySelectorAll("#categories input");
		first.value = "Best dressed";
		second.parentElement.parentElement.querySelector("button").click();
		form.elements.name.value = "Anna & Ben";
		form.elements.terms.value = "Photos are shown on the wall.";
		form.elements.password.value = `+quote(harness.Password)+`;
		form.requestSubmit();
		return true;
	})()`)
	harness.Eventually(t, "the organiser to be on the admin page", func() bool {
		at, err := chromedp.Run(organiser.ctx, chromedp.Evaluate[string](`location.pathname + document.querySelector("#desk")?.hidden`))
		return err == nil && at == "/adminfalse"
	})
	if res, err := http.Get(address); err != nil || res.Body.Close() != nil || res.StatusCode != http.StatusNotFound {
		t.Fatalf("the first-run page is still there: %v, %v", res, err)
	}
	wall := openWindow(t, p.URL+"/wall", 1920, 1080)
	crowd := openRoom(t, p.URL, guests)
	harness.Eventually(t, "all guests to be connected", func() bool { return crowd.report().Connected == guests })

	ids := make([]string, guests)
	secret := func(i int) string { return fmt.Sprintf("a-phone-of-the-evening-%04d", i) }
	photo := harness.Photo(t, 120, 90)
	var sending sync.WaitGroup
	for lane := range 10 {
		sending.Go(func() {
			for i := lane; i < guests; i += 10 {
				body, kind := harness.Form(t, map[string]string{"category": "best-dressed", "caption": fmt.Sprint("Guest ", i), "terms": "yes", "guest": secret(i)}, photo)
				var answer struct{ Entry struct{ ID string } }
				if status := p.Call("POST", "/api/submit", kind, body, &answer); status != http.StatusOK {
					t.Errorf("guest %d is answered with %d", i, status)
				}
				ids[i] = answer.Entry.ID
			}
		})
	}
	sending.Wait()
	wall.sees("#show", "Guest")

	one, other := p.SignIn(), p.SignIn()
	done := &struct{}{}
	p.AsAdmin(one, "POST", "/api/submissions/"+ids[5]+"/hide", "{}", done)
	p.AsAdmin(other, "POST", "/api/submissions/"+ids[5]+"/approve", "{}", done)
	if status := p.AsAdmin(one, "POST", "/api/reveal", fmt.Sprintf(`{"winners":{"best-dressed":[%q,%q]}}`, ids[7], ids[8]), done); status != http.StatusOK {
		t.Fatalf("preparing is answered with %d", status)
	}
	var link struct{ Path string }
	p.AsAdmin(other, "POST", "/api/presenter", "{}", &link)
	_, key, _ := strings.Cut(link.Path, "#")
	next := func(turn int) {
		t.Helper()
		req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, p.URL+"/api/reveal/next", strings.NewReader(fmt.Sprintf(`{"turn":%d}`, turn)))
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set("Podium-Presenter", key)
		if status := p.Do(req, done); status != http.StatusOK {
			t.Fatalf("the presenter is answered with %d at turn %d", status, turn)
		}
	}
	next(0)
	harness.Eventually(t, "the second on the wall", func() bool { return wall.presenting() == "Guest 8" })

	p.Signal(syscall.SIGKILL)
	p.Run()
	p.Wait()
	if harness.SetupAddress(p) != "" {
		t.Error("the server asks to be set up again")
	}
	if got := winners(p, "best-dressed"); got != "" {
		t.Errorf("winners are %q before their turn", got)
	}
	if got := wall.presenting(); got != "Guest 8" {
		t.Errorf("the wall shows %q", got)
	}
	harness.Eventually(t, "all guests to be back", func() bool { return crowd.report().Connected == guests })
	next(1)
	harness.Eventually(t, "the winner on the wall", func() bool { return wall.presenting() == "Guest 7" })
	next(2)

	want := strings.Join([]string{"prepared 0", "presenting 1 " + ids[8], "presenting 2 " + ids[7], "done 3"}, ", ")
	harness.Eventually(t, "every guest to have seen the presentation", func() bool {
		seen := crowd.report().Reveals
		return len(seen) == 1 && seen[0] == want
	})
	if r := crowd.report(); r.Fewest != guests || r.Most != guests || r.Twice != 0 {
		t.Errorf("guests were told of %d to %d photos, %d twice", r.Fewest, r.Most, r.Twice)
	}
	var mine struct{ Photos []struct{ Place int } }
	if asGuest(p, secret(7), &mine); len(mine.Photos) != 1 || mine.Photos[0].Place != 1 {
		t.Errorf("the winner's phone learns %+v", mine)
	}

	gallery := filepath.Join(t.TempDir(), "gallery")
	harness.MustRun(t, "export", gallery, "--gallery", "--data", p.Data)
	page, err := os.ReadFile(filepath.Join(gallery, "index.html"))
	if err != nil || !strings.Contains(string(page), "Anna &amp; Ben") {
		t.Errorf("the gallery's page: %v", err)
	}
	photos, err := os.ReadDir(filepath.Join(gallery, "Best dressed"))
	if err != nil || len(photos) != guests || photos[0].Name() != "001 – Guest 7.jpg" {
		t.Errorf("the gallery has %d photos, %v", len(photos), err)
	}
}
