// Package postgres keeps a contest in a PostgreSQL database that several
// machines share.
//
// # Order
//
// Events are numbered by a counter in the one row of podium.head. Whoever
// commits an event updates that row in the same transaction and so holds it
// until the commit: offsets are dense, and in the order of commits. A sequence
// would hand numbers out before the commit, and a reader would pass over a
// slower one for good.
//
// # Changes
//
// Each machine has one committer, which puts all changes that wait into one
// transaction (see commit.go). It tries a batch blind first: what a change reads
// is answered from what nearly always holds (the key was not used, the id is
// free, the categories are those that were seen last), all writes leave in one
// round trip, and the database itself refuses them where that was wrong. Then,
// and where a change reads anything else, the batch runs again in a
// transaction that locks the head first, so that it is alone among all
// machines.
//
// Locks are always taken in this order: new rows of submissions and answers,
// the head, everything else. The head is held for the rest of one round trip
// and the commit.
//
// # Unanswered commits
//
// Each batch inserts a row of its own into podium.batches. Where the connection
// breaks before the answer, the committer inserts the same row again on
// another connection: PostgreSQL lets it wait for a transaction that is still
// running, refuses it where that one committed, and where it succeeds the old
// one can never commit any more. Asking pg_xact_status would need the
// transaction's number before its commit, which takes a second round trip,
// and cannot tell whether bytes that are still on their way will become a
// commit.
//
// # Following
//
// One connection listens; each batch that everybody is to see ends in one
// notification. Nothing depends on it: the head is also read once a second.
// Through a pooler that hands connections out by transaction, notifications
// do not arrive, which is noticed by sending one to oneself; then the head is
// read 20 times a second.
//
// # Settings that poolers refuse
//
// Nothing is set at the start of a session and nothing prepared under a name:
// timeouts are set within each transaction.
package postgres
