package postgres

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5/pgconn"

	"podium/contest"
)

// What the database says is passed on as what the contest knows, with a sentence
// where an operator can do something.
func TestWhatTheDatabaseSaysIsExplained(t *testing.T) {
	for code, want := range map[string]struct {
		is    error
		words string
	}{
		"53100": {contest.ErrFull, "no space left"},
		"25006": {contest.ErrReadOnly, "replica, or was set to read-only"},
		"53300": {contest.ErrAway, "raise its max_connections, or lower pool_max_conns"},
		"57014": {contest.ErrAway, "in time"},
		"55P03": {contest.ErrAway, "in time"},
		"57P01": {contest.ErrAway, "cannot be reached"}, // it is shut down
		"57P02": {contest.ErrAway, "cannot be reached"}, // it crashed
		"57P03": {contest.ErrAway, "cannot be reached"}, // it starts
		"08006": {contest.ErrAway, "cannot be reached"},
		"28P01": {contest.ErrAway, "look at --database"},
		"3D000": {contest.ErrAway, "look at --database"},
		"42501": {nil, "must be able to make a schema"},
		"22003": {nil, "out of range"},
	} {
		err := explain(fmt.Errorf("store: %w", &pgconn.PgError{Severity: "ERROR", Code: code, Message: "out of range"}))
		if want.is != nil && !errors.Is(err, want.is) || !strings.Contains(err.Error(), want.words) {
			t.Errorf("%s: %v", code, err)
		}
		for _, other := range []error{contest.ErrFull, contest.ErrReadOnly, contest.ErrAway} {
			if other != want.is && errors.Is(err, other) {
				t.Errorf("%s: %v is %v", code, err, other)
			}
		}
	}
}
