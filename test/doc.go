// Package test holds the tests of the whole program, in a room for each thing
// that is tested. Below it are what the rooms share (harness), the official
// clients (node_modules), and what tests read (testdata).
//
// What needs Node or Chromium is skipped, and says so, where they are missing;
// with PODIUM_TEST_REQUIRE=1, as under `make test`, it fails.
package test
