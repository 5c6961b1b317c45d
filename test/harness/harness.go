// Package harness is what the rooms of test share: it runs podium as a user
// would, asks it as scripts do, starts official clients in Node and many plain
// ones in this process, and puts proxies before it that cut, mute and lose.
//
// Its functions fail the test that calls them, and end what they started when
// that test ends.
package harness

import (
	"flag"
	"fmt"
	"os"
	"testing"
	"time"
)

// Patience bounds every wait of these tests.
const Patience = 30 * time.Second

// Password is the admin's in these tests.
const Password = "correct horse battery"

// Main runs a room's tests in the folder test, where the official clients are,
// and calls after when they have ended. It does not return.
func Main(m *testing.M, after ...func()) {
	if err := os.Chdir(".."); err != nil {
		fmt.Fprintln(os.Stderr, "harness:", err)
		os.Exit(1)
	}
	code := m.Run()
	for _, f := range after {
		f()
	}
	for _, dir := range madeFolders {
		_ = os.RemoveAll(dir)
	}
	os.Exit(code)
}

// Need skips the test, or fails it where everything must be there.
func Need(t *testing.T, found bool, what string) {
	t.Helper()
	if found {
		return
	}
	if os.Getenv("PODIUM_TEST_REQUIRE") != "" {
		t.Fatalf("%s is missing", what)
	}
	t.Skipf("%s is missing: run make test", what)
}

// Eventually polls until ok, or fails the test.
func Eventually(t testing.TB, what string, ok func() bool) {
	t.Helper()
	deadline := time.Now().Add(Patience)
	// What looking costs is taken from what is waited for: the longer that takes, the seldomer are the looks.
	for pause := time.Millisecond; !ok(); pause = min(2*pause, 32*time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("waited for %s in vain", what)
		}
		time.Sleep(pause)
	}
}

// WaitFor returns false where stop was closed before the time was up.
func WaitFor(d time.Duration, stop <-chan struct{}) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-stop:
		return false
	}
}

var Long = flag.Bool("long", false, "run the jitter, shutdown and storm tests in full size")
