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
	reserved uint64     // for what is about to be written
}

// NewDisk returns the disk, or the disks, that folders are on.
func NewDisk(folders ...string) *Disk { return &Disk{folders: folders, room: statfs} }

// Reserve keeps n bytes for what is about to be written, until release is called, and
// reports whether there are so many beside the reserve and what is kept for others. A
// disk that does not say counts as empty: what does not fit fails by itself.
func (d *Disk) Reserve(n int64) (release func(), ok bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if !d.fitsLocked(n, 1) {
		return nil, false
	}
	d.reserved += uint64(n)
	return sync.OnceFunc(func() {
		d.mu.Lock()
		defer d.mu.Unlock()
		d.reserved -= uint64(n)
	}), true
}

// Spool reports whether n more bytes may be written now of what may never arrive whole.
// That leaves twice the reserve: uploads that stall, however many, keep nobody's short
// entry off the disk, and what was only announced takes no room.
func (d *Disk) Spool(n int64) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.fitsLocked(n, 2)
}

// fitsLocked reports whether n bytes leave so many times the reserve. mu must be held.
func (d *Disk) fitsLocked(n int64, reserves uint64) bool {
	for _, folder := range d.folders {
		free, size, err := d.room(folder)
		if err == nil && free <= reserves*min(diskReserve, size/20)+d.reserved+uint64(n) {
			return false
		}
	}
	return true
}

// statfs asks the system for the room on the disk that folder is on, in bytes.
func statfs(folder string) (free, size uint64, err error) {
	var s syscall.Statfs_t
	if err := syscall.Statfs(folder, &s); err != nil {
		return 0, 0, err
	}
	return s.Bavail * uint64(s.Bsize), s.Blocks * uint64(s.Bsize), nil
}
