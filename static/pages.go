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
// its scripts are modules, which wait for the page and not the other way round. The sources stay files of their own.

// sheet is how a page names a style sheet of this folder.
var sheet = regexp.MustCompile(`<link rel="stylesheet" href="/([^"]+)">`)

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
		t.whole[name] = withSheets(files, name)
	}
	return t
})

// withSheets returns a page with each style sheet in the place of the link to it.
func withSheets(files fs.FS, name string) []byte {
	read := func(name string) []byte {
		data, err := fs.ReadFile(files, name)
		if err != nil {
			panic(fmt.Sprintf("a page names a file that is not embedded: %v", err)) // held by a test
		}
		return data
	}
	return sheet.ReplaceAllFunc(read(name), func(link []byte) []byte {
		css := read(string(sheet.FindSubmatch(link)[1]))
		return bytes.Join([][]byte{[]byte("<style>\n"), css, []byte("</style>")}, nil)
	})
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
	name string
}

func (f *pageFile) Stat() (fs.FileInfo, error) { return f, nil }
func (f *pageFile) Close() error               { return nil }
func (f *pageFile) Name() string               { return f.name }
func (f *pageFile) Mode() fs.FileMode          { return 0o444 }
func (f *pageFile) ModTime() time.Time         { return time.Time{} } // as of every embedded file
func (f *pageFile) IsDir() bool                { return false }
func (f *pageFile) Sys() any                   { return nil }
