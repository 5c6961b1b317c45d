package socketio

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"encoding/json"
	"errors"
	"slices"
	"sync"
	"time"
)

// Kind says what an [Entry] asks of the servers that read it. A server passes over a
// kind that it does not know; the entry's offset counts all the same.
type Kind uint8

// The kinds of entries. Those that change who is in which room stand in the log
// with the events, so that every server sees both in one order.
const (
	KindEvent      Kind = iota // send Event to those addressed
	KindJoin                   // put those addressed into the rooms Names
	KindLeave                  // take those addressed out of the rooms Names
	KindDisconnect             // put those addressed out; with Close, end their connections
	KindClaim                  // the sessions Names are at the server From now: others close theirs

	KindNothing Kind = 254 // asks for nothing: it stands in the log for somebody else
)

// Entry is one event in a [Log], or an order about sockets.
type Entry struct {
	// Offset is the entry's place in the log: 1 or more, rising. There may be
	// gaps between the offsets of neighbours.
	Offset uint64
	// At is when the event was emitted. Its age counts from here. A log with a
	// clock of its own sets it when the entry is appended.
	At time.Time
	// Kind says what the entry asks for.
	Kind Kind
	// Namespace is where it was emitted; "" means the main namespace.
	Namespace string
	// Rooms and Except say who it is for: everybody where Rooms is empty. A
	// socket's id names its own room.
	Rooms, Except []string
	// Event is the event's name.
	Event string
	// Args are the arguments as JSON.
	Args []json.RawMessage
	// Attachments are the bytes that placeholders in Args stand for.
	Attachments [][]byte
	// Uncompressed says that the event is not worth compressing.
	Uncompressed bool
	// Names are the rooms of KindJoin and KindLeave, and the sessions of
	// KindClaim by their socket ids.
	Names []string
	// Close belongs to KindDisconnect.
	Close bool
	// From is the id of the server that appended the entry, or "".
	From string
	// Check tells the entry from another that has the same offset in the same epoch:
	// see Position.Incarnation. A log that keeps every entry, with its arguments byte
	// for byte, At to the millisecond, and the rest as it was need not set it. One that
	// forgets what an event said keeps its place by an entry of KindNothing with the same
	// Check: the event may be the last that a client had.
	Check uint32
}

// Position is where a [Log] stands.
type Position struct {
	// Epoch names the log's history. A log that was rewound, as by restoring a
	// backup, or started anew, has another epoch than before, so that offsets of
	// the old history are not mistaken for its own.
	Epoch string
	// Incarnation is not empty where entries at the end of the log can get lost
	// while its epoch stays, as in the failover of a database whose replica was
	// behind. It changes wherever that may have happened, to one that never was before.
	// The server then looks whether what it and its clients have had is still there.
	Incarnation string
	// First is the offset from which on all entries are kept: nothing at it or
	// behind it was trimmed. Last is the offset of the entry that was appended
	// last, or 0. Where none is kept, First is Last+1.
	First, Last uint64
	// Now is the log's clock where At of its entries is set by that; zero where it
	// is the server's.
	Now time.Time
}

// Log is a sequence of entries that outlives connections, and where it is kept
// on disk, processes. All methods are safe for concurrent use.
type Log interface {
	// Read returns the entries after an offset in order, at most limit of them,
	// and the position that they are of, as of one moment. Fewer than limit are
	// all there are. With a limit of 0 it returns the position alone. The entries
	// may be shared: nobody changes them.
	Read(ctx context.Context, after uint64, limit int) ([]Entry, Position, error)
}

// Appender is a Log that the server appends to: every event that is neither
// volatile nor local nor to be acknowledged is logged before it is sent, and
// its Emit returns when it is logged and sent. A Log that is no Appender is
// only followed: see [Server.Publish].
type Appender interface {
	Log
	// Append adds entries in their order and sets Offset of each, and At and Check
	// where the log has its own. Where the log's incarnation turns out to be another
	// than at the last Read or Follow it leaves Offset 0, and the server looks anew. A
	// server calls it for one batch at a time. All of them are appended or none. The error wraps [ErrEpoch] where nothing was
	// appended since the log's history is another than that of the last Read, and
	// [ErrOutcome] where it is unknown whether they were appended.
	Append(ctx context.Context, entries []Entry) error
}

// AppenderAt is an Appender that is told which history the server goes by, rather than to
// remember what it answered last: between an answer and the server's taking it in, the log
// may have become another. A log whose Position has an Incarnation should be one.
type AppenderAt interface {
	Appender
	// AppendAt is Append to the log as of a position: ErrEpoch where its epoch is
	// another, and Offset 0 where its incarnation is. Of the position only these two count.
	AppendAt(ctx context.Context, at Position, entries []Entry) error
}

// Follower is a Log that others append to as well: other servers, or whoever emits
// without being one. The server reads it as it grows.
//
// Where it is an [Appender] too, servers that share it are one: joins, leaves and
// disconnects that are meant for all servers go through it as events do, and a
// session that is taken up at one server ends at the others.
type Follower interface {
	Log
	// Follow is Read that waits until there is an entry after the offset, or the
	// epoch or the incarnation is another than at the last call. It may return
	// none before that. Of the Position, First, Last and Now may be zero; but where
	// something after the offset was trimmed First says so.
	Follow(ctx context.Context, after uint64, limit int) ([]Entry, Position, error)
}

// Errors of logs.
var (
	// ErrEpoch is wrapped by what [Appender.Append] returns where the log has
	// another history than it had when it was read last.
	ErrEpoch = errors.New("socketio: the log has been replaced by another")
	// ErrOutcome is wrapped by what [Appender.Append] returns, and so by the error
	// of an emit, where the event may have been logged or not: the connection to
	// the log broke in between and the log could not be asked again.
	ErrOutcome = errors.New("socketio: it is unknown whether the event was logged")
)

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

// Read implements [Log]. The epoch is random.
func (l *MemoryLog) Read(_ context.Context, after uint64, limit int) ([]Entry, Position, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.readLocked(after, limit)
}

func (l *MemoryLog) readLocked(after uint64, limit int) ([]Entry, Position, error) {
	if l.epoch == "" {
		l.epoch = randomHex()
	}
	first := l.last + 1 - uint64(len(l.entries))
	at := Position{Epoch: l.epoch, First: first, Last: l.last}
	skip := uint64(0)
	if after >= first {
		skip = min(after-first+1, uint64(len(l.entries)))
	}
	end := min(skip+uint64(limit), uint64(len(l.entries)))
	return l.entries[skip:end:end], at, nil
}

// randomHex returns 16 random hexadecimal digits.
func randomHex() string {
	var b [8]byte
	_, _ = rand.Read(b[:]) // never fails
	return hex.EncodeToString(b[:])
}

// Append implements [Appender].
func (l *MemoryLog) Append(_ context.Context, entries []Entry) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	for i := range entries {
		l.last++
		e := &entries[i]
		e.Offset = l.last
		l.entries = append(l.entries, *e)
		l.bytes += e.size()
	}
	if len(entries) > 0 {
		l.trimLocked(entries[len(entries)-1].At)
	}
	return nil
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
