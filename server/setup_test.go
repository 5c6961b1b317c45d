package server_test

import (
	"bytes"
	"image"
	"image/color"
	"image/png"
	"net/url"
	"strings"
	"testing"
)

// logoPNG is a logo with a transparent ground.
func logoPNG(t *testing.T, w, h int) string {
	t.Helper()
	m := image.NewNRGBA(image.Rect(0, 0, w, h))
	for y := h / 4; y < h*3/4; y++ {
		for x := w / 4; x < w*3/4; x++ {
			m.Set(x, y, color.NRGBA{0xb9, 0x2d, 0x17, 0xff})
		}
	}
	var b bytes.Buffer
	if err := png.Encode(&b, m); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

// code is that of the first-run page.
func (s *site) code() string {
	s.t.Helper()
	address, err := url.Parse(s.server.SetupPath())
	if err != nil {
		s.t.Fatal(err)
	}
	return address.Query().Get("code")
}

func TestANewEventIsSetUpOnceByWhoeverHasTheCode(t *testing.T) {
	s := newSite(t, "--admin-password=")
	page, code := s.server.SetupPath(), s.code()
	if code == "" || s.server.Password == "" {
		t.Fatal("a new server has no code, or no password")
	}
	const event = `{"event":{"name":"Anna & Ben","terms":"Photos are shown."},"categories":[{"id":"dress","name":"Best dressed"}],"password":"chosen by us"}`
	for _, path := range []string{"/setup", "/setup.html", "/setup?code=", "/setup?code=" + strings.Repeat("A", len(code))} {
		s.do("GET", path, nil).is(404)
	}
	s.do("POST", "/api/setup", event).is(404)
	s.do("POST", "/api/setup", event, "Podium-Setup", "guessed").is(404)
	s.do("POST", "/api/logo", logoPNG(t, 40, 40)).is(401)
	if g := s.do("GET", page, nil).is(200); !strings.Contains(g.body, "Your event") || g.header.Get("Referrer-Policy") != "no-referrer" || g.header.Get("Content-Security-Policy") == "" {
		t.Errorf("the page is served with %v", g.header)
	}
	if g := s.do("GET", "/api/setup", nil, "Podium-Setup", code).is(200); !strings.Contains(g.body, `"passwordFixed":false`) {
		t.Error(g.body)
	}
	// What is refused leaves the page open.
	for _, bad := range []string{`{"password":"short"}`, `{"event":{"date":"tomorrow"}}`, `{"categories":[{"id":"a b","name":"x"}]}`} {
		s.do("POST", "/api/setup", bad, "Podium-Setup", code).is(400).sentence()
	}
	s.do("POST", "/api/logo", logoPNG(t, 40, 40), "Podium-Setup", code).is(200)
	answer := s.do("POST", "/api/setup", event, "Podium-Setup", code).is(200)
	if e := s.evening(); e.Name != "Anna & Ben" || e.Terms == "" {
		t.Errorf("the event is %+v", e)
	}
	if g := s.do("GET", "/categories.json", nil); !strings.Contains(g.body, "Best dressed") || strings.Contains(g.body, "Tattoo") {
		t.Error(g.body)
	}
	s.cookie = answer.header.Values("Set-Cookie")[0]
	s.do("GET", "/api/submissions", nil).is(200) // signed in by the password that was chosen
	guest := s.visitor()
	guest.do("POST", "/api/login", `{"password":"`+s.server.Password+`"}`).is(401)

	// Nothing of it is there any more, code or not.
	guest.do("GET", page, nil).is(404)
	guest.do("POST", "/api/setup", event, "Podium-Setup", code).is(404)
	guest.do("DELETE", "/api/logo", nil, "Podium-Setup", code).is(401)
}

func TestAnEventThatIsSaidOtherwiseIsNotSetUpAnyMore(t *testing.T) {
	s := newSite(t).signIn()
	code := s.code()
	if g := s.do("GET", "/api/setup", nil, "Podium-Setup", code).is(200); !strings.Contains(g.body, `"passwordFixed":true`) {
		t.Error(g.body)
	}
	s.do("POST", "/api/setup", `{"password":"long enough"}`, "Podium-Setup", code).is(400).sentence() // the environment's rules
	s.do("POST", "/api/settings", `{"event":{"name":"Ours"}}`).is(200)
	s.visitor().do("GET", "/api/setup", nil, "Podium-Setup", code).is(404)
}

func TestALogoIsJudgedServedAndOnEveryPage(t *testing.T) {
	s := newSite(t, "--public-url", "https://contest.example.org").signIn()
	guest := s.visitor()
	guest.do("GET", "/api/logo", nil).is(404)
	s.do("POST", "/api/logo", "no picture").is(415).sentence()
	s.do("POST", "/api/logo", `<svg xmlns="http://www.w3.org/2000/svg"><script>alert(1)</script></svg>`).is(415).sentence()
	s.do("POST", "/api/logo", "").is(400).sentence()
	s.do("POST", "/api/logo", strings.Repeat("x", 5<<20)).is(413).sentence()
	guest.do("POST", "/api/logo", logoPNG(t, 600, 300)).is(401)

	var saved struct{ Event struct{ Logo string } }
	s.do("POST", "/api/logo", logoPNG(t, 1200, 600)).is(200).into(&saved)
	name := saved.Event.Logo
	g := guest.do("GET", "/api/logo?v="+name, nil).is(200)
	m, err := png.Decode(strings.NewReader(g.body))
	if err != nil || g.header.Get("Content-Type") != "image/png" || m.Bounds().Dx() != 512 || m.Bounds().Dy() != 256 {
		t.Fatalf("the logo is %v, %v, %v", m.Bounds(), g.header, err)
	}
	if _, _, _, alpha := m.At(2, 2).RGBA(); alpha != 0 {
		t.Error("its ground is not transparent any more")
	}
	if !strings.Contains(g.header.Get("Cache-Control"), "immutable") {
		t.Error(g.header.Get("Cache-Control"))
	}
	guest.do("GET", "/api/logo", nil, "If-None-Match", g.header.Get("ETag")).is(304)
	icon, err := png.Decode(strings.NewReader(guest.do("GET", "/api/logo/icon", nil).is(200).body))
	if err != nil || icon.Bounds().Dx() != icon.Bounds().Dy() {
		t.Errorf("the icon is %v, %v", icon, err)
	}
	for _, path := range []string{"/", "/winners.html", "/wall", "/admin", "/admin/codes", "/present"} {
		page := guest.do("GET", path, nil).is(200).body
		if !strings.Contains(page, `property="og:image" content="https://contest.example.org/api/logo/icon?v=`+name) {
			t.Errorf("%s has no picture in its preview", path)
		}
		if path != "/wall" && !strings.Contains(page, `src="/api/logo?v=`+name) {
			t.Errorf("%s does not show the logo", path)
		}
	}
	if g := guest.do("GET", "/manifest.webmanifest", nil); !strings.Contains(g.body, "/api/logo/icon?v="+name) {
		t.Error(g.body)
	}
	// Settings that are saved leave it.
	s.do("POST", "/api/settings", `{"event":{"name":"Ours","logo":"other"}}`).is(200)
	if g := guest.do("GET", "/api/contest", nil); !strings.Contains(g.body, name) {
		t.Error(g.body)
	}
	s.do("POST", "/api/logo", photo(t, 640, 480)).is(200)
	if g := guest.do("GET", "/api/logo", nil).is(200); g.header.Get("Content-Type") != "image/jpeg" {
		t.Error(g.header)
	}
	s.do("DELETE", "/api/logo", nil).is(200)
	guest.do("GET", "/api/logo", nil).is(404)
	if page := guest.do("GET", "/", nil).body; strings.Contains(page, "/api/logo") {
		t.Error("a page shows a logo that is gone")
	}
}
