package pictures

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"gocloud.dev/blob"

	"podium/contest"
	"podium/protocol/services"
	"podium/server/answer"
	"podium/store/bolt"
	"podium/store/uploads"
)

// machine is one that keeps pictures in a bucket, beside others of the same contest.
func machine(t testing.TB, files *uploads.Bucket, of *contest.Contest) *Pictures {
	t.Helper()
	bucket := newBucket(files, 50*time.Millisecond)
	bucket.Patience, bucket.Timeout, bucket.Again = 5*time.Second, 5*time.Second, time.Millisecond
	p, err := New(Options{Dir: filepath.Join(t.TempDir(), "uploads"), MaxPixels: 64_000_000, Codec: decoders(), MemoryBudget: 256 << 20, Contest: of, KeepOriginals: true,
		Bucket: bucket, Published: func() {}, Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(p.Close)
	return p
}

// oneContest is what machines share.
func oneContest(t testing.TB) *contest.Contest {
	t.Helper()
	s, err := bolt.Open(filepath.Join(t.TempDir(), "test.db"), bolt.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	return contest.New(s)
}

// bucketAt opens a bucket until the test ends.
func bucketAt(t testing.TB, address string) *uploads.Bucket {
	t.Helper()
	files, err := uploads.OpenBucket(context.Background(), address)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := files.Close(); err != nil {
			t.Error(err)
		}
	})
	return files
}

// inBucket are the names of the pictures there, sorted.
func inBucket(t testing.TB, files *uploads.Bucket) (list []string) {
	t.Helper()
	names, err := files.Names(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	for name := range names {
		if name != ownerName {
			list = append(list, name)
		}
	}
	slices.Sort(list)
	return list
}

// here are the names of the files in a machine's folder.
func (p *Pictures) here(t testing.TB) (list []string) {
	t.Helper()
	entries, err := os.ReadDir(p.o.Dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		list = append(list, e.Name())
	}
	return list
}

// buckets runs a test with each kind of bucket.
func buckets(t *testing.T, f func(t *testing.T, address string)) {
	t.Run("folder", func(t *testing.T) { f(t, "file://"+t.TempDir()) })
	t.Run("s3", func(t *testing.T) {
		server := services.StartS3(t)
		server.LetIn(t)
		f(t, server.URL())
	})
}

// What one machine took, each machine serves at once, as it would from its folder;
// the small size is made once, and a deletion takes everything.
func TestEveryMachineServesWhatIsInTheBucket(t *testing.T) {
	buckets(t, func(t *testing.T, address string) {
		files, of := bucketAt(t, address), oneContest(t)
		one, two := machine(t, files, of), machine(t, files, of)
		kept := one.submit(t, "1-aaaaaa")
		if kept.Method != MethodLocal || !strings.HasPrefix(kept.URL, "/uploads/") || kept.CloudID == "" || kept.Awaits {
			t.Errorf("%+v", kept)
		}
		if left := one.here(t); len(left) > 0 {
			t.Errorf("left in the folder: %v", left)
		}
		alone, err := newPictures(t).keep(t, jpegOf(t, gradient(64, 48)))
		if err != nil {
			t.Fatal(err)
		}
		folder := newPictures(t)
		if alone, err = folder.keep(t, jpegOf(t, gradient(64, 48))); err != nil {
			t.Fatal(err)
		}
		for _, p := range []*Pictures{one, two} {
			for i, header := range [][]string{nil, {"Range", "bytes=10-19"}, {"Range", "bytes=-7"}, {"Range", "bytes=99999999-"}, nil} {
				small := i == 4
				name, same := kept.Files[0], alone.Files[0]
				if small {
					name, same = kept.Files[1], alone.Files[1]
				}
				got, want := p.get(t, name, header...), folder.get(t, same, header...)
				if got.Code != want.Code || !bytes.Equal(got.Body.Bytes(), want.Body.Bytes()) {
					t.Errorf("%v: %d with %d bytes, from a folder %d with %d", header, got.Code, got.Body.Len(), want.Code, want.Body.Len())
				}
				for _, field := range []string{"Content-Type", "Content-Length", "Content-Range", "Accept-Ranges", "Cache-Control", "Content-Security-Policy", "X-Content-Type-Options", "Content-Disposition"} {
					if got.Header().Get(field) != want.Header().Get(field) {
						t.Errorf("%s is %q, from a folder %q", field, got.Header().Get(field), want.Header().Get(field))
					}
				}
			}
			w := httptest.NewRecorder()
			if err := p.ServeFile(w, httptest.NewRequest(http.MethodHead, "/uploads/x", nil), kept.Files[0]); err != nil || w.Body.Len() > 0 || w.Header().Get("Content-Length") == "" {
				t.Errorf("HEAD: %d bytes of %s: %v", w.Body.Len(), w.Header().Get("Content-Length"), err)
			}
		}
		if got, want := inBucket(t, files), slices.Sorted(slices.Values(kept.Files)); !slices.Equal(got, want) {
			t.Errorf("the bucket holds %v, not %v", got, want)
		}
		if gone, err := of.Delete(t.Context(), "1-aaaaaa"); err != nil || len(gone) != 1 {
			t.Fatal(gone, err)
		}
		if err := two.Remove(t.Context(), kept); err != nil {
			t.Fatal(err)
		}
		for _, p := range []*Pictures{one, two} {
			for _, name := range kept.Files {
				if w := p.get(t, name); w.Code != http.StatusNotFound {
					t.Errorf("%s after its deletion: %d", name, w.Code)
				}
			}
		}
		if left := inBucket(t, files); len(left) > 0 {
			t.Errorf("left in the bucket: %v", left)
		}
		if waiting, err := of.Removals(10); err != nil || len(waiting) > 0 {
			t.Errorf("still to be removed: %v %v", waiting, err)
		}
	})
}

// A bucket that is away costs nobody a photo: it is kept and shown here, and carried
// over later; what was deleted meanwhile is gone from the bucket then.
func TestABucketThatIsAwayGetsThePicturesLater(t *testing.T) {
	server := services.StartS3(t)
	server.LetIn(t)
	files, of := bucketAt(t, server.URL()), oneContest(t)
	p := machine(t, files, of)
	before := p.submit(t, "1-before")
	server.Kill()
	kept := p.submit(t, "2-during")
	if kept.Method != MethodFallback || !kept.Awaits || len(p.here(t)) == 0 {
		t.Fatalf("%+v, here %v", kept, p.here(t))
	}
	for _, name := range kept.Files[:2] {
		if w := p.get(t, name); w.Code != http.StatusOK || w.Header().Get("Cache-Control") == "no-store" {
			t.Errorf("%s: %d, %s", name, w.Code, w.Header().Get("Cache-Control"))
		}
	}
	if state := p.BucketState(); state.Waiting != 1 {
		t.Errorf("%+v", state)
	}
	if w := p.get(t, before.Files[0]); w.Code != http.StatusServiceUnavailable || w.Header().Get("Retry-After") == "" {
		t.Errorf("what is in the bucket is answered with %d", w.Code)
	}
	if _, err := of.Delete(t.Context(), "1-before"); err != nil {
		t.Fatal(err)
	}
	if err := p.Remove(t.Context(), before); err != nil {
		t.Fatal(err)
	}
	server.Start()
	eventually(t, "the picture in the bucket", func() bool {
		sub, err := of.Submission("2-during")
		return err == nil && sub.CloudID != "" && sub.StorageMethod == MethodLocal && *sub.ImageURL == kept.URL && len(sub.Images) == 2
	})
	eventually(t, "an empty folder", func() bool { return len(p.here(t)) == 0 })
	eventually(t, "the deletion", func() bool { waiting, err := of.Removals(10); return err == nil && len(waiting) == 0 })
	for _, name := range kept.Files[:2] {
		if w := p.get(t, name); w.Code != http.StatusOK {
			t.Errorf("%s from the bucket: %d", name, w.Code)
		}
	}
	if got, want := inBucket(t, files), slices.Sorted(slices.Values(kept.Files)); !slices.Equal(got, want) {
		t.Errorf("the bucket holds %v, not %v", got, want)
	}
}

// A bucket that takes connections and says nothing holds nobody for long.
func TestABucketThatHangsIsGivenUp(t *testing.T) {
	server := services.StartS3(t)
	server.LetIn(t)
	p := machine(t, bucketAt(t, server.URL()), oneContest(t))
	kept := p.submit(t, "1-aaaaaa")
	p.o.Bucket.Patience = 50 * time.Millisecond
	server.Pause()
	defer server.Resume()
	if w := p.get(t, kept.Files[0]); w.Code != http.StatusServiceUnavailable {
		t.Errorf("it is answered with %d", w.Code)
	}
	if again, err := p.keep(t, jpegOf(t, gradient(64, 48))); err != nil || !again.Awaits {
		t.Errorf("%+v %v", again, err)
	}
}

// Where a folder was before, its pictures go to the bucket, under the same addresses.
func TestWhatWasInTheFolderIsCarriedToTheBucket(t *testing.T) {
	files, of := bucketAt(t, "file://"+t.TempDir()), oneContest(t)
	folder := newPictures(t, func(o *Options) { o.Contest = of })
	kept := folder.submit(t, "1-aaaaaa")
	folder.get(t, kept.Files[1]) // makes the small size
	p, err := New(Options{Dir: folder.o.Dir, MaxPixels: 64_000_000, Codec: decoders(), MemoryBudget: 256 << 20, Contest: of, Bucket: NewBucket(files),
		Published: func() {}, Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	defer p.Close()
	eventually(t, "an empty folder", func() bool { return len(p.here(t)) == 0 })
	for _, name := range kept.Files {
		if w := p.get(t, name); w.Code != http.StatusOK {
			t.Errorf("%s: %d", name, w.Code)
		}
	}
	if err := p.Remove(t.Context(), kept); err != nil {
		t.Fatal(err)
	}
	if left := inBucket(t, files); len(left) > 0 {
		t.Errorf("left in the bucket: %v", left)
	}
}

// What no submission has goes from the bucket when it is old enough, but not where
// the bucket is another contest's.
func TestWhatIsLeftOverInTheBucketGoes(t *testing.T) {
	files, of := bucketAt(t, "file://"+t.TempDir()), oneContest(t)
	p := machine(t, files, of)
	kept := p.submit(t, "1-aaaaaa")
	for _, name := range []string{strings.Repeat("0", 24) + ".jpg", strings.Repeat("0", 24) + thumbEnding, "an-organiser's.jpg"} {
		if err := files.Write(t.Context(), name, strings.NewReader("picture")); err != nil {
			t.Fatal(err)
		}
	}
	later := time.Now().Add(time.Hour)
	names, err := files.Names(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if over, err := LeftOver(of, names, time.Now()); err != nil || len(over) > 0 {
		t.Errorf("what may still be going on is left over: %v %v", over, err)
	}
	if over, err := LeftOver(of, names, later); err != nil || len(over) != 2 {
		t.Errorf("left over: %v %v", over, err)
	}
	if n, err := RemoveLeftOver(t.Context(), of, files, later); err != nil || n != 2 {
		t.Errorf("%d removed: %v", n, err)
	}
	if got := inBucket(t, files); !slices.Contains(got, kept.Files[0]) || !slices.Contains(got, "an-organiser's.jpg") || len(got) != len(kept.Files) {
		t.Errorf("the bucket holds %v", got)
	}
	if n, err := RemoveLeftOver(t.Context(), oneContest(t), files, later); !errors.Is(err, errAnother) || n != 0 {
		t.Errorf("another contest removed %d: %v", n, err)
	}
}

// BenchmarkServe compares streaming through the machine with a redirect to a signed
// address, for a small size and for a picture. Signing is what a redirect costs the
// machine; following it is what it costs the phone more.
func BenchmarkServe(b *testing.B) {
	server := services.StartS3(b)
	for _, one := range server.Environment() {
		name, value, _ := strings.Cut(one, "=")
		b.Setenv(name, value)
	}
	files := bucketAt(b, server.URL())
	p := machine(b, files, oneContest(b))
	signer, err := blob.OpenBucket(b.Context(), server.URL()+"&use_path_style=true")
	if err != nil {
		b.Fatal(err)
	}
	defer signer.Close()
	front := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		name := r.URL.Query().Get("name")
		if !r.URL.Query().Has("redirect") {
			if err := p.ServeFile(w, r, name); err != nil {
				var known *answer.Error
				errors.As(err, &known)
				known.Write(w)
			}
			return
		}
		address, err := signer.SignedURL(r.Context(), name, &blob.SignedURLOptions{Expiry: time.Minute})
		if err != nil {
			http.Error(w, err.Error(), http.StatusInternalServerError)
			return
		}
		http.Redirect(w, r, address, http.StatusFound)
	}))
	defer front.Close()
	for size, bytes := range map[string]int{"30KB": 30 << 10, "500KB": 500 << 10} {
		name := strings.Repeat("a", 23) + size[:1] + ".jpg"
		if err := files.Write(b.Context(), name, strings.NewReader(strings.Repeat("x", bytes))); err != nil {
			b.Fatal(err)
		}
		for _, how := range []string{"streamed", "redirect"} {
			b.Run(size+"/"+how, func(b *testing.B) {
				b.SetBytes(int64(bytes))
				b.RunParallel(func(pb *testing.PB) {
					client := &http.Client{Transport: &http.Transport{}}
					defer client.CloseIdleConnections()
					for pb.Next() {
						res, err := client.Get(front.URL + "?name=" + name + "&" + how)
						if err != nil {
							b.Error(err)
							return
						}
						n, err := res.Body.Read(make([]byte, 1))
						for err == nil {
							var more int
							more, err = res.Body.Read(make([]byte, 32<<10))
							n += more
						}
						res.Body.Close()
						if n != bytes || res.StatusCode != http.StatusOK {
							b.Errorf("%d with %d bytes", res.StatusCode, n)
							return
						}
					}
				})
			})
		}
	}
}
