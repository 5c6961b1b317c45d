package server

import (
	"net/netip"
	"testing"

	"podium/protocol/budget"
	"podium/server/admin"
)

// Whatever strangers do, and all of it at the same time, fits into a machine of 256 MB:
// what is charged has one bound together, and what isn't is counted here. Larger
// machines have more room.
func TestEverythingThatStrangersCanHoldFitsTheSmallestMachine(t *testing.T) {
	for limit := int64(256 << 20); limit <= 16<<30; limit *= 2 {
		sum := programMemory + decoderMemory + 2*feedMemory(limit) + garbageMemory(limit) + heldMemory(limit)
		if sum > limit {
			t.Errorf("%d MiB: %d MiB can be taken", limit>>20, sum>>20)
		}
		memory := divide(limit)
		for _, one := range memory.all.Usage() {
			if one.Limit > heldMemory(limit) {
				t.Errorf("%d MiB: %s alone may take %d MiB", limit>>20, one.Name, one.Limit>>20)
			}
		}
	}
}

// What the smallest machine is for goes on beside pictures that take all they may.
func TestPicturesLeaveRoomForARoomFullOfPeople(t *testing.T) {
	const limit, phones = 256 << 20, 2000
	memory := divide(limit)
	hold := func(s *budget.Share, n int64) {
		t.Helper()
		if err := s.Open(netip.MustParseAddr("192.0.2.1"), nil).Hold(n); err != nil {
			t.Errorf("%s: %v", s.Usage().Name, err)
		}
	}
	hold(memory.pictures, pictureBudget(limit)*15/16)
	hold(memory.connections, phones*connectionBytes)
	hold(memory.sockets, phones/5*socketBytes)
	hold(memory.passwords, admin.HashBytes)
	hold(memory.messages, 1<<20)
}

// So many WebSockets fit where nobody sends pictures: fly.toml's hard limit.
func TestAsManyConnectionsFitAsFlyLetsIn(t *testing.T) {
	memory := divide(256 << 20)
	s := Settings{LimitConnections: 15_000}
	gate := s.limits().connections.Charge(memory.connections, connectionBytes)
	for n := range 15_000 {
		if !gate.Enter(netip.Addr{}) {
			t.Fatalf("the %dth was refused", n)
		}
	}
}
