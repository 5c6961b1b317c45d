package browser

import (
	"encoding/json"
	"podium/test/harness"
	"sync"
	"testing"

	"github.com/chromedp/chromedp"
)

// dashboard is the answer that the dashboard is drawn from, without the series, which grow with time.
func dashboard(p *harness.Program, cookie string) (figures struct {
	Connections struct{ Active, WebSocket, Peak int }
	Memory      struct{ Heap, System, Limit int64 }
}, size int) {
	p.T.Helper()
	var answer map[string]json.RawMessage
	p.AsAdmin(cookie, "GET", "/api/dashboard", "", &answer)
	delete(answer, "series")
	rest, err := json.Marshal(answer)
	if err != nil {
		p.T.Fatal(err)
	}
	if err := json.Unmarshal(rest, &figures); err != nil {
		p.T.Fatal(err)
	}
	return figures, len(rest)
}

// The dashboard reads sums: what it is told about a thousand connections is as short as about none, but for digits.
func TestTheDashboardCostsTheSameWithAThousandConnections(t *testing.T) {
	t.Parallel()
	const number = 1000
	p := harness.Start(t, "--trusted-proxies", "127.0.0.1")
	cookie := p.SignIn()
	_, before := dashboard(p, cookie)
	all := harness.Listeners("127.0.0.1:"+p.Port, number)
	var reading sync.WaitGroup
	t.Cleanup(func() { harness.CloseAll(all, &reading) })
	if _, _, err := harness.ConnectAll(all, &reading, 3*harness.Patience); err != nil {
		t.Fatal(err)
	}
	figures, after := dashboard(p, cookie)
	t.Logf("%d bytes with no connection, %d with %d", before, after, figures.Connections.Active)
	if figures.Connections.Active != number || figures.Connections.Peak < number || figures.Memory.Heap == 0 || figures.Memory.System == 0 {
		t.Errorf("the figures are %+v", figures)
	}
	if after > before+200 {
		t.Errorf("%d connections make the answer %d bytes longer", number, after-before)
	}
	admin := openWindow(t, p.URL+"/admin", 390, 844)
	admin.signIn()
	admin.run(chromedp.Navigate(p.URL + "/admin/dashboard"))
	admin.sees("#figures", "at most in the last hour")
	admin.sees("#figures", "1,00") // the page itself may be connected too
	admin.run(chromedp.Click("#technical summary"))
	admin.sees("#technicalFigures", "0 byte waiting for slow phones")
}
