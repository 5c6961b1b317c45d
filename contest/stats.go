package contest

import "time"

// Stats are figures about a store and the work done since opening it.
type Stats struct {
	Commits       uint64
	Changes       uint64 // changes in these commits
	Failures      uint64 // commits that failed
	CommitTime    time.Duration
	SlowestCommit time.Duration
	// LastError is why the last commit failed; nil after one that succeeded.
	LastError error
	OpenReads int // reads that are running now

	Bytes int64 // what the data takes
	// Of a file only:
	UsedBytes int64 // part of it that holds data
	FreePages int   // pages that can be used again
	PageBytes int   // size of a page
}

// Commit describes one commit.
type Commit struct {
	// Changes is how many changes it held.
	Changes int
	// Took is the time from the first byte sent or written until it was durable.
	Took time.Duration
}
