// Package outages is the contest's game day: three machines on one PostgreSQL and one
// bucket behind a balancer, a room full of guests of every kind, submissions and an
// admin going on, and whatever can fail failing in turn, in a random order: machines and
// the database killed, machines replaced one after the other, cut off from the database,
// with a wrong clock, added and removed, a slow database, one whose disk is full.
//
// It checks that every submission that was acknowledged is stored once, that every
// guest was told of everything once and in the log's order, that nobody was refused
// while the database was there, and prints how long it took until people were served
// again, by fault.
//
// The test lasts some seconds, with some of the faults. PODIUM_OUTAGES, a duration such
// as 20m, has all of them come again and again with 1,000 guests: `make outages`.
//
// The balancer does what ops/proxy/Caddyfile.cluster says; the bucket is versitygw.
package outages
