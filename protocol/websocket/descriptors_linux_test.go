package websocket

import (
	"log/slog"
	"os"
	"testing"

	"golang.org/x/sys/unix"
)

func TestEventLoopsAreMadeOnceThereAreDescriptors(t *testing.T) {
	var limit unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_NOFILE, &limit); err != nil {
		t.Fatal(err)
	}
	lowest, err := os.Open(os.DevNull)
	if err != nil {
		t.Fatal(err)
	}
	defer lowest.Close()
	lower := limit
	lower.Cur = uint64(lowest.Fd()) // the lowest that was free: none below is
	s := NewServer(Options{Logger: slog.New(slog.DiscardHandler)})
	s.mu.Lock()
	if err := unix.Setrlimit(unix.RLIMIT_NOFILE, &lower); err != nil {
		t.Fatal(err)
	}
	without := s.loopLocked()
	if err := unix.Setrlimit(unix.RLIMIT_NOFILE, &limit); err != nil {
		t.Fatal(err)
	}
	again := s.loopLocked()
	s.mu.Unlock()
	if without != nil || again == nil {
		t.Errorf("a loop without descriptors: %v; afterwards: %v", without != nil, again != nil)
	}
	if err := s.Shutdown(t.Context()); err != nil {
		t.Error(err)
	}
}
