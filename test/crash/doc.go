// Package crash holds the tests of what goes wrong: kills, bad networks, stops,
// reconnection storms, full disks, little memory.
package crash
