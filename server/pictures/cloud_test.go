package pictures

import (
	"context"
	"crypto/sha1"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"podium/contest"
	"podium/protocol/services"
	"podium/server/api"
	"podium/store/postgres"
)

// fakeCloud stands in for Cloudinary's upload API.
type fakeCloud struct {
	*httptest.Server
	mu       sync.Mutex // guards the fields below
	mode     string     // ok, down, wrong, null, page, refuse, slow
	uploads  int
	pictures map[string][]byte // by public id
	release  chan struct{}     // closed to let slow answers go
}

func newFakeCloud(t *testing.T) *fakeCloud {
	f := &fakeCloud{mode: "ok", pictures: map[string][]byte{}, release: make(chan struct{})}
	f.Server = httptest.NewServer(http.HandlerFunc(f.serve))
	t.Cleanup(func() {
		close(f.release)
		f.Server.Close()
		http.DefaultTransport.(*http.Transport).CloseIdleConnections()
	})
	return f
}

func (f *fakeCloud) set(mode string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.mode = mode
}

func (f *fakeCloud) serve(w http.ResponseWriter, r *http.Request) {
	f.mu.Lock()
	mode := f.mode
	f.mu.Unlock()
	switch mode {
	case "down":
		panic(http.ErrAbortHandler)
	case "wrong":
		http.Error(w, `{"error":{"message":"internal"}}`, http.StatusInternalServerError)
		return
	case "null":
		io.WriteString(w, "null")
		return
	case "page":
		io.WriteString(w, "<html>Sign in to this hotel's Wi-Fi</html>")
		return
	case "refuse":
		w.WriteHeader(http.StatusBadRequest)
		io.WriteString(w, `{"error":{"message":"Invalid image file"}}`)
		return
	case "slow":
		select {
		case <-f.release:
		case <-r.Context().Done():
		}
		return
	}
	if r.Header.Get("Content-Type") == "" { // as the library sends deletions
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	}
	id := r.FormValue("public_id")
	if strings.HasSuffix(r.URL.Path, "/destroy") {
		f.mu.Lock()
		delete(f.pictures, id)
		f.mu.Unlock()
		io.WriteString(w, `{"result":"ok"}`)
		return
	}
	if r.FormValue("api_key") != "key" || r.FormValue("signature") == "" || r.URL.Path != "/v1_1/cloud/auto/upload" {
		w.WriteHeader(http.StatusUnauthorized)
		io.WriteString(w, `{"error":{"message":"Invalid signature"}}`)
		return
	}
	file, _, err := r.FormFile("file")
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	data, _ := io.ReadAll(file)
	f.mu.Lock()
	f.uploads++
	f.pictures[id] = data
	f.mu.Unlock()
	json.NewEncoder(w).Encode(map[string]string{"public_id": id, "secure_url": "https://res.cloudinary.com/cloud/image/upload/v1/" + id + ".jpg"})
}

func (f *fakeCloud) count() (pictures, uploads int) {
	f.mu.Lock()
	defer f.mu.Unlock()
	return len(f.pictures), f.uploads
}

// newCloudPictures keeps pictures in f. published counts events.
func newCloudPictures(t *testing.T, f *fakeCloud, change ...func(*Options)) *Pictures {
	t.Helper()
	cloud, err := newCloud("cloud", "key", "secret", f.URL, 20*time.Millisecond)
	if err != nil {
		t.Fatal(err)
	}
	cloud.Patience, cloud.Timeout, cloud.Again = 2*time.Second, 2*time.Second, time.Millisecond
	return newPictures(t, append([]func(*Options){func(o *Options) { o.Cloud = cloud }}, change...)...)
}

// submit keeps a photo and stores a submission of it, as the contest does.
func (p *Pictures) submit(t *testing.T, id string) api.Picture {
	t.Helper()
	kept := p.commit(t, id)
	p.Committed(t.Context(), id, kept)
	return kept
}

// commit is submit without what comes after the commit.
func (p *Pictures) commit(t *testing.T, id string) api.Picture {
	t.Helper()
	kept, err := p.keep(t, jpegOf(t, gradient(64, 48)))
	if err != nil {
		t.Fatal(err)
	}
	sub := contest.Submission{ID: id, Category: "best", Status: contest.Approved, ImageURL: &kept.URL, StorageMethod: kept.Method,
		Images: kept.Images, Files: kept.Files, CloudID: kept.CloudID, Awaits: kept.Awaits}
	if _, _, err := p.o.Contest.Submit(t.Context(), sub, contest.Once{}, nil); err != nil {
		t.Fatal(err)
	}
	return kept
}

// eventually polls until ok.
func eventually(t *testing.T, what string, ok func() bool) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	tick := time.NewTicker(2 * time.Millisecond)
	defer tick.Stop()
	for !ok() {
		select {
		case <-tick.C:
		case <-ctx.Done():
			t.Fatalf("waited for %s in vain", what)
		}
	}
}

func TestCloudinaryKeepsPicturesWhileItWorks(t *testing.T) {
	f := newFakeCloud(t)
	p := newCloudPictures(t, f)
	kept := p.submit(t, "1-aaaaaa")
	if kept.Method != MethodCloud || !strings.HasPrefix(kept.URL, "https://res.cloudinary.com/cloud/") || kept.CloudID == "" || len(kept.Files) != 0 {
		t.Errorf("%+v", kept)
	}
	if left, err := os.ReadDir(p.o.Dir); err != nil || len(left) != 0 {
		t.Errorf("left here: %v (%v)", left, err)
	}
	if err := p.Remove(t.Context(), kept); err != nil {
		t.Fatal(err)
	}
	if n, _ := f.count(); n != 0 {
		t.Errorf("%d pictures left there", n)
	}
	if state := p.CloudState(); !state.Configured || state.State != "closed" || state.Uploads != 1 || state.Waiting != 0 {
		t.Errorf("%+v", state)
	}
}

func TestPicturesStayHereWhileCloudinaryFailsAndMoveWhenItIsBack(t *testing.T) {
	for _, mode := range []string{"down", "wrong", "null", "page", "refuse", "slow"} {
		t.Run(mode, func(t *testing.T) {
			f := newFakeCloud(t)
			f.set(mode)
			var mu sync.Mutex
			published := 0
			p := newCloudPictures(t, f, func(o *Options) {
				o.Published = func() { mu.Lock(); published++; mu.Unlock() }
				o.Cloud.Patience, o.Cloud.Timeout = 50*time.Millisecond, 500*time.Millisecond
			})
			ids := []string{"1-aaaaaa", "2-aaaaaa", "3-aaaaaa", "4-aaaaaa", "5-aaaaaa"}
			names := map[string]string{}
			for _, id := range ids {
				kept := p.submit(t, id)
				if kept.Method != MethodFallback || !strings.HasPrefix(kept.URL, "/uploads/") {
					t.Fatalf("%+v", kept)
				}
				if w := p.get(t, kept.Files[0]); w.Code != 200 {
					t.Errorf("the picture is not here: %d", w.Code)
				}
				names[id] = kept.Files[0]
			}
			if state := p.CloudState(); state.Waiting != len(ids) || state.Failures < 3 {
				t.Errorf("%+v", state)
			}
			eventually(t, "more tries", func() bool { return p.CloudState().Failures > 5 })
			f.set("ok")
			eventually(t, "all transfers", func() bool { return p.CloudState().Waiting == 0 })
			for _, id := range ids {
				sub, err := p.o.Contest.Submission(id)
				if err != nil || sub.StorageMethod != MethodCloud || !strings.HasPrefix(*sub.ImageURL, "https://") || sub.CloudID != cloudID(names[id]) {
					t.Errorf("%+v (%v)", sub, err)
				}
			}
			eventually(t, "the events", func() bool { mu.Lock(); defer mu.Unlock(); return published == len(ids) })
			if pictures, _ := f.count(); pictures != len(ids) {
				t.Errorf("%d pictures there", pictures)
			}
			var updates []string
			if err := contest.EachEvent(p.o.Contest, 0, func(e contest.Event) bool { updates = append(updates, e.Name); return true }); err != nil {
				t.Fatal(err)
			}
			if n := len(slices.DeleteFunc(updates, func(n string) bool { return n != contest.EventSubmissionUpdated })); n != len(ids) {
				t.Errorf("%d submissionUpdated events", n)
			}
		})
	}
}

func TestWaitingPicturesMoveAfterARestart(t *testing.T) {
	f := newFakeCloud(t)
	f.set("down")
	first := newCloudPictures(t, f)
	kept := first.submit(t, "1-aaaaaa")
	gone := first.submit(t, "2-aaaaaa")
	first.commit(t, "3-aaaaaa") // a crash comes right after
	first.Close()
	if err := os.Remove(filepath.Join(first.o.Dir, gone.Files[0])); err != nil {
		t.Fatal(err)
	}
	f.set("ok")
	second := restarted(t, first, f)
	eventually(t, "the transfer", func() bool { return second.CloudState().Waiting == 0 })
	sub, err := second.o.Contest.Submission("1-aaaaaa")
	if err != nil || sub.CloudID != cloudID(kept.Files[0]) {
		t.Errorf("%+v (%v)", sub, err)
	}
	if last, err := second.o.Contest.Submission("3-aaaaaa"); err != nil || last.CloudID == "" {
		t.Errorf("the last one before the crash: %+v (%v)", last, err)
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	data := first.stored(t, kept.Files[0])
	sum, want := sha1.Sum(f.pictures[sub.CloudID]), sha1.Sum(data)
	if hex.EncodeToString(sum[:]) != hex.EncodeToString(want[:]) {
		t.Error("another picture arrived there")
	}
}

func TestDeletionsAtCloudinaryAreTriedAgain(t *testing.T) {
	f := newFakeCloud(t)
	p := newCloudPictures(t, f)
	kept := p.submit(t, "1-aaaaaa")
	f.set("wrong")
	if err := p.Remove(t.Context(), kept); err != nil {
		t.Errorf("the admin hears of it: %v", err)
	}
	f.set("ok")
	eventually(t, "the deletion", func() bool { n, _ := f.count(); return n == 0 })
	eventually(t, "its note to go", p.nothingToRemove(t))
}

// nothingToRemove reports whether no deletion is noted.
func (p *Pictures) nothingToRemove(t *testing.T) func() bool {
	return func() bool {
		ids, err := p.o.Contest.Removals(10)
		if err != nil {
			t.Fatal(err)
		}
		return len(ids) == 0
	}
}

func TestDeletionsAtCloudinaryOutliveARestart(t *testing.T) {
	f := newFakeCloud(t)
	first := newCloudPictures(t, f)
	kept := first.submit(t, "1-aaaaaa")
	for i := range 2 * serviceFailures { // these are deleted before Cloudinary hears of it, as in a crash
		id := fmt.Sprintf("%d-bbbbbb", i)
		first.submit(t, id)
		if _, err := first.o.Contest.Delete(t.Context(), id); err != nil {
			t.Fatal(err)
		}
	}
	f.set("wrong")
	if err := first.Remove(t.Context(), kept); err != nil { // no submission is left that knows it
		t.Fatal(err)
	}
	first.Close()
	f.set("ok")
	second := restarted(t, first, f)
	eventually(t, "the deletions", func() bool { n, _ := f.count(); return n == 0 })
	eventually(t, "their notes to go", second.nothingToRemove(t))
}

// restarted is p after a restart.
func restarted(t *testing.T, p *Pictures, f *fakeCloud) *Pictures {
	t.Helper()
	cloud, err := newCloud("cloud", "key", "secret", f.URL, 20*time.Millisecond)
	if err != nil {
		t.Fatal(err)
	}
	o := p.o
	o.Cloud = cloud
	again, err := New(o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(again.Close)
	return again
}

func TestAGuestDoesNotWaitForASlowCloudinary(t *testing.T) {
	f := newFakeCloud(t)
	f.set("slow")
	p := newCloudPictures(t, f, func(o *Options) { o.Cloud.Patience = 20 * time.Millisecond })
	for range serviceFailures {
		p.submit(t, newID(t))
	}
	// Now the circuit is open, and nobody waits at all; the transfers may open
	// it half for one try of theirs.
	start := time.Now()
	for range 20 {
		p.submit(t, newID(t))
	}
	if took := time.Since(start); took > 10*time.Second {
		t.Errorf("twenty guests waited %v", took)
	}
}

// newID makes an id from the test's clock.
func newID(t *testing.T) string {
	t.Helper()
	return time.Now().Format("150405.000000000") + "-aaaaaa"
}

// sharedPictures are those of a machine of its own that shares a database.
func sharedPictures(t *testing.T, url string, f *fakeCloud) *Pictures {
	t.Helper()
	store, err := postgres.Open(t.Context(), url, postgres.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { store.Close() }) // after Pictures, which newCloudPictures ends
	return newCloudPictures(t, f, func(o *Options) { o.Contest = contest.New(store) })
}

// A machine that does not have a picture leaves its transfer to the one that has.
func TestEachMachineSendsThePicturesThatItHas(t *testing.T) {
	url := services.StartPostgres(t, "fsync", "off").URL()
	up, down := newFakeCloud(t), newFakeCloud(t)
	down.set("down")
	one, two := sharedPictures(t, url, up), sharedPictures(t, url, down)
	kept := two.submit(t, "1-aaaaaa")
	one.submit(t, "2-aaaaaa")
	one.Close() // its transfers are made here
	for range 3 {
		if err := one.transferWaiting(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	if ids, _, err := one.o.Contest.Transfers(10); err != nil || len(ids) != 1 || ids[0] != "1-aaaaaa" {
		t.Fatalf("%v wait (%v)", ids, err)
	}
	down.set("ok")
	eventually(t, "the transfer", func() bool { return two.CloudState().Waiting == 0 })
	if sub, err := one.o.Contest.Submission("1-aaaaaa"); err != nil || sub.CloudID != cloudID(kept.Files[0]) {
		t.Errorf("%+v (%v)", sub, err)
	}
}

// A file that is here while its submission was deleted at another machine goes.
func TestAMachineRemovesPicturesThatAnotherDeleted(t *testing.T) {
	url := services.StartPostgres(t, "fsync", "off").URL()
	f := newFakeCloud(t)
	f.set("down")
	one, two := sharedPictures(t, url, f), sharedPictures(t, url, f)
	kept := two.submit(t, "1-aaaaaa")
	gone, err := one.o.Contest.Delete(t.Context(), "1-aaaaaa")
	if err != nil || len(gone) != 1 {
		t.Fatal(gone, err)
	}
	here, err := two.ours()
	if err != nil {
		t.Fatal(err)
	}
	if n, err := two.sweep(t.Context(), here); err != nil || n == 0 {
		t.Fatalf("%d files removed (%v)", n, err)
	}
	if w := two.get(t, kept.Files[0]); w.Code != http.StatusNotFound {
		t.Errorf("the picture is served: %d", w.Code)
	}
}
