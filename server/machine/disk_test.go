package machine

import "testing"

// Uploads that stall keep the room they asked for, and no more: what is kept free
// for admins stays free.
func TestStalledUploadsLeaveTheReserveToAdmins(t *testing.T) {
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
