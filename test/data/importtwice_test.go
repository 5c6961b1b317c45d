package data

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"podium/test/harness"
	"strings"
	"testing"
	"time"
)

// exported returns the data.json of a data folder.
func exported(t *testing.T, data string) string {
	t.Helper()
	out := filepath.Join(t.TempDir(), "out")
	harness.MustRun(t, "export", out, "--data", data)
	text, err := os.ReadFile(filepath.Join(out, "data.json"))
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

func TestImportingTwiceChangesNothing(t *testing.T) {
	o, data := makeOldDeployment(t, 500), filepath.Join(t.TempDir(), "data")
	first := runImport(t, o.dir, "--data", data)
	// What inspect says, but for the copy that each import puts aside first.
	inspect := func() string {
		said, _, _ := strings.Cut(harness.MustRun(t, "inspect", "--json", "--data", data), `,"aside"`)
		return strings.TrimRight(said, "}\n")
	}
	before, inspected := exported(t, data), inspect()
	if again := runImport(t, o.dir, "--data", data); again.Submissions != 0 || again.Present != first.Submissions || again.Pictures != 0 {
		t.Errorf("the second import: %+v", again)
	}
	if exported(t, data) != before || inspect() != inspected {
		t.Error("the second import changed something")
	}
	if dry := runImport(t, o.dir, "--dry-run", "--data", data); dry.Submissions != 0 || dry.Present != first.Submissions {
		t.Errorf("a dry run now: %+v", dry)
	}

	// What an admin did since stays done.
	p := &harness.Program{T: t, Data: data, Port: harness.FreePort(t)}
	p.URL = "http://127.0.0.1:" + p.Port
	p.Run()
	p.Wait()
	defer func() { p.Signal(15) }()
	cookie := p.SignIn()
	gone := o.data.Submissions["worst"][0].(record)["id"].(string)
	var answer any
	if status := p.AsAdmin(cookie, "DELETE", "/api/submissions/"+gone, "", &answer); status != 200 {
		t.Fatalf("delete: %d %v", status, answer)
	}
	if status := p.AsAdmin(cookie, "POST", "/api/save-winners", `{"winners":{"best":[]}}`, &answer); status != 200 {
		t.Fatalf("save winners: %d %v", status, answer)
	}
	p.Signal(15)
	before = exported(t, data)
	if strings.Contains(before, gone) {
		t.Error("what was deleted is exported")
	}
	runImport(t, o.dir, "--data", data)
	if exported(t, data) != before {
		t.Error("importing the same once more undid what an admin did")
	}
}

func TestADamagedDataFileGivesWayToTheNewestReadableBackup(t *testing.T) {
	o, data := makeOldDeployment(t, 300), filepath.Join(t.TempDir(), "data")
	text, err := os.ReadFile(filepath.Join(o.dir, "data.json"))
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(o.dir, "data.json"), text[:len(text)/2], 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.RemoveAll(filepath.Join(o.dir, ".wal")); err != nil {
		t.Fatal(err)
	}
	r := runImport(t, o.dir, "--data", data)
	notes := strings.Join(r.Notes, "\n")
	// The very newest is damaged, too.
	if r.Source != "backups/data-1700000200000.json" || r.Submissions != 2 || !strings.Contains(notes, "data.json cannot be read") ||
		!strings.Contains(notes, "data-1700000300000.json cannot be read") || !strings.Contains(notes, "was taken in its place") {
		t.Errorf("%+v", r)
	}
	if err := os.RemoveAll(filepath.Join(o.dir, "backups")); err != nil {
		t.Fatal(err)
	}
	if _, stderr, code := harness.Command(t, "import", o.dir, "--data", filepath.Join(t.TempDir(), "data")); code != 1 || !strings.Contains(stderr, "no backup that can be read") {
		t.Errorf("nothing to read: exit %d, %s", code, stderr)
	}
}

func TestAHundredThousandEntriesAreImportedInSeconds(t *testing.T) {
	const n = 100_000
	dir, data := t.TempDir(), filepath.Join(t.TempDir(), "data")
	lists := map[string][]record{"best": {}, "worst": {}}
	for i := n; i > 0; i-- {
		category := []string{"best", "worst"}[i%2]
		lists[category] = append(lists[category], oldRecord(i, category))
	}
	for _, list := range lists {
		for _, r := range list {
			if r["storageMethod"] == "local-fallback" {
				r["imageUrl"], r["storageMethod"] = nil, "none"
			}
		}
	}
	text, err := json.Marshal(record{"submissions": lists, "winners": record{}})
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "data.json"), text, 0o600); err != nil {
		t.Fatal(err)
	}
	began := time.Now()
	r := runImport(t, dir, "--data", data)
	imported := time.Since(began)
	if r.Submissions != n || len(r.Refused) != 0 {
		t.Errorf("%d of %d were imported, %d refused", r.Submissions, n, len(r.Refused))
	}
	began = time.Now()
	if out := harness.MustRun(t, "check", "--data", data); !strings.Contains(out, "in order") {
		t.Error(out)
	}
	checked := time.Since(began)
	began = time.Now()
	harness.MustRun(t, "export", filepath.Join(t.TempDir(), "out.zip"), "--data", data)
	fmt.Fprintf(t.Output(), "%d entries (%d MB of JSON): imported in %.1f s, checked in %.1f s, exported in %.1f s\n",
		n, len(text)>>20, imported.Seconds(), checked.Seconds(), time.Since(began).Seconds())
}
