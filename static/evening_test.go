package static

import (
	"encoding/json"
	"io/fs"
	"strings"
	"testing"
	"time"
)

func TestAnEventIsOnEveryPageInItsPreviewAndInTheManifest(t *testing.T) {
	e := Evening{Name: `Anna & "Ben" <3`, Date: "2026-12-31", Welcome: "Wish them <luck>", Accent: "#ffee00", Changed: time.UnixMilli(1)}
	tree := For(func() Evening { return e })
	for _, name := range pages(t) {
		data, err := fs.ReadFile(tree, name)
		if err != nil {
			t.Fatal(err)
		}
		page := string(data)
		for _, want := range []string{"Anna &amp; &#34;Ben&#34; &lt;3</title>", `property="og:title" content="`, "Wish them &lt;luck&gt;", "31 December 2026", "<style>:root{--accent:"} {
			if !strings.Contains(page, want) {
				t.Errorf("%s lacks %s", name, want)
			}
		}
		if strings.Contains(page, "<luck>") || strings.Contains(page, `"Ben"`) || strings.Contains(page, ">Podium<") {
			t.Errorf("%s holds text as markup, or another name", name)
		}
	}
	const named = `Anna &amp; &#34;Ben&#34; &lt;3`
	for page, want := range map[string]string{
		"index.html": `<h1 id="title" dir="auto">` + named + `</h1><p class="named" dir="auto">31 December 2026</p>`,
		"wall.html":  `<b class="named" dir="auto">` + named + ` · 31 December 2026</b>`, "winners.html": `<p class="named" dir="auto">` + named + ` · 31 December 2026</p>`,
		"de/index.html": `<p class="named" dir="auto">31.12.2026</p>`, "fr/index.html": `<p class="named" dir="auto">31/12/2026</p>`,
	} {
		if data, err := fs.ReadFile(tree, page); err != nil || !strings.Contains(string(data), want) {
			t.Errorf("%s lacks %s: %v", page, want, err)
		}
	}
	data, err := fs.ReadFile(tree, "manifest.webmanifest")
	var manifest struct {
		Name  string `json:"name"`
		Icons []any  `json:"icons"`
	}
	if err != nil || json.Unmarshal(data, &manifest) != nil || manifest.Name != e.Name || len(manifest.Icons) == 0 {
		t.Errorf("the manifest is %s, %v", data, err)
	}
	// Where nothing was said, a link has a preview all the same.
	e = Evening{}
	page, err := fs.ReadFile(tree, "de/winners.html")
	for _, want := range []string{
		"<title>Gewinner</title>", `"og:title" content="Gewinner"`, `"og:description" content="Schick ein Foto`,
		`"og:url" content="` + Origin + `/winners.html"`, `"og:image" content="` + Origin + `/icon.png"`,
	} {
		if err != nil || !strings.Contains(string(page), want) {
			t.Errorf("the page lacks %s where nothing was said: %v", want, err)
		}
	}
	if _, err := fs.Stat(tree, "icon.png"); err != nil {
		t.Error(err)
	}
}

func TestAnAccentCanBeReadInLightAndDark(t *testing.T) {
	for _, accent := range []string{"#ffffff", "#000000", "#ffee00", "#b92d17", "#0000ff", "#777777"} {
		sheet := accentSheet(accent)
		var light, onLight, dark, onDark string
		for i, into := range []*string{&light, &onLight, &dark, &onDark} {
			*into = strings.Split(sheet, "accent:")[i+1][:7]
		}
		for _, pair := range [][2]colour{{own(t, light), lightGround}, {own(t, dark), darkGround}, {own(t, light), own(t, onLight)}, {own(t, dark), own(t, onDark)}} {
			if c := contrast(pair[0], pair[1]); c < readable {
				t.Errorf("%s: %s on %s has a contrast of %.2f", accent, pair[0], pair[1], c)
			}
		}
	}
	for _, none := range []string{"", "red", "#12345", "#gggggg", "#b92d17}"} {
		if accentSheet(none) != "" {
			t.Errorf("%q is taken for a colour", none)
		}
	}
}

// own reads a colour of a sheet.
func own(t *testing.T, text string) colour {
	t.Helper()
	c, ok := parseColour(text)
	if !ok {
		t.Fatalf("%q is no colour", text)
	}
	return c
}
