package socketio

import (
	"crypto/rand"
	"encoding/hex"
	"encoding/json"
	"slices"
	"sync"
	"time"
)

// Entry is one event in a [Log].
type Entry struct {
	// Offset is the event's place in the log: 1 or more, rising.
	Offset uint64
	// At is when the event was emitted. Its age counts from here.
	At time.Time
	// Namespace is where it was emitted; "" means the main namespace.
	Namespace string
	// Rooms and Except say whom it is for: everybody where Rooms is empty. A
	// socket's id names its own room.
	Rooms, Except []string
	// Event is the event's name.
	Event string
	// Args are the arguments as JSON.
	Args []json.RawMessage
	// Attachments are the bytes that placeholders in Args stand for.
	Attachments [][]byte
}

// Log is a sequence of events that outlives connections, and where it is kept
// on disk, processes. All methods are safe for concurrent use.
type Log interface {
	// Epoch names this log's history. A log that was rewound, as by restoring
	// a backup, or started anew, has another epoch than before, so that
	// offsets of the old history are not mistaken for its own.
	Epoch() string
	// Range returns the offsets of the first entry that is kept and of the
	// last that was ever appended. Where none is kept, first is last+1.
	Range() (first, last uint64, err error)
	// Read calls f with the entries after an offset, in order, until f returns
	// false. The log may be appended to meanwhile; f must not call the log.
	Read(after uint64, f func(Entry) bool) error
}

// Appender is a Log that the server appends to: every event that is neither
// volatile nor local nor to be acknowledged is logged before it is sent, and
// its Emit returns when it is logged and sent. A Log that is no Appender is
// only followed: see [Server.Publish].
type Appender interface {
	Log
	// Append adds an entry and returns its offset.
	Append(e Entry) (offset uint64, err error)
}

// MemoryLog is an Appender that lives as long as the process: clients recover
// from a drop of their connection, and not from a restart. The zero value is
// ready to use.
type MemoryLog struct {
	// MaxEntries bounds the entries kept. Zero means 10,000.
	MaxEntries int
	// MaxBytes bounds the bytes of the arguments kept. Zero means 16 MiB.
	MaxBytes int
	// MaxAge bounds the age of the entries kept. Zero means 5 minutes.
	MaxAge time.Duration

	mu      sync.Mutex // guards the fields below
	epoch   string
	entries []Entry
	bytes   int
	last    uint64
}

var _ Appender = (*MemoryLog)(nil)

// Epoch implements [Log]: it is random.
func (l *MemoryLog) Epoch() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.epoch == "" {
		var b [8]byte
		rand.Read(b[:])
		l.epoch = hex.EncodeToString(b[:])
	}
	return l.epoch
}

// Range implements [Log].
func (l *MemoryLog) Range() (first, last uint64, err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.last + 1 - uint64(len(l.entries)), l.last, nil
}

// Read implements [Log].
func (l *MemoryLog) Read(after uint64, f func(Entry) bool) error {
	l.mu.Lock()
	first := l.last + 1 - uint64(len(l.entries))
	skip := 0
	if after >= first {
		skip = int(min(after-first+1, uint64(len(l.entries))))
	}
	entries := l.entries[skip:len(l.entries):len(l.entries)]
	l.mu.Unlock()
	for _, e := range entries {
		if !f(e) {
			break
		}
	}
	return nil
}

// Append implements [Appender].
func (l *MemoryLog) Append(e Entry) (uint64, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.last++
	e.Offset = l.last
	l.entries = append(l.entries, e)
	l.bytes += e.size()
	l.trimLocked(e.At)
	return l.last, nil
}

// trimLocked drops entries beyond the bounds. Readers may still hold the old
// slice, so that nothing in it is overwritten.
func (l *MemoryLog) trimLocked(now time.Time) {
	maxEntries, maxBytes, maxAge := l.MaxEntries, l.MaxBytes, l.MaxAge
	if maxEntries == 0 {
		maxEntries = 10_000
	}
	if maxBytes == 0 {
		maxBytes = 16 << 20
	}
	if maxAge == 0 {
		maxAge = 5 * time.Minute
	}
	drop := 0
	for drop < len(l.entries) {
		e := &l.entries[drop]
		if len(l.entries)-drop <= maxEntries && l.bytes <= maxBytes && now.Sub(e.At) <= maxAge {
			break
		}
		l.bytes -= e.size()
		drop++
	}
	if drop > 0 {
		l.entries = shift(l.entries, drop)
	}
}

// shift drops the first n elements of list without touching the array that
// readers may hold, and lets go of that array now and then.
func shift[E any](list []E, n int) []E {
	list = list[n:]
	if cap(list) <= 4*len(list)+64 {
		return list
	}
	return slices.Clone(list)
}

func (e *Entry) size() int {
	n := len(e.Event)
	for _, a := range e.Args {
		n += len(a)
	}
	for _, a := range e.Attachments {
		n += len(a)
	}
	return n
}

// addresses reports whether the event at an offset is for a socket of that id
// and rooms. Events from before it joined a room do not count.
func addresses(t target, offset uint64, id string, rooms []RoomRecord) bool {
	in := func(names []string) bool {
		for _, name := range names {
			if name == id {
				return true
			}
			for _, rm := range rooms {
				if rm.Name == name && rm.Since < offset {
					return true
				}
			}
		}
		return false
	}
	return (len(t.rooms) == 0 || in(t.rooms)) && !in(t.except)
}
