package contest

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"time"
)

// Names of the events that announce changes.
const (
	EventNewSubmission     = "newSubmission"     // Public
	EventSubmissionUpdated = "submissionUpdated" // Public
	EventSubmissionRemoved = "submissionRemoved" // Removed
	// EventSubmissionsRemoved tells of many that were deleted at once.
	EventSubmissionsRemoved = "submissionsRemoved" // RemovedMany
	EventWinnersUpdated     = "winnersUpdated"     // {"winners":{category:[id,…]}}, all of them
	EventCategoriesUpdated  = "categoriesUpdated"  // {"categories":[{"id","name"},…]}
)

// Event is an entry of the log.
type Event struct {
	Offset uint64 // dense and growing within an epoch, from 1
	At     int64  // when it was logged, in milliseconds since the Unix epoch
	Name   string
	// Payload is the event's argument as JSON, its text plain. It is empty where
	// what the event told of was deleted since: such an event is not sent.
	Payload []byte
}

// announce appends an event to the log.
func announce(tx Tx, name, subject string, payload any) error {
	var b bytes.Buffer
	encoder := json.NewEncoder(&b)
	encoder.SetEscapeHTML(false)
	if err := encoder.Encode(payload); err != nil {
		return fmt.Errorf("encode event %s: %w", name, err)
	}
	return tx.Append(name, subject, bytes.TrimSpace(b.Bytes()))
}

// MaxTrim bounds the events taken off the log in one transaction.
const MaxTrim = 10_000

// TrimEvents takes events off the log that were logged before a time, and the
// oldest ones beyond the number to keep (0: no bound), and returns how many.
func (c *Contest) TrimEvents(ctx context.Context, before time.Time, keep int) (int, error) {
	total := 0
	for {
		trimmed := 0
		err := c.Update(ctx, "trim the event log", func(tx Tx) error {
			var err error
			trimmed, err = tx.TrimEvents(before, keep, MaxTrim)
			return err
		})
		if err != nil {
			return total, err
		}
		if total += trimmed; trimmed < MaxTrim {
			return total, nil
		}
	}
}

// eventPage is how many events EachEvent reads at a time.
const eventPage = 256

// EachEvent calls f with the events after an offset, in order, until f returns
// false. It reads page by page and holds nothing meanwhile.
func EachEvent(s Store, after uint64, f func(Event) bool) error {
	for {
		list, err := s.Events(after, eventPage)
		if err != nil {
			return err
		}
		for _, e := range list {
			if !f(e) {
				return nil
			}
			after = e.Offset
		}
		if len(list) < eventPage {
			return nil
		}
	}
}
