package socketio_test

import (
	"go/ast"
	"go/doc"
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

// exported returns what a package has: "Func", "Const", "Type", "Type.Method" and
// "Type.Field".
func exported(t *testing.T, dir string) map[string]bool {
	t.Helper()
	paths, err := filepath.Glob(filepath.Join(dir, "*.go"))
	if err != nil {
		t.Fatal(err)
	}
	set := token.NewFileSet()
	var files []*ast.File
	for _, path := range paths {
		if strings.HasSuffix(path, "_test.go") {
			continue
		}
		f, err := parser.ParseFile(set, path, nil, parser.ParseComments)
		if err != nil {
			t.Fatal(err)
		}
		files = append(files, f)
	}
	pkg, err := doc.NewFromFiles(set, files, dir)
	if err != nil {
		t.Fatal(err)
	}
	names := make(map[string]bool)
	note := func(funcs []*doc.Func, values ...[]*doc.Value) {
		for _, f := range funcs {
			names[f.Name] = true
		}
		for _, v := range slices.Concat(values...) {
			for _, n := range v.Names {
				names[n] = true
			}
		}
	}
	note(pkg.Funcs, pkg.Consts, pkg.Vars)
	for _, ty := range pkg.Types {
		names[ty.Name] = true
		note(ty.Funcs, ty.Consts, ty.Vars)
		for _, m := range ty.Methods {
			names[ty.Name+"."+m.Name] = true
		}
		fields(ty, names)
	}
	return names
}

func fields(ty *doc.Type, names map[string]bool) {
	ast.Inspect(ty.Decl, func(n ast.Node) bool {
		if s, ok := n.(*ast.StructType); ok {
			for _, f := range s.Fields.List {
				for _, n := range f.Names {
					names[ty.Name+"."+n.Name] = true
				}
			}
		}
		return true
	})
}

// Whoever comes from the server for Node finds in the package's table only what
// there is.
func TestTheTableForNodeNamesWhatThereIs(t *testing.T) {
	here := exported(t, ".")
	for name := range exported(t, "../engineio") {
		here["engineio "+name] = true
	}
	name := regexp.MustCompile(`\b[A-Z]\w+(?:\.[A-Z]\w+)*\b`)
	checked := 0
	for _, row := range tableForNode(t) {
		for _, n := range name.FindAllString(row[1], -1) {
			if !here[n] && !here["engineio "+n] && !here["engineio Options."+n] && !here["engineio Session."+n] && n != "Handler" {
				t.Errorf("%s: there is no %s", row[0], n)
			}
			checked++
		}
	}
	if checked < 100 {
		t.Errorf("only %d names were found", checked)
	}
}

// tableForNode returns the rows of the table in doc.go.
func tableForNode(t *testing.T) (rows [][2]string) {
	t.Helper()
	file, err := parser.ParseFile(token.NewFileSet(), "doc.go", nil, parser.ParseComments)
	if err != nil {
		t.Fatal(err)
	}
	_, table, found := strings.Cut(file.Doc.Text(), "in Node ")
	table, _, ended := strings.Cut(table, "# Where it differs")
	if !found || !ended {
		t.Fatal("no table")
	}
	row := regexp.MustCompile(`(?m)^\t *(\S.*?) {2,}(\S.*)$`)
	for _, cells := range row.FindAllStringSubmatch(table, -1) {
		rows = append(rows, [2]string{cells[1], cells[2]})
	}
	return rows
}

// testsOf returns the text of every test and example below a folder, by name. Some
// packages have tests of the same name.
func testsOf(t *testing.T, dir string) map[string][]string {
	t.Helper()
	tests := make(map[string][]string)
	err := filepath.WalkDir(dir, func(path string, _ fs.DirEntry, err error) error {
		if err != nil || !strings.HasSuffix(path, "_test.go") {
			return err
		}
		text, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		set := token.NewFileSet()
		f, err := parser.ParseFile(set, path, text, parser.SkipObjectResolution)
		if err != nil {
			return err
		}
		for _, d := range f.Decls {
			if fn, ok := d.(*ast.FuncDecl); ok && fn.Recv == nil {
				tests[fn.Name.Name] = append(tests[fn.Name.Name], string(text[set.Position(fn.Pos()).Offset:set.Position(fn.End()).Offset]))
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return tests
}

// Each row of the table in doc.go is in NODE.md with tests, which exist and use what
// the row names; and so are what differs, and what is here besides.
func TestTheTableForNodeNamesItsTests(t *testing.T) {
	text, err := os.ReadFile("../NODE.md")
	if err != nil {
		t.Fatal(err)
	}
	here, differs, found := strings.Cut(string(text), "## What differs")
	if !found {
		t.Fatal("NODE.md has no second table")
	}
	tests := testsOf(t, "..")
	word := regexp.MustCompile(`[A-Za-z]{4,}`)
	cells := regexp.MustCompile(`(?m)^\| (.*) \| (.*) \| (.*) \|$`)
	check := func(row []string, named bool) {
		names := regexp.MustCompile("`(\\w+)`").FindAllStringSubmatch(row[3], -1)
		if len(names) == 0 && !strings.HasPrefix(row[2], "not here") {
			t.Errorf("%s: no test", row[1])
		}
		for _, n := range names {
			bodies, ok := tests[n[1]]
			if !ok {
				t.Errorf("%s: there is no %s", row[1], n[1])
			}
			uses := func(w string) bool {
				return strings.Contains(strings.ToLower(strings.Join(bodies, " ")), strings.ToLower(w))
			}
			if named && !slices.ContainsFunc(word.FindAllString(row[2]+" "+row[1], -1), uses) {
				t.Errorf("%s: %s has nothing of it", row[1], n[1])
			}
		}
	}
	var rows [][2]string
	for _, row := range cells.FindAllStringSubmatch(here, -1)[1:] { // behind the head
		rows = append(rows, [2]string{strings.Trim(row[1], "`"), row[2]})
		check(row, true)
	}
	if want := tableForNode(t); !slices.Equal(rows, want) {
		for i := range min(len(rows), len(want)) {
			if rows[i] != want[i] {
				t.Fatalf("NODE.md has %q where doc.go has %q", rows[i], want[i])
			}
		}
		t.Errorf("NODE.md has %d rows, doc.go %d", len(rows), len(want))
	}
	differs, besides, found := strings.Cut(differs, "## What is here besides")
	if !found {
		t.Fatal("NODE.md has no third table")
	}
	for _, row := range cells.FindAllStringSubmatch(differs, -1)[1:] {
		check(row, false)
	}
	for _, row := range cells.FindAllStringSubmatch(besides, -1)[1:] {
		check(row, true)
	}
}
