package epoll

import (
	"testing"

	"golang.org/x/sys/unix"
)

func TestWakeEndsOneWait(t *testing.T) {
	w, err := New(7)
	if err != nil {
		t.Fatal(err)
	}
	defer w.Close()
	events := make([]unix.EpollEvent, 4)
	if n, err := unix.EpollWait(w.Epoll, events, 0); n != 0 || err != nil {
		t.Errorf("before: %d events, %v", n, err)
	}
	for range 2 {
		w.Wake()
		if n, err := unix.EpollWait(w.Epoll, events, -1); n != 1 || err != nil || events[0].Fd != 7 {
			t.Errorf("%d events, %v, %v", n, err, events[0])
		}
		if n, _ := unix.EpollWait(w.Epoll, events, 0); n != 0 {
			t.Error("it was told twice")
		}
	}
}
