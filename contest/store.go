package contest

import (
	"context"
	"io"
	"time"
)

// Store keeps a contest. storetest holds every implementation to what is said
// here.
type Store interface {
	// Update runs change and returns when all that it wrote is durable, or its
	// error where it returned one: then nothing is written. doing says what it
	// does, for errors. The change may share a commit with others and be run
	// more than once; only its last run counts.
	//
	// Errors besides those of change: ErrFull, ErrInDoubt, ErrClosed,
	// ErrReadOnly, that of ctx, and what the store says.
	Update(ctx context.Context, doing string, change func(Tx) error) error

	// Epoch names the history that offsets belong to. A restored store has a
	// new one.
	Epoch() string
	// Version grows whenever anything that everybody sees changes. Together with
	// the epoch it names a state of the feed.
	Version() (uint64, error)

	// Categories returns the categories in their order.
	Categories() ([]Category, error)
	// Picks returns the winners of every category that has some, removed
	// categories included, and the categories at that moment.
	Picks() (Picks, []Category, error)

	// Submission returns the submission of that id, or ErrNotFound.
	Submission(id string) (Submission, error)
	// Named returns the submissions of those ids that name one that can be read.
	Named(ids ...string) (map[string]Submission, error)
	// Submissions returns the submissions of a category, newest first, and
	// whether there are older ones beyond the limit. ErrNotFound: q.Before
	// names none.
	Submissions(category string, q Query) (list []Submission, more bool, err error)
	// Feed returns the submissions of every category that there is, in its
	// order, all of one moment, with the version of that moment.
	Feed(q Query) (feed []CategoryFeed, version uint64, err error)
	// WalkFeed calls category for every category that there is, in its order,
	// and after each of these calls submission for what Feed lists in it, all
	// of one moment, and returns the version of that moment. Neither function
	// may use the store or wait for anything.
	WalkFeed(category func(Category) error, submission func(Record) error) (version uint64, err error)
	// Page returns at most limit submissions whose ids sort after the given
	// one, in the order of their ids as bytes.
	Page(after string, limit int) ([]Submission, error)
	// Counts returns how many submissions there are, without looking at them.
	Counts() (Counts, error)
	// Spans returns the spans of all categories that have submissions.
	Spans() (map[string]Span, error)

	// EventRange returns the offset of the first event that is kept and of the
	// last that was ever logged. Where none is kept, first is last+1.
	EventRange() (first, last uint64, err error)
	// Events returns at most limit events after an offset, in order, all
	// durable.
	Events(after uint64, limit int) ([]Event, error)

	// Answer returns what is kept under an idempotency key, where that is
	// durable.
	Answer(key string) (answer KeptAnswer, found bool, err error)

	// Setting returns what is kept under a name, or nil.
	Setting(name string) ([]byte, error)
	// SettingNames returns at most limit names that begin with prefix, in order.
	SettingNames(prefix string, limit int) ([]string, error)

	// Session returns the record of a real-time session, or ErrNotFound.
	Session(id string) (SessionRecord, error)
	// Sessions returns how many of these records are kept.
	Sessions() (int, error)

	// Transfers returns the ids of at most limit submissions whose pictures are
	// to be sent to Cloudinary, and how many there are in all.
	Transfers(limit int) (ids []string, all int, err error)

	// Stats returns the store's figures.
	Stats() (Stats, error)
	// Close waits for what is running and lets go of the data. Changes asked for
	// afterwards fail with ErrClosed.
	Close() error
}

// Tx is a transaction as a change sees it: it reads what was there before and
// what the change wrote itself, and nobody else's changes come between. It is
// used by one goroutine, and not after the change returned. After an error from
// any of its methods a change returns it.
type Tx interface {
	// Now is when the change is made.
	Now() time.Time

	Categories() ([]Category, error)
	SetCategories([]Category) error

	// Taken returns those of the ids that name submissions.
	Taken(ids ...string) (map[string]bool, error)
	// Submissions returns the submissions of those ids that name one.
	Submissions(ids ...string) (map[string]Submission, error)
	// Insert adds submissions under ids that are free, in this order, which their
	// Sequence says once they are stored.
	Insert(list ...*Submission) error
	// Replace stores a submission anew, in the order of arrival where it was.
	// before is what was stored: its category and status may change.
	Replace(sub, before *Submission) error
	// Delete removes a submission, and its transfer where it awaits one.
	Delete(sub *Submission) error
	// Count adds delta to the number of submissions of a category and status.
	Count(category string, status Status, delta int) error

	// AddTransfer and EndTransfer note that a submission's picture is to be sent
	// to Cloudinary, and that it is not any more.
	AddTransfer(id string) error
	EndTransfer(id string) error

	// Picks returns the winners of every category that has some.
	Picks() (Picks, error)
	// SetPicks replaces the winners of a category; none forgets it.
	SetPicks(category string, ids []string) error

	// Append adds an event to the log, and notes that what everybody sees has
	// changed. The payload is JSON; subject is the id of the submission that
	// it tells of, which the payload then begins with: {"id":"…". Empty: none.
	Append(name, subject string, payload []byte) error
	// Scrub empties the events that tell of any of the subjects.
	Scrub(subjects ...string) error
	// Touch notes that what everybody sees has changed, without an event.
	Touch() error
	// TrimEvents takes off the log at most limit events that were logged before a
	// time or are beyond the newest keep (0: no bound), oldest first, and
	// returns how many.
	TrimEvents(before time.Time, keep, limit int) (int, error)

	// Answer returns what is kept under an idempotency key.
	Answer(key string) (answer KeptAnswer, found bool, err error)
	KeepAnswer(key string, answer KeptAnswer) error
	// ForgetAnswers drops the answers that tell of one of these submissions, of
	// those whose keys sort after the given one and of at most limit. It returns
	// the key of the last that it looked at, "" where no more follow. A store that
	// finds them without looking drops all at once.
	ForgetAnswers(after string, limit int, ids map[string]bool) (last string, err error)
	// TrimAnswers drops the answers that were kept before a time or after another.
	TrimAnswers(before, after time.Time) error

	// Setting returns what is kept under a name, or nil.
	Setting(name string) ([]byte, error)
	// SetSetting keeps a value under a name; nil forgets it.
	SetSetting(name string, value []byte) error

	// SaveSessions stores records, replacing those of the same ids.
	SaveSessions(records []SessionRecord) error
	// TrimSessions drops the records saved before a time, and the oldest ones
	// beyond the number to keep.
	TrimSessions(before time.Time, keep int) error
}

// Shared is a store that other machines change as well. It is found by type
// assertion.
type Shared interface {
	Store
	// Follow returns when there may be events after an offset, whoever logged
	// them, or with ctx's error.
	Follow(ctx context.Context, after uint64) error
	// Followed is the offset of the last event that this machine knows of, and
	// Version is of that moment or a later one.
	Followed() uint64
	// Alone runs f unless another machine is at the same work, by its name, at
	// this moment. It spares work and is no lock to rely on: where the database
	// breaks off meanwhile, two may be at it.
	Alone(ctx context.Context, work string, f func(context.Context) error) error
	// Report tells other machines what this one, by the id of its process, says of
	// itself, and returns what they have said within MachineAge. A nil report
	// says good-bye.
	Report(ctx context.Context, id string, report []byte) ([]Machine, error)
	// Clock is the time by a clock that all machines have in common, which events
	// and sessions are stamped by. It asks nobody.
	Clock() time.Time
	// Incarnation changes wherever events at the end of the log may have got lost
	// while the epoch stayed, as where a replica took over that was behind.
	Incarnation() string
}

// File is what a store can do besides where a contest is one file. It is
// found by type assertion.
type File interface {
	Store
	// Path is where the file is.
	Path() string
	// WriteTo writes a consistent copy of the whole file. The writer must not
	// wait for a client: the copy holds a transaction.
	WriteTo(w io.Writer) (int64, error)
	// Check returns what is not in order in the file, as sentences.
	Check() ([]string, error)
	// SettingsSum is a checksum of all settings.
	SettingsSum() ([32]byte, error)
	// Yield pauses whoever has worked on something that can wait, in proportion
	// to the work, while there are changes.
	Yield(worked time.Duration)
	// Hurry makes Yield return at once from now on.
	Hurry()
}

// MachineAge is how long a machine counts as being there after it said so.
const MachineAge = 10 * time.Second

// Machine is what one of the machines that share a store says of itself.
type Machine struct {
	ID     string        // of the process
	Age    time.Duration // since it said so, by the store's clock
	Report []byte        // JSON, the caller's
}
