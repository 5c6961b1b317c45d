// Package abuse attacks a running podium as somebody on the open internet can,
// and looks afterwards whether everything is as before: memory, goroutines,
// open files, log, and what others noticed meanwhile.
//
// Each attack takes a few seconds and prints a row of figures. The server runs
// with short timeouts, because what is tested is that they end the attack, and
// with limits so high that they do not end it first; limits have tests of their
// own. TestFuzzingTheRunningServer sends random requests, frames and packets
// for as long as -fuzzfor says.
package abuse
