package server_test

import (
	"bytes"
	"encoding/binary"
	"hash/crc32"
	"image"
	"image/color"
	"image/gif"
	"image/jpeg"
	"image/png"
	"strings"
	"testing"
)

// header is a PNG of a size, with nothing in it.
func pngOf(width, height uint32) string {
	chunk := func(kind string, data []byte) []byte {
		b := binary.BigEndian.AppendUint32(nil, uint32(len(data)))
		b = append(append(b, kind...), data...)
		return binary.BigEndian.AppendUint32(b, crc32.ChecksumIEEE(b[4:]))
	}
	size := binary.BigEndian.AppendUint32(binary.BigEndian.AppendUint32(nil, width), height)
	return "\x89PNG\r\n\x1a\n" + string(chunk("IHDR", append(size, 8, 6, 0, 0, 0))) + string(chunk("IDAT", []byte{0x78, 0x9c, 0x03, 0, 0, 0, 0, 1})) + string(chunk("IEND", nil))
}

func animation(t *testing.T) string {
	t.Helper()
	var g gif.GIF
	for _, c := range []color.Color{color.White, color.Black, color.White} {
		m := image.NewPaletted(image.Rect(0, 0, 20, 20), color.Palette{c, color.Black})
		g.Image, g.Delay = append(g.Image, m), append(g.Delay, 10)
	}
	var b bytes.Buffer
	if err := gif.EncodeAll(&b, &g); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

// segment is an APP or comment segment of a JPEG.
func segment(marker byte, data string) string {
	return "\xff" + string([]byte{marker, byte((len(data) + 2) >> 8), byte(len(data) + 2)}) + data
}

func TestUploadsAreNothingButPictures(t *testing.T) {
	s := newSite(t).signIn()
	good := photo(t, 40, 30)
	script := "<html><script>alert(document.cookie)</script></html>"
	marked := good[:2] + segment(0xe1, "Exif\x00\x00MM\x00*GPS 48.2082 N 16.3738 E") + segment(0xfe, script) + segment(0xe2, "ICC_PROFILE\x00secret") + good[2:]
	var tiny bytes.Buffer
	if err := png.Encode(&tiny, image.NewGray(image.Rect(0, 0, 1, 1))); err != nil {
		t.Fatal(err)
	}
	for _, row := range []struct {
		name, file, data string
		status           int
	}{
		{"1×1", "a.png", tiny.String(), 200},
		{"animated GIF", "a.gif", animation(t), 200},
		{"JPEG with metadata and a script in it and after it", "a.jpg", marked + script, 200},
		{"JPEG called HTML", "a.html", good, 200},
		{"name that climbs", "../../../etc/cron.d/x", good, 200},
		{"name with quotes and lines", "a%22%0d%0aX: y.jpg", good, 200},
		{"20,000×20,000", "a.png", pngOf(20_000, 20_000), 415},
		{"2³¹×2³¹", "a.png", pngOf(1<<31-1, 1<<31-1), 415},
		{"65,535×1, empty", "a.png", pngOf(65_535, 1), 415},
		{"truncated", "a.jpg", good[:len(good)/2], 415},
		{"header alone", "a.jpg", "\xff\xd8\xff", 415},
		{"SVG", "a.svg", `<svg xmlns="http://www.w3.org/2000/svg" onload="alert(1)"/>`, 415},
		{"HTML called JPEG", "a.jpg", script, 415},
		{"GIF that is a script", "a.gif", "GIF89a/*" + script + "*/=1;alert(1)", 415},
		{"PDF", "a.jpg", "%PDF-1.4", 415},
		{"empty", "a.jpg", "", 400}, // a browser that lost the file sends it so
	} {
		t.Run(row.name, func(t *testing.T) {
			s.t = t
			g := s.submit(nil, part{"category", "", "best"}, part{"photo", row.file, row.data})
			if row.status == 415 && (g.status == 400 || g.status == 413) {
				t.Logf("refused with %d", g.status)
			} else if g.status != row.status {
				t.Fatalf("status %d, want %d: %s", g.status, row.status, g.body)
			}
			if g.status != 200 {
				g.sentence()
				return
			}
			var body struct{ Entry entry }
			g.into(&body)
			if row.data == "" {
				if body.Entry.ImageURL != nil {
					t.Errorf("a picture of nothing: %s", *body.Entry.ImageURL)
				}
				return
			}
			checkServed(t, s, *body.Entry.ImageURL)
		})
	}
}

// checkServed looks at a picture as a browser gets it.
func checkServed(t *testing.T, s *site, url string) {
	t.Helper()
	if !strings.HasPrefix(url, "/uploads/") || strings.ContainsAny(url[9:], "/%\\\"'<> ") {
		t.Errorf("the address %s", url)
	}
	g := s.visitor().do("GET", url, nil).is(200)
	if kind := g.header.Get("Content-Type"); kind != "image/jpeg" {
		t.Errorf("served as %s", kind)
	}
	if g.header.Get("X-Content-Type-Options") != "nosniff" || !strings.Contains(g.header.Get("Content-Security-Policy"), "sandbox") {
		t.Errorf("headers %v", g.header)
	}
	if _, err := jpeg.Decode(strings.NewReader(g.body)); err != nil {
		t.Errorf("no JPEG: %v", err)
	}
	for _, left := range []string{"GPS", "Exif", "script", "ICC_PROFILE"} {
		if strings.Contains(g.body, left) {
			t.Errorf("it still holds %q", left)
		}
	}
}

func TestUploadsAreFoundByTheirNamesOnly(t *testing.T) {
	s := newSite(t)
	for _, path := range []string{
		"/uploads/", "/uploads/..", "/uploads/../podium.db", "/uploads/..%2fpodium.db", "/uploads/%2e%2e/podium.db", "/uploads/..%5cpodium.db",
		"/uploads/x.jpg%00.html", "/uploads//etc/passwd", "/uploads/%2fetc%2fpasswd", "/podium.db", "/../podium.db", "/%2e%2e/podium.db", "/uploads/upload-1",
	} {
		if g := s.do("GET", path, nil); g.status != 404 && g.status != 400 && g.status != 301 {
			t.Errorf("%s: %d %.100q", path, g.status, g.body)
		}
	}
}
