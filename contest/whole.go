package contest

import (
	"context"
	"iter"
)

// Whole is a store that hands out all that it holds, so that another one can
// take it over: a contest that moves keeps its log's epoch and offsets, the
// answers to requests, sessions and settings, and whoever was connected to the
// one goes on at the other. It is found by type assertion.
type Whole interface {
	Store
	// All is everything of one moment, in parts, the first of which has the
	// Head. Ranging over it ends with an error or with the end. It holds a
	// transaction: whoever ranges must not wait for a client.
	All(ctx context.Context) iter.Seq2[Part, error]
}

// PartSize is how many rows a part has at most.
const PartSize = 512

// Part is a portion of all that a store holds. Counts, and where submissions
// stand in indexes, follow from it.
type Part struct {
	Head        *Head        // of the first part; nil in all others
	Submissions []Submission // with their Sequence, in the order of their ids
	Events      []LoggedEvent
	Answers     []StoredAnswer
	Settings    []StoredSetting
	Sessions    []SessionRecord
	Transfers   []string // ids of submissions
}

// Head is what there is once of everything.
type Head struct {
	Epoch      string
	Version    uint64
	LastEvent  uint64 // the last offset that was ever given
	Categories []Category
	Picks      Picks
}

// LoggedEvent is an event of the log with the submission that it tells of.
type LoggedEvent struct {
	Event
	Subject string // "" for none, or where the payload was emptied
}

// StoredAnswer is a kept answer with its idempotency key.
type StoredAnswer struct {
	Key string
	At  int64 // when it was kept, in milliseconds since the Unix epoch
	KeptAnswer
}

// StoredSetting is a setting.
type StoredSetting struct {
	Name  string
	Value []byte
}
