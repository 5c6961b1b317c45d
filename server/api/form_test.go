package api

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"mime/multipart"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"podium/contest"
	"podium/protocol/budget"
	"podium/protocol/limits"
	"podium/server/answer"
	"podium/server/turns"
	"podium/store/bolt"
)

// glance keeps no picture: it notes how a photo was held, and calls during.
type glance struct {
	during func()
	inFile bool
	whole  []byte
	gone   []Picture // those that were removed
}

func (g *glance) Keep(_ context.Context, photo io.ReadSeeker, size int64) (Picture, error) {
	_, g.inFile = photo.(*os.File)
	g.whole = make([]byte, size)
	if _, err := io.ReadFull(photo, g.whole); err != nil {
		return Picture{}, err
	}
	if n, err := photo.Read(make([]byte, 1)); n > 0 || err != io.EOF {
		return Picture{}, errors.New("the photo is longer than its size")
	}
	if g.during != nil {
		g.during()
	}
	return Picture{Method: "none"}, nil
}

func (g *glance) Committed(context.Context, string, Picture) {}
func (g *glance) Logo(context.Context, io.ReadSeeker, int64) (contest.Logo, error) {
	return contest.Logo{}, nil
}

// roomyDisk has room for everything.
type roomyDisk struct{}

func (roomyDisk) Spool(int64) bool             { return true }
func (roomyDisk) Reserve(int64) (func(), bool) { return func() {}, true }

// tightDisk has so many bytes for uploads that arrive, and so many for what has arrived.
type tightDisk struct{ arriving, arrived int64 }

func (d *tightDisk) Spool(n int64) bool { return n <= d.arriving }
func (d *tightDisk) Reserve(n int64) (func(), bool) {
	if n > d.arrived {
		return nil, false
	}
	d.arrived -= n
	return func() { d.arrived += n }, true
}

func anyone(*http.Request) netip.Addr { return netip.Addr{} }

func (g *glance) Remove(_ context.Context, p Picture) error {
	g.gone = append(g.gone, p)
	return nil
}

// make makes a contest that keeps its pictures here.
func (g *glance) make(t *testing.T, memory int64) *API {
	t.Helper()
	dir := t.TempDir()
	s, err := bolt.Open(filepath.Join(dir, "test.db"), bolt.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	c := New(Options{
		Contest: contest.New(s), Pictures: g, Published: func() {}, Uploaded: func(string) {}, MaxPhoto: 10 << 20,
		Spools: budget.New(0).Share("spools", memory+64<<10), SpoolDir: dir, Uploads: turns.NewUploads("uploads", 0, 0), Waiting: limits.NewGate("waiting", 0, 0),
		Allow: func(*http.Request) time.Duration { return 0 }, UploadWindow: time.Minute, AddressOf: anyone,
		Disk: roomyDisk{}, CleanupInterval: time.Hour, AnswerAge: time.Hour, Now: time.Now, Stamp: time.Now, Logger: slog.New(slog.DiscardHandler),
	})
	t.Cleanup(c.Close)
	return c
}

// contest is a contest that keeps its pictures here; submit sends a photo.
func (g *glance) contest(t *testing.T, memory int64) (submit func(size int, told bool)) {
	t.Helper()
	c := g.make(t, memory)
	return func(size int, told bool) {
		t.Helper()
		photo := bytes.Repeat([]byte("photo"), size/5)
		var body bytes.Buffer
		form := multipart.NewWriter(&body)
		_ = form.WriteField("category", "best") // a buffer takes everything
		part, _ := form.CreateFormFile("photo", "photo.jpg")
		_, _ = part.Write(photo)
		_ = form.Close()
		r := httptest.NewRequest("POST", "/api/submit", &body)
		r.Header.Set("Content-Type", form.FormDataContentType())
		if !told {
			r.ContentLength = -1
		}
		if err := c.submit(httptest.NewRecorder(), r); err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(g.whole, photo) {
			t.Error("the photo is not what was sent")
		}
	}
}

func TestPhotosAreHeldInMemoryWhileThereIsRoom(t *testing.T) {
	const size = 600_000
	g := &glance{}
	submit := g.contest(t, 1<<20)
	for range 3 { // the room is given back
		if submit(size, true); g.inFile {
			t.Fatal("a short photo is in a file")
		}
	}
	if submit(2<<20, true); !g.inFile {
		t.Error("a long photo is in memory")
	}
	if submit(size, false); !g.inFile {
		t.Error("a photo of unknown length is in memory")
	}
	g.during = func() {
		g.during = nil
		if submit(size, true); !g.inFile {
			t.Error("two photos are in memory, and there is room for one")
		}
		g.whole = bytes.Repeat([]byte("photo"), size/5)
	}
	submit(size, true)
	if submit(size, true); g.inFile {
		t.Error("the room was not given back")
	}
}

func TestWithoutMemoryForPhotosAllGoToFiles(t *testing.T) {
	g := &glance{}
	submit := g.contest(t, 0)
	if submit(600_000, true); !g.inFile {
		t.Error("a photo is in memory")
	}
}

// What will not fit is refused before it comes, or where it no longer fits; entries that
// are short need no room for uploads.
func TestOnAFullDiskEntriesAreTakenLongerThanPhotos(t *testing.T) {
	const part = "--b\r\nContent-Disposition: form-data; name=\"category\"\r\n\r\nbest\r\n"
	photo := part + "--b\r\nContent-Disposition: form-data; name=\"photo\"; filename=\"a.jpg\"\r\n\r\n" + strings.Repeat("x", 2<<20) + "\r\n--b--\r\n"
	for name, row := range map[string]struct {
		disk   tightDisk
		body   string
		told   bool // the length
		want   int
		unread bool
	}{
		"an entry beside uploads":   {tightDisk{0, 64 << 10}, part + "--b--\r\n", true, 200, false},
		"an entry, and nothing":     {tightDisk{0, 0}, part + "--b--\r\n", true, 507, false},
		"a photo that was told of":  {tightDisk{1 << 20, 8 << 20}, photo, true, 507, true},
		"a photo of unknown length": {tightDisk{1 << 10, 8 << 20}, photo, false, 507, false},
		"a photo that cannot stay":  {tightDisk{8 << 20, 1 << 20}, photo, true, 507, false},
		"a photo":                   {tightDisk{8 << 20, 8 << 20}, photo, true, 200, false},
	} {
		c, was := (&glance{}).make(t, 0), row.disk.arrived
		c.Disk = &row.disk
		body := strings.NewReader(row.body)
		r := httptest.NewRequest("POST", "/api/submit", body)
		r.Header.Set("Content-Type", "multipart/form-data; boundary=b")
		if !row.told {
			r.ContentLength = -1
		}
		status := 200
		var refusal *answer.Error
		if err := c.submit(httptest.NewRecorder(), r); errors.As(err, &refusal) {
			status = refusal.Status
		} else if err != nil {
			t.Fatal(err)
		}
		if unread := body.Len() == len(row.body); status != row.want || unread != row.unread {
			t.Errorf("%s: %d, unread %v", name, status, unread)
		}
		if row.disk.arrived != was {
			t.Errorf("%s: %d bytes are kept", name, was-row.disk.arrived)
		}
	}
}

// send submits a body that is written by hand, part by part.
func send(t *testing.T, parts ...string) (*glance, int, string) {
	t.Helper()
	g := &glance{}
	var body strings.Builder
	for _, part := range append(parts, "Content-Disposition: form-data; name=\"category\"\r\n\r\nbest") {
		body.WriteString("--b\r\n" + part + "\r\n")
	}
	body.WriteString("--b--\r\n")
	r := httptest.NewRequest("POST", "/api/submit", strings.NewReader(body.String()))
	r.Header.Set("Content-Type", "multipart/form-data; boundary=b")
	w := httptest.NewRecorder()
	err := g.make(t, 1<<20).submit(w, r)
	var refusal *answer.Error
	if errors.As(err, &refusal) {
		return g, refusal.Status, refusal.Sentence
	}
	if err != nil {
		t.Fatal(err)
	}
	var got struct{ Entry struct{ Caption string } }
	if err := json.Unmarshal(w.Body.Bytes(), &got); err != nil {
		t.Fatal(err)
	}
	return g, w.Code, got.Entry.Caption
}

// A photo that was sent is taken or refused, never passed over.
func TestNoPhotoIsLostInItsPart(t *testing.T) {
	for disposition, want := range map[string]int{
		`form-data; name="photo"; filename="IMG_1.jpg"`:             200,
		`form-data; name="photo"; filename=IMG (1).jpg`:             200,
		`form-data; name="photo"; filename="my "best" shot.jpg"`:    200,
		`form-data; name="photo"; filename="ends in\"`:              200,
		`form-data; filename="ends in\"; name="photo"`:              200,
		`form-data; name="photo"; filename="a.jpg"; filename="b"`:   200,
		`form-data; name=photo; filename=`:                          200,
		`form-data;name="photo";filename*=UTF-8''%D0%B6.jpg`:        200,
		`form-data; name="photo"; filename*=nonsense`:               200,
		`attachment; name="photo"; filename="a.jpg"`:                200,
		`form-data; name="photo"; name="caption"; filename="a.jpg"`: 400,
		`form-data; filename="a.jpg"`:                               400,
		`form-data; name="picture"; filename="a.jpg"`:               400,
		`form-data`: 400,
		`;;;`:       400,
	} {
		g, status, said := send(t, "Content-Disposition: "+disposition+"\r\nContent-Type: image/jpeg\r\n\r\npixels")
		if status != want || want == 200 && string(g.whole) != "pixels" {
			t.Errorf("%s: %d %s, photo %q", disposition, status, said, g.whole)
		}
	}
	if _, status, _ := send(t, "Content-Type: image/jpeg\r\n\r\npixels"); status != 400 {
		t.Errorf("without a disposition: %d", status)
	}
}

// A part's head takes memory that nothing else bounds: one of 9 MB took 200.
func TestHeadsOfPartsAreShort(t *testing.T) {
	const name = "Content-Disposition: form-data; name=\"photo\"; filename=\"a.jpg\"\r\n"
	for what, head := range map[string]string{
		"a name again and again": "Content-Disposition: " + strings.Repeat(";name=a", 1<<20) + "\r\n",
		"a long name of a file":  "Content-Disposition: form-data; name=\"photo\"; filename=\"" + strings.Repeat("a", maxHead) + "\"\r\n",
		"many lines":             name + strings.Repeat("A:\r\n", maxLines),
		"a line that is folded":  name + "A: b\r\n" + strings.Repeat(" c\r\n", maxLines),
		"long lines":             name + strings.Repeat("A: "+strings.Repeat("b", 1000)+"\r\n", 10),
	} {
		if _, status, said := send(t, head+"\r\npixels"); status != 400 || !strings.Contains(said, "head is longer") {
			t.Errorf("%s: %d %s", what, status, said)
		}
	}
	pixels := strings.Repeat("\n", 8000) + strings.Repeat("x", 20_000)
	g, status, said := send(t, name+strings.Repeat("A: b\r\n", 20)+"\r\n"+pixels, name+"\r\n"+pixels+"again", "Content-Disposition: form-data; name=\"caption\"\r\n\r\nhi")
	if status != 200 || string(g.whole) != pixels || said != "hi" {
		t.Errorf("a photo of many lines, twice: %d %s", status, said)
	}
}

// What the fields of a submission take is charged, however long they are.
func TestFieldsOfASubmissionAreCharged(t *testing.T) {
	g := &glance{}
	c := g.make(t, 0)
	c.Spools = budget.New(1<<20).Share("spools", 1<<20)
	held := int64(0)
	g.during = func() { held = c.Spools.Usage().Held }
	caption := strings.Repeat("\U0001f389", MaxCaption)
	body := "--b\r\nContent-Disposition: form-data; name=\"category\"\r\n\r\nbest\r\n--b\r\nContent-Disposition: form-data; name=\"caption\"\r\n\r\n" + caption +
		"\r\n--b\r\nContent-Disposition: form-data; name=\"photo\"; filename=\"a\"\r\n\r\npixels\r\n--b--\r\n"
	r := httptest.NewRequest("POST", "/api/submit", strings.NewReader(body))
	r.Header.Set("Content-Type", "multipart/form-data; boundary=b")
	if err := c.submit(httptest.NewRecorder(), r); err != nil {
		t.Fatal(err)
	}
	if held < formBytes+2*int64(len(caption)) {
		t.Errorf("%d bytes are charged", held)
	}
	if left := c.Spools.Usage().Held; left != 0 {
		t.Errorf("%d bytes are charged still", left)
	}
}

func TestAPhotoThatArrivesEmptyIsRefused(t *testing.T) {
	for disposition, want := range map[string]int{
		`form-data; name="photo"; filename="IMG_1.jpg"`: 400,
		`form-data; name="photo"; filename=IMG (1).jpg`: 400,
		`form-data; name="photo"; filename=""`:          200, // nothing was chosen
		`form-data; name="photo"`:                       200,
	} {
		g, status, said := send(t, "Content-Disposition: "+disposition+"\r\n\r\n")
		if status != want || g.whole != nil {
			t.Errorf("%s: %d %s", disposition, status, said)
		}
	}
}

func TestTextOfOldPagesIsKeptOrRefused(t *testing.T) {
	const disposition = "Content-Disposition: form-data; name=\"caption\"\r\n"
	for _, row := range []struct{ kind, sent, kept string }{
		{"", "na\xc3\xafve \xf0\x9f\x8e\x89", "naïve 🎉"},
		{"", "na\xefve \x80", "naïve €"},
		{"Content-Type: text/plain; charset=ISO-8859-1\r\n", "na\xc3\xafve", "naÃ¯ve"},
		{"Content-Type: text/plain; charset=utf-8\r\n", "na\xc3\xafve", "naïve"},
		{"", "na\xc3\xafve, cut \xc3", ""},
		{"Content-Type: text/plain; charset=utf-16\r\n", "n\x00a\x00", ""},
	} {
		_, status, caption := send(t, disposition+row.kind+"\r\n"+row.sent)
		if row.kept == "" && status != 400 || row.kept != "" && (status != 200 || caption != row.kept) {
			t.Errorf("%q %q: %d %q", row.kind, row.sent, status, caption)
		}
	}
}

func TestAPictureIsKeptWhileItsSubmissionIsInDoubt(t *testing.T) {
	g := &glance{}
	c := New(Options{Pictures: g, CleanupInterval: time.Hour, AnswerAge: time.Hour, Logger: slog.New(slog.DiscardHandler)})
	t.Cleanup(c.Close)
	for _, row := range []struct {
		because error
		removed int
	}{{contest.ErrFull, 1}, {fmt.Errorf("store: %w: %w", contest.ErrInDoubt, syscall.EIO), 0}, {nil, 1}} {
		g.gone = nil
		if err := c.discard(t.Context(), Picture{Files: []string{"a.jpg"}}, row.because); (err == nil) != (row.because == nil) {
			t.Errorf("%v: %v", row.because, err)
		}
		if len(g.gone) != row.removed {
			t.Errorf("%v: %d pictures removed, want %d", row.because, len(g.gone), row.removed)
		}
	}
}

// lateWriter lets its connection's read deadline be set late: during runs first.
type lateWriter struct {
	http.ResponseWriter
	during   func()
	deadline time.Time
}

func (w *lateWriter) SetReadDeadline(at time.Time) error {
	if during := w.during; during != nil {
		w.during = nil
		during()
	}
	w.deadline = at
	return nil
}

// An upload that is ended for others while it sets its own deadline, over the one
// that ends it, does not go on reading.
func TestAnUploadThatIsEndedWhileItBeginsToReadEnds(t *testing.T) {
	uploads := turns.NewUploads("uploads", 0, 100)
	w := &lateWriter{}
	control := http.NewResponseController(w)
	upload := uploads.Begin(netip.Addr{}, func() { _ = control.SetReadDeadline(time.Unix(1, 0)) })
	defer upload.Done()
	if err := upload.Add(60); err != nil {
		t.Fatal(err)
	}
	w.during = func() {
		other := uploads.Begin(netip.Addr{}, func() {})
		defer other.Done()
		if err := other.Add(60); err != nil { // the older one goes first; that it holds room still is no matter
			t.Log(err)
		}
	}
	read := false
	body := &pacedBody{body: readerFunc(func([]byte) (int, error) {
		read = w.deadline.After(time.Now())
		return 0, io.ErrUnexpectedEOF
	}), control: control, upload: upload, start: time.Now(), every: time.Minute}
	if _, err := body.Read(make([]byte, 10)); !errors.Is(err, turns.ErrCrowded) || read {
		t.Errorf("it reads on: %v (%v)", read, err)
	}
}

type readerFunc func([]byte) (int, error)

func (f readerFunc) Read(p []byte) (int, error) { return f(p) }
