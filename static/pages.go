package static

import (
	"bytes"
	"fmt"
	"io/fs"
	"regexp"
	"sync"
	"time"
)

// A page's style sheets are what its first picture waits for, and together they weigh less than one more round trip of a
// phone in a full room costs. So a page is served with them inside it, and nothing else that it names holds up drawing:
// its scripts are modules, which wait for the page and not the other way round. The one that sees to it that they arrive
// is inside it too. The sources stay files of their own.

// How a page names a style sheet of this folder, and a script that is no module.
var (
	sheet  = regexp.MustCompile(`<link rel="stylesheet" href="/([^"]+)">`)
	script = regexp.MustCompile(`<script src="/([^"]+)"></script>`)
)

// tree is the embedded folder with its pages made whole. It never changes.
type tree struct {
	fs.FS
	whole map[string][]byte // pages by name
}

// served is made when it is first asked for.
var served = sync.OnceValue(func() tree {
	t := tree{files, map[string][]byte{}}
	names, err := fs.Glob(files, "*.html")
	if err != nil {
		panic(err) // the pattern is a constant that is valid
	}
	for _, name := range names {
		page := madeWhole(files, name)
		for _, language := range t.Languages(name) {
			t.whole[t.In(name, language)] = inLanguage(page, name, language)
		}
	}
	return t
})

// madeWhole returns a page with each style sheet in the place of the link to it, and each script that is no module.
func madeWhole(files fs.FS, name string) []byte {
	read := func(name string) []byte {
		data, err := fs.ReadFile(files, name)
		if err != nil {
			panic(fmt.Sprintf("a page names a file that is not embedded: %v", err)) // held by a test
		}
		return data
	}
	put := func(page []byte, link *regexp.Regexp, element string) []byte {
		return link.ReplaceAllFunc(page, func(found []byte) []byte {
			text := read(string(link.FindSubmatch(found)[1]))
			return fmt.Appendf(nil, "<%s>\n%s</%s>", element, text, element)
		})
	}
	return put(put(read(name), sheet, "style"), script, "script")
}

// Open implements [fs.FS].
func (t tree) Open(name string) (fs.File, error) {
	if page, ok := t.whole[name]; ok {
		return &pageFile{Reader: bytes.NewReader(page), name: name}, nil
	}
	return t.FS.Open(name)
}

// pageFile is an open page, and what is known of it.
type pageFile struct {
	*bytes.Reader
	name    string
	changed time.Time // zero for a page as it is embedded
}

func (f *pageFile) Stat() (fs.FileInfo, error) { return f, nil }
func (f *pageFile) Close() error               { return nil }
func (f *pageFile) Name() string               { return f.name }
func (f *pageFile) Mode() fs.FileMode          { return 0o444 }
func (f *pageFile) ModTime() time.Time         { return f.changed }
func (f *pageFile) IsDir() bool                { return false }
func (f *pageFile) Sys() any                   { return nil }
