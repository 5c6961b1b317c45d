package abuse

import (
	"context"
	"encoding/csv"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"text/tabwriter"
	"time"
)

// leftovers are attacks that need no rate: they work once or not at all. Each is tried
// against the running program, and returns what was seen.
var leftovers = []struct {
	name string
	try  func(t *testing.T) string
}{
	{"a session and a token that ended, after a restore", restoredSessions},
	{"a caption in the handlers of pages of one's own", textInHandlers},
	{"formulas in the spreadsheet, for both separators", formulas},
	{"what people had deleted, in copies put aside", oldAsides},
}

func TestWhatIsLeftBehindDoesNoHarm(t *testing.T) {
	w := tabwriter.NewWriter(os.Stdout, 0, 0, 2, ' ', 0)
	fmt.Fprintf(w, "tried once\twhat came of it\t\n")
	for _, a := range leftovers {
		t.Run(a.name, func(t *testing.T) { fmt.Fprintf(w, "%s\t%s\t\n", a.name, a.try(t)) })
	}
	w.Flush()
}

// statusOf is how an admin's page is answered to a header.
func (s *target) statusOf(header, value string) int {
	s.t.Helper()
	req, err := http.NewRequest("GET", s.url+"/api/submissions", nil)
	if err != nil {
		s.t.Fatal(err)
	}
	req.Header.Set(header, value)
	res, err := s.client.Do(req)
	if err != nil {
		s.t.Fatal(err)
	}
	res.Body.Close()
	return res.StatusCode
}

// restoredSessions makes a backup while a session and a token are valid, ends the session,
// and restores the backup.
func restoredSessions(t *testing.T) string {
	data := t.TempDir()
	s := startIn(t, data, nil)
	session, _, _ := strings.Cut(s.cookie, ";")
	token := "Bearer " + s.token(t)
	copied := filepath.Join(t.TempDir(), "copy.db")
	podium(t, "backup", copied, "--data", data)
	if a, b := s.statusOf("Cookie", session), s.statusOf("Authorization", token); a != 200 || b != 200 {
		t.Fatalf("the session is answered with %d, the token with %d", a, b)
	}
	if status := s.send("POST", "/api/logout", ""); status != 200 {
		t.Fatalf("sign out: %d", status)
	}
	s.stop()
	podium(t, "restore", copied, "--yes", "--data", data)
	s = startIn(t, data, nil)
	a, b := s.statusOf("Cookie", session), s.statusOf("Authorization", token)
	if a != 401 || b != 401 {
		t.Errorf("the session is answered with %d, the token with %d", a, b)
	}
	return fmt.Sprintf("the session is answered with %d, the token with %d", a, b)
}

// textInHandlers starts podium with pages in which a caption would run.
func textInHandlers(t *testing.T) string {
	path, err := program()
	if err != nil {
		t.Fatal(err)
	}
	refused := 0
	pages := []string{
		"x.innerHTML = `<img onclick=\"zoom('${caption}')\">`", "x.innerHTML = `<a href=\"javascript:zoom('${s.caption}')\">`",
		"x.innerHTML = `<iframe srcdoc=\"${name}\"></iframe>`", "x.innerHTML = '<a onclick=\"call(\\'' + s.phone + '\\')\">'",
	}
	for _, script := range pages {
		pages := t.TempDir()
		if err := os.WriteFile(filepath.Join(pages, "index.html"), []byte("<script>\n"+script+"\n</script>"), 0o600); err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithTimeout(t.Context(), patience)
		out, err := exec.CommandContext(ctx, path, "serve", "--host", "127.0.0.1", "--port", "0", "--data", t.TempDir(), "--static", pages).CombinedOutput()
		cancel()
		if err == nil || !strings.Contains(string(out), "index.html") || !strings.Contains(string(out), "--allow-text-in-handlers") {
			t.Errorf("%s: %v, %s", script, err, out)
			continue
		}
		refused++
	}
	return fmt.Sprintf("the start is refused for %d of %d pages, with their names", refused, len(pages))
}

// formulas sends captions that spreadsheets would run, and looks at the export as each of
// them would: lists separated by commas, semicolons or tabs.
func formulas(t *testing.T) string {
	s := start(t)
	const run = "cmd|' /C calc'!A0"
	sent := []string{"=" + run, "hi;=" + run, "hi;\"=" + run, "+" + run, "-" + run, "@SUM(1)", "a\n=" + run, "a\t=" + run, " =" + run, "a,=" + run, "a; ;\t@" + run, "\uff1d" + run}
	for _, caption := range sent {
		if err := s.submitForm("category", "best", "caption", caption, "name", caption, "phone", caption); err != nil {
			t.Fatal(err)
		}
	}
	text := s.get("/api/export.csv")
	rows, err := csv.NewReader(strings.NewReader(strings.TrimPrefix(text, "\ufeff"))).ReadAll()
	if err != nil || len(rows) != len(sent)+1 {
		t.Fatalf("%d rows (%v)", len(rows), err)
	}
	var cells []string
	for _, row := range rows {
		cells = append(cells, row...)
	}
	for _, line := range strings.FieldsFunc(text, func(r rune) bool { return r == '\r' || r == '\n' }) {
		cells = append(append(cells, strings.Split(line, ";")...), strings.Split(line, "\t")...)
	}
	found := 0
	for _, cell := range cells {
		if begin := strings.TrimLeft(cell, " \u00a0\""); begin != "" && strings.ContainsAny(begin[:1], "=+-@") || strings.HasPrefix(begin, "\uff1d") {
			t.Errorf("a cell %q", cell)
			found++
		}
	}
	return fmt.Sprintf("%d of %d cells begin as formulas do", found, len(cells))
}

// oldAsides has copies put aside that are older and younger than the backups that are kept.
func oldAsides(t *testing.T) string {
	data := t.TempDir()
	backups := filepath.Join(data, "backups")
	if err := os.MkdirAll(backups, 0o700); err != nil {
		t.Fatal(err)
	}
	old := time.Now().UTC().Add(-20 * 24 * time.Hour)
	goes := []string{
		filepath.Join(backups, "before-restore-"+old.Format("20060102T150405Z")+".db"), filepath.Join(backups, "before-import-"+old.Format("20060102T150405Z")+".db"),
		filepath.Join(backups, "before-repair-"+old.Format("20060102T150405Z")+".db"), filepath.Join(data, "podium.db.format-1-"+old.Format("20060102-150405")),
	}
	stays := filepath.Join(backups, "before-restore-"+time.Now().UTC().Format("20060102T150405Z")+".db")
	for _, path := range append(goes, stays) {
		if err := os.WriteFile(path, []byte("x"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	startIn(t, data, nil)
	for _, path := range goes {
		eventually(t, path+" to go", func() bool { _, err := os.Stat(path); return os.IsNotExist(err) })
	}
	if _, err := os.Stat(stays); err != nil {
		t.Error(err)
	}
	return fmt.Sprintf("%d older than the oldest backup went at the start, the one of today stays", len(goes))
}
