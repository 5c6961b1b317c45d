package contest

import (
	"bytes"
	"context"
	"time"
)

// Once names a request that counts once however often it is sent. The zero
// value is a request that says nothing about that.
type Once struct {
	Key string
	// Content stands for what the request asked for, such as a hash of it.
	Content []byte
	// Earlier is what stood for the same before Content was made another way, and counts
	// as well; nil where it always was made in this way.
	Earlier []byte
}

// KeptAnswer is the answer to a request that named an idempotency key.
type KeptAnswer struct {
	// Subject is the id of the submission that the answer tells of, or "".
	Subject string
	Content []byte // what the request asked for, see Once
	Body    []byte
}

// judge returns the body of a kept answer to the same request, or
// ErrIdempotencyMismatch.
func (once Once) judge(kept KeptAnswer, found bool, err error) ([]byte, bool, error) {
	switch {
	case err != nil || !found:
		return nil, false, err
	case !bytes.Equal(kept.Content, once.Content) && (once.Earlier == nil || !bytes.Equal(kept.Content, once.Earlier)):
		return nil, false, ErrIdempotencyMismatch
	}
	return kept.Body, true, nil
}

// answered looks for the answer to an earlier request with the same key.
func answered(tx Tx, once Once) (answer []byte, found bool, err error) {
	if once.Key == "" {
		return nil, false, nil
	}
	return once.judge(tx.Answer(once.Key))
}

// keepAnswer stores the answer to a request that names a key.
func keepAnswer(tx Tx, once Once, subject string, answer []byte) error {
	if once.Key == "" {
		return nil
	}
	return tx.KeepAnswer(once.Key, KeptAnswer{subject, once.Content, answer})
}

// Answered returns the answer that a request with that key was given before.
// The error is ErrIdempotencyMismatch where it asked for something else. An
// answer is found only when it is durable: it says that something is stored.
func (c *Contest) Answered(once Once) (answer []byte, found bool, err error) {
	if once.Key == "" {
		return nil, false, nil
	}
	return once.judge(c.Answer(once.Key))
}

// TrimAnswers forgets the answers that are older than age, by the clock that they were
// kept by; also those that seem to come from as far in the future, where that clock
// was wrong.
func (c *Contest) TrimAnswers(ctx context.Context, age time.Duration) error {
	return c.Update(ctx, "trim the kept answers", func(tx Tx) error {
		return tx.TrimAnswers(tx.Now().Add(-age), tx.Now().Add(age))
	})
}
