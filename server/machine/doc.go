// Package machine is what the server knows of the machine that it runs on, and asks of
// it: how much memory it may use, how many files it may open, the room on its disks, and
// the user whose process it is. It knows nothing of the contest.
package machine
