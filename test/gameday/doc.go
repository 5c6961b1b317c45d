// Package gameday has official clients move between servers that are killed, and
// compares what each client got with the log: events that it missed, got twice, or got
// in another order, and sessions that were not recovered. The servers are processes and
// die of kill -9; there are three, on one engine, and each second one of them is killed
// and replaced. The same is done with official servers and their Redis Streams adapter,
// whose faults are told and are no failure.
//
// The tests last some seconds. PODIUM_GAMEDAY, a duration such as 20m, makes them last so
// long each, with 200 clients: `make game-day`.
package gameday
