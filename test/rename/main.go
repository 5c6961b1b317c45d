// Command rename gives the repository's modules another path: go run ./test/rename
// example.com/you/podium, or make module PATH=example.com/you/podium.
//
// The path stands in the go.mod files, and Go wants it at every import. The command
// reads the old one from the go.mod at the root, so that it can be run again, and
// rewrites, below the working directory,
//
//   - module, require and replace lines of every go.mod and go.work;
//   - imports in Go files, those of tests and of other modules included;
//   - what documents, comments and build files say, where a package of the
//     repository follows the path, as in podium/protocol/socketio.
//
// The program, its settings and its data keep their names. The library is then
// PATH/protocol, and versions of it are tags of the form protocol/v1.2.3.
package main

import (
	"errors"
	"fmt"
	"go/format"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
)

// valid is a module path of plain elements, none of which begins or ends with a dot.
var valid = regexp.MustCompile(`^[A-Za-z0-9]([A-Za-z0-9._~-]*[A-Za-z0-9])?(/[A-Za-z0-9]([A-Za-z0-9._~-]*[A-Za-z0-9])?)*$`)

func main() {
	if len(os.Args) != 2 {
		fmt.Fprintln(os.Stderr, "usage: make module PATH=example.com/you/podium")
		os.Exit(2)
	}
	changed, err := rename(".", os.Args[1])
	if err != nil {
		fmt.Fprintln(os.Stderr, "rename:", err)
		os.Exit(1)
	}
	fmt.Printf("%d files changed: the library is %s/protocol\n", changed, os.Args[1])
}

// rename gives the modules below root the path to, and returns how many files it changed.
func rename(root, to string) (changed int, err error) {
	if !valid.MatchString(to) {
		return 0, fmt.Errorf("%q cannot be the path of a module, as example.com/you/podium can", to)
	}
	from, err := modulePath(filepath.Join(root, "go.mod"))
	if err != nil || from == to {
		return 0, err
	}
	files, packages, err := survey(root)
	if err != nil {
		return 0, err
	}
	inText := regexp.MustCompile(`(^|[^A-Za-z0-9._~/-])` + regexp.QuoteMeta(from) + `/([A-Za-z0-9_/-]+)`)
	inModule := regexp.MustCompile(`(?m)(^|[ \t])` + regexp.QuoteMeta(from) + `(/\S*)?([ \t]|$)`)
	for _, path := range files {
		before, err := os.ReadFile(path)
		if err != nil {
			return changed, err
		}
		var after string
		if name := filepath.Base(path); name == "go.mod" || name == "go.work" {
			after = inModule.ReplaceAllString(string(before), "${1}"+to+"${2}${3}")
		} else {
			after = inText.ReplaceAllStringFunc(string(before), func(found string) string {
				parts := inText.FindStringSubmatch(found)
				if !slices.Contains(packages, strings.TrimRight(parts[2], "/")) {
					return found
				}
				return parts[1] + to + "/" + parts[2]
			})
		}
		if after == string(before) {
			continue
		}
		if strings.HasSuffix(path, ".go") { // the order of imports may be another
			formatted, err := format.Source([]byte(after))
			if err != nil {
				return changed, fmt.Errorf("%s: %w", path, err)
			}
			after = string(formatted)
		}
		if err := os.WriteFile(path, []byte(after), 0o644); err != nil { // which keeps the mode of a file
			return changed, err
		}
		changed++
	}
	return changed, nil
}

// modulePath returns what the module line of a go.mod says.
func modulePath(file string) (string, error) {
	text, err := os.ReadFile(file)
	if err != nil {
		return "", err
	}
	for line := range strings.Lines(string(text)) {
		if path, ok := strings.CutPrefix(strings.TrimSpace(line), "module "); ok {
			return strings.TrimSpace(path), nil
		}
	}
	return "", errors.New(file + " has no module line")
}

// isText tells the files that may name a package.
func isText(name string) bool {
	switch filepath.Ext(name) {
	case ".go", ".mod", ".work", ".md", ".sh", ".yml", ".yaml", ".toml", ".txt":
		return name != "go.sum"
	}
	return name == "Makefile" || name == "Dockerfile"
}

// survey returns the text files below root, and the folders with Go files, with slashes and from root.
func survey(root string) (files, packages []string, err error) {
	err = filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if d.IsDir() {
			if name := d.Name(); name == "node_modules" || name == ".git" {
				return filepath.SkipDir
			}
			return nil
		}
		if !d.Type().IsRegular() || !isText(d.Name()) {
			return nil
		}
		files = append(files, path)
		if filepath.Ext(path) == ".go" {
			rel, err := filepath.Rel(root, filepath.Dir(path))
			if dir := filepath.ToSlash(rel); err == nil && !slices.Contains(packages, dir) {
				packages = append(packages, dir)
			}
		}
		return nil
	})
	return files, packages, err
}
