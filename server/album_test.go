package server_test

import (
	"archive/zip"
	"bytes"
	"io"
	"slices"
	"strings"
	"testing"
)

// album downloads the album: the names of its files in order, and their contents.
func (s *site) album() (names []string, files map[string]string) {
	s.t.Helper()
	body := s.do("GET", "/api/album.zip", nil).is(200).body
	z, err := zip.NewReader(bytes.NewReader([]byte(body)), int64(len(body)))
	if err != nil {
		s.t.Fatal(err)
	}
	files = map[string]string{}
	for _, f := range z.File {
		r, err := f.Open()
		if err != nil {
			s.t.Fatal(err)
		}
		data, err := io.ReadAll(r)
		r.Close()
		if err != nil {
			s.t.Fatal(err)
		}
		names, files[f.Name] = append(names, f.Name), string(data)
	}
	return names, files
}

func TestTheAlbumHasWholePhotosByNameWithTheWinnersFirst(t *testing.T) {
	s := newSite(t).signIn()
	s.do("POST", "/api/categories", `{"categories":[{"id":"best","name":"Best dressed"},{"id":"b2","name":"best DRESSED"},{"id":"odd","name":"../CON: <x>"}]}`).is(200)
	send := func(category, caption string) string {
		t.Helper()
		var body struct{ Entry entry }
		s.submit(nil, part{"category", "", category}, part{"caption", "", caption}, part{"name", "", "Ada Lovelace"}, part{"phone", "", "+44 20 7946 0958"}, part{"photo", "p.jpg", photo(t, 3000, 20)}).is(200).into(&body)
		return body.Entry.ID
	}
	send("best", "early")
	first := send("best", "  Über/alles?\u202egpj.exe  ")
	second := send("best", "")
	hidden := send("best", "not for everybody")
	send("b2", "one")
	send("odd", "=1+1 <script>")
	s.enter("best", "words alone")
	s.do("POST", "/api/submissions/"+hidden+"/hide", "").is(200)
	s.do("POST", "/api/save-winners", `{"winners":{"best":["`+first+`","`+second+`"]}}`).is(200)
	s.do("POST", "/api/settings", `{"event":{"name":"Anna & Ben"}}`).is(200)

	names, files := s.album()
	want := []string{"Best dressed/001 – Über alles gpj.exe.jpg", "Best dressed/002.jpg", "Best dressed/003 – early.jpg", "best DRESSED b2/001 – one.jpg", "CON x/001 – =1+1 script.jpg", "index.html", "photos.csv"}
	if got := slices.Clone(names); !slices.Equal(got, want) {
		t.Errorf("the album holds\n%q, not\n%q", got, want)
	}
	for _, name := range want[:3] {
		if !strings.HasPrefix(files[name], "\xff\xd8") {
			t.Errorf("%s is no JPEG", name)
		}
	}
	page := files["index.html"]
	for _, text := range []string{"<h1 dir=\"auto\">Anna &amp; Ben</h1>", `src="./Best%20dressed/002.jpg"`, `<strong class="place">1</strong>`, "&lt;script&gt;"} {
		if !strings.Contains(page, text) {
			t.Errorf("the page lacks %s:\n%s", text, page)
		}
	}
	table := files["photos.csv"]
	if !strings.Contains(table, "Best dressed/002.jpg,Best dressed,2,,") || !strings.Contains(table, ",'=1+1 <script>,") {
		t.Errorf("the table is\n%s", table)
	}
	for name, text := range files {
		if strings.Contains(text, "Ada Lovelace") || strings.Contains(text, "7946") || strings.Contains(text, "not for everybody") {
			t.Errorf("%s tells what is not for everybody", name)
		}
	}
	s.visitor().do("GET", "/api/album.zip", nil).is(401)
	if table := s.do("GET", "/api/export.csv", nil).is(200).body; !strings.Contains(table, "categoryName") || !strings.Contains(table, "Best dressed") {
		t.Errorf("the spreadsheet has no names of categories:\n%s", table)
	}
}

func TestTheAlbumTellsOfNoPlaceBeforeItsTurn(t *testing.T) {
	s := newSite(t).signIn()
	var body struct{ Entry entry }
	s.submit(nil, part{"category", "", "best"}, part{"photo", "p.jpg", photo(t, 40, 20)}).is(200).into(&body)
	s.do("POST", "/api/reveal", `{"winners":{"best":["`+body.Entry.ID+`"]}}`).is(200)
	if _, files := s.album(); strings.Contains(files["index.html"], `class="place"`) {
		t.Error("a place was told before its turn")
	}
	s.do("POST", "/api/reveal/next", `{"turn":0}`).is(200)
	if _, files := s.album(); !strings.Contains(files["index.html"], `class="place"`) {
		t.Errorf("a place that was told is not in the album:\n%s", files["index.html"])
	}
}
