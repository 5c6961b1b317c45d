package pages

import (
	"fmt"
	"io/fs"
	"path"
	"regexp"
	"strings"
)

// A handler in an attribute is decoded as HTML before it is run as a script:
// whatever HTML escaping did to a text is undone, and a caption can end the string
// that it is put into. So it is with an address that is a script, and with the page
// of a frame. Text must not be put there at all; ids may, which have no characters
// that could end anything.
const (
	quote   = `["'` + "`" + `]`
	begin   = `(?i)[\s"'` + "`" + `]`            // of an attribute's name
	onEvent = `(?:on[a-z]{3,}|srcdoc)\s*=\s*\\?` // a handler, or a frame's page
	address = `(?:href|src|action|formaction|data)\s*=\s*\\?` + quote + `?\s*javascript:`
)

var (
	// textInTemplate finds on…="…${expression with a text's name}…" in a template, and
	// textJoined the same put together with +.
	textInTemplate = regexp.MustCompile(begin + `(?:` + onEvent + quote + `?|` + address + `)[^<>` + "`" + `\n]*?\$\{([^}\n]*)\}`)
	textJoined     = regexp.MustCompile(begin + `(?:` + onEvent + `["']|` + address + `)[^<>\n]*?` + quote + `\s*\+\s*([\w$.()\[\]]+)`)
	textSet        = regexp.MustCompile(`(?i)(?:setAttribute\(\s*` + quote + `(?:on[a-z]{3,}|srcdoc)` + quote + `\s*,|\.srcdoc\s*=|` + quote + `javascript:[^;<>\n]*?` + quote + `\s*\+)([^;\n]*)`)
	textName       = regexp.MustCompile(`(?i)(?:^|[^A-Za-z])(?:\w*(?:caption|phone|artist)|\w*name|JSON\s*\.\s*stringify)\b`)
)

// TextInHandlers returns what it finds of pages and scripts that put captions,
// names or phone numbers into handlers, each as "file: expression".
func TextInHandlers(files fs.FS) (found []string, err error) {
	err = fs.WalkDir(files, ".", func(name string, entry fs.DirEntry, err error) error {
		if err != nil {
			return fmt.Errorf("look through the pages: %w", err)
		}
		switch strings.ToLower(path.Ext(name)) {
		case ".html", ".htm", ".js", ".mjs":
		default:
			return nil
		}
		if !entry.Type().IsRegular() {
			return nil
		}
		data, err := fs.ReadFile(files, name)
		if err != nil {
			return fmt.Errorf("look through the pages: %w", err)
		}
		for _, expression := range textInHandlers(string(data)) {
			found = append(found, name+": "+expression)
		}
		return nil
	})
	return found, err
}

// textInHandlers are the expressions of a file that put text into handlers.
func textInHandlers(text string) (found []string) {
	// A handler may hold several values, of which a pattern finds the first: the rest
	// of its line is looked at too.
	for _, pattern := range []*regexp.Regexp{textInTemplate, textJoined} {
		for _, at := range pattern.FindAllStringSubmatchIndex(text, -1) {
			rest := text[at[2]:]
			if end := strings.IndexAny(rest, "<>\n"); end >= 0 {
				rest = rest[:end]
			}
			if handler := attributeRest(rest); textName.MatchString(handler) {
				found = append(found, strings.TrimSpace(handler))
			}
		}
	}
	for _, m := range textSet.FindAllStringSubmatch(text, -1) {
		if textName.MatchString(m[1]) {
			found = append(found, strings.TrimSpace(m[1]))
		}
	}
	return found
}

// attributeRest is the part of text up to the double quote that ends an attribute,
// or all of it.
func attributeRest(text string) string {
	before, _, _ := strings.Cut(text, `"`)
	return before
}
