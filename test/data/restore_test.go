package data

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"podium/test/harness"
	"reflect"
	"strings"
	"testing"
	"time"
)

// answers are what a server on a data folder says of its contest.
func answers(t *testing.T, data string) map[string]any {
	t.Helper()
	p := serveOn(t, data)
	all := map[string]any{}
	cookie := p.SignIn()
	for _, path := range []string{"/api/feed", "/api/winners", "/categories.json", "/api/submissions"} {
		var answer any
		if status := p.AsAdmin(cookie, "GET", path, "", &answer); status != 200 {
			t.Fatalf("%s: status %d", path, status)
		}
		all[path] = answer
	}
	p.Signal(15)
	return all
}

// evening makes a data folder with a few submissions, pictures and winners.
func evening(t *testing.T, args ...string) *harness.Program {
	t.Helper()
	p := harness.Start(t, args...)
	first := p.Submit("the first")
	p.Submit("the second")
	var answer any
	if status := p.AsAdmin(p.SignIn(), "POST", "/api/save-winners", `{"winners":{"best":["`+first+`"]}}`, &answer); status != 200 {
		t.Fatalf("save winners: %d %v", status, answer)
	}
	return p
}

func TestARestoreGivesTheSameAnswers(t *testing.T) {
	bucket := "file://" + t.TempDir() + "?no_tmp_dir=true&metadata=skip"
	for _, from := range []string{"folder", "bucket"} {
		t.Run(from, func(t *testing.T) {
			var where []string
			if from == "bucket" {
				where = []string{"--backups", bucket}
			}
			p := evening(t, where...)
			harness.MustRun(t, "backup", "--data", p.Data) // by the server, while it serves
			p.Signal(9)
			before := answers(t, p.Data)
			q := serveOn(t, p.Data)
			var answer struct{ Submissions map[string][]record }
			cookie := q.SignIn()
			q.AsAdmin(cookie, "GET", "/api/submissions", "", &answer)
			q.Submit("after the backup")
			// The mistake at midnight: an entry is deleted, and its picture with it.
			if status := q.AsAdmin(cookie, "DELETE", "/api/submissions/"+answer.Submissions["best"][0]["id"].(string), "", &answer); status != 200 {
				t.Errorf("delete: %d", status)
			}
			q.Signal(9)

			fresh := filepath.Join(t.TempDir(), "fresh")
			if from == "folder" {
				fresh = p.Data
			}
			out := harness.MustRun(t, append([]string{"restore", "latest", "--yes", "--data", fresh}, where...)...)
			if !strings.Contains(out, "Now: ") || !strings.Contains(out, "2 submissions") {
				t.Errorf("restore did not show what would change: %s", out)
			}
			if after := answers(t, fresh); !reflect.DeepEqual(before, after) {
				t.Errorf("before: %v\nafter: %v", before, after)
			}
			if out := harness.MustRun(t, "check", "--data", fresh); !strings.Contains(out, "in order") {
				t.Error(out) // the pictures came along
			}
			if kept, _ := filepath.Glob(filepath.Join(fresh, "backups", "before-restore-*.db")); (from == "folder") != (len(kept) == 1) {
				t.Errorf("kept aside: %v", kept)
			}
		})
	}
}

func TestARestoreTakesTheMomentNamedAndAsks(t *testing.T) {
	p := evening(t)
	harness.MustRun(t, "backup", "--data", p.Data)
	backups := filepath.Join(p.Data, "backups")
	made, err := filepath.Glob(filepath.Join(backups, "podium-*.db"))
	if err != nil || len(made) != 1 {
		t.Fatal(made, err)
	}
	// It was made an hour ago, say.
	for _, ending := range []string{"", ".sha256"} {
		if err := os.Rename(made[0]+ending, filepath.Join(backups, "podium-20260131T200000Z.db"+ending)); err != nil {
			t.Fatal(err)
		}
	}
	p.Submit("the third")
	harness.MustRun(t, "backup", "--data", p.Data)
	p.Signal(15)
	count := func() string {
		var in struct{ Categories []struct{ Approved int } }
		if err := json.Unmarshal([]byte(harness.MustRun(t, "inspect", "--json", "--data", p.Data)), &in); err != nil {
			t.Fatal(err)
		}
		n := 0
		for _, c := range in.Categories {
			n += c.Approved
		}
		return fmt.Sprint(n)
	}
	// Nobody answers here, and that is no.
	if stdout, stderr, code := harness.Command(t, "restore", "--at", "2026-01-31T20:30:00Z", "--data", p.Data); code != 1 || !strings.Contains(stdout, "[y/N]") ||
		!strings.Contains(stderr, "nothing was changed") || count() != "3" {
		t.Errorf("without an answer: exit %d, %s submissions: %s%s", code, count(), stdout, stderr)
	}
	harness.MustRun(t, "restore", "--at", "2026-01-31T20:30:00Z", "--yes", "--data", p.Data)
	if count() != "2" {
		t.Errorf("%s submissions after restoring the older one", count())
	}
	harness.MustRun(t, "restore", "latest", "--yes", "--data", p.Data)
	if count() != "3" {
		t.Errorf("%s submissions after restoring the latest", count())
	}
	if _, stderr, code := harness.Command(t, "restore", "--at", "2020-01-01T00:00:00Z", "--yes", "--data", p.Data); code != 1 || !strings.Contains(stderr, "no such backup") {
		t.Errorf("before all backups: exit %d: %s", code, stderr)
	}
}

// However early or late a restore is killed, the data is the old or the new,
// whole, and the next restore works.
func TestAKilledRestoreLeavesTheOldOrTheNewData(t *testing.T) {
	data := filepath.Join(t.TempDir(), "data")
	runImport(t, makeOldDeployment(t, 2000).dir, "--data", data)
	harness.MustRun(t, "backup", "--data", data)
	p := serveOn(t, data)
	p.Submit("after the backup")
	p.Signal(9)
	present, err := os.ReadFile(filepath.Join(data, "podium.db"))
	if err != nil {
		t.Fatal(err)
	}
	path, err := harness.Binary()
	if err != nil {
		t.Fatal(err)
	}
	restored := func() bool {
		t.Helper()
		if stdout, _, code := harness.Command(t, "check", "--json", "--data", data); code > 1 || strings.Contains(stdout, "damaged") || strings.Contains(stdout, "cannot be read") {
			t.Fatalf("check: exit %d: %s", code, stdout)
		}
		return !strings.Contains(exported(t, data), "after the backup")
	}
	began := time.Now()
	harness.MustRun(t, "restore", "--yes", "--data", data)
	whole := time.Since(began)
	if !restored() {
		t.Fatal("a restore that nobody killed restored nothing")
	}
	before, after := 0, 0
	for range 12 {
		if err := os.WriteFile(filepath.Join(data, "podium.db"), present, 0o600); err != nil {
			t.Fatal(err)
		}
		cmd := exec.Command(path, "restore", "--yes", "--data", data)
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		timer := time.AfterFunc(rand.N(whole*5/4), func() { _ = cmd.Process.Kill() })
		_ = cmd.Wait() // killed or done
		timer.Stop()
		if restored() {
			after++
		} else {
			before++
		}
	}
	t.Logf("of 12 restores that were killed within %v, %d left the old data and %d the new", whole*5/4, before, after)
	harness.MustRun(t, "restore", "--yes", "--data", data)
	if !restored() {
		t.Error("a restore after killed ones restored nothing")
	}
}
