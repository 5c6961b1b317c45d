// Package bolt keeps a contest in one bbolt file: categories, submissions,
// winners, the event log, sessions, tokens and settings, and all that is about
// that file lives here too: shared syncs, mending after a failed write,
// checking, repairing, compacting and copying.
//
// What comes in are changes by the contest's rules and plain values; what goes
// out are plain values again, copied out of the file, so nothing returned is
// tied to a transaction.
//
// # Transactions
//
// A method that changes something returns after its transaction is synced to
// the disk. Changes asked for at the same time share a transaction and with it
// a sync (see committer): the first one starts at once, and what arrives
// while the disk works goes with the next.
//
// # Concurrency
//
// All methods of [Store] are safe for concurrent use. Reads see a consistent
// snapshot and do not wait for writes. They are short, which matters in one
// case: a file that must be opened anew after a failed write (heal.go) waits
// for running reads, and new ones wait for it. Only copying and checking the
// whole file take long.
//
// Lock order: Store.life → committer.mu. Neither is held while a caller's
// code runs, but for changes and the functions of WalkFeed, and bbolt's own
// locks come after both.
//
// # Errors
//
// errors.go lists those at opening, and package contest the others.
// [contest.ErrFull] means that the disk is full: nothing of the change is in
// the file, reading goes on, and the next change after there is room again
// succeeds. A commit whose last write or sync failed has an unknown outcome
// until the file was sealed again; heal.go explains.
//
// # Damage
//
// A file whose pages are not what was written to them is not opened: verify.go
// looks at each of them before bbolt does, within the bounds of the file: 2.4 s of
// CPU for a file of 1 GB, which a contest, whose pictures are elsewhere, does not
// have. What is damaged later, while the file is open, comes back as [ErrDamaged]
// from the one place where bbolt is called (database.go, damage.go); what is whole
// goes on being served. [Salvage] copies what can still be read into a new file,
// and [Mend] puts that in the place of the damaged one.
package bolt
