package pictures

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"

	"podium/contest"
	"podium/store/bolt"
)

// measureVariable makes the test binary keep what it names instead of testing.
const measureVariable = "PODIUM_MEASURE_PICTURES"

// measureMemory keeps the file named in the environment four times at once and
// then four times more, and prints how much memory the process had at most.
func measureMemory() {
	err := func() error {
		data, err := os.ReadFile(os.Getenv(measureVariable))
		if err != nil {
			return err
		}
		dir, err := os.MkdirTemp("", "podium-measure-")
		if err != nil {
			return err
		}
		defer os.RemoveAll(dir)
		s, err := bolt.Open(filepath.Join(dir, "test.db"), bolt.Options{})
		if err != nil {
			return err
		}
		defer s.Close()
		budget, err := strconv.ParseInt(os.Getenv("PODIUM_MEASURE_BUDGET"), 10, 64)
		if err != nil {
			return err
		}
		p, err := New(Options{Dir: filepath.Join(dir, "uploads"), MaxPixels: 64_000_000, MemoryBudget: budget, Contest: contest.New(s)})
		if err != nil {
			return err
		}
		defer p.Close()
		for range 2 {
			var all sync.WaitGroup
			for range 4 {
				all.Go(func() {
					if _, err := p.Keep(context.Background(), bytes.NewReader(data), int64(len(data))); err != nil {
						fmt.Println("error:", err)
					}
				})
			}
			all.Wait()
		}
		status, err := os.ReadFile("/proc/self/status")
		for line := range strings.Lines(string(status)) {
			if strings.HasPrefix(line, "VmHWM:") {
				fmt.Print(line)
			}
		}
		return err
	}()
	if err != nil {
		fmt.Println("error:", err)
	}
}

// highWater keeps a photo in a process of its own with the settings of a
// machine of 256 MB, and returns the most memory it had, in MB.
func highWater(t *testing.T, photo []byte) int {
	t.Helper()
	file := filepath.Join(t.TempDir(), "photo")
	if err := os.WriteFile(file, photo, 0o600); err != nil {
		t.Fatal(err)
	}
	self, err := os.Executable()
	if err != nil {
		t.Skip(err)
	}
	cmd := exec.Command(self)
	cmd.Env = append(os.Environ(), measureVariable+"="+file, "PODIUM_MEASURE_BUDGET="+strconv.Itoa(128<<20), "GOMEMLIMIT="+strconv.Itoa(256<<20*85/100))
	out, err := cmd.CombinedOutput()
	var kb int
	if _, scanErr := fmt.Sscanf(string(out), "VmHWM: %d kB", &kb); err != nil || scanErr != nil {
		t.Fatalf("%v: %s", err, out)
	}
	return kb >> 10
}

// The figures of a run are in the package's comment.
func TestPhotosOfTwelveMegapixelsFitIntoASmallMachine(t *testing.T) {
	if testing.Short() || raceEnabled {
		t.Skip("measures a whole process; the race detector needs several times the memory")
	}
	m := gradient(4000, 3000)
	for name, data := range map[string][]byte{"JPEG": jpegOf(t, m), "PNG": pngOf(t, m)} {
		if mb := highWater(t, data); mb > 200 {
			t.Errorf("%s: %d MB at most", name, mb)
		} else {
			t.Logf("%s: %d MB at most", name, mb)
		}
	}
}
