package pictures

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"image"
	"image/color"
	"image/jpeg"
	"io"
	"io/fs"
	"net/http"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"syscall"
	"testing"

	"podium/contest"
)

func TestEachFormatIsKeptAsJPEG(t *testing.T) {
	p := newPictures(t)
	transparent := image.NewNRGBA(image.Rect(0, 0, 40, 30)) // on white
	for name, test := range map[string]struct {
		data []byte
		w, h int
		at   color.RGBA // in the middle
	}{
		"JPEG":            {jpegOf(t, gradient(60, 40)), 60, 40, color.RGBA{127, 127, 160, 255}},
		"PNG":             {pngOf(t, gradient(60, 40)), 60, 40, color.RGBA{127, 127, 160, 255}},
		"transparent PNG": {pngOf(t, transparent), 40, 30, color.RGBA{255, 255, 255, 255}},
		"grey PNG":        {pngOf(t, image.NewGray(image.Rect(0, 0, 9, 7))), 9, 7, color.RGBA{0, 0, 0, 255}},
		"animated GIF":    {animation(t), 30, 20, color.RGBA{255, 0, 0, 255}},
		"WebP, lossy":     {unbase64(t, webpLossy), 1, 1, color.RGBA{}},
		"WebP, lossless":  {unbase64(t, webpLossless), 1, 1, color.RGBA{}},
		"JPEG of one dot": {jpegOf(t, gradient(1, 1)), 1, 1, color.RGBA{}},
		"JPEG in grey":    {jpegOf(t, image.NewGray(image.Rect(0, 0, 17, 19))), 17, 19, color.RGBA{0, 0, 0, 255}},
		"large JPEG":      {jpegOf(t, gradient(3000, 1500)), 2048, 1024, color.RGBA{127, 127, 160, 255}},
		"large, tall PNG": {pngOf(t, gradient(30, 4096)), 15, 2048, color.RGBA{}},
		"long and thin":   {pngOf(t, gradient(5000, 1)), 2048, 1, color.RGBA{}},
		"odd sizes":       {pngOf(t, gradient(2051, 1033)), 2048, 1031, color.RGBA{127, 127, 160, 255}},
	} {
		t.Run(name, func(t *testing.T) {
			kept, err := p.keep(t, test.data)
			if err != nil {
				t.Fatal(err)
			}
			m, err := jpeg.Decode(bytes.NewReader(p.stored(t, kept.Files[0])))
			if err != nil {
				t.Fatal(err)
			}
			if b := m.Bounds(); b.Dx() != test.w || b.Dy() != test.h {
				t.Errorf("kept as %v, want %d × %d", b, test.w, test.h)
			}
			if test.at != (color.RGBA{}) && !near(m.At(test.w/2, test.h/2), test.at, 8) {
				t.Errorf("the middle is %v, want %v", m.At(test.w/2, test.h/2), test.at)
			}
			if kept.Method != MethodLocal || kept.URL != "/uploads/"+kept.Files[0] || len(kept.Images) != 2 {
				t.Fatalf("%+v", kept)
			}
			large := kept.Images[1]
			if large.URL != kept.URL || large.Width != test.w || large.Height != test.h {
				t.Errorf("the display size is said to be %+v", large)
			}
			thumb := p.get(t, strings.TrimPrefix(kept.Images[0].URL, "/uploads/"))
			small, err := jpeg.DecodeConfig(thumb.Body)
			if err != nil || thumb.Code != 200 || small.Width != kept.Images[0].Width || small.Height != kept.Images[0].Height || max(small.Width, small.Height) > thumbSide {
				t.Errorf("thumbnail: %d, %+v (%v), said to be %+v", thumb.Code, small, err, kept.Images[0])
			}
		})
	}
}

func TestHEICIsTakenWhereThereIsMemoryForIt(t *testing.T) {
	data, err := os.ReadFile(filepath.Join("testdata", "small.heic"))
	if err != nil {
		t.Fatal(err)
	}
	p := newPictures(t, func(o *Options) { o.MemoryBudget = 128 << 20 })
	kept, err := p.keep(t, data)
	if err != nil {
		t.Fatal(err)
	}
	m, err := jpeg.Decode(bytes.NewReader(p.stored(t, kept.Files[0])))
	if err != nil || m.Bounds() != image.Rect(0, 0, 160, 120) || !near(m.At(80, 60), color.RGBA{200, 30, 60, 255}, 8) || !near(m.At(0, 0), color.RGBA{200, 30, 60, 255}, 8) {
		t.Errorf("%v, %v in the middle (%v)", m.Bounds(), m.At(80, 60), err)
	}
	if _, err := p.keep(t, data[:len(data)/2]); err == nil || refusal(t, err) != http.StatusUnsupportedMediaType {
		t.Errorf("half of it: %v", err)
	}
}

func BenchmarkKeepASmallJPEG(b *testing.B) {
	p := newPictures(b)
	data := jpegOf(b, gradient(1600, 1200))
	b.SetBytes(int64(len(data)))
	b.SetParallelism(8)
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			if _, err := p.keep(b, data); err != nil {
				b.Error(err)
			}
		}
	})
}

func BenchmarkCheckJPEG(b *testing.B) {
	data := jpegOf(b, gradient(1600, 1200))
	b.SetBytes(int64(len(data)))
	for b.Loop() {
		if _, ok := checkJPEG(data); !ok {
			b.Fatal("it is plain")
		}
	}
}

func BenchmarkDecodeJPEG(b *testing.B) {
	data := jpegOf(b, gradient(1600, 1200))
	b.SetBytes(int64(len(data)))
	for b.Loop() {
		if _, err := jpeg.Decode(bytes.NewReader(data)); err != nil {
			b.Fatal(err)
		}
	}
}

func near(a color.Color, b color.RGBA, within int) bool {
	r, g, bl, _ := a.RGBA()
	for _, pair := range [][2]int{{int(r >> 8), int(b.R)}, {int(g >> 8), int(b.G)}, {int(bl >> 8), int(b.B)}} {
		if d := pair[0] - pair[1]; d > within || d < -within {
			return false
		}
	}
	return true
}

func TestOrientationIsApplied(t *testing.T) {
	p := newPictures(t)
	corners := []color.RGBA{{250, 0, 0, 255}, {0, 250, 0, 255}, {0, 0, 250, 255}, {250, 250, 0, 255}} // as the camera saw: TL, TR, BL, BR
	for _, size := range [][2]int{{96, 64}, {97, 63}, {2400, 161}} {
		m := image.NewRGBA(image.Rect(0, 0, size[0], size[1]))
		for y := range size[1] {
			for x := range size[0] {
				m.SetRGBA(x, y, corners[x*2/size[0]+y*2/size[1]*2])
			}
		}
		plain := jpegOf(t, m)
		// Where the corners of the upright picture come from.
		for orientation, want := range map[uint16][4]int{1: {0, 1, 2, 3}, 2: {1, 0, 3, 2}, 3: {3, 2, 1, 0}, 4: {2, 3, 0, 1},
			5: {0, 2, 1, 3}, 6: {2, 0, 3, 1}, 7: {3, 1, 2, 0}, 8: {1, 3, 0, 2}, 0: {0, 1, 2, 3}, 9: {0, 1, 2, 3}} {
			for _, order := range []binary.AppendByteOrder{binary.LittleEndian, binary.BigEndian} {
				if size[0] > displaySide && order == binary.AppendByteOrder(binary.LittleEndian) {
					continue // slow, and the same
				}
				kept, err := p.keep(t, withSegment(plain, markerAPP1, exif(orientation, order)))
				if err != nil {
					t.Fatal(err)
				}
				data := p.stored(t, kept.Files[0])
				if bytes.Contains(data, []byte("GPS")) || bytes.Contains(data, []byte("Exif")) {
					t.Errorf("orientation %d: the place is still in the file", orientation)
				}
				out, err := jpeg.Decode(bytes.NewReader(data))
				if err != nil {
					t.Fatal(err)
				}
				b := out.Bounds()
				if (b.Dx() > b.Dy()) != (orientation < 5 || orientation > 8) {
					t.Errorf("orientation %d: %v", orientation, b)
				}
				for i, at := range []image.Point{{b.Dx() / 4, b.Dy() / 4}, {b.Dx() * 3 / 4, b.Dy() / 4}, {b.Dx() / 4, b.Dy() * 3 / 4}, {b.Dx() * 3 / 4, b.Dy() * 3 / 4}} {
					if !near(out.At(at.X, at.Y), corners[want[i]], 20) {
						t.Errorf("%v, orientation %d: corner %d is %v, want %v", size, orientation, i, out.At(at.X, at.Y), corners[want[i]])
					}
				}
			}
		}
	}
}

func TestASmallJPEGKeepsItsPixels(t *testing.T) {
	p := newPictures(t)
	data := jpegOf(t, gradient(640, 480))
	kept, err := p.keep(t, withSegment(data, markerAPP1, exif(1, binary.LittleEndian)))
	if err != nil {
		t.Fatal(err)
	}
	if got := p.stored(t, kept.Files[0]); !bytes.Equal(got, data) {
		t.Errorf("%d bytes of %d came through otherwise", len(got), len(data))
	}
	if _, err := os.Stat(filepath.Join(p.o.Dir, kept.Files[1])); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("the thumbnail was made before anybody asked: %v", err)
	}
	var all sync.WaitGroup
	for range 8 {
		all.Go(func() {
			if w := p.get(t, kept.Files[1]); w.Code != 200 || w.Body.Len() == 0 {
				t.Errorf("thumbnail: %d", w.Code)
			}
		})
	}
	all.Wait()
	p.stored(t, kept.Files[1])
	if err := p.Remove(t.Context(), kept); err != nil {
		t.Fatal(err)
	}
	if left, _ := os.ReadDir(p.o.Dir); len(left) != 0 {
		t.Errorf("left after removal: %v", left)
	}
	if w := p.get(t, kept.Files[1]); w.Code != 404 {
		t.Errorf("the thumbnail of a removed picture: %d", w.Code)
	}
}

// Where the small size cannot be made the picture answers, for once: browsers and
// proxies must not keep it as the small size for good.
func TestAPictureInPlaceOfItsSmallSizeIsNotKept(t *testing.T) {
	p := newPictures(t)
	kept, err := p.keep(t, jpegOf(t, gradient(640, 480)))
	if err != nil {
		t.Fatal(err)
	}
	whole := filepath.Join(p.o.Dir, kept.Files[0])
	sound, err := os.ReadFile(whole)
	if err != nil {
		t.Fatal(err)
	}
	// A picture whose end is missing is one of which no small size can be made.
	if err := os.Truncate(whole, 600); err != nil {
		t.Fatal(err)
	}
	if w := p.get(t, kept.Files[1]); w.Code != http.StatusOK || w.Header().Get("Cache-Control") != "no-store" {
		t.Errorf("in place of the small size: %d, %q", w.Code, w.Header().Get("Cache-Control"))
	}
	if err := os.WriteFile(whole, sound, 0o600); err != nil {
		t.Fatal(err)
	}
	if w := p.get(t, kept.Files[1]); w.Code != http.StatusOK || !strings.Contains(w.Header().Get("Cache-Control"), "immutable") {
		t.Errorf("the small size: %d, %q", w.Code, w.Header().Get("Cache-Control"))
	}
}

// A small size that is being made when its picture is deleted does not outlive it.
func TestASmallSizeIsGoneWithItsPicture(t *testing.T) {
	p := newPictures(t)
	kept, err := p.keep(t, jpegOf(t, gradient(640, 480)))
	if err != nil {
		t.Fatal(err)
	}
	turns := max(1, runtime.GOMAXPROCS(0)-1)
	for range turns { // whoever makes it has opened the picture, and waits
		if err := p.decoding.Enter(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	asked := make(chan int, 1)
	go func() { asked <- p.get(t, kept.Files[1]).Code }()
	for p.decoding.Waiting() == 0 {
		runtime.Gosched()
	}
	if err := p.Remove(t.Context(), kept); err != nil {
		t.Fatal(err)
	}
	for range turns {
		p.decoding.Leave()
	}
	if code := <-asked; code != http.StatusNotFound {
		t.Errorf("the small size of a deleted picture: %d", code)
	}
	if left, _ := os.ReadDir(p.o.Dir); len(left) != 0 {
		t.Errorf("left after removal: %v", left)
	}
}

// A block may be full, so that nothing marks its end.
func TestNoiseOfEachQualityIsPlain(t *testing.T) {
	for quality := 1; quality <= 100; quality++ {
		data := noise(t, 70, 50, quality)
		if plain, ok := checkJPEG(data); !ok || plain.width != 70 || plain.height != 50 {
			t.Errorf("of quality %d it is not plain", quality)
		}
		if _, ok := checkJPEG(append(data[:len(data)-9], 0xff, markerEOI)); ok {
			t.Errorf("of quality %d it is plain without its end", quality)
		}
	}
}

func TestOriginalsAreKeptWhereAskedFor(t *testing.T) {
	p := newPictures(t, func(o *Options) { o.KeepOriginals = true })
	kept, err := p.keep(t, withSegment(jpegOf(t, gradient(2500, 1000)), markerAPP1, exif(6, binary.BigEndian)))
	if err != nil {
		t.Fatal(err)
	}
	if len(kept.Files) != 3 {
		t.Fatalf("files: %v", kept.Files)
	}
	config, err := jpeg.DecodeConfig(bytes.NewReader(p.stored(t, kept.Files[2])))
	if err != nil || config.Width != 1000 || config.Height != 2500 {
		t.Errorf("the original is %d × %d (%v)", config.Width, config.Height, err)
	}
}

func TestFilesAreServedAsPicturesOnly(t *testing.T) {
	p := newPictures(t)
	kept, err := p.keep(t, jpegOf(t, gradient(64, 48)))
	if err != nil {
		t.Fatal(err)
	}
	for name, data := range map[string]string{"old-photo.jpg": string(jpegOf(t, gradient(5, 5))), "page.jpg": "<html><script>alert(1)</script>", "notes.txt": "x", ".env": "x"} {
		if err := os.WriteFile(filepath.Join(p.o.Dir, name), []byte(data), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	w := p.get(t, kept.Files[0])
	h := w.Header()
	if w.Code != 200 || h.Get("Content-Type") != "image/jpeg" || h.Get("X-Content-Type-Options") != "nosniff" ||
		h.Get("Content-Security-Policy") != "default-src 'none'; sandbox" || h.Get("Cache-Control") != "public, max-age=31536000, immutable" {
		t.Errorf("%d %v", w.Code, h)
	}
	if w := p.get(t, kept.Files[0], "Range", "bytes=0-1"); w.Code != 206 || w.Body.String() != "\xff\xd8" {
		t.Errorf("range: %d", w.Code)
	}
	if w := p.get(t, "old-photo.jpg"); w.Code != 200 {
		t.Errorf("a picture of an old server: %d", w.Code)
	}
	for _, name := range []string{"page.jpg", "notes.txt", ".env", "../test.db", "", "..", "a/b.jpg", "none.jpg", strings.Repeat("0", 24) + "-480.jpg", "..jpg", "\x00.jpg"} {
		if w := p.get(t, name); w.Code != 404 {
			t.Errorf("%q: %d", name, w.Code)
		}
	}
}

func TestFilesThatACrashLeftOverAreRemoved(t *testing.T) {
	p := newPictures(t)
	used, err := p.keep(t, jpegOf(t, gradient(64, 48)))
	if err != nil {
		t.Fatal(err)
	}
	lost, err := p.keep(t, jpegOf(t, gradient(3000, 48)))
	if err != nil {
		t.Fatal(err)
	}
	imported := strings.Repeat("ab", 12) + ".jpg"
	for _, name := range []string{"old-photo.jpg", newPrefix + "123", imported} {
		if err := os.WriteFile(filepath.Join(p.o.Dir, name), nil, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	url := "/uploads/" + imported
	for i, sub := range []contest.Submission{{Files: used.Files}, {ImageURL: &url}} {
		sub.ID, sub.Category, sub.Status = fmt.Sprintf("%d-aaaaaa", i), "best", contest.Approved
		if _, _, err := p.o.Contest.Submit(t.Context(), sub, contest.Once{}, nil); err != nil {
			t.Fatal(err)
		}
	}
	here, err := p.ours()
	if err != nil {
		t.Fatal(err)
	}
	later, err := p.keep(t, jpegOf(t, gradient(64, 48))) // its submission comes
	if err != nil {
		t.Fatal(err)
	}
	if n, err := p.sweep(t.Context(), here); err != nil || n != 3 {
		t.Errorf("%d removed, want the two of the lost picture and the half-written one (%v)", n, err)
	}
	for _, name := range []string{used.Files[0], later.Files[0], "old-photo.jpg", imported} {
		p.stored(t, name)
	}
	if _, err := os.Stat(filepath.Join(p.o.Dir, lost.Files[0])); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("the lost picture is there: %v", err)
	}
}

func TestManyAtOnceWaitForMemoryAndAllAreKept(t *testing.T) {
	p := newPictures(t, func(o *Options) { o.MemoryBudget = 64 << 20 })
	photo := jpegOf(t, gradient(2600, 1000))
	var all sync.WaitGroup
	for range 12 {
		all.Go(func() {
			if _, err := p.keep(t, photo); err != nil {
				t.Error(err)
			}
		})
	}
	all.Wait()
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := p.decode.Acquire(t.Context(), p.decodeBudget); err != nil {
		t.Fatal(err)
	}
	if _, err := p.Keep(ctx, bytes.NewReader(photo), int64(len(photo))); !errors.Is(err, context.Canceled) {
		t.Errorf("a guest who left still waits: %v", err)
	}
	p.decode.Release(p.decodeBudget)
}

func TestAFullDiskIs507(t *testing.T) {
	for _, cause := range []error{syscall.ENOSPC, syscall.EDQUOT} {
		if got := refusal(t, fullOr(fmt.Errorf("write the picture: %w", &fs.PathError{Op: "write", Err: cause}))); got != http.StatusInsufficientStorage {
			t.Errorf("%v: %d", cause, got)
		}
	}
	if err := fullOr(io.ErrShortWrite); err != io.ErrShortWrite {
		t.Error(err)
	}
}

func TestScalingTakesTheMeanOfEachArea(t *testing.T) {
	for _, size := range [][4]int{{100, 80, 50, 40}, {101, 67, 50, 33}, {7, 5, 3, 2}, {1000, 3, 10, 1}, {64, 64, 64, 32}, {5, 5, 5, 5}, {9, 9, 1, 1}} {
		oldW, oldH, w, h := size[0], size[1], size[2], size[3]
		old := make([]byte, oldW*oldH)
		for i := range old {
			old[i] = byte(i * 37 % 251)
		}
		got := make([]byte, w*h)
		s := newShrinker(got, w, w, h, oldW, oldH)
		shrinkPlane(s, old, oldW)
		for y := range h {
			for x := range w {
				sum, area := 0.0, 0.0
				for j := y * oldH / h; j < oldH && j*h < (y+1)*oldH; j++ {
					for i := x * oldW / w; i < oldW && i*w < (x+1)*oldW; i++ {
						part := float64(min((i+1)*w, (x+1)*oldW)-max(i*w, x*oldW)) * float64(min((j+1)*h, (y+1)*oldH)-max(j*h, y*oldH))
						sum, area = sum+part*float64(old[j*oldW+i]), area+part
					}
				}
				if want := sum / area; float64(got[y*w+x]) < want-2.5 || float64(got[y*w+x]) > want+2.5 {
					t.Fatalf("%v: sample %d,%d is %d, want %.1f", size, x, y, got[y*w+x], want)
				}
			}
		}
	}
}
