package contest

// Query says which submissions of a category are wanted.
type Query struct {
	// All includes those that only admins see.
	All bool
	// Limit bounds their number; 0 is no bound.
	Limit int
	// Before, when not empty, is the id of a submission: only older ones are wanted.
	Before string
	// Since, when not 0, leaves out what was not created after it (milliseconds
	// since the Unix epoch).
	Since int64
}

// CategoryFeed is a category with its submissions, newest first.
type CategoryFeed struct {
	Category    Category
	Submissions []Submission
}

// Span is when the oldest and the newest submission of a category arrived, by
// their CreatedAt.
type Span struct{ Oldest, Newest int64 }

// Record is a submission as a store keeps it.
type Record struct {
	// Data is valid until the function that was given it returns. Two records of
	// the same bytes are the same submission.
	Data []byte
	// Read reads a submission from Data.
	Read func(data []byte) (Submission, error)
}

// Decode returns the submission.
func (r Record) Decode() (Submission, error) { return r.Read(r.Data) }
