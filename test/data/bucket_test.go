package data

import (
	"encoding/json"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"podium/protocol/services"
	"podium/test/harness"
)

// submitted is the part of a submission's answer that says where its picture is.
type submitted struct {
	Entry struct {
		ID, ImageURL, StorageMethod string
	}
}

// submitPhoto sends a photo, and returns its entry and the address of its small size.
func submitPhoto(p *harness.Program) (sub submitted, small string) {
	p.T.Helper()
	body, kind := harness.Form(p.T, map[string]string{"category": "best", "caption": "A photo", "name": "Ann", "phone": "123"}, harness.Photo(p.T, 64, 48))
	if status := p.Call("POST", "/api/submit", kind, body, &sub); status != http.StatusOK {
		p.T.Fatalf("submit: %d", status)
	}
	return sub, strings.TrimSuffix(sub.Entry.ImageURL, ".jpg") + "-480.jpg"
}

// statusOf asks a machine for a picture.
func statusOf(t *testing.T, p *harness.Program, path string) int {
	t.Helper()
	res, err := http.Get(p.URL + path)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	if _, err := io.Copy(io.Discard, res.Body); err != nil {
		t.Fatal(err)
	}
	return res.StatusCode
}

// pictureObjects are the pictures in the bucket.
func pictureObjects(t *testing.T, s *services.S3) (names []string) {
	t.Helper()
	entries, err := os.ReadDir(s.Dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		if strings.HasSuffix(e.Name(), ".jpg") {
			names = append(names, e.Name())
		}
	}
	return names
}

// Three machines on one database and one bucket: what one takes, each serves at once,
// and what one deletes is gone from all; a bucket that is away costs no photo.
func TestThreeMachinesShareTheirPictures(t *testing.T) {
	pg, bucket := services.StartPostgres(t, "fsync", "off"), services.StartS3(t)
	bucket.LetIn(t)
	var machines []*harness.Program
	for range 3 {
		machines = append(machines, harness.Start(t, "--database", pg.URL(), "--uploads", bucket.URL()))
	}
	cookie := machines[0].SignIn()
	everywhere := func(want int, paths ...string) {
		t.Helper()
		for i, p := range machines {
			for _, path := range paths {
				if got := statusOf(t, p, path); got != want {
					t.Errorf("machine %d answers %s with %d, not %d", i+1, path, got, want)
				}
			}
		}
	}
	for i := range 4 {
		sub, small := submitPhoto(machines[i%3])
		everywhere(http.StatusOK, sub.Entry.ImageURL, small)
		if sub.Entry.StorageMethod != "local-primary" {
			t.Errorf("it is kept as %s", sub.Entry.StorageMethod)
		}
		if i > 0 {
			var done any
			if status := machines[(i+1)%3].AsAdmin(cookie, "DELETE", "/api/submissions/"+sub.Entry.ID, "", &done); status != http.StatusOK {
				t.Fatalf("delete: %d %v", status, done)
			}
			everywhere(http.StatusNotFound, sub.Entry.ImageURL, small)
		}
	}
	if left := pictureObjects(t, bucket); len(left) != 2 {
		t.Errorf("the bucket holds %v", left)
	}

	bucket.Kill()
	waiting, small := submitPhoto(machines[1])
	if waiting.Entry.StorageMethod != "local-fallback" || statusOf(t, machines[1], small) != http.StatusOK {
		t.Errorf("while the bucket is away a photo is kept as %s", waiting.Entry.StorageMethod)
	}
	machines[1].Signal(syscall.SIGKILL)
	bucket.Start()
	machines[1].Run()
	machines[1].Wait()
	harness.Eventually(t, "the photo at every machine", func() bool {
		return !slices.ContainsFunc(machines, func(p *harness.Program) bool { return statusOf(t, p, waiting.Entry.ImageURL) != http.StatusOK })
	})
	for _, p := range machines {
		if strings.Contains(p.Log.String(), services.S3Secret) {
			t.Error("a log holds the secret")
		}
	}
}

// The commands work on pictures in a bucket as on those in a folder.
func TestCommandsKnowTheBucket(t *testing.T) {
	bucket := services.StartS3(t)
	bucket.LetIn(t)
	p := harness.Start(t, "--uploads", bucket.URL())
	sub, small := submitPhoto(p)
	if status := statusOf(t, p, small); status != http.StatusOK {
		t.Fatal(status)
	}
	flags := []string{"--data", p.Data, "--uploads", bucket.URL()}
	run := func(want int, words ...string) string {
		t.Helper()
		out, errs, code := harness.Command(t, append(words, flags...)...)
		if code != want {
			t.Fatalf("podium %v: exit %d\n%s%s", words, code, out, errs)
		}
		return out + errs
	}
	run(0, "check")
	if said := run(0, "backup"); !strings.Contains(said, "stay in their bucket") {
		t.Errorf("backup says %q", said)
	}
	p.Signal(syscall.SIGTERM)
	run(0, "check")
	dest := filepath.Join(t.TempDir(), "out")
	var exported struct{ Pictures int }
	if err := json.Unmarshal([]byte(run(0, "export", dest, "--json")), &exported); err != nil || exported.Pictures != 2 {
		t.Errorf("exported %+v: %v", exported, err)
	}

	// Somebody's upload that came to nothing, an hour ago.
	over := filepath.Join(bucket.Dir, strings.Repeat("0", 24)+".jpg")
	if err := os.WriteFile(over, harness.Photo(t, 8, 8), 0o600); err != nil {
		t.Fatal(err)
	}
	hour := time.Now().Add(-time.Hour)
	if err := os.Chtimes(over, hour, hour); err != nil {
		t.Fatal(err)
	}
	if said := run(1, "check"); !strings.Contains(said, "belong to no submission") {
		t.Errorf("check says %q", said)
	}
	if said := run(0, "check", "--repair"); !strings.Contains(said, "belonged to no submission") {
		t.Errorf("check --repair says %q", said)
	}
	if err := os.Remove(filepath.Join(bucket.Dir, filepath.Base(sub.Entry.ImageURL))); err != nil {
		t.Fatal(err)
	}
	if said := run(1, "check"); !strings.Contains(said, sub.Entry.ID) {
		t.Errorf("check says %q", said)
	}

	// What was exported comes back into an empty bucket.
	for _, name := range pictureObjects(t, bucket) {
		if err := os.Remove(filepath.Join(bucket.Dir, name)); err != nil {
			t.Fatal(err)
		}
	}
	fresh := t.TempDir()
	harness.MustRun(t, "import", dest, "--data", fresh, "--uploads", bucket.URL())
	if got := pictureObjects(t, bucket); len(got) != 2 {
		t.Errorf("the import brought %v", got)
	}
	again := harness.StartIn(t, fresh, "--uploads", bucket.URL())
	if status := statusOf(t, again, sub.Entry.ImageURL); status != http.StatusOK {
		t.Errorf("after the import: %d", status)
	}
}

// A bucket that cannot be used is said at the start, with the name of the setting.
func TestABucketThatCannotBeUsedIsSaidAtTheStart(t *testing.T) {
	bucket := services.StartS3(t)
	bucket.LetIn(t)
	const secret = "a-secret-that-is-wrong"
	for _, one := range []struct{ secret, uploads, says string }{
		{secret, bucket.URL(), "--uploads"},
		{services.S3Secret, strings.Replace(bucket.URL(), services.S3Bucket, "another", 1), "another"},
		{services.S3Secret, "mem://", "every machine"},
	} {
		t.Setenv("AWS_SECRET_ACCESS_KEY", one.secret)
		_, errs, code := harness.Command(t, "serve", "--host", "127.0.0.1", "--port", "0", "--data", t.TempDir(), "--uploads", one.uploads)
		if code != 1 || !strings.Contains(errs, one.says) || !strings.Contains(errs, "--uploads") || strings.Contains(errs, secret) {
			t.Errorf("%s: exit %d, %s", one.uploads, code, errs)
		}
	}
}
