// Package bolt keeps everything of a contest that must survive: categories,
// submissions, winners, the event log, sessions, tokens and settings, in one
// bbolt file.
//
// What comes in are plain values (a [Submission], a map of picks); what goes
// out are plain values again, copied out of the file, so nothing returned is
// tied to a transaction. The package knows neither HTTP nor Socket.IO.
//
// # Transactions
//
// A change and the event that announces it are one transaction: whoever reads
// the log after a crash finds exactly the events of the data that is there.
// A method that changes something returns after its transaction is synced to
// the disk. Changes asked for at the same time share a transaction and with it
// a sync (see committer): the first one starts at once, and what arrives
// while the disk works goes with the next.
//
// # Concurrency
//
// All methods of [Store] are safe for concurrent use. Reads see a consistent
// snapshot and never wait for writes. A context given to a changing method
// only bounds the time until the change is taken up; once it is, the method
// waits for the outcome, because a commit cannot be called back.
//
// Lock order: Store.life → committer.mu. Neither is held while a caller's
// code runs, and bbolt's own locks come after both.
//
// # Errors
//
// errors.go lists them. [ErrFull] means that the disk is full: nothing of the
// change is in the file, reading goes on, and the next change after there is
// room again succeeds. A commit whose last write or sync failed has an unknown
// outcome until the file was sealed again; heal.go explains.
//
// # Times
//
// Times named *At of type int64 are milliseconds since the Unix epoch, as in
// the contest's data format.
package bolt
