package limits

import (
	"fmt"
	"net/netip"
	"testing"
	"time"
)

// rotated is an address in the i-th /64 of a /48.
func rotated(i int) netip.Addr { return netip.MustParseAddr(fmt.Sprintf("2001:db8:7:%x::1", i)) }

// honest is one of another network.
var honest = netip.MustParseAddr("2001:db8:8::1")

func TestWhoRotatesThroughANetworkTakesTwiceWhatAnAddressMay(t *testing.T) {
	rate := NewRate("x", PerSecond{Address: 10, AddressBurst: 10, Total: 100, TotalBurst: 100})
	gate := NewGate("x", 10, 100)
	now, asked, entered := time.Unix(0, 0), 0, 0
	for i := range 1000 {
		if rate.Allow(rotated(i), now) == 0 {
			asked++
		}
		if gate.Enter(rotated(i)) {
			entered++
		}
	}
	if asked != 20 || entered != 20 {
		t.Errorf("%d tokens and %d places of 10 for an address", asked, entered)
	}
	if rate.Allow(honest, now) != 0 || !gate.Enter(honest) {
		t.Error("another network found nothing left")
	}
	for i := range 20 {
		gate.Leave(rotated(i))
	}
	gate.Leave(honest)
	if len(gate.counts) != 0 || gate.count != 0 {
		t.Errorf("%d places of %v are taken", gate.count, gate.counts)
	}
	for i := range 20 { // it is full again
		if !gate.Enter(rotated(i)) {
			t.Errorf("no place for the %dth", i)
		}
	}
}
