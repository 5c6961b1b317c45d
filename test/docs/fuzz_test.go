package docs

import (
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

var (
	fuzzRow    = regexp.MustCompile("(?m)^\\| `([^`]+)` (Fuzz[A-Za-z0-9]*) \\|")
	fuzzTarget = regexp.MustCompile(`(?m)^func (Fuzz[A-Za-z0-9]*)\(`)
)

// fuzzTargets are the targets that there are: the folder, and the name.
func fuzzTargets(t *testing.T) map[[2]string]bool {
	t.Helper()
	found := make(map[[2]string]bool)
	goFiles(t, func(path string) {
		if !strings.HasSuffix(path, "_test.go") {
			return
		}
		text, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		rel, _ := filepath.Rel("..", filepath.Dir(path))
		for _, name := range fuzzTarget.FindAllStringSubmatch(string(text), -1) {
			found[[2]string{filepath.ToSlash(rel), name[1]}] = true
		}
	})
	return found
}

// The table of fuzz targets has each that there is, and no other. Folders of the
// library stand in it without protocol/.
func TestTheTableOfFuzzTargetsIsTrue(t *testing.T) {
	found := fuzzTargets(t)
	if len(found) < 30 {
		t.Fatalf("only %d targets were found", len(found))
	}
	for _, row := range fuzzRow.FindAllStringSubmatch(textOf(t, "CONTRIBUTING.md"), -1) {
		target, inLibrary := [2]string{row[1], row[2]}, [2]string{"protocol/" + row[1], row[2]}
		if found[inLibrary] {
			target = inLibrary
		}
		if !found[target] {
			t.Errorf("there is no %s in %s, or it stands twice", row[2], row[1])
		}
		delete(found, target)
	}
	for _, target := range slices.SortedFunc(maps.Keys(found), func(a, b [2]string) int { return strings.Compare(a[0]+a[1], b[0]+b[1]) }) {
		t.Errorf("the table lacks `%s` %s", strings.TrimPrefix(target[0], "protocol/"), target[1])
	}
}
