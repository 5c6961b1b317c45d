package harness

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"
)

// clockVariable names the file in which a program that SteppedBinary built finds by how
// many seconds its wall clock is off.
const clockVariable = "PODIUM_TEST_CLOCK"

// SteppedBinary builds podium, once for this process, with a package time whose wall
// clock can be set while it runs. The monotonic clock stays what it is, as where an
// administrator or NTP sets a machine's clock.
func SteppedBinary(t *testing.T) string {
	t.Helper()
	path, err := steppedBinary()
	if err != nil {
		t.Fatal(err)
	}
	return path
}

var steppedBinary = sync.OnceValues(func() (string, error) {
	root, err := exec.Command("go", "env", "GOROOT").Output()
	if err != nil {
		return "", fmt.Errorf("ask go where it is: %w", err)
	}
	original := filepath.Join(strings.TrimSpace(string(root)), "src", "time", "time.go")
	code, err := os.ReadFile(original)
	if err != nil {
		return "", err
	}
	const read = "sec, nsec, mono := runtimeNow()\n"
	if bytes.Count(code, []byte(read)) != 1 {
		return "", fmt.Errorf("package time reads the clock in another way than is known here")
	}
	added, err := os.ReadFile("testdata/steppedclock.go.txt")
	if err != nil {
		return "", err
	}
	dir, err := os.MkdirTemp("", "podium-stepped-")
	if err != nil {
		return "", err
	}
	madeFolders = append(madeFolders, dir)
	changed := filepath.Join(dir, "time.go")
	code = bytes.Replace(code, []byte(read), []byte(read+"\tsec += stepped.Load()\n"), 1)
	overlay, err := json.Marshal(map[string]any{"Replace": map[string]string{
		original: changed, filepath.Join(filepath.Dir(original), "stepped.go"): filepath.Join(dir, "stepped.go"),
	}})
	if err != nil {
		return "", err
	}
	for name, content := range map[string][]byte{"time.go": code, "stepped.go": added, "overlay.json": overlay} {
		if err := os.WriteFile(filepath.Join(dir, name), content, 0o600); err != nil {
			return "", err
		}
	}
	path := filepath.Join(dir, "podium")
	if out, err := exec.Command("go", "build", "-C", "..", "-overlay", filepath.Join(dir, "overlay.json"), "-o", path, ".").CombinedOutput(); err != nil {
		return "", fmt.Errorf("build podium: %w\n%s", err, out)
	}
	return path, nil
})

// Clock is the wall clock of a program that SteppedBinary built.
type Clock struct {
	t    *testing.T
	file string
	Off  time.Duration // from this machine's
}

// NewClock makes a clock that is right.
func NewClock(t *testing.T) *Clock {
	t.Helper()
	return &Clock{t: t, file: filepath.Join(t.TempDir(), "clock")}
}

// Prefix is what the program's command line begins with.
func (c *Clock) Prefix() []string { return []string{"env", clockVariable + "=" + c.file} }

// Step sets the clock, by whole seconds. The program sees it some milliseconds later.
func (c *Clock) Step(by time.Duration) {
	c.t.Helper()
	c.Off += by
	next := c.file + ".new"
	if err := os.WriteFile(next, []byte(strconv.Itoa(int(c.Off/time.Second))), 0o600); err != nil {
		c.t.Fatal(err)
	}
	if err := os.Rename(next, c.file); err != nil {
		c.t.Fatal(err)
	}
}
