// Package test holds the tests of the whole program: the real binary, the
// official Socket.IO clients in Node, and a real browser. It has no code that
// anything imports.
//
// What needs Node or Chromium is skipped, and says so, where they are missing;
// with PODIUM_TEST_REQUIRE=1, as under `make test`, it fails.
package test
