package engineio

import (
	"os"
	"testing"

	"golang.org/x/sys/unix"
)

func TestPollsAreParkedAgainOnceThereAreDescriptors(t *testing.T) {
	srv := NewServer(Options{}, func(*Session) Receiver { return nil })
	func() {
		defer exhaustDescriptors(t)()
		if srv.idle.open() {
			t.Fatal("polls are watched without a descriptor")
		}
	}()
	if !srv.idle.open() {
		t.Error("no poll is parked any more")
	}
	if err := srv.Shutdown(t.Context()); err != nil {
		t.Error(err)
	}
}

// exhaustDescriptors takes the process every descriptor that it could still open, until
// the function that it returns is called.
func exhaustDescriptors(t *testing.T) (restore func()) {
	t.Helper()
	var limit unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_NOFILE, &limit); err != nil {
		t.Fatal(err)
	}
	lowest, err := os.Open(os.DevNull)
	if err != nil {
		t.Fatal(err)
	}
	lower := limit
	lower.Cur = uint64(lowest.Fd()) // the lowest that was free: none below is
	if err := unix.Setrlimit(unix.RLIMIT_NOFILE, &lower); err != nil {
		t.Fatal(err)
	}
	return func() {
		if err := unix.Setrlimit(unix.RLIMIT_NOFILE, &limit); err != nil {
			t.Error(err)
		}
		lowest.Close()
	}
}
