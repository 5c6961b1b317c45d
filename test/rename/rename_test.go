package main

import (
	"bytes"
	"io"
	"maps"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
)

// elsewhere is where the copies say that they are published.
const elsewhere = "example.com/you/podium"

// run runs a command in a folder, and fails the test where it fails.
func run(t *testing.T, dir, name string, args ...string) string {
	t.Helper()
	cmd := exec.Command(name, args...)
	cmd.Dir = dir
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("%s %s: %v\n%s", name, strings.Join(args, " "), err, out)
	}
	return string(out)
}

// copyOf copies what the repository has into a folder of its own.
func copyOf(t *testing.T) string {
	t.Helper()
	list := exec.Command("git", "ls-files", "-z", "--cached", "--others", "--exclude-standard")
	list.Dir = "../.."
	names, err := list.Output()
	if err != nil {
		t.Skipf("git does not say which files there are: %v", err)
	}
	to := t.TempDir()
	for name := range strings.SplitSeq(strings.TrimRight(string(names), "\x00"), "\x00") {
		from := filepath.Join("../..", name)
		info, err := os.Lstat(from)
		if err != nil || !info.Mode().IsRegular() { // deleted, and not yet committed
			continue
		}
		text, err := os.ReadFile(from)
		if err != nil {
			t.Fatal(err)
		}
		if err := os.MkdirAll(filepath.Join(to, filepath.Dir(name)), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(to, name), text, info.Mode()); err != nil {
			t.Fatal(err)
		}
	}
	return to
}

// contents reads the text files below a folder.
func contents(t *testing.T, root string) map[string]string {
	t.Helper()
	files, _, err := survey(root)
	if err != nil {
		t.Fatal(err)
	}
	texts := make(map[string]string)
	for _, path := range files {
		text, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		texts[path] = string(text)
	}
	return texts
}

func TestTheModulesGetAnotherPathAndComeBack(t *testing.T) {
	root := copyOf(t)
	was, err := modulePath(filepath.Join(root, "go.mod"))
	if err != nil {
		t.Fatal(err)
	}
	before := contents(t, root)
	t.Log(run(t, root, "make", "module", "PATH="+elsewhere))

	for path, text := range contents(t, root) {
		if strings.HasSuffix(path, ".go") && strings.Contains(text, `"`+was+`/protocol`) {
			t.Errorf("%s still imports %s", path, was)
		}
	}
	// That every import is found, those of tests too. The next test builds: all of the program would take minutes.
	run(t, root, "go", "list", "-deps", "-test", "./...", "./protocol/...", "./protocol/redis/...", "./examples/...")

	if _, err := rename(root, was); err != nil {
		t.Fatal(err)
	}
	after := contents(t, root)
	for _, path := range slices.Sorted(maps.Keys(before)) {
		if before[path] != after[path] {
			t.Errorf("%s is another after the way there and back", path)
		}
	}
}

func TestAnOutsideModuleGetsTheLibraryOnly(t *testing.T) {
	root := copyOf(t)
	run(t, root, "make", "module", "PATH="+elsewhere)
	outside := t.TempDir()
	for name, text := range map[string]string{
		"go.mod": "module outside\n\ngo 1.26.0\n\nrequire " + elsewhere + "/protocol v0.0.0\n\n" +
			"replace " + elsewhere + "/protocol => " + filepath.Join(root, "protocol") + "\n",
		"main.go": `package main

import (
	"log"
	"net/http"
	"os"

	"` + elsewhere + `/protocol/socketio"
)

func main() {
	srv := socketio.NewServer(socketio.Options{})
	socketio.OnAck(srv, "add", func(_ *socketio.Socket, a socketio.Args2[int, int]) (int, error) { return a.A + a.B, nil })
	http.Handle("/socket.io/", srv)
	log.Fatal(http.ListenAndServe(os.Args[1], nil))
}
`,
	} {
		if err := os.WriteFile(filepath.Join(outside, name), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	run(t, outside, "go", "mod", "tidy")
	modules := strings.Fields(run(t, outside, "go", "list", "-deps", "-f", "{{with .Module}}{{.Path}}{{end}}", "."))
	slices.Sort(modules)
	want := []string{elsewhere + "/protocol", "github.com/klauspost/compress", "golang.org/x/sys", "outside"}
	if got := slices.Compact(modules); !slices.Equal(got, want) {
		t.Errorf("the program is made of %v, not of %v", got, want)
	}
	text, err := os.ReadFile(filepath.Join(outside, "go.mod"))
	if err != nil {
		t.Fatal(err)
	}
	if n := strings.Count(string(text), " v"); n != 3 { // the library and the two above
		t.Errorf("the go.mod names %d modules after go mod tidy:\n%s", n, text)
	}

	run(t, outside, "go", "build", "-o", "outside", ".")
	greet(t, filepath.Join(outside, "outside"))

	run(t, root, "go", "build", "-o", filepath.Join(outside, "chat"), "./examples/chat")
	greet(t, filepath.Join(outside, "chat"), "--listen")
}

// greet starts the program with an address, and has it answer a client.
func greet(t *testing.T, program string, args ...string) {
	t.Helper()
	free, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	address := free.Addr().String()
	free.Close()
	cmd := exec.Command(program, append(args, address)...)
	cmd.Stderr = os.Stderr
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	defer func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
	}()
	deadline := time.Now().Add(30 * time.Second)
	for {
		r, err := http.Get("http://" + address + "/socket.io/?EIO=4&transport=polling")
		if err == nil {
			body, err := io.ReadAll(r.Body)
			r.Body.Close()
			if err != nil || !bytes.HasPrefix(body, []byte(`0{"sid":"`)) {
				t.Fatalf("the program answers %s with %q (%v)", r.Status, body, err)
			}
			return
		}
		if time.Now().After(deadline) {
			t.Fatal(err)
		}
		time.Sleep(10 * time.Millisecond) // between two looks
	}
}

func TestPathsThatCannotBeAreRefused(t *testing.T) {
	for _, path := range []string{"", "/", "/a", "a/", "a//b", "a b", "../a", "a/.b", "a.", "https://example.com/a", `a"b`} {
		if _, err := rename(t.TempDir(), path); err == nil || !strings.Contains(err.Error(), "cannot be the path") {
			t.Errorf("%q: %v", path, err)
		}
	}
}

func TestOnlyPackagesAreRenamed(t *testing.T) {
	root := t.TempDir()
	write := func(name, text string) {
		path := filepath.Join(root, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	write("go.mod", "module a\n\nrequire (\n\ta/lib v0.0.0\n\tb/a v1.0.0\n)\n\nreplace a/lib => ./lib\n")
	write("lib/go.mod", "module a/lib\n")
	write("lib/x/x.go", "package x // a/lib/x, not a/lib/y, not /srv/a/lib/x\n")
	write("main.go", "package a\n\nimport (\n\tx \"a/lib/x\"\n\t\"b/a\"\n)\n\nvar _ = \"a/data\"\n")
	if _, err := rename(root, "z.org/a"); err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]string{
		"go.mod":     "module z.org/a\n\nrequire (\n\tz.org/a/lib v0.0.0\n\tb/a v1.0.0\n)\n\nreplace z.org/a/lib => ./lib\n",
		"lib/go.mod": "module z.org/a/lib\n",
		"lib/x/x.go": "package x // z.org/a/lib/x, not a/lib/y, not /srv/a/lib/x\n",
		"main.go":    "package a\n\nimport (\n\t\"b/a\"\n\tx \"z.org/a/lib/x\"\n)\n\nvar _ = \"a/data\"\n",
	} {
		if text, err := os.ReadFile(filepath.Join(root, name)); err != nil || string(text) != want {
			t.Errorf("%s is\n%s (%v), not\n%s", name, text, err, want)
		}
	}
}
