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
	"sync"
	"testing"

	"go.uber.org/goleak"

	"podium/contest"
	"podium/server/answer"
	"podium/server/api"
	"podium/server/pictures/codec"
	"podium/store/bolt"
)

func TestMain(m *testing.M) {
	if os.Getenv(measureVariable) != "" {
		measureMemory()
		return
	}
	goleak.VerifyTestMain(m)
}

// decoders are compiled once for all tests, which takes a second.
var decoders = sync.OnceValue(func() *codec.Codec {
	c, err := codec.New(context.Background())
	if err != nil {
		panic(err)
	}
	return c
})

// newPictures keeps pictures in a fresh folder.
func newPictures(t testing.TB, change ...func(*Options)) *Pictures {
	t.Helper()
	dir := t.TempDir()
	s, err := bolt.Open(filepath.Join(dir, "test.db"), bolt.Options{})
	if err != nil {
		t.Fatal(err)
	}
	o := Options{Dir: filepath.Join(dir, "uploads"), MaxPixels: 64_000_000, Codec: decoders(), MemoryBudget: 256 << 20, Contest: contest.New(s),
		Published: func() {}, Logger: slog.New(slog.DiscardHandler)}
	for _, f := range change {
		f(&o)
	}
	p, err := New(o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		p.Close()
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	return p
}

func (p *Pictures) keep(t testing.TB, data []byte) (api.Picture, error) {
	t.Helper()
	return p.Keep(t.Context(), bytes.NewReader(data), int64(len(data)))
}

// stored reads a file of a picture.
func (p *Pictures) stored(t testing.TB, name string) []byte {
	t.Helper()
	data, err := os.ReadFile(filepath.Join(p.o.Dir, name))
	if err != nil {
		t.Fatal(err)
	}
	return data
}

// get asks for a file over HTTP.
func (p *Pictures) get(t testing.TB, name string, header ...string) *httptest.ResponseRecorder {
	t.Helper()
	r := httptest.NewRequest(http.MethodGet, "/uploads/x", nil)
	for i := 0; i+1 < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
	}
	w := httptest.NewRecorder()
	if err := p.ServeFile(w, r, name); err != nil {
		var known *answer.Error
		if !errors.As(err, &known) {
			t.Fatalf("%s: %v", name, err)
		}
		known.Write(w)
	}
	return w
}

func refusal(t testing.TB, err error) int {
	t.Helper()
	var known *answer.Error
	if !errors.As(err, &known) || known.Sentence == "" {
		t.Fatalf("no refusal: %v", err)
	}
	return known.Status
}
