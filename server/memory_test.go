package server

import (
	"math/rand/v2"
	"net/netip"
	"testing"

	"podium/protocol/budget"
	"podium/protocol/websocket"
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

// idleConnectionBytes is what a connection takes that says nothing; package socketio
// measures it (TestAnIdleConnectionIsSmall).
const idleConnectionBytes = 2 << 10

// Strangers of every kind take all that they get, at the same time: submissions,
// unfinished messages, what messages become, queues of those who do not read, polls,
// streams, readers, connections. The sum stays within the budget at every moment.
func TestStrangersOfEveryKindTogetherStayWithinTheBudget(t *testing.T) {
	const limit = 256 << 20
	if idleConnectionBytes+websocket.FreeQueueBytes > connectionBytes {
		t.Errorf("a connection is charged %d bytes, and takes %d with its queue", connectionBytes, idleConnectionBytes+websocket.FreeQueueBytes)
	}
	memory := divide(limit)
	most, random := heldMemory(limit), rand.New(rand.NewPCG(1, 2))
	shares := []*budget.Share{memory.readers, memory.messages, memory.spools, memory.streams, memory.pictures, memory.passwords, memory.sockets, memory.connections}
	var evicted int
	take := func(s *budget.Share, queue bool) {
		var charge *budget.Charge
		charge = s.Open(netip.AddrFrom4([4]byte{192, 0, 2, byte(random.IntN(256))}), func() { evicted++; charge.Close() })
		for range 16 {
			var err error
			if n := int64(1 + random.IntN(512<<10)); queue {
				var tight bool
				if tight, err = charge.Claim(n); tight {
					charge.Relieve()
				}
			} else {
				err = charge.Hold(n)
			}
			if held := memory.all.Held(); held > most {
				t.Fatalf("%d MiB are held of %d", held>>20, most>>20)
			}
			if err != nil {
				break
			}
		}
		if charge.Evicted() {
			charge.Close()
		}
	}
	for range 500 {
		for _, s := range shares {
			take(s, s == memory.messages && random.IntN(2) == 0)
		}
	}
	if evicted == 0 || memory.all.Held() < most*3/4 {
		t.Errorf("the memory was never full: %d MiB are held, and %d were evicted", memory.all.Held()>>20, evicted)
	}
	if sum := programMemory + decoderMemory + 2*feedMemory(limit) + garbageMemory(limit) + most; sum > limit {
		t.Errorf("%d MiB can be taken", sum>>20)
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
	gate := s.limits().realtime.Connections.Charge(memory.connections, connectionBytes)
	for n := range 15_000 {
		if !gate.Enter(netip.Addr{}) {
			t.Fatalf("the %dth was refused", n)
		}
	}
}
