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

// goFiles calls f for every Go file of the modules that go.work names.
func goFiles(t *testing.T, f func(path string)) {
	t.Helper()
	foreign := foreignModules(t)
	err := filepath.WalkDir("..", func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if d.IsDir() {
			if path != ".." && (d.Name() == "node_modules" || strings.HasPrefix(d.Name(), ".") || foreign(path)) {
				return filepath.SkipDir
			}
			return nil
		}
		if strings.HasSuffix(path, ".go") {
			f(path)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

var testName = regexp.MustCompile(`\bTest[A-Z][A-Za-z0-9]+\b`)

// TestEveryClaimNamesATestThatExists holds docs/SECURITY.md to the tests.
func TestEveryClaimNamesATestThatExists(t *testing.T) {
	exists := make(map[string]bool)
	declared := regexp.MustCompile(`(?m)^func (Test[A-Z][A-Za-z0-9]+)\(t \*testing\.T\)`)
	goFiles(t, func(path string) {
		if !strings.HasSuffix(path, "_test.go") {
			return
		}
		text, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		for _, name := range declared.FindAllStringSubmatch(string(text), -1) {
			exists[name[1]] = true
		}
	})
	text, err := os.ReadFile("../docs/SECURITY.md")
	if err != nil {
		t.Fatal(err)
	}
	claims := 0
	for line := range strings.Lines(string(text)) {
		names := testName.FindAllString(line, -1)
		for _, name := range names {
			if !exists[name] {
				t.Errorf("there is no %s", name)
			}
		}
		if strings.HasPrefix(line, "|") && !strings.HasPrefix(line, "|---") && !strings.HasPrefix(line, "| who ") {
			if claims++; len(names) == 0 {
				t.Errorf("a claim without a test: %s", line)
			}
		}
	}
	if claims < 10 {
		t.Errorf("only %d claims were found", claims)
	}
}

// unsafeFile is where unsafe may be used: a test that makes the database's
// writes fail.
const unsafeFile = "../store/bolt/fault_test.go"

func TestUnsafeIsUsedInOneFileOnly(t *testing.T) {
	goFiles(t, func(path string) {
		file, err := parser.ParseFile(token.NewFileSet(), path, nil, parser.ImportsOnly|parser.ParseComments)
		if err != nil {
			t.Fatal(err)
		}
		for _, i := range file.Imports {
			if slices.Contains([]string{`"unsafe"`, `"C"`}, i.Path.Value) && filepath.ToSlash(path) != unsafeFile {
				t.Errorf("%s imports %s", path, i.Path.Value)
			}
		}
	})
}
