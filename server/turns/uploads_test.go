package turns

import (
	"errors"
	"fmt"
	"net/netip"
	"testing"
	"testing/synctest"
	"time"
)

// A room behind one address sends its photos while many addresses hold half-sent
// ones: those end, and all of the room's are stored.
func TestSlowUploadsMakeRoomForTheFast(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		all, room := NewUploads("test", 0, 64<<20), netip.MustParseAddr("192.0.2.1")
		var slow []*Upload
		for n := range 670 {
			up := all.Begin(netip.MustParseAddr(fmt.Sprintf("2001:db8:%x::1", n)), func() {})
			for range 10 {
				_ = up.Add(9 << 10) // 60 MB of them
			}
			slow = append(slow, up)
		}
		time.Sleep(10 * time.Second)
		for range 4 { // one after the other, 16 guests at a time
			var guests []*Upload
			for range 16 {
				guests = append(guests, all.Begin(room, func() { t.Error("a guest's upload was ended") }))
			}
			for range 20 {
				time.Sleep(100 * time.Millisecond)
				for _, up := range guests {
					if err := up.Add(100 << 10); err != nil {
						t.Fatal(err)
					}
				}
				for _, up := range slow {
					if up.Add(800) != nil {
						up.Done()
					}
				}
			}
			for _, up := range guests {
				if err := up.Arrived(); err != nil {
					t.Fatal(err)
				}
				up.Done()
			}
		}
		for _, up := range slow {
			up.Done()
		}
		if all.Held() != 0 || len(all.holding) != 0 {
			t.Fatalf("%d bytes are still held", all.Held())
		}
		if got := all.Refusals(); got.Total == 0 || got.Address != 0 {
			t.Errorf("%+v", got)
		}
	})
}

func TestACrowdedAddressMakesRoomItself(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		all := NewUploads("test", 80, 1000)
		hog, guest := netip.MustParseAddr("1.1.1.1"), netip.MustParseAddr("2001:db8::1")
		calm := all.Begin(guest, func() { t.Error("another address's upload was ended") })
		if err := calm.Add(80); err != nil {
			t.Fatal(err)
		}
		var stopped []int
		var hogs []*Upload
		for i := range 3 {
			time.Sleep(time.Millisecond)
			hogs = append(hogs, all.Begin(hog, func() { stopped = append(stopped, i) }))
			if err := hogs[i].Add(70); err != nil {
				t.Fatal(err)
			}
		}
		if len(stopped) != 2 || stopped[0] != 0 || stopped[1] != 1 {
			t.Fatalf("ended %v, want the two that began first", stopped)
		}
		if err := hogs[0].Add(1); !errors.Is(err, ErrCrowded) || !errors.Is(hogs[0].Arrived(), ErrCrowded) {
			t.Error("an upload that was ended goes on")
		}
		if got := all.Refusals(); got.Address != 2 || got.Total != 0 {
			t.Errorf("%+v", got)
		}
		for _, up := range append(hogs, calm) {
			up.Done()
		}
		if all.Held() != 0 || len(all.holding) != 0 {
			t.Fatalf("%d bytes are still held", all.Held())
		}
	})
}
