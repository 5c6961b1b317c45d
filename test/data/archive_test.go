package data

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"podium/test/harness"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"
)

// record is an entry of an old deployment, as JSON has it.
type record = map[string]any

// oldData is a data.json.
type oldData struct {
	Submissions map[string][]any `json:"submissions"`
	Winners     map[string]any   `json:"winners"`
}

// oldDeployment is a folder of the old server, made up.
type oldDeployment struct {
	dir  string
	data oldData // as it must be taken: with the pending write-ahead entry
	// changed and refused are the ids of the entries that are odd on purpose,
	// with a word that the report must say of each.
	changed, refused map[string]string
	pictures         map[string][]byte // by name, those that can be taken
	categories       string
}

// oldTime is when the made-up evening began.
const oldTime = 1700000000000

func oldID(n int) string {
	const letters = "abcdefghijklmnopqrstuvwxyz0123456789"
	suffix := make([]byte, 6)
	for i, k := 0, n*7919; i < len(suffix); i, k = i+1, k/36 {
		suffix[i] = letters[k%36]
	}
	return fmt.Sprintf("%d-%s", oldTime+n*1000, suffix)
}

// captions that data of a real evening holds.
var oldCaptions = []string{
	"Mum's first tattoo", "<b>not bold</b> & \"quoted\"", "Ünïcödé 🦄 — \u202eright to left", "two\nlines\tand a tab", "=HYPERLINK(\"http://evil.test\")",
	"", "  spaces  ", "\u2028 line separator", `back\slash`, "+49 is a formula",
}

func oldRecord(n int, category string) record {
	id := oldID(n)
	r := record{"id": id, "category": category, "caption": oldCaptions[n%len(oldCaptions)], "name": fmt.Sprintf("Guest %d", n),
		"phone": fmt.Sprintf("+49 170 %07d", n), "imageUrl": nil, "storageMethod": "none",
		"createdAt": float64(oldTime + n*1000), "submissionId": "sub-" + id}
	switch n % 4 {
	case 0:
		r["imageUrl"] = fmt.Sprintf("https://res.cloudinary.com/demo/image/upload/v1700000000/contest/p%d.jpg", n)
		r["storageMethod"] = "cloudinary"
	case 1:
		r["imageUrl"], r["storageMethod"] = fmt.Sprintf("/uploads/%d-photo.jpg", n%200), "local-fallback"
	}
	return r
}

// spoil makes some entries odd or damaged, as years of versions and crashes do.
func (o *oldDeployment) spoil(best []any) []any {
	for n, odd := range []struct {
		field string
		value any // nil: the field is missing
		says  string
	}{
		{"phone", nil, "phone was missing"}, {"caption", 42.0, "caption was a number"}, {"name", []any{"x"}, "another type"},
		{"createdAt", "2023-11-14T22:13:20Z", "createdAt was"}, {"createdAt", nil, "derived from the id"}, {"likes", 3.0, "likes"},
		{"imageUrl", "", "imageUrl was empty"}, {"submissionId", nil, "submissionId was missing"}, {"category", "worst", "category"},
		{"imageUrl", "/uploads/with a space.JPG", "with a space.JPG"}, {"storageMethod", nil, "storageMethod was missing"},
	} {
		r := best[10+n*7].(record)
		if r[odd.field] = odd.value; odd.value == nil {
			delete(r, odd.field)
		}
		o.changed[r["id"].(string)] = odd.says
	}
	missing, drawing := best[100].(record), best[101].(record)
	missing["imageUrl"], drawing["imageUrl"] = "/uploads/gone.jpg", "/uploads/drawing.svg"
	o.refused[missing["id"].(string)], o.refused[drawing["id"].(string)] = "missing", "cannot be shown"
	twice := oldRecord(0, "best")
	twice["id"], twice["submissionId"] = best[102].(record)["id"], best[102].(record)["submissionId"]
	o.refused[twice["id"].(string)] = "occurs twice"
	bad := oldRecord(1, "best")
	bad["id"] = "../../etc/passwd"
	o.refused["../../etc/passwd"] = "cannot be an id"
	return slices.Insert(best, 50, any(twice), any(bad), any("no object"), nil, any([]any{1.0}))
}

// makeOldDeployment writes a folder with n entries and a few more.
func makeOldDeployment(t testing.TB, n int) *oldDeployment {
	t.Helper()
	o := &oldDeployment{dir: t.TempDir(), changed: map[string]string{}, refused: map[string]string{}, pictures: map[string][]byte{}}
	o.categories = `[{"id":"worst","name":"Worst <Tattoo>"},{"id":"best","name":"Best & Brightest"},{"id":"free-style_1","name":"Frei"},{"id":"empty","name":"Nobody"}]`
	lists := map[string][]any{"worst": {}, "best": {}, "free-style_1": {}, "retired": {}, "empty": {}}
	names := []string{"worst", "best", "free-style_1", "best", "best", "worst", "retired"}
	for i := n; i > 0; i-- { // the newest first
		category := names[i%len(names)]
		lists[category] = append(lists[category], oldRecord(i, category))
	}
	id := func(category string, i int) string { return lists[category][i].(record)["id"].(string) }
	o.data.Winners = map[string]any{"best": []any{id("best", 5), id("best", 3)}, "worst": []any{id("worst", 9)},
		"free-style_1": []any{"nobody", id("worst", 2)}, "retired": []any{id("retired", 1)}, "empty": 7.0}
	o.refused["nobody"], o.refused[id("worst", 2)], o.refused[`"empty"`] = "not a submission of its category", "not a submission of its category", "not a list of ids"
	lists["best"] = o.spoil(lists["best"])
	o.data.Submissions = lists
	for i := 1; i < 200; i += 4 {
		o.pictures[fmt.Sprintf("%d-photo.jpg", i)] = append(harness.Photo(t, 8, 8), byte(i))
	}
	o.write(t)
	return o
}

func (o *oldDeployment) write(t testing.TB) {
	t.Helper()
	put := func(name string, value any) {
		text, ok := value.([]byte)
		if !ok {
			var err error
			if text, err = json.Marshal(value); err != nil {
				t.Fatal(err)
			}
		}
		path := filepath.Join(o.dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, text, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	// The server crashed between the write-ahead entry and the save: data.json
	// lacks the three newest of a category.
	before := oldData{Submissions: map[string][]any{}, Winners: o.data.Winners}
	for category, list := range o.data.Submissions {
		before.Submissions[category] = list
	}
	before.Submissions["worst"] = before.Submissions["worst"][3:]
	put("data.json", before)
	put("categories.json", []byte(o.categories))
	now := time.Now().UnixMilli()
	wal := func(ms int64, status string, data any) {
		put(fmt.Sprintf(".wal/wal-%d-0a1b2c.json", ms), record{"timestamp": ms, "operation": "save", "data": data, "status": status})
	}
	wal(now+2000, "pending", o.data)
	wal(now-9000, "pending", oldData{Submissions: map[string][]any{"best": {}}, Winners: map[string]any{}})
	wal(now+4000, "completed", oldData{Submissions: map[string][]any{}, Winners: map[string]any{}})
	wal(now+5000, "recovered", oldData{Submissions: map[string][]any{}, Winners: map[string]any{}})
	put(".wal/wal-1-torn.json", []byte(`{"timestamp":1,"op`))
	put("backups/data-1700000000000.json", oldData{Submissions: map[string][]any{"best": {oldRecord(1, "best")}}, Winners: map[string]any{}})
	put("backups/data-1700000300000.json", []byte(`{"submissions":{"be`))
	put("backups/data-1700000200000.json", oldData{Submissions: map[string][]any{"best": {oldRecord(2, "best"), oldRecord(1, "best")}}, Winners: map[string]any{}})
	for name, text := range o.pictures {
		put("uploads/"+name, text)
	}
	put("uploads/with a space.JPG", harness.Photo(t, 9, 9))
	put("uploads/drawing.svg", []byte(`<svg xmlns="http://www.w3.org/2000/svg"/>`))
}

// importReport is what podium import --json says.
type importReport struct {
	Source                                              string
	Submissions, Present, Pictures, Winners, Categories int
	Notes, Changed, Refused                             []string
}

func runImport(t testing.TB, args ...string) importReport {
	t.Helper()
	var r importReport
	if err := json.Unmarshal([]byte(harness.MustRun(t, append([]string{"import", "--json"}, args...)...)), &r); err != nil {
		t.Fatal(err)
	}
	return r
}

// compare holds the lists of entries of an answer against the old ones: the
// same entries in the same order, and the same fields but of those of which
// the report told.
func (o *oldDeployment) compare(t *testing.T, what string, got map[string][]record, fields []string, categories []string) {
	t.Helper()
	if len(got) != len(categories) {
		t.Errorf("%s has %d categories, want %d", what, len(got), len(categories))
	}
	compared := 0
	for _, category := range categories {
		var wanted []record
		seen := map[string]bool{}
		for _, raw := range slices.Backward(o.data.Submissions[category]) {
			r, _ := raw.(record)
			if id, _ := r["id"].(string); r != nil && !strings.Contains(id, "/") && !seen[id] {
				seen[id] = true
				wanted = append(wanted, r)
			}
		}
		slices.Reverse(wanted)
		if len(got[category]) != len(wanted) {
			t.Errorf("%s: %d entries of %s, want %d", what, len(got[category]), category, len(wanted))
			continue
		}
		for i, want := range wanted {
			have, id := got[category][i], want["id"].(string)
			if have["id"] != id {
				t.Fatalf("%s: entry %d of %s is %v, want %s", what, i, category, have["id"], id)
			}
			if o.changed[id] != "" {
				continue
			}
			for _, field := range fields {
				compared++
				if !reflect.DeepEqual(have[field], want[field]) {
					t.Errorf("%s: %s of %s is %#v, want %#v", what, field, id, have[field], want[field])
				}
			}
		}
	}
	t.Logf("%s: %d fields are as they were", what, compared)
}

// every field of the old format, and those that everybody sees.
var (
	entryFields  = []string{"id", "category", "caption", "name", "phone", "imageUrl", "storageMethod", "createdAt", "submissionId"}
	publicFields = []string{"id", "caption", "imageUrl", "createdAt"}
	listed       = []string{"worst", "best", "free-style_1", "empty"}
)

func TestAnOldDeploymentGoesInIsServedAndComesOutAgain(t *testing.T) {
	o := makeOldDeployment(t, 10_000)
	data := filepath.Join(t.TempDir(), "data")
	dry := runImport(t, o.dir, "--data", data, "--dry-run")
	if _, err := os.Stat(data); err == nil {
		t.Error("a dry run made a data folder")
	}
	began := time.Now()
	report := runImport(t, o.dir, "--data", data)
	t.Logf("imported %d entries and %d pictures in %v", report.Submissions, report.Pictures, time.Since(began).Round(time.Millisecond))
	if dry.Submissions != report.Submissions || !reflect.DeepEqual(dry.Changed, report.Changed) {
		t.Errorf("the dry run told of %d submissions, the import of %d", dry.Submissions, report.Submissions)
	}
	o.checkReport(t, report)

	p := &harness.Program{T: t, Data: data, Port: harness.FreePort(t)}
	p.URL = "http://127.0.0.1:" + p.Port
	p.Run()
	p.Wait()
	defer func() { p.Signal(15) }()
	o.checkAnswers(t, p)
	for _, mode := range []string{"served", "not served"} {
		if mode == "not served" {
			p.Signal(15)
		}
		out := filepath.Join(t.TempDir(), "out")
		harness.MustRun(t, "export", out, "--data", data)
		o.checkExport(t, mode, out)
	}
}

// checkReport looks for each planted oddity in the report, and for nothing
// else.
func (o *oldDeployment) checkReport(t *testing.T, r importReport) {
	t.Helper()
	if !strings.HasPrefix(r.Source, ".wal/") || !strings.Contains(strings.Join(r.Notes, "\n"), "was applied") {
		t.Errorf("the pending write-ahead entry was not taken: %s %v", r.Source, r.Notes)
	}
	says := func(lines []string, id, word string) bool {
		return slices.ContainsFunc(lines, func(line string) bool { return strings.Contains(line, id) && strings.Contains(line, word) })
	}
	for id, word := range o.changed {
		if !says(r.Changed, id, word) {
			t.Errorf("the report does not say %q of %s", word, id)
		}
	}
	for id, word := range o.refused {
		if !says(r.Refused, id, word) {
			t.Errorf("the report does not say %q of %s", word, id)
		}
	}
	for _, line := range r.Changed {
		if !slices.ContainsFunc(slices.Collect(mapKeys(o.changed)), func(id string) bool { return strings.Contains(line, id) }) {
			t.Errorf("the report tells of a change that was not needed: %s", line)
		}
	}
	// Three entries that are no objects and the torn write-ahead entry have no id.
	if len(r.Refused) != len(o.refused)+4 {
		t.Errorf("%d things were refused, want %d:\n%s", len(r.Refused), len(o.refused)+4, strings.Join(r.Refused, "\n"))
	}
	if r.Winners != 4 || r.Categories != 4 || r.Pictures != len(o.pictures)+1 {
		t.Errorf("%d winners, %d categories, %d pictures", r.Winners, r.Categories, r.Pictures)
	}
	if !says(r.Notes, `"retired"`, "kept") {
		t.Errorf("nothing is said of the category that is not listed: %v", r.Notes)
	}
}

func mapKeys[V any](m map[string]V) func(func(string) bool) {
	return func(yield func(string) bool) {
		for k := range m {
			if !yield(k) {
				return
			}
		}
	}
}

// checkAnswers compares each REST answer with the old data.
func (o *oldDeployment) checkAnswers(t *testing.T, p *harness.Program) {
	t.Helper()
	var feed struct {
		Feed             map[string][]record
		WinnersAvailable bool
	}
	if status := p.Call("GET", "/api/feed", "", nil, &feed); status != 200 || !feed.WinnersAvailable {
		t.Errorf("feed: status %d, winners available: %v", status, feed.WinnersAvailable)
	}
	o.compare(t, "the feed", feed.Feed, publicFields, listed)
	for _, list := range feed.Feed {
		for _, item := range list {
			if item["name"] != nil || item["phone"] != nil || item["artist"] != "Anonymous Artist" {
				t.Fatalf("the feed holds %v", item)
			}
		}
	}
	var all struct{ Submissions map[string][]record }
	p.AsAdmin(p.SignIn(), "GET", "/api/submissions", "", &all)
	o.compare(t, "the admin's list", all.Submissions, entryFields, listed)
	o.checkWinners(t, p)
	var got, want any
	p.Call("GET", "/categories.json", "", nil, &got)
	if err := json.Unmarshal([]byte(o.categories), &want); err != nil || !reflect.DeepEqual(got, want) {
		t.Errorf("the categories are %v, %v", got, err)
	}
	var health struct{ Submissions, Categories int }
	if p.Call("GET", "/health", "", nil, &health); health.Categories != 4 || health.Submissions == 0 {
		t.Errorf("health: %+v", health)
	}
	for name, text := range o.pictures {
		res, err := http.Get(p.URL + "/uploads/" + name)
		if err != nil {
			t.Fatal(err)
		}
		body, err := io.ReadAll(res.Body)
		res.Body.Close()
		if err != nil || res.StatusCode != 200 || !bytes.Equal(body, text) {
			t.Errorf("the picture %s: status %d, %d bytes, %v", name, res.StatusCode, len(body), err)
		}
	}
}

func (o *oldDeployment) checkWinners(t *testing.T, p *harness.Program) {
	t.Helper()
	var winners struct{ Winners map[string][]record }
	p.Call("GET", "/api/winners", "", nil, &winners)
	ids := map[string][]any{}
	for category, list := range winners.Winners {
		ids[category] = []any{}
		for _, w := range list {
			ids[category] = append(ids[category], w["id"])
		}
	}
	want := map[string][]any{"best": o.data.Winners["best"].([]any), "worst": o.data.Winners["worst"].([]any), "free-style_1": {}, "empty": {}}
	if !reflect.DeepEqual(ids, want) {
		t.Errorf("the winners are %v, want %v", ids, want)
	}
}

// checkExport compares an export with the old folder.
func (o *oldDeployment) checkExport(t *testing.T, mode, dir string) {
	t.Helper()
	read := func(name string, into any) {
		t.Helper()
		text, err := os.ReadFile(filepath.Join(dir, name))
		if err == nil && into != nil {
			err = json.Unmarshal(text, into)
		}
		if err != nil {
			t.Fatalf("%s of the export: %v", name, err)
		}
	}
	var data struct {
		Submissions map[string][]record
		Winners     map[string]any
	}
	read("data.json", &data)
	o.compare(t, "the export ("+mode+")", data.Submissions, entryFields, append(slices.Clone(listed), "retired"))
	for category, list := range data.Submissions {
		for _, r := range list {
			if len(r) != len(entryFields) {
				t.Fatalf("an entry of %s has other fields than the old format: %v", category, r)
			}
		}
	}
	want := map[string]any{"best": o.data.Winners["best"], "worst": o.data.Winners["worst"], "retired": o.data.Winners["retired"],
		"free-style_1": []any{}, "empty": []any{}}
	if !reflect.DeepEqual(data.Winners, want) {
		t.Errorf("the exported winners are %v, want %v", data.Winners, want)
	}
	var got, wanted any
	read("categories.json", &got)
	if err := json.Unmarshal([]byte(o.categories), &wanted); err != nil || !reflect.DeepEqual(got, wanted) {
		t.Errorf("the exported categories are %v, %v", got, err)
	}
	for name, text := range o.pictures {
		if body, err := os.ReadFile(filepath.Join(dir, "uploads", name)); err != nil || !bytes.Equal(body, text) {
			t.Errorf("the exported picture %s: %v", name, err)
		}
	}
	// What came out goes in again, and comes out as it was.
	again, out := filepath.Join(t.TempDir(), "data"), filepath.Join(t.TempDir(), "out")
	if r := runImport(t, dir, "--data", again); len(r.Refused) != 2 || len(r.Changed) != 0 { // the two pictures that are not there
		t.Errorf("importing the export: %v %v", r.Refused, r.Changed)
	}
	harness.MustRun(t, "export", out, "--data", again)
	for _, name := range []string{"data.json", "categories.json", "submissions.csv"} {
		a, _ := os.ReadFile(filepath.Join(dir, name))
		b, err := os.ReadFile(filepath.Join(out, name))
		if err != nil || !bytes.Equal(a, b) {
			t.Errorf("%s is another one after a second round (%d and %d bytes, %v)", name, len(a), len(b), err)
		}
	}
}
