package postgres

import (
	"errors"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
)

// Codes of PostgreSQL that mean something here (its manual, appendix A).
const (
	codeReadOnly      = "25006"
	codeSerialization = "40001"
	codeDeadlock      = "40P01"
	codeTooMany       = "53300"
	codeCanceled      = "57014"
	codeLockTimeout   = "55P03"
	codeNoSchema      = "3F000"
	codeNoTable       = "42P01"
	classConnection   = "08"
	classOperator     = "57P" // shutting down, crashed, starting up
)

// codeOf returns PostgreSQL's code of an error, or "".
func codeOf(err error) string {
	var pg *pgconn.PgError
	if errors.As(err, &pg) {
		return pg.Code
	}
	return ""
}

// missing reports whether the tables are not there.
func missing(err error) bool {
	code := codeOf(err)
	return code == codeNoTable || code == codeNoSchema
}

// open reports whether it is unknown after an error of a transaction that was sent if it
// was committed: anything but a refusal by the database, or its word that it has no such
// log. pgconn.SafeToRetry cannot tell: it takes a connection that breaks instead of the
// answer for one on which nothing was sent.
func open(err error) bool {
	if err == nil || errors.Is(err, pgx.ErrNoRows) {
		return false
	}
	var pg *pgconn.PgError
	return !errors.As(err, &pg) || pg.Severity == "FATAL" || pg.Severity == "PANIC"
}

// passing reports whether the same may work in a moment: the database is away, starts, or
// was busy with others.
func passing(err error) bool {
	code := codeOf(err)
	switch code {
	case "", codeReadOnly, codeSerialization, codeDeadlock, codeTooMany, codeCanceled, codeLockTimeout:
		return true
	}
	return code[:2] == classConnection || code[:3] == classOperator
}
