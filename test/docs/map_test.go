package docs

import (
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

var (
	mapRow   = regexp.MustCompile("^\\| `([^`]+)` \\| [^|]+ \\|([^|]*)\\|$")
	mapName  = regexp.MustCompile("`([^`]+)`")
	pathName = regexp.MustCompile("`([a-z]+(?:/[a-z_.]+)*\\.(?:go|md|toml))`")
)

// foreignModules tells whether a folder below .. is the root of a module that
// go.work does not name: one with dependencies that are nobody else's business.
func foreignModules(t *testing.T) func(path string) bool {
	t.Helper()
	workspace, err := os.ReadFile("../go.work")
	if err != nil {
		t.Fatal(err)
	}
	return func(path string) bool {
		_, err := os.Stat(filepath.Join(path, "go.mod"))
		rel, _ := filepath.Rel("..", path)
		return err == nil && rel != "." && !strings.Contains(string(workspace), "\t./"+filepath.ToSlash(rel)+"\n")
	}
}

// packages returns the packages of the repository's modules with the rooms
// that each imports, tests left out.
func packages(t *testing.T) map[string][]string {
	t.Helper()
	foreign := foreignModules(t)
	module := regexp.MustCompile(`(?m)^module (\S+)$`).FindStringSubmatch(textOf(t, "go.mod"))[1]
	found := make(map[string][]string)
	err := filepath.WalkDir("..", func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		rel, _ := filepath.Rel("..", path)
		if d.IsDir() {
			if name := d.Name(); foreign(path) || name == "node_modules" || name == "testdata" || strings.HasPrefix(name, ".") && rel != "." {
				return filepath.SkipDir
			}
			return nil
		}
		if !strings.HasSuffix(path, ".go") || strings.HasSuffix(path, "_test.go") {
			return nil
		}
		dir := filepath.ToSlash(filepath.Dir(rel))
		file, err := parser.ParseFile(token.NewFileSet(), path, nil, parser.ImportsOnly)
		if err != nil {
			return err
		}
		imports := found[dir]
		for _, i := range file.Imports {
			if room, ok := strings.CutPrefix(strings.Trim(i.Path.Value, `"`), module+"/"); ok && !slices.Contains(imports, room) {
				imports = append(imports, room)
			}
		}
		found[dir] = imports
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return found
}

func TestTheMapOfTheHouseIsTrue(t *testing.T) {
	text, err := os.ReadFile("../CONTRIBUTING.md")
	if err != nil {
		t.Fatal(err)
	}
	allowed := make(map[string][]string)
	for line := range strings.Lines(string(text)) {
		row := mapRow.FindStringSubmatch(strings.TrimSpace(line))
		if row == nil {
			continue
		}
		allowed[row[1]] = []string{}
		for _, name := range mapName.FindAllStringSubmatch(row[2], -1) {
			allowed[row[1]] = append(allowed[row[1]], name[1])
		}
	}
	found := packages(t)
	for room, imports := range found {
		rooms, ok := allowed[room]
		if !ok {
			t.Errorf("the package %s is not on the map", room)
			continue
		}
		for _, i := range imports {
			if !slices.Contains(rooms, i) {
				t.Errorf("%s imports %s, which the map does not allow", room, i)
			}
		}
	}
	for room, imports := range allowed {
		for _, name := range append(imports, room) {
			if _, ok := found[name]; !ok {
				t.Errorf("the map names %s, and there is no such package", name)
			}
		}
	}
}

func TestFilesNamedInDocumentsExist(t *testing.T) {
	for _, document := range []string{"../README.md", "../CONTRIBUTING.md"} {
		text, err := os.ReadFile(document)
		if err != nil {
			t.Fatal(err)
		}
		for _, name := range pathName.FindAllStringSubmatch(string(text), -1) {
			if _, err := os.Stat(filepath.Join("..", name[1])); err != nil {
				t.Errorf("%s names %s: %v", document, name[1], err)
			}
		}
	}
}
