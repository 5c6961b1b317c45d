package harness

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
)

// SmallMachine is the memory of the smallest machine on Fly, in bytes.
const SmallMachine = 256 << 20

// MemoryGroup is a control group of Linux with a limit of memory and without swap:
// the kernel kills a process in it that takes more.
type MemoryGroup struct {
	Version int // of control groups: 1 or 2
	folder  string
}

// NewMemoryGroup makes a group of limit bytes that lasts as long as the test, or returns
// why this machine lets nobody make one, which takes root.
func NewMemoryGroup(t testing.TB, limit int64) (*MemoryGroup, error) {
	t.Helper()
	var errs []error
	for _, v := range []struct {
		version          int
		top, limit, swap string
	}{
		{1, "/sys/fs/cgroup/memory", "memory.limit_in_bytes", "memory.memsw.limit_in_bytes"},
		{2, "/sys/fs/cgroup", "memory.max", "memory.swap.max"},
	} {
		folder, err := os.MkdirTemp(v.top, "podium-test-")
		if err != nil {
			errs = append(errs, err)
			continue
		}
		if err := os.WriteFile(filepath.Join(folder, v.limit), []byte(strconv.FormatInt(limit, 10)), 0o644); err != nil {
			errs = append(errs, err, os.Remove(folder))
			continue
		}
		swap := "0"
		if v.version == 1 { // memory and swap together
			swap = strconv.FormatInt(limit, 10)
		}
		_ = os.WriteFile(filepath.Join(folder, v.swap), []byte(swap), 0o644) // where the kernel has swap at all
		t.Cleanup(func() {
			Eventually(t, "the control group to be empty", func() bool {
				err := os.Remove(folder)
				return err == nil || errors.Is(err, os.ErrNotExist)
			})
		})
		return &MemoryGroup{v.version, folder}, nil
	}
	return nil, fmt.Errorf("no control group with a memory limit can be made here: %w", errors.Join(errs...))
}

// Enter moves a process into the group. What it took before stays outside.
func (g *MemoryGroup) Enter(pid int) error {
	return os.WriteFile(g.procs(), []byte(strconv.Itoa(pid)), 0o644)
}

// Command is the command line that runs another one in the group from its first moment.
func (g *MemoryGroup) Command(args ...string) []string {
	return append([]string{"sh", "-c", `echo $$ > "$0" && exec "$@"`, g.procs()}, args...)
}

func (g *MemoryGroup) procs() string { return filepath.Join(g.folder, "cgroup.procs") }

// Peak is the most memory that the group used, in bytes, the system's cache of files
// included, which it gives back when memory is short.
func (g *MemoryGroup) Peak() int64 {
	for _, name := range []string{"memory.max_usage_in_bytes", "memory.peak"} {
		if data, err := os.ReadFile(filepath.Join(g.folder, name)); err == nil {
			n, _ := strconv.ParseInt(strings.TrimSpace(string(data)), 10, 64)
			return n
		}
	}
	return 0
}
