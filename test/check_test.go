package test

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	bolt "go.etcd.io/bbolt"
)

// serveOn runs podium on a data folder that is there already.
func serveOn(t *testing.T, data string, args ...string) *program {
	t.Helper()
	p := &program{t: t, args: args, data: data, port: freePort(t)}
	p.url = "http://127.0.0.1:" + p.port
	p.run()
	p.wait()
	t.Cleanup(func() { p.signal(9) })
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
		}, "is not in the folder of uploads", true},
		"a winner is nobody":      {put("winners", "best", `["nobody"]`), "The winner nobody of best", false},
		"a record cannot be read": {put("submissions", "1-aaaaaa", "\x01{"), "Submission 1-aaaaaa cannot be read", true},
		"an event cannot be read": {put("events", "\x00\x00\x00\x00\x00\x00\x00\x02", "x"), "event at offset 2 cannot be read", false},
		"the log tells of nobody": {put("events", "\x00\x00\x00\x00\x00\x00\x00\x04", "\x01\x00\x00\x00\x00\x00\x00\x00\x05\x0dnewSubmission\x0f{\"id\":\"nobody\"}"), "tells of the submission nobody", false},
	} {
		t.Run(name, func(t *testing.T) {
			p := start(t)
			for range 3 {
				p.submit("a photo")
			}
			check := func(when string) {
				t.Helper()
				stdout, _, code := command(t, "check", "--data", p.data)
				if code != 1 || !strings.Contains(stdout, c.says) {
					t.Errorf("check while %s: exit %d, %s", when, code, stdout)
				}
			}
			if out := mustRun(t, "check", "--data", p.data); !strings.Contains(out, "in order") {
				t.Fatal(out)
			}
			p.signal(15)
			c.plant(t, p.data)
			check("no server runs")
			var found []string
			if stdout, _, _ := command(t, "check", "--json", "--data", p.data); json.Unmarshal([]byte(stdout), &found) != nil || len(found) == 0 {
				t.Errorf("check --json: %s", stdout)
			}
			p.run()
			p.wait()
			check("a server runs")
			p.signal(15)
			stdout, stderr, code := command(t, "check", "--repair", "--data", p.data)
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
