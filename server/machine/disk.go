package machine

import (
	"sync"
	"syscall"
)

// diskReserve is how much of a disk is not for submissions, in bytes; of a small
// disk it is a twentieth. When somebody has filled the rest, admins can still
// hide, delete and save winners.
const diskReserve = 64 << 20

// Disk gives out the room of the file systems that some folders are on. It is safe
// for concurrent use.
type Disk struct {
	folders []string
	room    func(folder string) (free, size uint64, err error) // statfs but in tests

	mu       sync.Mutex // guards reserved
	reserved uint64     // for what is being written: part of it may be on the disk already
}

// NewDisk returns the disk, or the disks, that folders are on.
func NewDisk(folders ...string) *Disk { return &Disk{folders: folders, room: statfs} }

// Reserve keeps n bytes until release is called, and reports whether there are so
// many beside the reserve and what is kept for others. A disk that does not say
// counts as empty: what does not fit fails by itself.
func (d *Disk) Reserve(n int64) (release func(), ok bool) {
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
