// Package script runs the Lua scripts of the two logs in Redis as both of them do: it reads
// the entries that a script answers, and asks until a batch was appended or refused. What a
// script says beside that is its caller's.
package script

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	goredis "github.com/redis/go-redis/v9"

	"podium/protocol/socketio"
)

// ErrAnswer is an answer that the script does not give.
var ErrAnswer = errors.New("an answer of another form than expected")

// Answer takes apart what a script answered: n texts, and then what XRANGE returned.
func Answer(answer []any, n int) (texts []string, entries []goredis.XMessage, err error) {
	if len(answer) != n+1 {
		return nil, nil, ErrAnswer
	}
	for _, item := range answer[:n] {
		text, ok := item.(string)
		if !ok {
			return nil, nil, ErrAnswer
		}
		texts = append(texts, text)
	}
	list, ok := answer[n].([]any)
	if !ok {
		return nil, nil, ErrAnswer
	}
	entries = make([]goredis.XMessage, 0, len(list))
	for _, item := range list {
		pair, _ := item.([]any)
		if len(pair) != 2 {
			return nil, nil, ErrAnswer
		}
		id, _ := pair[0].(string)
		fields, _ := pair[1].([]any)
		m := goredis.XMessage{ID: id, Values: make(map[string]any, len(fields)/2)}
		for i := 0; i+1 < len(fields); i += 2 {
			if name, ok := fields[i].(string); ok {
				m.Values[name] = fields[i+1]
			}
		}
		entries = append(entries, m)
	}
	return texts, entries, nil
}

// Insist runs what appends a batch until Redis has done or refused it, or ctx ends. Run must
// have a number by which Redis does it once, however often it is asked. Where ctx ended and
// nobody knows whether it was done, the error is a [socketio.ErrOutcome].
func Insist[T any](ctx context.Context, run func() (T, error)) (T, error) {
	var none T
	open := false // it may have been done
	for pause := 5 * time.Millisecond; ; pause = min(2*pause, 250*time.Millisecond) {
		answer, err := run()
		var refused goredis.Error
		switch {
		case err == nil:
			return answer, nil
		case errors.As(err, &refused) && !passing(refused):
			return none, err
		case !errors.As(err, &refused):
			open = true
		}
		timer := time.NewTimer(pause)
		select {
		case <-timer.C:
		case <-ctx.Done():
			timer.Stop()
			if open {
				return none, fmt.Errorf("%w: %w", socketio.ErrOutcome, err)
			}
			return none, err
		}
	}
}

// passing reports whether Redis refused something for a moment only, as it starts or is
// being replaced.
func passing(err goredis.Error) bool {
	for _, prefix := range []string{"LOADING", "READONLY", "MASTERDOWN", "CLUSTERDOWN", "TRYAGAIN", "BUSY"} {
		if strings.HasPrefix(err.Error(), prefix) {
			return true
		}
	}
	return false
}
