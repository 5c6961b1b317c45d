package command

import (
	"archive/zip"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"podium/contest"
	"podium/protocol/services"
	"podium/server"
	"podium/store/bolt"
	"podium/store/postgres"
)

// must runs a command that must succeed.
func must(t *testing.T, args ...string) (stdout string) {
	t.Helper()
	code, stdout, stderr := run(args...)
	if code != 0 {
		t.Fatalf("podium %v: exit %d\n%s%s", args, code, stdout, stderr)
	}
	return stdout
}

// refused runs a command that must fail with these words.
func refused(t *testing.T, words string, args ...string) {
	t.Helper()
	if code, stdout, stderr := run(args...); code != 1 || !strings.Contains(stderr, words) {
		t.Errorf("podium %v: exit %d, want %q\n%s%s", args, code, words, stdout, stderr)
	}
}

// inDatabase runs f on a database.
func inDatabase(t *testing.T, url string, f func(c *contest.Contest)) {
	t.Helper()
	s, err := postgres.Open(t.Context(), url, postgres.Options{})
	if err != nil {
		t.Fatal(err)
	}
	f(contest.New(s))
	if err := s.Close(); err != nil {
		t.Error(err)
	}
}

func TestAContestMovesOnlyWhereNothingIsLost(t *testing.T) {
	url := services.StartPostgres(t, "fsync", "off").URL()
	data := filled(t)
	pictures := filepath.Join(data, "uploads")
	if err := os.MkdirAll(pictures, 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(pictures, "a.jpg"), []byte("a picture"), 0o600); err != nil {
		t.Fatal(err)
	}
	there := t.TempDir()

	if said := must(t, "import", data, "--data", there, "--database", url, "--dry-run"); !strings.Contains(said, "Would move 1 submissions") {
		t.Errorf("a dry run says %s", said)
	}
	inDatabase(t, url, func(c *contest.Contest) {
		if counts, err := c.Counts(); err != nil || counts.Total() != 0 {
			t.Errorf("a dry run left %v (%v)", counts, err)
		}
		refused(t, "machines serve from the database; stop them first", "import", data, "--data", there, "--database", url)
	})
	var report moved
	if err := json.Unmarshal([]byte(must(t, "import", data, "--data", there, "--database", url, "--json")), &report); err != nil {
		t.Fatal(err)
	}
	if report.Submissions != 1 || report.LastEvent != 1 || report.Pictures != 1 || report.Epoch == "" || strings.Contains(report.To, "podium@") {
		t.Errorf("reported %+v", report)
	}
	if _, err := os.Stat(filepath.Join(there, "uploads", "a.jpg")); err != nil {
		t.Error(err)
	}
	refused(t, "the database 127.0.0.1", "import", data, "--data", there, "--database", url) // it names it
	refused(t, "holds a contest already", "import", data, "--data", there, "--database", url)
	inDatabase(t, url, func(c *contest.Contest) {
		if c.Epoch() != report.Epoch {
			t.Errorf("epoch %s, was %s", c.Epoch(), report.Epoch)
		}
		if err := c.SaveSetting("only there", []byte("x")); err != nil {
			t.Fatal(err)
		}
		refused(t, "stop them first", "import", url, "--data", t.TempDir())
	})
	if said := must(t, "import", data, "--data", there, "--database", url, "--replace"); !strings.Contains(said, "before-import-") {
		t.Errorf("it does not say where what was there is: %s", said)
	}
	kept, err := filepath.Glob(filepath.Join(there, "backups", "before-import-*.db"))
	if err != nil || len(kept) != 1 {
		t.Fatalf("kept %v (%v)", kept, err)
	}
	if v, err := readSetting(kept[0], "only there"); string(v) != "x" || err != nil {
		t.Errorf("what was replaced is not whole: %q (%v)", v, err)
	}

	// And back, into a folder.
	refused(t, "same database", "import", url, "--database", url)
	refused(t, "holds a contest already", "import", url, "--data", data)
	if said := must(t, "import", url, "--data", data, "--replace"); !strings.Contains(said, "before-import-") {
		t.Errorf("it does not say where what was there is: %s", said)
	}
	fresh := t.TempDir()
	must(t, "import", url, "--data", fresh)
	for _, one := range []string{data, fresh} {
		must(t, "check", "--data", one)
		if e, err := extentOf(filepath.Join(one, server.DatabaseName)); e.Submissions != 1 || err != nil {
			t.Errorf("%s holds %v (%v)", one, e, err)
		}
	}
	refused(t, "that is the contest of this data folder", "import", fresh, "--data", fresh)
	refused(t, "is neither a folder, nor a contest, nor a database", "import", filepath.Join(fresh, "nothing"))
	serving(t, data)
	refused(t, "another process has the contest's data open", "import", data, "--data", t.TempDir())
}

func readSetting(path, name string) ([]byte, error) {
	s, err := bolt.Open(path, bolt.Options{ReadOnly: true})
	if err != nil {
		return nil, err
	}
	defer s.Close()
	return s.Setting(name)
}

func TestADatabaseIsBackedUpRestoredAndExported(t *testing.T) {
	url := services.StartPostgres(t, "fsync", "off").URL()
	data := filled(t)
	here := t.TempDir()
	must(t, "import", data, "--data", here, "--database", url)
	copied := filepath.Join(here, "copy.db")
	must(t, "backup", copied, "--data", here, "--database", url)
	must(t, "backup", "--data", here, "--database", url)
	named, err := filepath.Glob(filepath.Join(here, "backups", "podium-*.db"))
	if err != nil || len(named) != 1 {
		t.Fatalf("backups %v (%v)", named, err)
	}
	var epoch string
	inDatabase(t, url, func(c *contest.Contest) {
		epoch = c.Epoch()
		if _, err := c.Delete(t.Context(), "1700000000000-abcdef"); err != nil {
			t.Fatal(err)
		}
		refused(t, "stop them first", "restore", "--data", here, "--database", url, "--yes")
	})
	said := must(t, "restore", "--data", here, "--database", url, "--yes")
	if !strings.Contains(said, "0 submissions") || !strings.Contains(said, "1 submissions") || !strings.Contains(said, "is kept in") {
		t.Errorf("restore says %s", said)
	}
	inDatabase(t, url, func(c *contest.Contest) {
		if _, err := c.Submission("1700000000000-abcdef"); err != nil {
			t.Error(err)
		}
		if c.Epoch() == epoch {
			t.Error("offsets of what was replaced count for what was restored")
		}
	})
	folder := t.TempDir() // a backup of a database is a file like every other
	must(t, "restore", copied, "--data", folder, "--yes")
	must(t, "check", "--data", folder)

	exported := filepath.Join(t.TempDir(), "contest.zip")
	must(t, "export", exported, "--data", here, "--database", url)
	z, err := zip.OpenReader(exported)
	if err != nil {
		t.Fatal(err)
	}
	defer z.Close()
	if _, err := z.Open("data.json"); err != nil {
		t.Error(err)
	}
	old := t.TempDir() // an old deployment comes into a database, too
	if err := os.WriteFile(filepath.Join(old, "data.json"), []byte(`{"submissions":{"best":[{"id":"1600000000000-aaaaaa","category":"best","caption":"old"}]},"winners":{}}`), 0o600); err != nil {
		t.Fatal(err)
	}
	if said := must(t, "import", old, "--data", here, "--database", url); !strings.Contains(said, "1 submissions (0") || !strings.Contains(said, "backed up in") {
		t.Errorf("import says %s", said)
	}
}
