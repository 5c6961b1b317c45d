package static

import (
	"bytes"
	"encoding/json"
	"fmt"
	"html"
	"io/fs"
	"path"
	"regexp"
	"slices"
	"strings"
	"time"
)

// The words of the pages are in lang/, a file a language: messages by key, each a text or, where it counts something,
// texts by the plural categories of Unicode CLDR. Those that only the organiser's pages say are in lang/organiser/, so that
// guests' phones need not load them. A page names them as {{key}}, and is served in the language of who asks,
// with all the messages inside that it may need, for its scripts (js/words.js). What a language lacks is said in English.

// mainLanguage is the one that has every message.
const mainLanguage = "en"

// languages are those that pages are served in, the main one first.
func languages() []string {
	names, err := fs.Glob(files, "lang/*.json")
	if err != nil {
		panic(err) // the pattern is a constant that is valid
	}
	list := []string{mainLanguage}
	for _, name := range names {
		if language := strings.TrimSuffix(path.Base(name), ".json"); language != mainLanguage {
			list = append(list, language)
		}
	}
	return list
}

// organisers are the pages that only the organiser, and who presents for them, sees.
var organisers = []string{"admin.html", "codes.html", "dashboard.html", "present.html", "setup.html"}

// foldersOf are where the messages of a page are.
func foldersOf(page string) []string {
	if slices.Contains(organisers, page) {
		return []string{"lang", "lang/organiser"}
	}
	return []string{"lang"}
}

// messages are texts by key: each a string, or strings by plural category.
type messages map[string]any

// messagesIn are the messages of a language from folders, with the main one's for those that it lacks.
func messagesIn(language string, folders ...string) messages {
	all := messages{}
	for _, folder := range folders {
		for _, one := range []string{mainLanguage, language} {
			data, err := fs.ReadFile(files, folder+"/"+one+".json")
			if err == nil {
				err = json.Unmarshal(data, &all)
			}
			if err != nil {
				panic(fmt.Sprintf("the messages of a language cannot be read: %v", err)) // held by a test
			}
		}
	}
	return all
}

// wordPlace is where a page names a message.
var wordPlace = regexp.MustCompile(`\{\{([A-Za-z-]+)\}\}`)

// inLanguage puts a language's messages into the page of that name.
func inLanguage(page []byte, name, language string) []byte {
	words := messagesIn(language, foldersOf(name)...)
	data, err := json.Marshal(words) // which leaves no < that could end the element
	if err != nil {
		panic(err) // it was JSON a moment ago
	}
	page = wordPlace.ReplaceAllFunc(page, func(found []byte) []byte {
		key := string(found[2 : len(found)-2])
		if key == "languages" {
			return languageOptions(language)
		}
		text, ok := words[key].(string)
		if !ok {
			panic("a page names a message that there is not: " + key) // held by a test
		}
		return []byte(html.EscapeString(text))
	})
	page = bytes.Replace(page, []byte(`<html lang="en">`), fmt.Appendf(nil, `<html lang="%s" dir="%s">`, language, words["direction"]), 1)
	return bytes.Replace(page, []byte("</head>"), fmt.Appendf(nil, "<script type=\"application/json\" id=\"messages\">%s</script>\n</head>", data), 1)
}

// languageOptions are the choices of a select element.
func languageOptions(chosen string) []byte {
	var b bytes.Buffer
	for _, language := range languages() {
		selected := ""
		if language == chosen {
			selected = " selected"
		}
		fmt.Fprintf(&b, `<option value="%s"%s>%s</option>`, language, selected, html.EscapeString(messagesIn(language, "lang")["languageName"].(string)))
	}
	return b.Bytes()
}

// Languages are those that the page of that name can be served in, the one first that its own name stands for. It is nil for
// files that are no pages.
func (t tree) Languages(name string) []string {
	if path.Ext(name) == ".html" && !strings.Contains(name, "/") {
		return languages()
	}
	return nil
}

// In is the name of a page in one of its languages.
func (t tree) In(name, language string) string {
	if language == mainLanguage {
		return name
	}
	return language + "/" + name
}

// dateIn is a day as people write it in the language of the page of that name.
func dateIn(day time.Time, name string) string {
	switch language, _, other := strings.Cut(name, "/"); {
	case !other:
		return day.Format("2 January 2006")
	case language == "de":
		return day.Format("2.1.2006")
	}
	return day.Format("2/1/2006")
}
