package socketio_test

import (
	"go/ast"
	"go/doc"
	"go/parser"
	"go/token"
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
	name := regexp.MustCompile(`\b[A-Z]\w+(?:\.[A-Z]\w+)*\b`)
	checked := 0
	for _, cells := range row.FindAllStringSubmatch(table, -1) {
		for _, n := range name.FindAllString(cells[2], -1) {
			if !here[n] && !here["engineio "+n] && !here["engineio Options."+n] && !here["engineio Session."+n] && n != "Handler" {
				t.Errorf("%s: there is no %s", cells[1], n)
			}
			checked++
		}
	}
	if checked < 100 {
		t.Errorf("only %d names were found", checked)
	}
}
