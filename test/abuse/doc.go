// Package abuse attacks a running podium as somebody on the open internet can,
// and looks at what others noticed meanwhile, and afterwards whether everything
// is as before: memory, goroutines, open files, log.
//
// In TestAttacksLeaveNothingBehindAndHurtNobody each attack takes a few seconds.
// The server runs with short timeouts, because what is tested is that they end
// the attack, and with limits so high that they do not end it first; limits have
// tests of their own.
//
// TestAStrangerChangesNothingForTheRoom has the attacks with which one anonymous
// client once stopped the evening, at a multiple of what that took: each on a
// server of its own, which has its defaults and, where a control group can be
// made, 256 MB, while a room of 500 guests notes how long things take.
// TestWhatIsLeftBehindDoesNoHarm has those that work once or not at all.
//
// All print a table. TestFuzzingTheRunningServer sends random requests, frames
// and packets for as long as -fuzzfor says.
package abuse
