package machine

import "testing"

// What is about to be written has its room, and what is kept free for admins stays free.
func TestTheReserveOfTheDiskIsLeftToAdmins(t *testing.T) {
	const mega = 1 << 20
	free := uint64(18 * mega)
	d := &Disk{folders: []string{"data", "uploads"}, room: func(string) (uint64, uint64, error) { return free, 100 * mega, nil }}
	first, ok := d.Reserve(9 * mega)
	if !ok {
		t.Fatal("there is room for the first")
	}
	if _, ok := d.Reserve(9 * mega); ok {
		t.Fatal("the second took the reserve of 5 MiB")
	}
	first()
	first()
	if again, ok := d.Reserve(9 * mega); !ok {
		t.Error("the room was not given back")
	} else {
		again()
	}
	if d.reserved != 0 {
		t.Errorf("%d bytes are reserved", d.reserved)
	}
}

// Uploads that stall have what they wrote and no more, and leave room for what is short.
func TestStalledUploadsLeaveRoomForShortEntries(t *testing.T) {
	const mega = 1 << 20
	free := uint64(18 * mega)
	d := &Disk{folders: []string{"data"}, room: func(string) (uint64, uint64, error) { return free, 100 * mega, nil }}
	for d.Spool(64 << 10) {
		free -= 64 << 10
	}
	if free < 10*mega || free > 10*mega+128<<10 {
		t.Errorf("uploads left %d bytes, and not twice the reserve", free)
	}
	for range 100 {
		if _, ok := d.Reserve(16 << 10); !ok {
			t.Fatal("there is no room for an entry")
		}
	}
}
