package server

import (
	"fmt"
	"math"
	"net"
	"os"
	"path/filepath"
	"runtime/debug"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
)

// memoryLimit is how many bytes the process may use, by GOMEMLIMIT, its control
// group or Fly, or 0 where nothing limits it.
func memoryLimit() int64 {
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
	limit := memoryLimit()
	if limit == 0 || os.Getenv("GOMEMLIMIT") != "" {
		return
	}
	debug.SetMemoryLimit(limit * 85 / 100)
}

// What the process takes whatever clients do, in bytes.
const (
	programMemory = 20 << 20 // Go's runtime, the program's own data, the store
	decoderMemory = 26 << 20 // the compiled decoders of pictures, once each was needed
)

// garbageMemory is how much of the memory is left for what the collector has yet to
// find: near the limit it runs as often as that takes.
func garbageMemory(limit int64) int64 { return limit / 16 }

// heldMemory is how much of the memory may be held for clients, whatever for: what
// is left of it.
func heldMemory(limit int64) int64 {
	if limit == 0 {
		return 4 << 30
	}
	return max(64<<20, limit-programMemory-decoderMemory-2*feedMemory(limit)-garbageMemory(limit))
}

// pictureBudget is how much of the memory decoding pictures may use.
func pictureBudget(limit int64) int64 {
	if limit == 0 {
		return 1 << 30
	}
	return max(32<<20, limit/2)
}

// feedMemory is how much of the memory the feed may take as JSON. It takes as much
// again for what cannot be compressed.
func feedMemory(limit int64) int64 {
	if limit == 0 {
		return 256 << 20
	}
	return max(4<<20, limit/32)
}

// connectionLimit is how many real-time connections there may be: what the
// settings say, or seven tenths of the files that the process may open.
func (s *Settings) connectionLimit() int {
	if s.LimitConnections > 0 {
		return s.LimitConnections
	}
	return shareOfFiles(7)
}

// socketLimit is how many connections net/http may serve: what the settings
// say, or two tenths of the files. The last tenth is for files.
func (s *Settings) socketLimit() int {
	if s.LimitSockets > 0 {
		return s.LimitSockets
	}
	return shareOfFiles(2)
}

// shareOfFiles is some tenths of the files that the process may open.
func shareOfFiles(tenths int) int {
	var files syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &files); err != nil || files.Cur > 1<<24 {
		return 1 << 20
	}
	return int(files.Cur) * tenths / 10
}

// wantedFiles is how many files a server that starts as root may open. Fly gives
// 10,240, which is less than the connections that fly.toml lets in.
const wantedFiles = 1 << 16

// RaiseFileLimit lets the process, and whom it becomes, open as many files as a
// full room needs, where it is root and the limit is lower. Others keep what they
// were given. It comes before everything that is measured by that limit.
func RaiseFileLimit() {
	var files syscall.Rlimit
	if os.Getuid() != 0 || syscall.Getrlimit(syscall.RLIMIT_NOFILE, &files) != nil || files.Cur >= wantedFiles {
		return
	}
	files.Cur, files.Max = wantedFiles, max(files.Max, wantedFiles)
	_ = syscall.Setrlimit(syscall.RLIMIT_NOFILE, &files) // a container may forbid it: then the limit stays
}

// firstActivated is the number of the first socket that systemd hands over
// (sd_listen_fds(3)).
const firstActivated = 3

// activated returns the listening socket that systemd hands over, or nil. Of
// several it takes the first.
func activated() (net.Listener, error) {
	count, err := strconv.Atoi(os.Getenv("LISTEN_FDS"))
	if err != nil || count < 1 || os.Getenv("LISTEN_PID") != strconv.Itoa(os.Getpid()) {
		return nil, nil
	}
	f := os.NewFile(firstActivated, "systemd")
	defer f.Close()
	l, err := net.FileListener(f)
	if err != nil {
		return nil, fmt.Errorf("take the socket from systemd: %w", err)
	}
	return l, nil
}

// DropPrivileges gives the data folder to the user and group "uid:gid" and
// becomes it for good. It does nothing where the process is not root: a
// container starts as root only because its volume is mounted owned by root.
func (s *Settings) DropPrivileges() error {
	if s.RunAs == "" || os.Getuid() != 0 {
		return nil
	}
	user, group, _ := strings.Cut(s.RunAs, ":")
	uid, err := strconv.Atoi(user)
	if err != nil {
		return fmt.Errorf("--run-as %q is not uid:gid", s.RunAs)
	}
	gid, err := strconv.Atoi(group)
	if err != nil {
		return fmt.Errorf("--run-as %q is not uid:gid", s.RunAs)
	}
	if err := os.MkdirAll(s.Data, 0o700); err != nil {
		return fmt.Errorf("make the data folder: %w", err)
	}
	if err := chownAll(s.Data, uid, gid); err != nil {
		return err
	}
	if err := syscall.Setgroups(nil); err != nil {
		return fmt.Errorf("leave root's groups: %w", err)
	}
	if err := syscall.Setgid(gid); err != nil {
		return fmt.Errorf("become group %d: %w", gid, err)
	}
	if err := syscall.Setuid(uid); err != nil {
		return fmt.Errorf("become user %d: %w", uid, err)
	}
	return nil
}

// diskReserve is how much of a disk is not for submissions, in bytes; of a small
// disk it is a twentieth. When somebody has filled the rest, admins can still
// hide, delete and save winners.
const diskReserve = 64 << 20

// disk gives out the room of the file systems that some folders are on. It is safe
// for concurrent use.
type disk struct {
	folders []string
	room    func(folder string) (free, size uint64, err error) // statfs but in tests

	mu       sync.Mutex // guards reserved
	reserved uint64     // for what is being written: part of it may be on the disk already
}

// reserve keeps n bytes until release is called, and reports whether there are so
// many beside the reserve and what is kept for others. A disk that does not say
// counts as empty: what does not fit fails by itself.
func (d *disk) reserve(n int64) (release func(), ok bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	wanted := d.reserved + uint64(n)
	for _, folder := range d.folders {
		free, size, err := d.room(folder)
		if err == nil && free <= min(diskReserve, size/20)+wanted {
			return nil, false
		}
	}
	d.reserved = wanted
	var once sync.Once
	return func() {
		once.Do(func() {
			d.mu.Lock()
			defer d.mu.Unlock()
			d.reserved -= uint64(n)
		})
	}, true
}

// statfs asks the system for the room on the disk that folder is on, in bytes.
func statfs(folder string) (free, size uint64, err error) {
	var s syscall.Statfs_t
	if err := syscall.Statfs(folder, &s); err != nil {
		return 0, 0, err
	}
	return s.Bavail * uint64(s.Bsize), s.Blocks * uint64(s.Bsize), nil
}
