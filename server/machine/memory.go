package machine

import (
	"math"
	"os"
	"path/filepath"
	"runtime/debug"
	"slices"
	"strconv"
	"strings"
)

// MemoryLimit returns how many bytes the process may use, by GOMEMLIMIT, its control
// group or Fly, or 0 where nothing limits it.
func MemoryLimit() int64 {
	const unlimited = 1 << 60
	limit := min(debug.SetMemoryLimit(-1), groupLimit("/"))
	if n, err := strconv.ParseInt(os.Getenv("FLY_VM_MEMORY_MB"), 10, 64); err == nil && n > 0 {
		limit = min(limit, n<<20)
	}
	if limit >= unlimited {
		return 0
	}
	return limit
}

// groupLimit is the least memory limit, in bytes, of the process's control
// group and those above it, version 1 or 2 (cgroups(7)), or math.MaxInt64. root
// is the file system's.
func groupLimit(root string) int64 {
	limit := int64(math.MaxInt64)
	groups, err := os.ReadFile(filepath.Join(root, "proc/self/cgroup"))
	if err != nil {
		return limit
	}
	mount := filepath.Join(root, "sys/fs/cgroup")
	for line := range strings.Lines(string(groups)) {
		// hierarchy:controllers:path
		fields := strings.SplitN(strings.TrimSpace(line), ":", 3)
		if len(fields) < 3 {
			continue
		}
		top, name := mount, "memory.max"
		if slices.Contains(strings.Split(fields[1], ","), "memory") {
			top, name = filepath.Join(mount, "memory"), "memory.limit_in_bytes"
		} else if fields[1] != "" {
			continue
		}
		// In a container the path may be that of the host, of which only the
		// top is visible: a file that is not there says nothing.
		for path := filepath.Clean("/" + fields[2]); ; path = filepath.Dir(path) {
			data, err := os.ReadFile(filepath.Join(top, path, name))
			if n, bad := strconv.ParseInt(strings.TrimSpace(string(data)), 10, 64); err == nil && bad == nil && n > 0 {
				limit = min(limit, n)
			}
			if path == "/" {
				break
			}
		}
	}
	return limit
}

// SetMemory tells the garbage collector how much memory the machine gives: near
// 85 % of it, it collects as often as it takes to stay below. Far from that Go's
// GOGC of 100 is left as it is, or as the environment sets it: deliveries and
// round trips allocate nothing, so collecting less often would save little CPU,
// and would double what the heap takes beside pictures that are decoded. Where
// the environment sets GOMEMLIMIT, that stands.
func SetMemory() {
	limit := MemoryLimit()
	if limit == 0 || os.Getenv("GOMEMLIMIT") != "" {
		return
	}
	debug.SetMemoryLimit(limit * 85 / 100)
}
