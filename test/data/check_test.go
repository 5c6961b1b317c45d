package data

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"podium/test/harness"
	"slices"
	"strings"
	"testing"

	bolt "go.etcd.io/bbolt"
)

// serveOn runs podium on a data folder that is there already.
func serveOn(t *testing.T, data string, args ...string) *harness.Program {
	t.Helper()
	p := &harness.Program{T: t, Args: args, Data: data, Port: harness.FreePort(t)}
	p.URL = "http://127.0.0.1:" + p.Port
	p.Run()
	p.Wait()
	t.Cleanup(func() { p.Signal(9) })
	return p
}

// change changes a data file as no program of ours would.
func change(t *testing.T, data string, f func(*bolt.Tx) error) {
	t.Helper()
	db, err := bolt.Open(filepath.Join(data, "podium.db"), 0o600, nil)
	if err != nil {
		t.Fatal(err)
	}
	err = db.Update(f)
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	if err != nil {
		t.Fatal(err)
	}
}

// Each fault is planted in data that is in order, found while a server runs on
// it and while none does, and put right by --repair where that needs no guess.
func TestCheckFindsEachPlantedFault(t *testing.T) {
	put := func(bucket, key, value string) func(*testing.T, string) {
		return func(t *testing.T, data string) {
			change(t, data, func(tx *bolt.Tx) error { return tx.Bucket([]byte(bucket)).Put([]byte(key), []byte(value)) })
		}
	}
	for name, c := range map[string]struct {
		plant  func(t *testing.T, data string)
		says   string
		beyond bool // repairing it would be guessing
	}{
		"a picture is missing": {func(t *testing.T, data string) {
			pictures, err := filepath.Glob(filepath.Join(data, "uploads", "????????????????????????.jpg"))
			if err != nil || len(pictures) == 0 {
				t.Fatal(pictures, err)
			}
			if err := os.Remove(pictures[0]); err != nil {
				t.Fatal(err)
			}
		}, "is not among the uploads", true},
		"a winner is nobody":      {put("winners", "best", `["nobody"]`), "The winner nobody of best", false},
		"a record cannot be read": {put("submissions", "1-aaaaaa", "\x01{"), "Submission 1-aaaaaa cannot be read", true},
		"an event cannot be read": {put("events", "\x00\x00\x00\x00\x00\x00\x00\x02", "x"), "event at offset 2 cannot be read", false},
		"the log tells of nobody": {put("events", "\x00\x00\x00\x00\x00\x00\x00\x04", "\x01\x00\x00\x00\x00\x00\x00\x00\x05\x0dnewSubmission\x0f{\"id\":\"nobody\"}"), "tells of the submission nobody", false},
	} {
		t.Run(name, func(t *testing.T) {
			p := harness.Start(t)
			for range 3 {
				p.Submit("a photo")
			}
			check := func(when string) {
				t.Helper()
				stdout, _, code := harness.Command(t, "check", "--data", p.Data)
				if code != 1 || !strings.Contains(stdout, c.says) {
					t.Errorf("check while %s: exit %d, %s", when, code, stdout)
				}
			}
			if out := harness.MustRun(t, "check", "--data", p.Data); !strings.Contains(out, "in order") {
				t.Fatal(out)
			}
			p.Signal(15)
			c.plant(t, p.Data)
			check("no server runs")
			var found []string
			if stdout, _, _ := harness.Command(t, "check", "--json", "--data", p.Data); json.Unmarshal([]byte(stdout), &found) != nil || len(found) == 0 {
				t.Errorf("check --json: %s", stdout)
			}
			p.Run()
			p.Wait()
			check("a server runs")
			p.Signal(15)
			stdout, stderr, code := harness.Command(t, "check", "--repair", "--data", p.Data)
			if c.beyond {
				if code != 1 || !strings.Contains(stdout, c.says) {
					t.Errorf("repair: exit %d: %s%s", code, stdout, stderr)
				}
				return
			}
			if code != 0 || !strings.Contains(stderr, "Repaired: ") || !strings.Contains(stdout, "in order") {
				t.Errorf("repair: exit %d: %s%s", code, stdout, stderr)
			}
		})
	}
}

// Pictures that an import said were missing are no faults for ever, however many they
// are; one that was here is.
func TestCheckKnowsThePicturesThatAnImportMissed(t *testing.T) {
	old, data := t.TempDir(), t.TempDir()
	var entries []string
	for n := range 130 {
		entries = append(entries, fmt.Sprintf(`{"id":"%d-aaaaaa","category":"best","caption":"c","name":"n","phone":"1","imageUrl":"/uploads/%d.jpg","storageMethod":"local-primary","createdAt":%d,"submissionId":"sub-%[1]d-aaaaaa"}`, 1700000000000+n, n, 1700000000000+n))
	}
	slices.Reverse(entries)
	here := filepath.Join(old, "uploads", "129.jpg")
	for name, content := range map[string][]byte{
		filepath.Join(old, "data.json"): []byte(`{"submissions":{"best":[` + strings.Join(entries, ",") + `]},"winners":{}}`),
		here:                            harness.Photo(t, 20, 20),
	} {
		if err := os.MkdirAll(filepath.Dir(name), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(name, content, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	stdout, stderr, _ := harness.Command(t, "import", old, "--data", data)
	if said := stdout + stderr; !strings.Contains(said, "0.jpg") || !strings.Contains(said, "is missing") {
		t.Fatalf("the import does not say what is missing: %s", said)
	}
	check := func(want int, when string) {
		t.Helper()
		stdout, stderr, code := harness.Command(t, "check", "--data", data)
		if code != want || strings.Count(stdout, "is known to be missing") != 100 || strings.Contains(stdout, "Everything is in order") != (want == 0) {
			t.Errorf("%s: exit %d: %s%s", when, code, stdout, stderr)
		}
		stdout, _, code = harness.Command(t, "check", "--json", "--data", data)
		var faults []string
		if err := json.Unmarshal([]byte(stdout), &faults); err != nil || code != want || len(faults) != want {
			t.Errorf("%s, as JSON: exit %d: %s (%v)", when, code, stdout, err)
		}
	}
	check(0, "no server runs")
	p := serveOn(t, data)
	check(0, "a server runs")
	p.Signal(15)
	if _, stderr, code := harness.Command(t, "check", "--repair", "--data", data); code != 0 {
		t.Errorf("repair: exit %d: %s", code, stderr)
	}
	check(0, "after a repair")
	pictures, err := filepath.Glob(filepath.Join(data, "uploads", "*.jpg"))
	if err != nil || len(pictures) == 0 {
		t.Fatal(pictures, err)
	}
	for _, path := range pictures {
		if err := os.Remove(path); err != nil {
			t.Fatal(err)
		}
	}
	check(1, "a picture is lost")
}
