package static

import (
	"encoding/json"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// texts are the texts of a message: one, or one for each plural category.
func texts(message any) []string {
	if text, ok := message.(string); ok {
		return []string{text}
	}
	var list []string
	for _, text := range message.(map[string]any) {
		list = append(list, text.(string))
	}
	return list
}

// readMessages reads what the files of a language hold.
func readMessages(t *testing.T, language string) messages {
	t.Helper()
	own := messages{}
	for _, folder := range foldersOf(organisers[0]) {
		data, err := fs.ReadFile(files, folder+"/"+language+".json")
		here := messages{}
		if err != nil || json.Unmarshal(data, &here) != nil {
			t.Fatalf("the messages of %s in %s cannot be read: %v", language, folder, err)
		}
		for key, message := range here {
			if own[key] != nil {
				t.Errorf("%s says %s twice", language, key)
			}
			own[key] = message
		}
	}
	return own
}

// pluralCategories are those that whole numbers have, by language, as CLDR has them.
var pluralCategories = map[string][]string{
	"en": {"one", "other"}, "de": {"one", "other"}, "es": {"one", "other"}, "fr": {"one", "other"},
	"ar": {"few", "many", "one", "other", "two", "zero"},
}

func TestEveryLanguageHasEveryMessageWithTheSamePlaceholders(t *testing.T) {
	placeholder := regexp.MustCompile(`\{[^}]*\}`)
	main := readMessages(t, mainLanguage)
	if got := languages(); !slices.Equal(slices.Sorted(slices.Values(got)), slices.Sorted(maps.Keys(pluralCategories))) || got[0] != mainLanguage {
		t.Errorf("there are %v; the test knows the plurals of %v", got, slices.Sorted(maps.Keys(pluralCategories)))
	}
	for _, language := range languages() {
		own := readMessages(t, language)
		for key := range own {
			if main[key] == nil {
				t.Errorf("%s has %s, which there is not", language, key)
			}
		}
		for key, message := range main {
			if own[key] == nil {
				t.Errorf("%s lacks %s", language, key)
				continue
			}
			want := map[string]bool{}
			for _, text := range texts(message) {
				for _, name := range placeholder.FindAllString(text, -1) {
					want[name] = true
				}
			}
			for _, text := range texts(own[key]) {
				if strings.TrimSpace(text) == "" || strings.Contains(text, "<") {
					t.Errorf("%s says %q for %s", language, text, key)
				}
				for _, name := range placeholder.FindAllString(text, -1) {
					if !want[name] {
						t.Errorf("%s has %s in %s, which nothing replaces", language, name, key)
					}
				}
			}
			for name := range want {
				if !strings.Contains(strings.Join(texts(own[key]), ""), name) {
					t.Errorf("%s lacks %s in %s", language, name, key)
				}
			}
			if forms, plural := own[key].(map[string]any); plural && !slices.Equal(slices.Sorted(maps.Keys(forms)), pluralCategories[language]) {
				t.Errorf("%s says %s for %v", language, key, slices.Sorted(maps.Keys(forms)))
			}
		}
	}
}

// What is used is there, and what is there is used: by a page, a script, or a refusal of the server.
func TestMessagesAreUsedAndThere(t *testing.T) {
	used := map[string]string{"languageName": "lang.go", "direction": "lang.go"}
	note := func(pattern, prefix string, names ...string) {
		for _, name := range names {
			data, err := os.ReadFile(name)
			if err != nil {
				t.Fatal(err)
			}
			for _, m := range regexp.MustCompile(pattern).FindAllStringSubmatch(string(data), -1) {
				used[prefix+m[1]] = name
			}
		}
	}
	glob := func(pattern string) []string {
		names, err := filepath.Glob(pattern)
		if err != nil || names == nil {
			t.Fatal(pattern, err)
		}
		return slices.DeleteFunc(names, func(name string) bool { return strings.HasSuffix(name, "_test.go") })
	}
	note(`\{\{([A-Za-z-]+)\}\}`, "", glob("*.html")...)
	note(`\bsay\("([A-Za-z-]+)"`, "", glob("js/*.js")...)
	note(`messages\.textContent\)\.([a-zA-Z]+)`, "", "js/arrive.js")
	for _, files := range []string{"../server/*.go", "../server/*/*.go", "../contest/errors.go"} {
		note(`\.Coded\("([A-Za-z]+)"\)`, "error-", glob(files)...)
		note(`\bCode: "([A-Za-z]+)"`, "error-", glob(files)...)
		note(`\b(?:code|Rule)[A-Z][A-Za-z]*(?: +Rule)? += "([A-Za-z]+)"`, "error-", glob(files)...)
	}
	note(`\btrouble\{"([A-Za-z]+)"`, "reason-", glob("../server/observe/*.go")...)
	note(`\.Code = .*, "([A-Za-z]+)"\n`, "reason-", "../server/realtime/endpoints.go")
	delete(used, "languages")
	main := readMessages(t, mainLanguage)
	for key, where := range used {
		if main[key] == nil {
			t.Errorf("%s uses the message %s, which there is not", where, key)
		}
	}
	for key := range main {
		if used[key] == "" {
			t.Errorf("nothing uses the message %s", key)
		}
	}
}

// Every refusal says which it is, so that a page can say it in its own language; but for those on the socket in the data
// folder, where commands ask.
func TestEveryRefusalHasACode(t *testing.T) {
	refusal := regexp.MustCompile(`\banswer\.(?:New|Because|Later)\(|\banswer\.Error\{`)
	seen := 0
	for _, pattern := range []string{"../server/*.go", "../server/*/*.go"} {
		names, err := filepath.Glob(pattern)
		if err != nil {
			t.Fatal(err)
		}
		for _, name := range names {
			if strings.HasSuffix(name, "_test.go") || strings.HasPrefix(name, "../server/command/") {
				continue
			}
			source, err := os.ReadFile(name)
			if err != nil {
				t.Fatal(err)
			}
			for line := range strings.Lines(string(source)) {
				if !refusal.MatchString(line) {
					continue
				}
				seen++
				if !strings.Contains(line, ".Coded(") && !strings.Contains(line, "Code:") {
					t.Errorf("%s refuses without a code: %s", name, line)
				}
			}
		}
	}
	if seen < 40 {
		t.Errorf("%d refusals were found", seen)
	}
}

func TestPagesAreServedWholeInEveryLanguage(t *testing.T) {
	tree := served()
	for _, name := range pages(t) {
		for _, language := range append(tree.Languages(name), mainLanguage) {
			page := text(t, tree.In(name, language))
			if found := wordPlace.FindString(page); found != "" {
				t.Errorf("%s in %s still says %s", name, language, found)
			}
			if want := `<html lang="` + language + `" dir="` + readMessages(t, language)["direction"].(string) + `">`; !strings.Contains(page, want) {
				t.Errorf("%s in %s lacks %s", name, language, want)
			}
		}
	}
	if page := text(t, "ar/index.html"); !strings.Contains(page, "أرسل") || strings.Contains(page, "Take a photo") {
		t.Error("the page in Arabic says nothing in Arabic")
	}
}

// Nobody's phone loads what only the organiser reads.
func TestGuestsPagesHoldNoWordsOfTheOrganisers(t *testing.T) {
	for _, name := range pages(t) {
		page := text(t, name)
		if holds := strings.Contains(page, `"stageHint":`); holds != slices.Contains(organisers, name) {
			t.Errorf("%s holds the organiser's messages: %v", name, holds)
		}
	}
}

// What a page or a script says stands in the files of messages, where it is translated. Names that all languages share may
// stay.
func TestPagesSayNothingOutsideTheirMessages(t *testing.T) {
	aside := regexp.MustCompile(`(?s)<!--.*?-->|<!doctype html>|<svg.*?</svg>|<kbd>[^<]*</kbd>|>Podium<|"Podium"|\{\{[A-Za-z-]+\}\}`)
	said := regexp.MustCompile(`>[^<>]*[A-Za-z]{2}[^<>]*<|(?:aria-label|alt|title|placeholder)="[^"]*[A-Za-z]{2}[^"]*"`)
	for _, name := range pages(t) {
		source, err := fs.ReadFile(files, name)
		if err != nil {
			t.Fatal(err)
		}
		if found := said.FindString(aside.ReplaceAllString(string(source), "><")); found != "" {
			t.Errorf("%s says %q", name, found)
		}
	}
	names, err := fs.Glob(files, "js/*.js")
	if err != nil {
		t.Fatal(err)
	}
	comment := regexp.MustCompile(`(?m)^\s*/?\*.*$|//\s.*$`)
	quoted := regexp.MustCompile("(?:\"\\(?|`\\(?)[A-Z][a-z]+[ .…!?:,][^\"`]*[\"`]")
	fault := regexp.MustCompile(`new Error\(.*`)
	for _, name := range names {
		code := fault.ReplaceAllString(comment.ReplaceAllString(text(t, name), ""), "")
		for _, found := range quoted.FindAllString(code, -1) {
			if name == "js/arrive.js" { // which has to say something where no message arrived
				continue
			}
			t.Errorf("%s says %s", name, found)
		}
	}
}
