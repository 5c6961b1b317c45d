package archive_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"podium/contest"
	"podium/store/archive"
	"podium/store/bolt"
	"podium/store/uploads"
)

const jpegHead = "\xff\xd8\xff\xe0\x00\x10JFIF\x00"

func open(t *testing.T) *contest.Contest {
	t.Helper()
	s, err := bolt.Open(filepath.Join(t.TempDir(), "podium.db"), bolt.Options{NoSync: true})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		found, err := s.Check()
		if err != nil || len(found) > 0 {
			t.Errorf("check: %v %v", found, err)
		}
		s.Close()
	})
	return contest.New(s)
}

// write makes an old deployment of these files.
func write(t *testing.T, files map[string]string) string {
	t.Helper()
	dir := t.TempDir()
	for name, text := range files {
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

func entry(n int, category, image string) string {
	url := "null"
	if image != "" {
		url = `"` + image + `"`
	}
	return fmt.Sprintf(`{"id":"%d-abc%03d","category":%q,"caption":"Caption %d <b>","name":"N","phone":"1","imageUrl":%s,"storageMethod":"none","createdAt":%d,"submissionId":"sub-%d-abc%03d"}`,
		1700000000000+n, n%1000, category, n, url, 1700000000000+n, 1700000000000+n, n%1000)
}

// place is where pictures are in a folder.
func place(dir string) uploads.Files { return (&uploads.Place{Dir: dir}).Within(context.Background()) }

const categories = `[{"id":"worst","name":"Worst"},{"id":"best","name":"Best"}]`

func TestImportThenExportGivesTheSameDataBack(t *testing.T) {
	var best []string
	for n := 2000; n > 0; n-- {
		image := ""
		if n%500 == 0 {
			image = fmt.Sprintf("/uploads/p%d.jpg", n)
		}
		best = append(best, entry(n, "best", image))
	}
	data := `{"submissions":{"best":[` + strings.Join(best, ",") + `],"worst":[]},"winners":{"best":["1700000000007-abc007","1700000000003-abc003"],"worst":[]}}`
	files := map[string]string{"data.json": data, "categories.json": categories}
	for n := 500; n <= 2000; n += 500 {
		files[fmt.Sprintf("uploads/p%d.jpg", n)] = jpegHead
	}
	old, pictures, s := write(t, files), t.TempDir(), open(t)
	report, err := archive.Import(context.Background(), s, old, place(pictures), false)
	if err != nil {
		t.Fatal(err)
	}
	if report.Submissions != 2000 || report.Pictures != 4 || len(report.Refused)+len(report.Changed) != 0 {
		t.Fatalf("%+v", report)
	}
	again, err := archive.Import(context.Background(), s, old, place(pictures), false)
	if err != nil || again.Submissions != 0 || again.Present != 2000 || again.Pictures != 0 {
		t.Fatalf("the second import: %+v %v", again, err)
	}
	var z bytes.Buffer
	if err := (archive.Export{Contest: s, Uploads: place(pictures)}).WriteZip(&z); err != nil {
		t.Fatal(err)
	}
	got := unzip(t, z.Bytes())
	for name, want := range map[string]string{"data.json": data, "categories.json": categories} {
		var a, b any
		if json.Unmarshal([]byte(want), &a) != nil || json.Unmarshal(got[name], &b) != nil || !reflect.DeepEqual(a, b) {
			t.Errorf("%s is not what it was", name)
		}
	}
	if string(got["uploads/p500.jpg"]) != jpegHead {
		t.Error("a picture is missing")
	}
}

func TestWhatCannotBeTakenIsListed(t *testing.T) {
	old := write(t, map[string]string{
		"data.json": `{"submissions":{"best":[` + entry(1, "best", "/uploads/missing.jpg") + `,{"id":"a/b"},7,` + entry(2, "best", "/uploads/evil.jpg") +
			`,{"id":"1700000000009-zzzzzz","caption":5}],"odd one":[` + entry(3, "odd one", "") + `]},"winners":{"best":["nobody"],"worst":7}}`,
		"categories.json":  `[{"id":"best","name":"B"},{"id":"x y","name":"B"},{"id":"best","name":"C"}]`,
		"uploads/evil.jpg": `<svg xmlns="http://www.w3.org/2000/svg"/>`,
	})
	s := open(t)
	r, err := archive.Import(context.Background(), s, old, place(t.TempDir()), false)
	if err != nil {
		t.Fatal(err)
	}
	refused := strings.Join(r.Refused, "\n")
	for _, want := range []string{"missing.jpg", `"a/b"`, "Entry 2", "evil.jpg", "odd one", "nobody", `winners of "worst"`, "x y", "listed twice"} {
		if !strings.Contains(refused, want) {
			t.Errorf("the report does not tell of %s:\n%s", want, refused)
		}
	}
	if r.Submissions != 3 || !strings.Contains(strings.Join(r.Changed, "\n"), "1700000000009-zzzzzz") {
		t.Errorf("%+v", r)
	}
}

func TestAPendingWriteAheadEntryIsApplied(t *testing.T) {
	later := time.Now().Add(time.Hour).UnixMilli()
	old := write(t, map[string]string{
		"data.json":              `{"submissions":{"best":[` + entry(1, "best", "") + `]},"winners":{}}`,
		".wal/wal-1-aa.json":     `{"timestamp":1,"operation":"save","data":{"submissions":{"best":[]},"winners":{}},"status":"pending"}`,
		".wal/wal-2-bb.json":     `{"timestamp":2,"operation":"save","data":{"submissions":{"best":[` + entry(9, "best", "") + `]}},"status":"completed"}`,
		".wal/wal-3-cc.json":     fmt.Sprintf(`{"timestamp":%d,"operation":"save","data":{"submissions":{"best":[%s,%s]},"winners":{}},"status":"pending"}`, later, entry(2, "best", ""), entry(1, "best", "")),
		".wal/wal-broken-x.json": `{`,
	})
	s := open(t)
	r, err := archive.Import(context.Background(), s, old, place(t.TempDir()), false)
	if err != nil || r.Submissions != 2 || r.Source != ".wal/wal-3-cc.json" || len(r.Refused) != 1 {
		t.Fatalf("%+v %v", r, err)
	}
}

func TestADamagedFileFallsBackToTheNewestBackup(t *testing.T) {
	old := write(t, map[string]string{
		"data.json": `{"submissions":{"be`, "backups/a.json": `{"submissions":{"best":[` + entry(1, "best", "") + `]}}`, "backups/b.json": `nothing`,
	})
	r, err := archive.Import(context.Background(), nil, old, nil, true)
	if err != nil || r.Source != "backups/a.json" || r.Submissions != 1 || !r.DryRun {
		t.Fatalf("%+v %v", r, err)
	}
	if _, err := archive.Import(context.Background(), nil, t.TempDir(), nil, true); err == nil {
		t.Fatal("an empty folder was imported")
	}
}

func TestPersonalDataCanBeLeftOut(t *testing.T) {
	s := open(t)
	sub := contest.Submission{ID: "1-aaaaaa", Category: "best", Name: "=Zaphod", Phone: "0451", Status: contest.Hidden, StorageMethod: "none"}
	if _, err := s.Import(context.Background(), contest.Bulk{Submissions: []contest.Submission{sub}}); err != nil {
		t.Fatal(err)
	}
	for _, anonymous := range []bool{false, true} {
		var z bytes.Buffer
		if err := (archive.Export{Contest: s, Anonymous: anonymous}).WriteZip(&z); err != nil {
			t.Fatal(err)
		}
		for name, text := range unzip(t, z.Bytes()) {
			if name == "categories.json" {
				continue
			}
			if got := bytes.Contains(text, []byte("Zaphod")) || bytes.Contains(text, []byte("0451")); got == anonymous {
				t.Errorf("anonymous %v: %s has personal data: %v", anonymous, name, got)
			}
			if name == "submissions.csv" && !anonymous && !bytes.Contains(text, []byte("'=Zaphod")) {
				t.Error("a spreadsheet would run the name as a formula")
			}
		}
	}
}

// stats looks at a store whenever it is written to, as while a client takes its
// time.
type stats struct {
	*contest.Contest
	t      *testing.T
	writes int
}

func (s *stats) Write(p []byte) (int, error) {
	s.writes++
	if figures, err := s.Stats(); err != nil || figures.OpenReads > 0 {
		s.t.Errorf("while the client is sent a part, %d reads are open (%v)", figures.OpenReads, err)
	}
	return len(p), nil
}

func TestAnExportHoldsNothingWhileItsClientTakesItsTime(t *testing.T) {
	s := open(t)
	var bulk contest.Bulk
	for i := range 600 {
		bulk.Submissions = append(bulk.Submissions, contest.Submission{ID: fmt.Sprint("entry-", i), Category: "best", Status: contest.Approved})
	}
	if _, err := s.Import(t.Context(), bulk); err != nil {
		t.Fatal(err)
	}
	for name, write := range map[string]func(*stats) error{
		"table": func(w *stats) error { return archive.Export{Contest: s}.WriteCSV(w) },
		"zip":   func(w *stats) error { return archive.Export{Contest: s}.WriteZip(w) },
	} {
		w := &stats{Contest: s, t: t}
		if err := write(w); err != nil || w.writes < 2 {
			t.Errorf("%s: %d writes, %v", name, w.writes, err)
		}
	}
}
