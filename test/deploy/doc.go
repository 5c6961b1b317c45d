// Package deploy holds the tests of where podium runs: proxies, systemd, Fly's
// replays, terminals, privileges, and podium verify.
package deploy
