package pages

import (
	"io/fs"
	"net/http"
	"slices"

	"golang.org/x/text/language"
)

// Translated is a tree of files that has pages in several languages.
type Translated interface {
	fs.FS
	// Languages are the BCP 47 tags of those that the page of that name is in, the
	// first for who asks for none of them. It is nil where there is no choice.
	Languages(name string) []string
	// In is the name of the page in one of them.
	In(name, language string) string
}

// languageCookie holds the language that somebody chose in a page, rather than the
// browser's.
const languageCookie = "podium_language"

// maxLanguages bounds how much of an Accept-Language header is read, in bytes.
const maxLanguages = 256

// languageOf is the one of list that whoever asks reads best.
func languageOf(r *http.Request, list []string) string {
	if chosen, err := r.Cookie(languageCookie); err == nil && slices.Contains(list, chosen.Value) {
		return chosen.Value
	}
	header := r.Header.Get("Accept-Language")
	wanted, _, err := language.ParseAcceptLanguage(header[:min(len(header), maxLanguages)])
	if err != nil || len(wanted) == 0 {
		return list[0]
	}
	tags := make([]language.Tag, len(list))
	for i, one := range list {
		tags[i] = language.Make(one)
	}
	_, at, sure := language.NewMatcher(tags).Match(wanted...)
	if sure == language.No {
		return list[0]
	}
	return list[at]
}
