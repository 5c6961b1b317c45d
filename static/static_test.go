package static

import (
	"io/fs"
	"path"
	"regexp"
	"slices"
	"strings"
	"testing"
)

var (
	imported  = regexp.MustCompile(`(?m)^import [^;]*?from "([^"]+)"`)
	preloaded = regexp.MustCompile(`<link rel="modulepreload" href="([^"]+)"`)
	entry     = regexp.MustCompile(`<script type="module" src="([^"]+)"`)
	linked    = regexp.MustCompile(`(?:href|src)="(/[^"#]*\.[a-z]+)`)
	kept      = regexp.MustCompile(`"(/[^" ]*\.[a-z]+)"`)
)

func text(t *testing.T, name string) string {
	t.Helper()
	b, err := fs.ReadFile(Files(), strings.TrimPrefix(name, "/"))
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// modules are the addresses of a script and of everything it imports.
func modules(t *testing.T, script string, found map[string]bool) {
	t.Helper()
	if found[script] {
		return
	}
	found[script] = true
	for _, m := range imported.FindAllStringSubmatch(text(t, script), -1) {
		name := m[1]
		if !strings.HasPrefix(name, "/") {
			name = path.Join(path.Dir(script), name)
		}
		modules(t, name, found)
	}
}

func pages(t *testing.T) []string {
	t.Helper()
	names, err := fs.Glob(Files(), "*.html")
	if err != nil {
		t.Fatal(err)
	}
	return names
}

func TestWhatPagesNameExistsAndNothingIsInline(t *testing.T) {
	inline := regexp.MustCompile(`(?i)<style|\sstyle=|\son[a-z]+=|<script(?:>| [^>]*>[^<])|https?://`)
	for _, name := range pages(t) {
		source, err := fs.ReadFile(files, name)
		if err != nil {
			t.Fatal(err)
		}
		page := string(source)
		if found := inline.FindString(page); found != "" {
			t.Errorf("%s holds %q", name, found)
		}
		for _, m := range linked.FindAllStringSubmatch(page, -1) {
			if _, ok := PageFile(m[1]); !ok && !strings.HasPrefix(m[1], "/api/") {
				text(t, m[1])
			}
		}
		for _, m := range entry.FindAllStringSubmatch(page, -1) {
			modules(t, m[1], map[string]bool{})
		}
	}
}

func TestScriptsNeverMakeMarkupOfText(t *testing.T) {
	names, err := fs.Glob(Files(), "js/*.js")
	if err != nil {
		t.Fatal(err)
	}
	markup := regexp.MustCompile(`innerHTML|outerHTML|insertAdjacentHTML|document\.write|\beval\(|new Function`)
	for _, name := range names {
		if found := markup.FindString(text(t, name)); found != "" {
			t.Errorf("%s uses %s", name, found)
		}
	}
}

// A module that is not preloaded costs a round trip on a phone; one that the service worker forgets breaks the page
// without a network.
func TestTheFeedPageNamesAllItsModulesOnceMore(t *testing.T) {
	index, worker := text(t, "index.html"), text(t, "sw.js")
	script := entry.FindStringSubmatch(index)[1]
	found := map[string]bool{}
	modules(t, script, found)
	var shell []string
	for _, m := range kept.FindAllStringSubmatch(worker, -1) {
		shell = append(shell, m[1])
		if !strings.HasPrefix(m[1], "/socket.io/") {
			text(t, m[1])
		}
	}
	var preloads []string
	for _, m := range preloaded.FindAllStringSubmatch(index, -1) {
		preloads = append(preloads, m[1])
	}
	for name := range found {
		if name != script && !slices.Contains(preloads, name) {
			t.Errorf("index.html does not preload %s", name)
		}
		if !slices.Contains(shell, name) {
			t.Errorf("sw.js does not keep %s", name)
		}
	}
	for _, m := range linked.FindAllStringSubmatch(index, -1) {
		if _, page := PageFile(m[1]); !page && !strings.HasPrefix(m[1], "/api/") && !slices.Contains(shell, m[1]) {
			t.Errorf("sw.js does not keep %s", m[1])
		}
	}
}

// What is served names no style sheet and no script that a browser would wait for before it draws.
func TestPagesHoldTheirStyleSheets(t *testing.T) {
	script := regexp.MustCompile(`<script[^>]*>`)
	for _, name := range pages(t) {
		page := text(t, name)
		if strings.Contains(page, `rel="stylesheet"`) {
			t.Errorf("%s waits for a style sheet", name)
		}
		for _, tag := range script.FindAllString(page, -1) {
			if !strings.Contains(tag, `type="module"`) && !strings.Contains(tag, `type="application/json"`) && tag != "<script>" {
				t.Errorf("%s waits for %s", name, tag)
			}
		}
		if !strings.Contains(page, text(t, "js/arrive.js")) {
			t.Errorf("%s does not see to it that its scripts arrive", name)
		}
		source, err := fs.ReadFile(files, name)
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range sheet.FindAllSubmatch(source, -1) {
			if css := text(t, string(m[1])); !strings.Contains(page, css) || strings.Contains(css, "</") {
				t.Errorf("%s does not hold %s whole", name, m[1])
			}
		}
		info, err := fs.Stat(Files(), name)
		if err != nil || info.Size() != int64(len(page)) || info.IsDir() || !info.Mode().IsRegular() {
			t.Errorf("%s is described as %v, %v", name, info, err)
		}
	}
}
