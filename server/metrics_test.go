package server_test

import (
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// metricName finds names of metrics in expressions.
var metricName = regexp.MustCompile(`\b(?:podium|process|go)_[a-z_]+\b`)

// families are the names that /metrics has, histograms with what they are read by.
func (s *site) families() []string {
	s.t.Helper()
	var names []string
	for line := range strings.Lines(s.do("GET", "/metrics", nil).is(200).body) {
		if name, ok := strings.CutPrefix(line, "# TYPE "); ok {
			name, kind, _ := strings.Cut(strings.TrimSpace(name), " ")
			names = append(names, name)
			if kind == "histogram" {
				names = append(names, name+"_bucket", name+"_sum", name+"_count")
			}
		}
	}
	return names
}

// Alerts and the dashboard ask only for metrics that there are.
func TestAlertsAndDashboardNameMetricsThatExist(t *testing.T) {
	s := newSite(t).signIn()
	s.enter("best", "a first one")
	s.do("GET", "/socket.io/?EIO=4&transport=polling", nil).is(200)
	names := s.families()
	alerts, err := os.ReadFile("../ops/alerts.yml")
	if err != nil {
		t.Fatal(err)
	}
	board, err := os.ReadFile("../ops/grafana-dashboard.json")
	if err != nil {
		t.Fatal(err)
	}
	var dashboard struct {
		Panels []struct {
			Title   string
			Targets []struct{ Expr string }
		}
	}
	if err := json.Unmarshal(board, &dashboard); err != nil || len(dashboard.Panels) < 10 {
		t.Fatalf("the dashboard has %d panels: %v", len(dashboard.Panels), err)
	}
	asked := make(map[string]bool)
	for line := range strings.Lines(string(alerts)) {
		if _, expr, ok := strings.Cut(line, "expr: "); ok {
			for _, name := range metricName.FindAllString(expr, -1) {
				asked[name] = true
			}
		}
	}
	for _, p := range dashboard.Panels {
		for _, target := range p.Targets {
			found := metricName.FindAllString(target.Expr, -1)
			if len(found) == 0 {
				t.Errorf("the panel %q asks for nothing: %s", p.Title, target.Expr)
			}
			for _, name := range found {
				asked[name] = true
			}
		}
	}
	for name := range asked {
		// Sessions that ended are counted by reason, so there are none at first.
		if !slices.Contains(names, name) && name != "podium_disconnections_total" {
			t.Errorf("no metric is called %s", name)
		}
	}
	if len(asked) < 25 {
		t.Errorf("only %d metrics are asked for", len(asked))
	}
	// And a submission is seen by the instruments that it passes.
	body := s.do("GET", "/metrics", nil).body
	for _, line := range []string{
		`podium_uploads_total{storage="none"} 1`, `podium_delivery_seconds_count 1`, `podium_ready 0`,
		`podium_handshakes_total 1`, `podium_connections{transport="polling"} 1`,
		`podium_bytes_total{direction="in",transport="polling"} 0`, `podium_bytes_total{direction="out",transport="sse"} 0`,
		`podium_queued_bytes 0`,
	} {
		if !strings.Contains(body, "\n"+line+"\n") {
			t.Errorf("no line %s", line)
		}
	}
}

// Who guesses the password is seen in the metrics: how often and what came of it, and not who.
func TestFailedSignInsAreInTheMetrics(t *testing.T) {
	s := newSite(t).signIn()
	s.do("POST", "/api/login", `{"password":"swordfish"}`).is(401)
	body := s.do("GET", "/metrics", nil).is(200).body
	for reason, n := range map[string]string{"password": "1", "wait": "0", "busy": "0", "error": "0"} {
		if line := `podium_failed_sign_ins_total{reason="` + reason + `"} ` + n; !strings.Contains(body, "\n"+line+"\n") {
			t.Errorf("no line %s", line)
		}
	}
	for _, word := range []string{"swordfish", "127.0.0.1"} {
		if strings.Contains(body, word) {
			t.Errorf("the metrics say %q", word)
		}
	}
}

// The size of pictures is that of the folder where they are.
func TestTheMetricsLookAtPicturesWhereTheyAre(t *testing.T) {
	s := newSite(t, "--uploads", filepath.Join(t.TempDir(), "elsewhere")).signIn()
	if !strings.Contains(s.do("GET", "/metrics", nil).body, "\npodium_uploads_bytes 0\n") {
		t.Error("there is something before the first picture")
	}
	s.submit(nil, part{"photo", "a.jpg", photo(t, 40, 40)}, part{"category", "", "best"}).is(200)
	if strings.Contains(s.do("GET", "/metrics", nil).body, "\npodium_uploads_bytes 0\n") {
		t.Error("a picture takes no room")
	}
}

// promtool, where it is installed, finds nothing wrong with what is served and
// with the alerts.
func TestPromtoolFindsNothingWrong(t *testing.T) {
	promtool, err := exec.LookPath("promtool")
	if err != nil {
		t.Skip("promtool is not installed")
	}
	if out, err := exec.Command(promtool, "check", "rules", "../ops/alerts.yml").CombinedOutput(); err != nil {
		t.Errorf("%v\n%s", err, out)
	}
	// Each alert comes when it should, and none on a healthy evening.
	if out, err := exec.Command(promtool, "test", "rules", "../ops/alerts_test.yml").CombinedOutput(); err != nil {
		t.Errorf("%v\n%s", err, out)
	}
	if out, err := exec.Command(promtool, "check", "config", "../ops/prometheus.yml").CombinedOutput(); err != nil {
		t.Errorf("%v\n%s", err, out)
	}
	if amtool, err := exec.LookPath("amtool"); err == nil {
		if out, err := exec.Command(amtool, "check-config", "../ops/alertmanager.yml").CombinedOutput(); err != nil {
			t.Errorf("%v\n%s", err, out)
		}
	}
	s := newSite(t).signIn()
	check := exec.Command(promtool, "check", "metrics")
	check.Stdin = strings.NewReader(s.do("GET", "/metrics", nil).is(200).body)
	if out, err := check.CombinedOutput(); err != nil {
		t.Errorf("%v\n%s", err, out)
	}
}
