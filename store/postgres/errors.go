package postgres

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"

	"github.com/jackc/pgx/v5/pgconn"

	"podium/contest"
)

// Codes of PostgreSQL that mean something here (its manual, appendix A).
const (
	codeUnique         = "23505"
	codeCheck          = "23514"
	codeReadOnly       = "25006"
	codeSerialization  = "40001"
	codeDeadlock       = "40P01"
	codeDiskFull       = "53100"
	codeTooMany        = "53300"
	codeQueryCanceled  = "57014"
	codeLockTimeout    = "55P03"
	codeNoSchema       = "3F000"
	codeNoTable        = "42P01"
	codeNoPermission   = "42501"
	codeBadPassword    = "28P01"
	codeNoDatabase     = "3D000"
	classConnection    = "08"
	classOperator      = "57P" // shutting down, crashed, starting up
	classAuthorization = "28"
)

// explain gives an error from the database its sentinel and, where an operator
// can do something, a sentence.
func explain(err error) error {
	if err == nil {
		return nil
	}
	var pg *pgconn.PgError
	if !errors.As(err, &pg) {
		if broken(err) && !errors.Is(err, contest.ErrAway) && !errors.Is(err, contest.ErrInDoubt) {
			return fmt.Errorf("%w: %w", contest.ErrAway, err)
		}
		return err
	}
	switch pg.Code {
	case codeDiskFull:
		return fmt.Errorf("%w: %w", contest.ErrFull, err)
	case codeReadOnly:
		return fmt.Errorf("%w; the database is a replica, or was set to read-only: %w", contest.ErrReadOnly, err)
	case codeTooMany:
		return fmt.Errorf("%w: it has no connection left; raise its max_connections, or lower pool_max_conns in --database: %w", contest.ErrAway, err)
	case codeQueryCanceled, codeLockTimeout:
		return fmt.Errorf("%w in time: %w", contest.ErrAway, err)
	case codeNoPermission:
		return fmt.Errorf("the user of --database may not do that; it must be able to make a schema in its database: %w", err)
	case codeBadPassword, codeNoDatabase:
		return fmt.Errorf("%w; look at --database: %w", contest.ErrAway, err)
	}
	switch {
	case pg.Code[:2] == classConnection, len(pg.Code) > 2 && pg.Code[:3] == classOperator:
		return fmt.Errorf("%w: %w", contest.ErrAway, err)
	}
	return err
}

// broken reports whether an error that is not the database's own is about the
// way to it.
func broken(err error) bool {
	var network net.Error
	var connect *pgconn.ConnectError
	return errors.As(err, &network) || errors.As(err, &connect) || errors.Is(err, context.DeadlineExceeded) ||
		errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, net.ErrClosed) || pgconn.SafeToRetry(err)
}

// codeOf returns PostgreSQL's code of an error, or "".
func codeOf(err error) string {
	var pg *pgconn.PgError
	if errors.As(err, &pg) {
		return pg.Code
	}
	return ""
}

// open reports whether it is unknown after this error if the transaction was
// committed: anything but a refusal by the database.
func open(err error) bool {
	var pg *pgconn.PgError
	return !errors.As(err, &pg) || pg.Severity == "FATAL" || pg.Severity == "PANIC"
}
