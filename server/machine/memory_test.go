package machine

import (
	"math"
	"os"
	"path/filepath"
	"testing"
)

// The least limit on the way up counts, in both versions of control groups.
func TestTheMemoryLimitOfTheControlGroupIsFound(t *testing.T) {
	for name, c := range map[string]struct {
		files map[string]string
		want  int64
	}{
		"nothing": {nil, math.MaxInt64},
		"version 2": {map[string]string{
			"proc/self/cgroup":                                     "0::/system.slice/podium.service\n",
			"sys/fs/cgroup/system.slice/memory.max":                "max\n",
			"sys/fs/cgroup/system.slice/podium.service/memory.max": "268435456\n",
		}, 256 << 20},
		"version 2, the parent is smaller": {map[string]string{
			"proc/self/cgroup":           "0::/a/b\n",
			"sys/fs/cgroup/a/memory.max": "134217728\n", "sys/fs/cgroup/a/b/memory.max": "268435456\n",
		}, 128 << 20},
		"version 2, of a container": {map[string]string{
			"proc/self/cgroup": "0::/host/name\n", "sys/fs/cgroup/memory.max": "268435456\n",
		}, 256 << 20},
		"version 1": {map[string]string{
			"proc/self/cgroup":                                  "9:cpu,cpuacct:/x\n4:memory:/group\n0::/\n",
			"sys/fs/cgroup/memory/memory.limit_in_bytes":        "9223372036854771712\n",
			"sys/fs/cgroup/memory/group/memory.limit_in_bytes":  "268435456\n",
			"sys/fs/cgroup/cpu,cpuacct/x/memory.limit_in_bytes": "1\n",
		}, 256 << 20},
	} {
		t.Run(name, func(t *testing.T) {
			root := t.TempDir()
			for path, text := range c.files {
				path = filepath.Join(root, path)
				if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
					t.Fatal(err)
				}
				if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			if got := groupLimit(root); got != c.want {
				t.Errorf("%d, want %d", got, c.want)
			}
		})
	}
}
