package server_test

import (
	"archive/zip"
	"fmt"
	"strings"
	"testing"
	"time"
)

// evening is what GET /api/contest says of the event.
func (s *site) evening() (e struct {
	Name, Date, Accent, Welcome, Terms, WallOrder string
	Opens, Closes                                 int64
	NameRequired                                  bool
	PhotosPerGuest, WallSeconds                   int
}) {
	s.t.Helper()
	body := struct{ Event any }{&e}
	s.do("GET", "/api/contest", nil).is(200).into(&body)
	return e
}

func TestTheEventIsSetPartByPartAndEverybodyLearnsOfIt(t *testing.T) {
	s := newSite(t).signIn()
	guest := s.visitor()
	s.do("POST", "/api/settings", `{"event":{"name":"  Anna & <Ben> ","date":"2026-12-31","accent":"#0b5a55","welcome":"Say cheese","wallSeconds":4,"wallOrder":"random"}}`).is(200)
	s.do("POST", "/api/settings", `{"event":{"photosPerGuest":3},"moderation":true}`).is(200)
	e := guest.evening()
	if e.Name != "Anna & <Ben>" || e.Date != "2026-12-31" || e.WallSeconds != 4 || e.WallOrder != "random" || e.PhotosPerGuest != 3 {
		t.Errorf("guests learn %+v", e)
	}
	var kept struct {
		Settings struct{ Moderation bool }
		Event    struct{ Name string }
	}
	if s.do("GET", "/api/settings", nil).is(200).into(&kept); !kept.Settings.Moderation || kept.Event.Name != e.Name {
		t.Errorf("admins read %+v", kept)
	}
	if got := s.payloads("eventUpdated"); len(got) != 2 || got[0] != "{}" {
		t.Errorf("the log says %q", got)
	}
	first := guest.do("GET", "/", nil)
	for _, want := range []string{"<title>Anna &amp; &lt;Ben&gt;</title>", `property="og:description" content="31 December 2026. Say cheese"`, "--accent:#0b5a55"} {
		if !strings.Contains(first.body, want) {
			t.Errorf("the page lacks %s", want)
		}
	}
	if g := guest.do("GET", "/", nil, "If-None-Match", first.header.Get("ETag")); g.status != 304 {
		t.Errorf("the same page again: %d", g.status)
	}
	if g := guest.do("GET", "/manifest.webmanifest", nil); !strings.Contains(g.body, `"short_name": "Anna`) {
		t.Errorf("the manifest is %s", g.body)
	}
	s.do("POST", "/api/settings", `{"event":{"name":"Later"}}`).is(200)
	if g := guest.do("GET", "/", nil, "If-None-Match", first.header.Get("ETag")).is(200); !strings.Contains(g.body, "<title>Later</title>") || g.header.Get("ETag") == first.header.Get("ETag") {
		t.Error("a new name is not on the page")
	}
	guest.do("POST", "/api/settings", `{"event":{"name":"Mine"}}`).is(401)
}

func TestGuestsTakeAllPhotosHomeWhereTheOrganiserLetsThem(t *testing.T) {
	s := newSite(t).signIn()
	s.submit(nil, part{"photo", "me.jpg", photo(t, 64, 48)}, part{"category", "", "best"}, part{"caption", "", "Cake"}, part{"name", "", "Ada Lovelace"}).is(200)
	guest := s.visitor()
	guest.do("GET", "/api/photos.zip", nil).is(403).sentence()
	s.do("POST", "/api/settings", `{"event":{"albumForGuests":true}}`).is(200)
	g := guest.do("GET", "/api/photos.zip", nil)
	album, err := zip.NewReader(strings.NewReader(g.body), int64(len(g.body)))
	if err != nil || g.header.Get("Content-Type") != "application/zip" {
		t.Fatal(g.status, g.header, err)
	}
	if _, err := album.Open("Best Tattoo/001 – Cake.jpg"); err != nil {
		t.Error(err)
	}
	if strings.Contains(g.body, "Lovelace") {
		t.Error("a name leaves")
	}
	guest.do("GET", "/api/album.zip", nil).is(401)
}

func TestAnEventThatCannotBeIsRefusedWhole(t *testing.T) {
	s := newSite(t).signIn()
	for _, body := range []string{
		`{"event":{"date":"31.12.2026"}}`, `{"event":{"date":"2026-02-30"}}`, `{"event":{"accent":"red"}}`, `{"event":{"accent":"#12345"}}`, `{"event":{"name":7}}`,
		`{"event":{"name":"` + strings.Repeat("x", 101) + `"}}`, `{"event":{"name":"a\u0000b"}}`, `{"event":{"nmae":"typo"}}`, `{"event":[]}`, `{"event":"x"}`,
		`{"event":{"opens":-1}}`, `{"event":{"opens":2000,"closes":1000}}`, `{"event":{"photosPerGuest":-1}}`, `{"event":{"wallSeconds":1}}`, `{"event":{"wallOrder":"best"}}`, `{"event":{"wallCode":"huge"}}`,
		`{"event":{"name":"half","wallOrder":"best"},"moderation":true}`, `{}`,
	} {
		if sentence := s.do("POST", "/api/settings", body).is(400).sentence(); len(sentence) < 10 || strings.Contains(sentence, "invalid") {
			t.Errorf("%s: %s", body, sentence)
		}
	}
	if e := s.evening(); e.Name != "" || len(s.payloads("eventUpdated")) != 0 {
		t.Errorf("something was kept: %+v", e)
	}
}

func TestPhotosAreTakenOnlyWhenAndAsTheOrganiserSays(t *testing.T) {
	s := newSite(t).signIn()
	now := time.Now()
	set := func(format string, values ...any) {
		t.Helper()
		s.do("POST", "/api/settings", `{"event":{"opens":0,"closes":0,"nameRequired":false,"terms":"","photosPerGuest":0}}`).is(200)
		s.do("POST", "/api/settings", `{"event":{`+fmt.Sprintf(format, values...)+`}}`).is(200)
	}
	send := func(parts ...part) got {
		t.Helper()
		return s.visitor().submit(nil, append(parts, part{"category", "", "best"})...)
	}
	key := []string{"Idempotency-Key", "sent in time"}
	s.submit(key, part{"category", "", "best"}).is(200)

	set(`"closes":%d`, now.Add(-time.Minute).UnixMilli())
	if got := send().is(403).sentence(); !strings.Contains(got, "closed") {
		t.Error(got)
	}
	s.submit(key, part{"category", "", "best"}).is(200) // its first answer was lost
	set(`"opens":%d`, now.Add(time.Hour).UnixMilli())
	if got := send().is(403).sentence(); !strings.Contains(got, "not taken yet") {
		t.Error(got)
	}
	set(`"opens":%d,"closes":%d`, now.Add(-time.Hour).UnixMilli(), now.Add(time.Hour).UnixMilli())
	send().is(200)

	set(`"nameRequired":true`)
	send().is(400).sentence()
	send(part{"name", "", "  "}).is(400).sentence()
	send(part{"name", "", "Ada"}).is(200)
	set(`"terms":"Photos are shown."`)
	send().is(400).sentence()
	send(part{"terms", "", "yes"}).is(200)

	set(`"photosPerGuest":2`)
	ada, bob := part{"guest", "", strings.Repeat("a", 32)}, part{"guest", "", strings.Repeat("b", 32)}
	send().is(400).sentence()
	send(part{"guest", "", "short"}).is(400).sentence()
	var sent struct{ Entry entry }
	send(ada).is(200).into(&sent)
	send(ada).is(200)
	if got := send(ada).is(403).sentence(); !strings.Contains(got, "as many photos") {
		t.Error(got)
	}
	send(bob).is(200)
	s.do("DELETE", "/api/submissions/"+sent.Entry.ID, nil).is(200)
	send(ada).is(200) // one of theirs was deleted
	send(ada).is(403)
	if g := s.do("GET", "/api/submissions", nil); strings.Contains(g.body, "aaaa") {
		t.Error("a guest's secret leaves")
	}
}
