package client_test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
)

// testNames are the tests, examples and fuzz targets of this package and of engineio's.
func testNames(t *testing.T) map[string]bool {
	t.Helper()
	paths, err := filepath.Glob("*_test.go")
	if err != nil {
		t.Fatal(err)
	}
	below, err := filepath.Glob("../engineio/*_test.go")
	if err != nil {
		t.Fatal(err)
	}
	paths = append(paths, below...)
	names := make(map[string]bool)
	for _, path := range paths {
		f, err := parser.ParseFile(token.NewFileSet(), path, nil, parser.SkipObjectResolution)
		if err != nil {
			t.Fatal(err)
		}
		for _, d := range f.Decls {
			if fn, ok := d.(*ast.FuncDecl); ok && fn.Recv == nil {
				names[fn.Name.Name] = true
			}
		}
	}
	return names
}

// Each case of the official suites is in OFFICIAL.md with tests that exist, or with why
// there is none.
func TestEveryOfficialCaseHasATest(t *testing.T) {
	text, err := os.ReadFile("OFFICIAL.md")
	if err != nil {
		t.Fatal(err)
	}
	names := testNames(t)
	heading := regexp.MustCompile(`, (\d+) cases\n`)
	row := regexp.MustCompile(`(?m)^\| (.+) \| (.+) \|$`)
	test := regexp.MustCompile("`((?:Test|Example|Fuzz)\\w*)`")
	sections := strings.Split(string(text), "\n## ")[1:]
	if len(sections) != 4 {
		t.Errorf("%d sections", len(sections))
	}
	for _, section := range sections {
		rows := row.FindAllStringSubmatch(section, -1)[1:] // behind the head
		count := heading.FindStringSubmatch(section)
		if count == nil || count[1] != strconv.Itoa(len(rows)) {
			t.Errorf("%.60q… has %d rows", section, len(rows))
		}
		for _, cells := range rows {
			tests := test.FindAllStringSubmatch(cells[2], -1)
			if len(tests) == 0 && !strings.HasPrefix(cells[2], "not here: ") {
				t.Errorf("%s: neither a test nor why not", cells[1])
			}
			for _, name := range tests {
				if !names[name[1]] {
					t.Errorf("%s: there is no %s", cells[1], name[1])
				}
			}
		}
	}
}
