package data

import (
	"bufio"
	"bytes"
	"encoding/json"
	"encoding/xml"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"podium/test/harness"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"
)

// objects is as much of S3's API as backups need, at /bucket/key.
type objects struct {
	mu    sync.Mutex // guards kept
	kept  map[string][]byte
	pages int // lists that were continued
}

// listPage is small, so that lists have pages.
const listPage = 2

func (o *objects) keys() []string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return slices.Sorted(maps.Keys(o.kept))
}

// ServeHTTP implements http.Handler.
func (o *objects) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	_, key, _ := strings.Cut(strings.TrimPrefix(r.URL.Path, "/"), "/")
	if key == "" {
		o.list(w, r)
		return
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	switch r.Method {
	case http.MethodPut:
		body, err := objectBody(r)
		if err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
		o.kept[key] = body
		w.Header().Set("ETag", `"x"`)
	case http.MethodDelete:
		delete(o.kept, key)
		w.WriteHeader(http.StatusNoContent)
	default:
		body, found := o.kept[key]
		if !found {
			w.WriteHeader(http.StatusNotFound)
			_, _ = io.WriteString(w, `<Error><Code>NoSuchKey</Code></Error>`)
			return
		}
		w.Header().Set("ETag", `"x"`)
		http.ServeContent(w, r, "", time.Unix(1_700_000_000, 0), bytes.NewReader(body))
	}
}

// objectBody reads a body that may come in signed chunks: a line with the length in
// hexadecimal, the chunk, a line end; the last is empty, and trailers follow.
func objectBody(r *http.Request) ([]byte, error) {
	if r.Header.Get("X-Amz-Decoded-Content-Length") == "" {
		return io.ReadAll(r.Body)
	}
	var body bytes.Buffer
	for in := bufio.NewReader(r.Body); ; {
		line, err := in.ReadString('\n')
		if err != nil {
			return nil, err
		}
		length, _, _ := strings.Cut(strings.TrimSpace(line), ";")
		n, err := strconv.ParseInt(length, 16, 64)
		if err != nil || n == 0 {
			return body.Bytes(), err
		}
		if _, err := io.CopyN(&body, in, n); err != nil {
			return nil, err
		}
		if _, err := in.Discard(len("\r\n")); err != nil {
			return nil, err
		}
	}
}

// list answers ListObjectsV2.
func (o *objects) list(w http.ResponseWriter, r *http.Request) {
	type object struct {
		Key          string
		LastModified string
		ETag         string
		Size         int
	}
	var answer struct {
		XMLName               xml.Name `xml:"ListBucketResult"`
		IsTruncated           bool
		NextContinuationToken string `xml:",omitempty"`
		Contents              []object
	}
	after := r.URL.Query().Get("continuation-token")
	o.mu.Lock()
	defer o.mu.Unlock()
	if after != "" {
		o.pages++
	}
	for _, key := range slices.Sorted(maps.Keys(o.kept)) {
		if key <= after || !strings.HasPrefix(key, r.URL.Query().Get("prefix")) {
			continue
		}
		if answer.IsTruncated = len(answer.Contents) == listPage; answer.IsTruncated {
			answer.NextContinuationToken = answer.Contents[listPage-1].Key
			break
		}
		answer.Contents = append(answer.Contents, object{key, "2026-01-31T20:00:00.000Z", `"x"`, len(o.kept[key])})
	}
	w.Header().Set("Content-Type", "application/xml")
	_ = xml.NewEncoder(w).Encode(answer) // who asked may be gone
}

// Backups leave the machine for an S3-compatible bucket, pictures included, and
// one command puts them onto a fresh machine.
func TestBackupsGoToAnS3CompatibleBucketAndComeBack(t *testing.T) {
	t.Setenv("AWS_ACCESS_KEY_ID", "key")
	t.Setenv("AWS_SECRET_ACCESS_KEY", "secret")
	t.Setenv("AWS_EC2_METADATA_DISABLED", "true")
	bucket := &objects{kept: make(map[string][]byte)}
	s3 := httptest.NewServer(bucket)
	defer s3.Close()
	dest := "s3://contest?region=test&use_path_style=true&endpoint=" + s3.URL

	p := harness.Start(t, "--backups", dest)
	for n := range 3 {
		p.Submit(fmt.Sprint("kept far away ", n))
		harness.MustRun(t, "backup", "--data", p.Data)
	}
	want := p.StoredIDs()
	p.Signal(15) // and one more backup, if anything had changed
	pictures := 0
	for _, key := range bucket.keys() {
		if strings.HasSuffix(key, ".jpg") {
			pictures++
		}
	}
	if pictures < len(want) {
		t.Errorf("%d pictures of %d submissions are in the bucket: %v", pictures, len(want), bucket.keys())
	}

	data := filepath.Join(t.TempDir(), "fresh")
	harness.MustRun(t, "restore", dest, "--data", data, "--yes")
	harness.MustRun(t, "check", "--data", data)
	again := harness.StartIn(t, data)
	if got := again.StoredIDs(); !slices.Equal(got, want) {
		t.Errorf("restored %v, want %v", got, want)
	}
	if files, _ := filepath.Glob(filepath.Join(data, "uploads", "*.jpg")); len(files) < len(want) {
		t.Errorf("%d pictures were restored", len(files))
	}
	if bucket.pages == 0 {
		t.Error("no list had pages: the test shows less than it should")
	}
}

// cloud is as much of Cloudinary's upload API as a contest needs.
type cloud struct {
	mu   sync.Mutex // guards kept
	kept map[string]bool
}

// ServeHTTP implements http.Handler.
func (c *cloud) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if r.Header.Get("Content-Type") == "" { // as the library sends deletions
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	}
	id := r.FormValue("public_id")
	c.mu.Lock()
	defer c.mu.Unlock()
	if strings.HasSuffix(r.URL.Path, "/destroy") {
		delete(c.kept, id)
		_, _ = io.WriteString(w, `{"result":"ok"}`)
		return
	}
	c.kept[id] = true
	_ = json.NewEncoder(w).Encode(map[string]string{ // who asked may be gone
		"public_id": id, "secure_url": "https://res.cloudinary.com/cloud/image/upload/v1/" + id + ".jpg",
	})
}

func (c *cloud) count() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return len(c.kept)
}

// An admin deletes a submission whose picture is in Cloudinary: it is gone there,
// and nowhere else is anything left of it.
func TestADeletedPictureIsDeletedInCloudinary(t *testing.T) {
	far := &cloud{kept: make(map[string]bool)}
	api := httptest.NewServer(far)
	defer api.Close()
	p := harness.Start(t, "--cloudinary-cloud-name", "cloud", "--cloudinary-api-key", "key", "--cloudinary-api-secret", "secret", "--cloudinary-upload-prefix", api.URL)
	body, kind := harness.Form(t, map[string]string{"category": "best", "caption": "in the cloud"}, harness.Photo(t, 64, 48))
	var answer struct {
		StorageMethod string
		Entry         struct{ ID string }
	}
	if status := p.Call("POST", "/api/submit", kind, body, &answer); status != http.StatusOK || answer.StorageMethod != "cloudinary" || far.count() != 1 {
		t.Fatalf("submit: %d %+v; %d pictures in the cloud", status, answer, far.count())
	}
	stays := p.Submit("it stays")
	if status := p.AsAdmin(p.SignIn(), "DELETE", "/api/submissions/"+answer.Entry.ID, "", &struct{}{}); status != http.StatusOK {
		t.Fatalf("delete: %d", status)
	}
	harness.Eventually(t, "the picture in the cloud to be deleted", func() bool { return far.count() == 1 })
	if ids := p.StoredIDs(); !slices.Equal(ids, []string{stays}) {
		t.Errorf("stored are %v", ids)
	}
	left, err := os.ReadDir(filepath.Join(p.Data, "uploads"))
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range left {
		if !file.IsDir() {
			t.Errorf("%s is left here", file.Name())
		}
	}
}
