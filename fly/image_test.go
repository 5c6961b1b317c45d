package fly

import (
	"bytes"
	"crypto/sha256"
	"debug/elf"
	"errors"
	"flag"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// image is for make image: running the Dockerfile's commands takes minutes.
var image = flag.Bool("image", false, "run the commands of the Dockerfile, stage by stage")

// instruction is one of a Dockerfile, with its continued lines joined.
type instruction struct{ name, text string }

// stage is what begins with a FROM.
type stage struct {
	base, name string
	steps      []instruction
}

// readDockerfile reads the stages.
func readDockerfile(t *testing.T) (stages []*stage) {
	t.Helper()
	data, err := os.ReadFile("Dockerfile")
	if err != nil {
		t.Fatal(err)
	}
	text := regexp.MustCompile(`(?m)^\s*#.*\n`).ReplaceAllString(string(data), "")
	text = regexp.MustCompile(`\\\n\s*`).ReplaceAllString(text, "")
	for line := range strings.Lines(text) {
		name, rest, _ := strings.Cut(strings.TrimSpace(line), " ")
		rest = strings.TrimSpace(rest)
		switch name {
		case "":
		case "FROM":
			base, as, _ := strings.Cut(rest, " AS ")
			stages = append(stages, &stage{base: base, name: as})
		default:
			s := stages[len(stages)-1]
			s.steps = append(s.steps, instruction{name, rest})
		}
	}
	return stages
}

// find returns the text of the only instruction of that name in a stage.
func (s *stage) find(name string) string {
	found := ""
	for _, i := range s.steps {
		if i.name == name {
			found = i.text
		}
	}
	return found
}

// The image is small and pinned: what it is built from has exact versions, that of
// Go is go.mod's, and the last stage holds nothing but the program and the
// certificates. It runs as nobody.
func TestTheImageIsPinnedAndHoldsTheProgramAlone(t *testing.T) {
	stages := readDockerfile(t)
	if len(stages) != 3 {
		t.Fatalf("%d stages", len(stages))
	}
	mod, err := os.ReadFile("../go.mod")
	if err != nil {
		t.Fatal(err)
	}
	line := regexp.MustCompile(`(?m)^go (\d+\.\d+)`).FindStringSubmatch(string(mod))
	for i, form := range []string{`^node:\d+\.\d+\.\d+-`, `^golang:` + regexp.QuoteMeta(line[1]) + `\.\d+-`, `^scratch$`} {
		if !regexp.MustCompile(form).MatchString(stages[i].base) {
			t.Errorf("stage %d is built from %s, which is not like %s", i, stages[i].base, form)
		}
	}
	last := stages[2]
	var copied []string
	for _, step := range last.steps {
		if step.name == "COPY" {
			copied = append(copied, strings.Fields(step.text)[1])
		}
		if step.name == "RUN" {
			t.Error("the last stage runs something, and has nothing to run it with")
		}
	}
	if !slices.Equal(copied, []string{"/etc/ssl/certs/ca-certificates.crt", "/podium", "/src/LICENSE"}) {
		t.Errorf("the image holds %q", copied)
	}
	for name, want := range map[string]string{
		"ENV": "RUN_AS=65534:65534", "CMD": `["/podium", "serve"]`, "EXPOSE": "3000", "VOLUME": "/data",
		"HEALTHCHECK": `--start-period=30s CMD ["/podium", "verify", "--live"]`,
	} {
		if text := last.find(name); !strings.Contains(text, want) {
			t.Errorf("%s is %q, without %q", name, text, want)
		}
	}
}

// build is a run of the Dockerfile's commands without Docker: each stage has a
// folder in place of its file system, and absolute names in it are below that
// folder. The tools are this machine's rather than the base image's.
type build struct {
	t       *testing.T
	roots   map[string]string // of the stages
	context string            // what the repository holds
}

// at is where an absolute name of a stage is.
func (b *build) at(stage, name string) string { return filepath.Join(b.roots[stage], name) }

// do carries out a stage.
func (b *build) do(s *stage) {
	b.t.Helper()
	root := b.t.TempDir()
	b.roots[s.name] = root
	dir := "/"
	for _, step := range s.steps {
		switch step.name {
		case "WORKDIR":
			dir = path.Join(dir, step.text)
			if err := os.MkdirAll(filepath.Join(root, dir), 0o755); err != nil {
				b.t.Fatal(err)
			}
		case "COPY":
			b.copy(s, dir, strings.Fields(step.text))
		case "RUN":
			// The names that commands use outside their folder.
			command := strings.ReplaceAll(step.text, " /podium", " "+b.at(s.name, "/podium"))
			cmd := exec.Command("sh", "-ec", command)
			cmd.Dir = filepath.Join(root, dir)
			if out, err := cmd.CombinedOutput(); err != nil {
				b.t.Fatalf("%s: %v\n%s", step.text, err, out)
			}
		}
	}
}

// copy does a COPY.
func (b *build) copy(s *stage, dir string, words []string) {
	b.t.Helper()
	from, fromDir := b.context, ""
	if name, ok := strings.CutPrefix(words[0], "--from="); ok {
		from, words = b.roots[name], words[1:]
		if strings.HasPrefix(words[0], "/etc/") {
			from = "/" // the base image's own files: here this machine's
		}
		fromDir = from
	}
	to := words[len(words)-1]
	target := b.at(s.name, path.Join(dir, to))
	if strings.HasPrefix(to, "/") {
		target = b.at(s.name, to)
	}
	if strings.HasSuffix(to, "/") || to == "." || len(words) > 2 {
		if err := os.MkdirAll(target, 0o755); err != nil {
			b.t.Fatal(err)
		}
	}
	for _, name := range words[:len(words)-1] {
		source := filepath.Join(from, name)
		if fromDir == "" {
			source = filepath.Join(b.context, name)
		}
		if info, err := os.Stat(source); err == nil && info.IsDir() {
			source += "/." // what is in it
		}
		if out, err := exec.Command("cp", "-a", source, target).CombinedOutput(); err != nil {
			b.t.Fatalf("COPY %s: %v\n%s", words, err, out)
		}
	}
}

// checkout copies what is committed, and what was changed since, without what
// .dockerignore leaves out: what Docker's build gets.
func checkout(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	list := exec.Command("git", "ls-files", "-z", "--cached", "--others", "--exclude-standard")
	list.Dir = ".."
	names, err := list.Output()
	if err != nil {
		t.Skipf("this is no checkout: %v", err)
	}
	for name := range strings.SplitSeq(strings.TrimRight(string(names), "\x00"), "\x00") {
		if strings.HasPrefix(name, "test/bench/") {
			continue
		}
		data, err := os.ReadFile(filepath.Join("..", name))
		if errors.Is(err, fs.ErrNotExist) {
			continue // removed since
		}
		to := filepath.Join(dir, name)
		if err := errors.Join(err, os.MkdirAll(filepath.Dir(to), 0o755), os.WriteFile(to, data, 0o644)); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

// largestImage is the most that the image may weigh, in bytes.
const largestImage = 64 << 20

// The Dockerfile's commands, in their order and in folders of their own, make a
// program that is static, has the client, the time zones and a working health
// check inside, and comes out the same twice.
func TestTheCommandsOfTheDockerfileMakeTheImage(t *testing.T) {
	if !*image {
		t.Skip("it takes minutes: make image")
	}
	var sums [][32]byte
	var weight int64
	program := ""
	for range 2 {
		b := &build{t: t, roots: map[string]string{}, context: checkout(t)}
		for _, s := range readDockerfile(t) {
			b.do(s)
		}
		program = b.at("", "/podium")
		data, err := os.ReadFile(program)
		if err != nil {
			t.Fatal(err)
		}
		sums = append(sums, sha256.Sum256(data))
		certificates, err := os.ReadFile(b.at("", "/etc/ssl/certs/ca-certificates.crt"))
		if err != nil || !bytes.Contains(certificates, []byte("BEGIN CERTIFICATE")) {
			t.Errorf("the certificates: %v", err)
		}
		weight = int64(len(data) + len(certificates))
	}
	if sums[0] != sums[1] {
		t.Errorf("two builds differ: %x and %x", sums[0], sums[1])
	}
	if weight > largestImage {
		t.Errorf("the image weighs %d bytes", weight)
	}
	lookInside(t, program)
	t.Logf("the image weighs %.1f MB; sha256 of the program, twice the same: %x", float64(weight)/1e6, sums[0])
}

// lookInside checks a program.
func lookInside(t *testing.T, program string) {
	t.Helper()
	f, err := elf.Open(program)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if libraries, err := f.ImportedLibraries(); err != nil || len(libraries) > 0 || f.Section(".interp") != nil {
		t.Errorf("it needs libraries: %v %v", libraries, err)
	}
	data, err := os.ReadFile(program)
	if err != nil {
		t.Fatal(err)
	}
	for what, text := range map[string]string{"the time zones": "Antarctica/Troll", "the Socket.IO client": "socket.io.esm.min.js.map"} {
		if !bytes.Contains(data, []byte(text)) {
			t.Errorf("%s are not inside", what)
		}
	}
	for _, name := range []string{"Dockerfile", "/root/"} {
		if bytes.Contains(data, []byte(filepath.Join(os.TempDir(), name))) {
			t.Errorf("it tells of the machine that built it: %s", name)
		}
	}
	cmd := exec.Command(program, "verify", "--live")
	cmd.Env = []string{"PORT=1"}
	out, err := cmd.CombinedOutput()
	if exit := (*exec.ExitError)(nil); !errors.As(err, &exit) || exit.ExitCode() != 1 {
		t.Errorf("the health check where nobody listens: %v\n%s", err, out)
	}
	if !strings.Contains(string(out), fmt.Sprintf("127.0.0.1:%d", 1)) {
		t.Errorf("the health check asks somebody else: %s", out)
	}
}
