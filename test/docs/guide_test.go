package docs

import (
	"io"
	"net/http"
	"os"
	"path/filepath"
	"podium/test/harness"
	"regexp"
	"strings"
	"testing"
)

// textOf is a file of the repository.
func textOf(t *testing.T, path string) string {
	t.Helper()
	data, err := os.ReadFile(filepath.Join("..", path))
	if err != nil {
		t.Fatal(err)
	}
	return string(data)
}

// each calls do for each first group, or whole match, of a pattern in a text,
// and fails the test where there are fewer than some.
func each(t *testing.T, pattern, text string, least int, do func(found string)) {
	t.Helper()
	seen := map[string]bool{}
	for _, m := range regexp.MustCompile(pattern).FindAllStringSubmatch(text, -1) {
		if found := m[len(m)-1]; !seen[found] {
			seen[found] = true
			do(found)
		}
	}
	if len(seen) < least {
		t.Errorf("%s is found %d times", pattern, len(seen))
	}
}

// The guide for deployment names what there is: every line of fly.toml is
// explained, and each command, flag, setting, file, test and metric exists.
func TestTheGuideNamesWhatThereIs(t *testing.T) {
	guide := textOf(t, "docs/PRODUCTION_DEPLOYMENT.md")
	_, lines, _ := strings.Cut(guide, "fly/fly.toml line by line:")
	lines, _, _ = strings.Cut(lines, "### Stopping")
	each(t, `(?m)^\s*([a-z_]+|[A-Z_]+) = `, textOf(t, "fly/fly.toml"), 25, func(key string) {
		if !regexp.MustCompile("`"+key+"[` ]").MatchString(lines) && !strings.Contains(lines, "| "+key) && key != "path" {
			t.Errorf("fly.toml's %s is not explained", key)
		}
	})
	each(t, "[`( ](ops/[a-zA-Z0-9./_-]*[a-zA-Z]|fly/[a-z.]+[a-z]|docs/[A-Z_.a-z]+[a-z])", guide, 10, func(name string) {
		if _, err := os.Stat(filepath.Join("..", name)); err != nil {
			t.Errorf("there is no %s", name)
		}
	})
	makefile := textOf(t, "Makefile")
	each(t, "`make ([a-z]+)`", guide, 4, func(target string) {
		if !regexp.MustCompile(`(?m)^` + target + `:`).MatchString(makefile) {
			t.Errorf("there is no make %s", target)
		}
	})
	each(t, "`go test (./test/[a-z]+ -run Test[A-Za-z]+)`", guide, 3, func(command string) {
		room, name, _ := strings.Cut(strings.TrimPrefix(command, "./"), " -run ")
		tests := ""
		files, _ := filepath.Glob(filepath.Join("..", room, "*_test.go"))
		for _, file := range files {
			tests += textOf(t, strings.TrimPrefix(filepath.ToSlash(file), "../"))
		}
		if !strings.Contains(tests, "func "+name) {
			t.Errorf("there is no test %s in %s", name, room)
		}
	})
	checkSettings(t, guide)
	checkCommands(t, guide)
	checkMetrics(t, guide)
}

// checkSettings looks for the settings of the guide in the help.
func checkSettings(t *testing.T, guide string) {
	t.Helper()
	help := harness.MustRun(t, "serve", "--help")
	others := map[string]bool{ // of Go, of the bucket's, of the guide's own examples
		"GOMEMLIMIT": true, "AWS_ACCESS_KEY_ID": true, "AWS_SECRET_ACCESS_KEY": true, "LICENSE_KEY": true, "PRODUCTION_DEPLOYMENT": true,
	}
	each(t, `\b[A-Z]+(?:_[A-Z]+)+\b`, guide, 12, func(name string) {
		if !others[name] && !strings.Contains(help, "$"+name) && !strings.HasPrefix(name, "LIMIT_") {
			t.Errorf("there is no setting %s", name)
		}
	})
}

// checkCommands looks for the commands of the guide, and their flags, in the
// help of each.
func checkCommands(t *testing.T, guide string) {
	t.Helper()
	each(t, "(?m)(?:^    |`|'/)podium ([a-z]+[^`'#\n]*)", guide, 10, func(line string) {
		words := strings.Fields(line)
		if words[0] == "install" {
			return
		}
		help := harness.MustRun(t, words[0], "--help")
		for _, word := range words[1:] {
			if flag, _, _ := strings.Cut(word, "="); strings.HasPrefix(flag, "--") && !strings.Contains(help, flag) {
				t.Errorf("podium %s has no %s", words[0], flag)
			}
		}
	})
}

// checkMetrics looks for the metrics of the guide where Prometheus does.
func checkMetrics(t *testing.T, guide string) {
	t.Helper()
	port := harness.FreePort(t)
	harness.Start(t, "--metrics-address", "127.0.0.1:"+port)
	res, err := http.Get("http://127.0.0.1:" + port + "/metrics")
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	text, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	each(t, "`((?:podium|process)_[a-z_]+)`", guide, 5, func(name string) {
		if name != "podium_data" && !strings.Contains(string(text), "# TYPE "+name+" ") { // that is the volume
			t.Errorf("there is no metric %s", name)
		}
	})
}
