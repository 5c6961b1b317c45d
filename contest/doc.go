// Package contest holds what a contest is: its types, its rules, and the
// interface that a store must satisfy to keep one.
//
// It is a room at the top because both sides need it and neither may own it:
// the stores below store/ know nothing of the server, and the server should
// not care which of them it was given.
//
// # Rules and stores
//
// A rule is written here once, as a change: a function of a [Tx] that reads
// what it must and says what is to be written. [Contest] has a method for each
// of them. A [Store] runs changes, each as if it were alone, and promises that
// everything one of them wrote is there or nothing is. It decides on its own
// how many changes share a commit, and it may run a change again from the
// start, so a change sets what it returns anew each time and does nothing but
// through its Tx.
//
// A change and the event that announces it are one transaction: whoever reads
// the log after a crash finds exactly the events of the data that is there.
//
// # Reading
//
// Reads are methods of the Store, each of one moment. What can be long is read
// in pages, so that nobody who passes it on to a slow client holds anything in
// the store meanwhile.
//
// # Concurrency
//
// All methods of Contest and Store are safe for concurrent use. A context given to
// a method that changes something only bounds the time until the change is
// taken up; once it is, the method waits for the outcome, because a commit
// cannot be called back. Reads are bounded by the store.
//
// # Times
//
// Times named *At of type int64 are milliseconds since the Unix epoch, as in
// the contest's data format.
package contest
