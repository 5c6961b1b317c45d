package script

import (
	"context"
	"errors"
	"io"
	"testing"
	"testing/synctest"
	"time"

	goredis "github.com/redis/go-redis/v9"

	"podium/protocol/socketio"
)

// refusal is what Redis answers.
type refusal string

func (r refusal) Error() string { return string(r) }
func (refusal) RedisError()     {}

func TestABatchIsAskedForUntilRedisHasAnswered(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		errs := []error{io.EOF, refusal("LOADING Redis is loading the dataset in memory"), refusal("READONLY You can't write against a read only replica."), nil}
		n, err := Insist(t.Context(), func() (int, error) {
			next := errs[0]
			errs = errs[1:]
			return 7, next
		})
		if n != 7 || err != nil || len(errs) > 0 {
			t.Errorf("%d, %v, with %d answers to come", n, err, len(errs))
		}
	})
}

func TestWhatRedisRefusesIsNotAskedForAgain(t *testing.T) {
	for _, want := range []error{goredis.Nil, refusal("LATE the batch was given up")} {
		asked := 0
		_, err := Insist(t.Context(), func() (int, error) { asked++; return 0, want })
		if !errors.Is(err, want) || errors.Is(err, socketio.ErrOutcome) || asked != 1 {
			t.Errorf("%v, asked %d times: %v", want, asked, err)
		}
	}
}

// Only where the connection broke may the batch have been appended.
func TestTheOutcomeIsUnknownWhereAConnectionBroke(t *testing.T) {
	for failure, unknown := range map[error]bool{io.ErrUnexpectedEOF: true, refusal("BUSY Redis is busy"): false} {
		synctest.Test(t, func(t *testing.T) {
			ctx, cancel := context.WithTimeout(t.Context(), time.Second)
			defer cancel()
			_, err := Insist(ctx, func() (int, error) { return 0, failure })
			if !errors.Is(err, failure) || errors.Is(err, socketio.ErrOutcome) != unknown {
				t.Errorf("%v: %v", failure, err)
			}
		})
	}
}

func TestAnAnswerOfAnotherFormIsAnError(t *testing.T) {
	entry := []any{"1-0", []any{"d", "x", "t", "5"}}
	texts, entries, err := Answer([]any{"a", "b", []any{entry}}, 2)
	if err != nil || len(texts) != 2 || len(entries) != 1 || entries[0].ID != "1-0" || entries[0].Values["t"] != "5" {
		t.Fatalf("%q %v %v", texts, entries, err)
	}
	for _, answer := range [][]any{
		nil, {"a", "b"}, {"a", int64(1), []any{}}, {"a", "b", "c"}, {"a", "b", []any{"1-0"}}, {"a", "b", []any{[]any{"1-0"}}},
	} {
		if _, _, err := Answer(answer, 2); !errors.Is(err, ErrAnswer) {
			t.Errorf("%v: %v", answer, err)
		}
	}
}
