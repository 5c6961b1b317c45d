package command

import (
	"context"
	"encoding/binary"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/alecthomas/kong"

	"podium/contest"
	"podium/server"
	"podium/server/admin"
	"podium/store/bolt"
)

// evening is a data folder with a contest of some fifty pages and a backup.
type evening struct {
	sound       []byte // the data file
	backup      string // a backup's file
	submissions int
	pageSize    int
	pages       int // that are in use or free
}

// damages is how often every page is damaged: make crash does it at length.
var damages = flag.Int("damage", 0, "how often each page is damaged; 0: every third once, from a random one on")

func anEvening(t *testing.T) evening {
	t.Helper()
	data := t.TempDir()
	file := filepath.Join(data, server.DatabaseName)
	s, err := bolt.Open(file, bolt.Options{NoSync: true})
	if err != nil {
		t.Fatal(err)
	}
	e := evening{backup: filepath.Join(data, "kept.db"), submissions: 30}
	for i := range e.submissions {
		id := fmt.Sprintf("%d-abcdef", 1700000000000+i)
		sub := contest.Submission{ID: id, SubmissionID: "sub-" + id, Category: []string{"best", "worst"}[i%2], Caption: strings.Repeat("a caption ", 40),
			Name: "Zaphod", Phone: "+49 170 1234567", Status: contest.Approved, StorageMethod: "none", CreatedAt: int64(1700000000000 + i)}
		if _, _, err := contest.New(s).Submit(t.Context(), sub, contest.Once{Key: id}, []byte("{}")); err != nil {
			t.Fatal(err)
		}
	}
	if _, _, err := admin.New(contest.New(s), admin.Options{Password: "for the test"}); err != nil {
		t.Fatal(err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	if code, _, stderr := run("backup", "--data", data, e.backup); code != 0 {
		t.Fatal(stderr)
	}
	if e.sound, err = os.ReadFile(file); err != nil {
		t.Fatal(err)
	}
	e.pageSize = os.Getpagesize()
	for _, meta := range []int{0, e.pageSize} { // behind a head of 16 bytes, the first page never used
		e.pages = max(e.pages, int(binary.NativeEndian.Uint64(e.sound[meta+16+40:])))
	}
	e.sound = e.sound[:e.pages*e.pageSize]
	return e
}

// damagedFolder is a data folder with these bytes as its data file.
func damagedFolder(t *testing.T, content []byte) string {
	t.Helper()
	data := t.TempDir()
	if err := os.WriteFile(filepath.Join(data, server.DatabaseName), content, 0o600); err != nil {
		t.Fatal(err)
	}
	return data
}

// exercise runs every command and the main routes on a data folder, which holds
// anything. least is how many submissions an export must bring out.
func (e evening) exercise(t *testing.T, what, data string, least int) {
	t.Helper()
	inOrder := true
	command := func(mayFail bool, args ...string) string {
		t.Helper()
		code, stdout, stderr := run(append(args, "--data", data)...)
		if code != 0 && (!mayFail || code != 1 || !strings.Contains(stderr, "podium:")) || strings.Contains(stdout+stderr, "goroutine ") {
			t.Errorf("%s: %v: exit %d, %s", what, args, code, stderr)
		}
		if code != 0 && strings.Contains(stderr, "damaged") && !strings.Contains(stderr, "podium restore") && args[0] != "check" {
			t.Errorf("%s: %v does not say what to do: %s", what, args, stderr)
		}
		inOrder = code == 0
		return stdout
	}
	command(true, "check")
	sound := inOrder
	command(true, "check", "--json")
	command(least == 0, "inspect", "--json")
	command(true, "tail", "--since", "0")
	command(true, "backup", filepath.Join(t.TempDir(), "copy.db"))
	if inOrder && !sound {
		// One meta page is enough for a backup, and a fault all the same.
		t.Logf("%s: a backup was made of a file with faults", what)
	}
	out := t.TempDir()
	command(least == 0, "export", out)
	if least > 0 {
		e.checkExport(t, what, out, least)
	}
	e.serveOn(t, what, data, sound)
	command(false, "restore", e.backup, "--yes")
	if out := command(false, "inspect", "--json"); !strings.Contains(out, `"approved":15`) {
		t.Errorf("%s: after the restore: %s", what, out)
	}
	command(false, "check")
	kept, err := filepath.Glob(filepath.Join(data, "backups", "before-restore-*"))
	if err != nil || len(kept) != 1 {
		t.Errorf("%s: what was there is kept in %v (%v)", what, kept, err)
	}
}

// checkExport counts what came out.
func (e evening) checkExport(t *testing.T, what, dir string, least int) {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(dir, "data.json"))
	var d struct{ Submissions map[string][]any }
	if err == nil {
		err = json.Unmarshal(text, &d)
	}
	n := len(d.Submissions["best"]) + len(d.Submissions["worst"])
	if err != nil || n < least {
		t.Errorf("%s: the export has %d submissions (%v)", what, n, err)
	}
	if _, err := os.Stat(filepath.Join(dir, "damage.txt")); n < e.submissions && err != nil {
		t.Errorf("%s: %d submissions are missing, and no list says so", what, e.submissions-n)
	}
}

// serveOn starts a server and asks it for everything, if it starts.
func (e evening) serveOn(t *testing.T, what, data string, mustStart bool) {
	t.Helper()
	var settings server.Settings
	parser, err := kong.New(&settings)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := parser.Parse([]string{"--data", data}); err != nil {
		t.Fatal(err)
	}
	s, err := server.New(settings, slog.New(slog.DiscardHandler), new(slog.LevelVar))
	if err != nil {
		if !errors.Is(err, bolt.ErrDamaged) && !errors.Is(err, bolt.ErrNotAStore) || !strings.Contains(explain(err).Error(), "podium restore") || mustStart {
			t.Errorf("%s: serve: %v", what, explain(err))
		}
		return
	}
	for _, path := range []string{"/", "/api/feed", "/api/winners", "/categories.json", "/api/contest", "/health", "/api/realtime-health"} {
		answer := httptest.NewRecorder()
		s.Handler().ServeHTTP(answer, httptest.NewRequestWithContext(t.Context(), "GET", path, nil))
		if answer.Code != http.StatusOK {
			t.Errorf("%s: %s: %d %s", what, path, answer.Code, answer.Body)
		}
	}
	if err := s.Abandon(); err != nil {
		t.Errorf("%s: stop: %v", what, err)
	}
}

func TestEveryCommandAndRouteSurvivesNoiseInAnyPage(t *testing.T) {
	e := anEvening(t)
	random := rand.New(rand.NewPCG(7, 8))
	page := e.pageSize
	first, step, last := 0, 1, e.pages**damages
	if *damages == 0 {
		first, step, last = rand.IntN(3), 3, e.pages
	}
	for n := first; n < last; n += step {
		from := n % e.pages * page
		damaged := slices.Clone(e.sound)
		for i := range page {
			damaged[from+i] = byte(random.Uint32())
		}
		e.exercise(t, fmt.Sprintf("page %d", from/page), damagedFolder(t, damaged), e.submissions-16)
	}
}

func TestEveryCommandAndRouteSurvivesAnythingInThePlaceOfTheData(t *testing.T) {
	e := anEvening(t)
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	random := rand.New(rand.NewPCG(seed, 0))
	for what, content := range map[string]string{
		"text": strings.Repeat("no database\n", 1000), "one byte": "x", "zeros": string(make([]byte, 1<<16)),
		"cut off": string(e.sound[:random.IntN(len(e.sound))]), "cut to its head": string(e.sound[:2*e.pageSize]),
	} {
		e.exercise(t, fmt.Sprintf("%s (seed %d)", what, seed), damagedFolder(t, []byte(content)), 0)
	}
	empty := damagedFolder(t, nil)
	if code, _, stderr := run("check", "--data", empty); code != 1 || !strings.Contains(stderr, "podium restore") {
		t.Errorf("an empty file: exit %d %s", code, stderr)
	}
	e.exercise(t, "an empty file", empty, 0)
	folder := t.TempDir()
	if err := os.Mkdir(filepath.Join(folder, server.DatabaseName), 0o700); err != nil {
		t.Fatal(err)
	}
	e.exercise(t, "a folder", folder, 0)
}

func TestCheckMakesADamagedFileAnewFromWhatCanBeRead(t *testing.T) {
	e := anEvening(t)
	damaged := slices.Clone(e.sound)
	for i := 2 * e.pageSize; i < 12*e.pageSize; i++ {
		damaged[i] ^= 0x55
	}
	data := damagedFolder(t, damaged)
	code, _, stderr := run("check", "--repair", "--data", data)
	if code != 0 || !strings.Contains(stderr, "kept in") {
		t.Fatalf("exit %d, %s", code, stderr)
	}
	if code, stdout, stderr := run("check", "--data", data); code != 0 {
		t.Errorf("after the repair: %s %s", stdout, stderr)
	}
}

// A server is asked while its file is damaged under it.
func TestAServerLivesOnWhenItsFileIsDamaged(t *testing.T) {
	e := anEvening(t)
	data := damagedFolder(t, e.sound)
	url := serving(t, data)
	f, err := os.OpenFile(filepath.Join(data, server.DatabaseName), os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	noise := make([]byte, e.pageSize)
	for i := range noise {
		noise[i] = byte(i*7 + 3)
	}
	for page := 2; page < e.pages; page++ {
		if _, err := f.WriteAt(noise, int64(page*e.pageSize)); err != nil {
			t.Fatal(err)
		}
	}
	statuses := map[int]int{}
	for _, path := range []string{"/api/feed", "/api/winners", "/categories.json", "/api/contest", "/health", "/ready", "/api/feed?category=best&limit=3"} {
		req, err := http.NewRequestWithContext(t.Context(), "GET", url+path, nil)
		if err != nil {
			t.Fatal(err)
		}
		res, err := http.DefaultClient.Do(req)
		if err != nil {
			t.Fatalf("%s: %v", path, err)
		}
		body, _ := io.ReadAll(res.Body)
		if err := res.Body.Close(); err != nil {
			t.Error(err)
		}
		statuses[res.StatusCode]++
		if res.StatusCode >= 500 && !strings.Contains(string(body), `"`) {
			t.Errorf("%s: %d %s", path, res.StatusCode, body)
		}
	}
	if statuses[500]+statuses[503] == 0 {
		t.Errorf("no request met the damage: %v", statuses)
	}
	for _, args := range [][]string{{"check"}, {"inspect"}, {"export", t.TempDir()}, {"backup"}} {
		code, stdout, stderr := run(append(args, "--data", data)...)
		if code > 1 || strings.Contains(stdout+stderr, "goroutine ") {
			t.Errorf("%v: exit %d, %s %s", args, code, stdout, stderr)
		}
	}
}

func TestARestoreEndsSessionsAndTokens(t *testing.T) {
	data := filled(t)
	code, token, stderr := run("token", "script", "--data", data)
	if code != 0 {
		t.Fatal(stderr)
	}
	kept := filepath.Join(t.TempDir(), "kept.db")
	if code, _, stderr := run("backup", kept, "--data", data); code != 0 {
		t.Fatal(stderr)
	}
	code, stdout, stderr := run("restore", kept, "--yes", "--data", data)
	if code != 0 || !strings.Contains(stdout, "1 sessions and tokens of the backup ended") {
		t.Errorf("restore: exit %d, %s %s", code, stdout, stderr)
	}
	req, err := http.NewRequestWithContext(context.Background(), "GET", serving(t, data)+"/api/submissions", nil)
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Authorization", "Bearer "+strings.TrimSpace(token))
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	if err := res.Body.Close(); err != nil || res.StatusCode != http.StatusUnauthorized {
		t.Errorf("a token of the backup is answered with %d (%v)", res.StatusCode, err)
	}
}
