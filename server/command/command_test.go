package command

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/alecthomas/kong"

	"podium/contest"
	"podium/server"
	"podium/store/bolt"
)

// run executes a command and returns its exit code and output.
func run(args ...string) (code int, stdout, stderr string) {
	var out, errs bytes.Buffer
	code = Run(args, &out, &errs)
	return code, out.String(), errs.String()
}

// filled makes a data folder with one submission.
func filled(t *testing.T) string {
	t.Helper()
	data := filepath.Join(t.TempDir(), "data")
	s, err := bolt.Open(filepath.Join(data, server.DatabaseName), bolt.Options{})
	if err != nil {
		t.Fatal(err)
	}
	sub := contest.Submission{ID: "1700000000000-abcdef", SubmissionID: "sub-1", Category: "best", Caption: "c", Name: "Zaphod", Status: contest.Approved, StorageMethod: "none", CreatedAt: 1700000000000}
	if _, _, err := contest.New(s).Submit(context.Background(), sub, contest.Once{}, nil); err != nil {
		t.Fatal(err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	return data
}

// serving runs a server on a data folder until the test ends.
func serving(t *testing.T, data string) (url string) {
	t.Helper()
	var settings server.Settings
	parser, err := kong.New(&settings)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := parser.Parse([]string{"--data", data, "--port", "0", "--host", "127.0.0.1", "--admin-password", "for the test"}); err != nil {
		t.Fatal(err)
	}
	s, err := server.New(settings, slog.New(slog.DiscardHandler), new(slog.LevelVar))
	if err != nil {
		t.Fatal(err)
	}
	l, err := s.Listen()
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(context.Background())
	if err := serveControl(ctx, s, data); err != nil {
		t.Fatal(err)
	}
	done := make(chan error, 1)
	go func() { done <- s.Run(ctx, l) }()
	t.Cleanup(func() {
		stop()
		if err := <-done; err != nil {
			t.Errorf("run: %v", err)
		}
	})
	return "http://" + l.Addr().String()
}

func TestUnknownWordsAndSettingsExitWith2AndSayWhere(t *testing.T) {
	for _, args := range [][]string{{"nonsense"}, {"serve", "--no-such-flag"}, {"--port", "x"}, {"--port", "70000"}, {"--text", "maybe"}, {"backup", "a", "b"}} {
		code, _, stderr := run(args...)
		if code != 2 || !strings.Contains(stderr, "podium") {
			t.Errorf("%v: exit %d, %s", args, code, stderr)
		}
	}
}

func TestHelpListsEveryCommandAndSetting(t *testing.T) {
	code, stdout, _ := run("--help")
	if code != 0 {
		t.Fatalf("exit %d", code)
	}
	for _, want := range []string{"serve", "import", "export", "backup", "restore", "check", "inspect", "tail", "token"} {
		if !strings.Contains(stdout, want) {
			t.Errorf("--help lacks %s", want)
		}
	}
	code, stdout, _ = run("serve", "--help")
	for _, want := range []string{"--host", "$HOST", "--port", "$PORT", "3000", "--data", "$DATA_DIR", "--static", "$STATIC_DIR", "--text", "$TEXT", "$ADMIN_PASSWORD", "$CLOUDINARY_CLOUD_NAME", "--metrics-address"} {
		if code != 0 || !strings.Contains(stdout, want) {
			t.Errorf("serve --help (exit %d) lacks %s", code, want)
		}
	}
	for _, command := range []string{"import", "export", "backup", "restore", "check", "inspect", "tail", "token"} {
		if code, stdout, _ := run(command, "--help"); code != 0 || !strings.Contains(stdout, "Example") {
			t.Errorf("%s --help (exit %d) has no example", command, code)
		}
	}
}

func TestCommandsWorkWithAndWithoutAServer(t *testing.T) {
	for _, mode := range []string{"without a server", "with a server"} {
		t.Run(mode, func(t *testing.T) {
			data := filled(t)
			if mode == "with a server" {
				serving(t, data)
			}
			expect := func(want string, args ...string) string {
				t.Helper()
				code, stdout, stderr := run(append(args, "--data", data)...)
				if code != 0 || !strings.Contains(stdout, want) {
					t.Fatalf("%v: exit %d: %s%s", args, code, stdout, stderr)
				}
				return stdout
			}
			expect("in order", "check")
			expect("[]", "check", "--json")
			in := expect("best", "inspect", "--json")
			if strings.Contains(in, "Zaphod") || !json.Valid([]byte(in)) {
				t.Fatal(in)
			}
			expect("NEWEST", "inspect")
			expect("podium_", "token", "for-a-script")
			expect("Backed up", "backup")
			out := filepath.Join(t.TempDir(), "out")
			expect("Exported", "export", out)
			if text, err := os.ReadFile(filepath.Join(out, "data.json")); err != nil || !bytes.Contains(text, []byte("Zaphod")) {
				t.Fatalf("%s %v", text, err)
			}
			expect("Exported", "export", out+".zip", "--without-personal-data")
			gallery := filepath.Join(t.TempDir(), "gallery")
			expect("Exported", "export", gallery, "--gallery")
			if page, err := os.ReadFile(filepath.Join(gallery, "index.html")); err != nil || !bytes.Contains(page, []byte("<h1")) || bytes.Contains(page, []byte("Zaphod")) {
				t.Errorf("the gallery's page is %s, %v", page, err)
			}
			var wrote exported
			if err := json.Unmarshal([]byte(expect("", "export", out+".zip", "--json")), &wrote); err != nil || wrote.Files < 3 || wrote.Bytes == 0 || wrote.Dest != out+".zip" {
				t.Errorf("export --json: %+v, %v", wrote, err)
			}
		})
	}
}

func TestImportAndRestoreRefuseWhileAServerRuns(t *testing.T) {
	data := filled(t)
	backup := filepath.Join(t.TempDir(), "b.db")
	if code, _, stderr := run("backup", backup, "--data", data); code != 0 {
		t.Fatal(stderr)
	}
	serving(t, data)
	old := t.TempDir()
	if err := os.WriteFile(filepath.Join(old, "data.json"), []byte(`{"submissions":{}}`), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, args := range [][]string{{"import", old}, {"restore", backup, "--yes"}, {"serve", "--port", "0"}} {
		code, _, stderr := run(append(args, "--data", data)...)
		if code != 1 || !strings.Contains(stderr, "Stop the other Podium") {
			t.Errorf("%v: exit %d: %s", args, code, stderr)
		}
	}
}

func TestCommandsReachAServerInAFolderWithALongName(t *testing.T) {
	data := filepath.Join(t.TempDir(), strings.Repeat("long", 40))
	if err := os.Rename(filled(t), data); err != nil {
		t.Fatal(err)
	}
	serving(t, data)
	if code, stdout, stderr := run("check", "--data", data); code != 0 {
		t.Fatalf("exit %d: %s%s", code, stdout, stderr)
	}
}

func TestAPortInUseIsASentence(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	_, port, _ := net.SplitHostPort(l.Addr().String())
	code, _, stderr := run("--host", "127.0.0.1", "--port", port, "--data", filepath.Join(t.TempDir(), "data"))
	if code != 1 || !strings.Contains(stderr, "--port") {
		t.Fatalf("exit %d: %s", code, stderr)
	}
}

func TestRestoreBringsBackWhatWasThereAndKeepsThePresent(t *testing.T) {
	data := filled(t)
	if code, _, stderr := run("backup", "--data", data); code != 0 {
		t.Fatal(stderr)
	}
	file := filepath.Join(data, server.DatabaseName)
	s, err := bolt.Open(file, bolt.Options{})
	if err != nil {
		t.Fatal(err)
	}
	epoch := s.Epoch()
	if _, err := contest.New(s).Delete(context.Background(), "1700000000000-abcdef"); err != nil {
		t.Fatal(err)
	}
	s.Close()
	code, stdout, stderr := run("restore", "latest", "--yes", "--data", data)
	if code != 0 || !strings.Contains(stdout, "Restored") {
		t.Fatalf("exit %d: %s%s", code, stdout, stderr)
	}
	s, err = bolt.Open(file, bolt.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	if _, err := s.Submission("1700000000000-abcdef"); err != nil {
		t.Error(err)
	}
	if s.Epoch() == epoch {
		t.Error("offsets of before the restore would be taken for offsets of after it")
	}
	if kept, _ := filepath.Glob(filepath.Join(data, "backups", "before-restore-*.db")); len(kept) != 1 {
		t.Error("the present data was not kept aside")
	}
	if code, _, stderr := run("restore", "--json", "--data", data); code == 0 || !strings.Contains(stderr, "--yes") {
		t.Errorf("restore --json without --yes: exit %d: %s", code, stderr)
	}
	s.Close()
	var done restored
	code, stdout, stderr = run("restore", "--yes", "--json", "--data", data)
	if err := json.Unmarshal([]byte(stdout), &done); code != 0 || err != nil {
		t.Fatalf("restore --json: exit %d: %s%s", code, stdout, stderr)
	}
	if done.Backup == "" || done.Kept == "" || done.Before == nil || done.Before.Submissions != 1 || done.After.Submissions != 1 || done.After.Newest == 0 {
		t.Errorf("restore --json: %s", stdout)
	}
	bad := filepath.Join(t.TempDir(), "bad.db")
	os.WriteFile(bad, bytes.Repeat([]byte("x"), 10_000), 0o600)
	if code, _, _ := run("restore", bad, "--yes", "--data", data); code != 1 {
		t.Errorf("a file that is no backup: exit %d", code)
	}
}

// What a restore would change is told before anybody says yes, and nothing is told that stays.
func TestRestoreSaysWhatChangesInCategoriesWinnersAndSettings(t *testing.T) {
	data := filled(t)
	ctx := context.Background()
	change := func(f func(*contest.Contest) error) {
		t.Helper()
		s, err := bolt.Open(filepath.Join(data, server.DatabaseName), bolt.Options{})
		if err != nil {
			t.Fatal(err)
		}
		if err := errors.Join(f(contest.New(s)), s.Close()); err != nil {
			t.Fatal(err)
		}
	}
	categories := func(list ...contest.Category) func(*contest.Contest) error {
		return func(c *contest.Contest) error { return c.ReplaceCategories(ctx, list) }
	}
	win := func(c *contest.Contest, ids ...string) error {
		_, _, err := c.SaveWinners(ctx, contest.Picks{"best": ids}, nil, 2, contest.Once{}, func([]string) ([]byte, error) { return []byte("{}"), nil })
		return err
	}
	change(categories(contest.Category{ID: "best", Name: "Best"}, contest.Category{ID: "old", Name: "Oldest"}))
	change(func(c *contest.Contest) error {
		_, err := c.ChangeEvening(ctx, func(e *contest.Evening) error { e.Name, e.WallSeconds = "Anna & Ben", 9; return nil })
		return err
	})
	change(func(c *contest.Contest) error {
		return win(c, "1700000000000-abcdef")
	})
	if code, _, stderr := run("backup", "--data", data); code != 0 {
		t.Fatal(stderr)
	}
	code, stdout, _ := run("restore", "--data", data)
	if code != 1 || !strings.Contains(stdout, "winners and settings stay as they are") {
		t.Errorf("where nothing changes: exit %d: %s", code, stdout)
	}
	change(categories(contest.Category{ID: "best", Name: "Finest"}, contest.Category{ID: "new", Name: "Newest"}))
	change(func(c *contest.Contest) error {
		_, err := c.ChangeEvening(ctx, func(e *contest.Evening) error { e.Name, e.NameRequired = "Ben & Anna", true; return nil })
		return err
	})
	change(func(c *contest.Contest) error {
		return win(c)
	})
	change(func(c *contest.Contest) error { return c.SaveSetting("contest.moderation", []byte("on")) })
	want := []string{
		`Category "Newest" goes`, `Category "Finest" is called "Best"`, `Category "Oldest" comes`,
		`Winners of "Finest": "c" instead of none`,
		`Setting "approval of new photos": "as the server is started" instead of "on"`,
		`Setting "name": "Anna & Ben" instead of "Ben & Anna"`,
		`Setting "everybody has to say their name": "no" instead of "yes"`,
	}
	code, stdout, _ = run("restore", "--data", data)
	if told, _, _ := strings.Cut(stdout, "Restore it?"); code != 1 || !strings.Contains(told, "  "+strings.Join(want, "\n  ")+"\n") {
		t.Errorf("exit %d; before the question it says\n%s", code, told)
	}
	var done restored
	code, stdout, stderr := run("restore", "--yes", "--json", "--data", data)
	if err := json.Unmarshal([]byte(stdout), &done); code != 0 || err != nil || !slices.Equal(done.Changes, want) {
		t.Errorf("as JSON, exit %d: %s%s", code, stdout, stderr)
	}
}

func TestATokenMadeWithoutAServerChangesNoPassword(t *testing.T) {
	data := filled(t)
	code, token, stderr := run("token", "script", "--data", data)
	if code != 0 {
		t.Fatal(stderr)
	}
	s, err := bolt.Open(filepath.Join(data, server.DatabaseName), bolt.Options{ReadOnly: true})
	if err != nil {
		t.Fatal(err)
	}
	kept, err := s.Setting("admin.password")
	s.Close()
	if err != nil || kept != nil {
		t.Fatalf("a password was kept: %s %v", kept, err)
	}
	url := serving(t, data)
	r, _ := http.NewRequest("GET", url+"/api/submissions", nil)
	r.Header.Set("Authorization", "Bearer "+strings.TrimSpace(token))
	answer, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	answer.Body.Close()
	http.DefaultClient.CloseIdleConnections()
	if answer.StatusCode != 200 {
		t.Fatalf("the token is answered %d", answer.StatusCode)
	}
}

func TestTailFollowsARunningServer(t *testing.T) {
	data := filled(t)
	url := serving(t, data)
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	read, write := io.Pipe()
	ended := make(chan error, 1)
	go func() {
		err := (&tailCommand{Data: data, Since: "0", JSON: true}).Run(ctx, output{write, io.Discard})
		write.Close()
		ended <- err
	}()
	lines := json.NewDecoder(read)
	var e tailed
	if err := lines.Decode(&e); err != nil || e.Name != "newSubmission" {
		t.Fatalf("%+v %v", e, err)
	}
	answer, err := http.Post(url+"/api/submit", "multipart/form-data; boundary=x", strings.NewReader("--x\r\nContent-Disposition: form-data; name=\"category\"\r\n\r\nworst\r\n--x--\r\n"))
	if err != nil {
		t.Fatal(err)
	}
	answer.Body.Close()
	http.DefaultClient.CloseIdleConnections()
	if err := lines.Decode(&e); err != nil || e.Offset != 2 || !strings.Contains(string(e.Payload), "worst") {
		t.Fatalf("%+v %v", e, err)
	}
	cancel()
	if err := <-ended; err != nil {
		t.Fatal(err)
	}
}

func TestADotEnvFileCountsAfterTheEnvironment(t *testing.T) {
	t.Chdir(t.TempDir())
	if err := os.WriteFile(".env", []byte("TEXT=maybe\nDATA_DIR=from-the-file\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	t.Setenv("TEXT", "nonsense")
	t.Setenv("DATA_DIR", "")
	os.Unsetenv("DATA_DIR")
	code, _, stderr := run("serve")
	if code != 2 || !strings.Contains(stderr, "nonsense") {
		t.Fatalf("exit %d: %s", code, stderr)
	}
	if got := os.Getenv("DATA_DIR"); got != "from-the-file" {
		t.Fatalf("DATA_DIR is %q", got)
	}
}

func TestABucketRestoresOntoAFreshMachineWithPictures(t *testing.T) {
	data, bucket := filled(t), t.TempDir()
	uploads := filepath.Join(data, "uploads")
	if err := os.MkdirAll(uploads, 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(uploads, "a.jpg"), []byte("picture"), 0o600); err != nil {
		t.Fatal(err)
	}
	url := "file://" + bucket + "?no_tmp_dir=true&metadata=skip"
	if code, _, stderr := run("backup", url, "--data", data); code != 0 {
		t.Fatal(stderr)
	}
	fresh := filepath.Join(t.TempDir(), "data")
	if code, _, stderr := run("restore", url, "--yes", "--data", fresh); code != 0 {
		t.Fatal(stderr)
	}
	if got, err := os.ReadFile(filepath.Join(fresh, "uploads", "a.jpg")); err != nil || string(got) != "picture" {
		t.Fatal(string(got), err)
	}
	if code, stdout, _ := run("inspect", "--json", "--data", fresh); code != 0 || !strings.Contains(stdout, "1700000000000-abcdef") {
		t.Fatal(stdout)
	}
}

func TestCheckRepairsAndCompactsWhereNoServerRuns(t *testing.T) {
	data := filled(t)
	code, stdout, stderr := run("check", "--repair", "--compact", "--data", data)
	if code != 0 || !strings.Contains(stdout, "in order") || !strings.Contains(stderr, "Compacted") {
		t.Errorf("exit %d: %s%s", code, stdout, stderr)
	}
	copies, err := filepath.Glob(filepath.Join(data, "backups", "before-repair-*.db"))
	if err != nil || len(copies) != 1 {
		t.Errorf("copies kept: %v %v", copies, err)
	}
	serving(t, data)
	if code, _, stderr := run("check", "--repair", "--data", data); code == 0 || !strings.Contains(stderr, "another process") {
		t.Errorf("while a server runs: exit %d: %s", code, stderr)
	}
}
