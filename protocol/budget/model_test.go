package budget

import (
	"encoding/binary"
	"errors"
	"math/rand/v2"
	"testing"
	"time"
)

// modelCharge is what a charge should be, kept as simply as can be.
type modelCharge struct {
	charge       *Charge
	share        int
	held         int64
	pinned       bool
	told, closed bool // told: its evict function ran
	gone         bool // evicted, by whatever way it was told
}

// FuzzBudget replays operations, four bytes each, and compares what is held with
// a list that is added up.
func FuzzBudget(f *testing.F) {
	seed := rand.New(rand.NewPCG(1, 2))
	for range 4 {
		ops := make([]byte, 4*200)
		for i := 0; i < len(ops); i += 8 {
			binary.LittleEndian.PutUint64(ops[i:], seed.Uint64())
		}
		f.Add(ops)
	}
	f.Fuzz(func(t *testing.T, ops []byte) {
		const limit = 1 << 20
		b, now := manual(limit)
		limits := [2]int64{limit, limit / 2}
		shares := [2]*Share{b.Share("a", limits[0]), b.Share("b", limits[1])}
		var all []*modelCharge
		for ; len(ops) >= 4; ops = ops[4:] {
			op, which, size := ops[0]%7, int(ops[1]), int64(binary.LittleEndian.Uint16(ops[2:]))
			if op == 0 || len(all) == 0 {
				one := &modelCharge{share: which % 2}
				evict := func() {
					if one.told || one.pinned || one.closed {
						t.Fatal("evict was called again, or on a charge that stays")
					}
					one.told, one.gone = true, true
				}
				one.charge = shares[one.share].Open(address(which%5), evict)
				all = append(all, one)
				continue
			}
			one := all[which%len(all)]
			switch op {
			case 1, 2:
				one.hold(t, size*4)
			case 3:
				one.charge.Progress(size)
			case 4:
				one.charge.Free(size)
				one.held -= min(size, one.held)
			case 5:
				one.charge.Close()
				one.closed, one.held = true, 0
			case 6:
				*now += time.Duration(size) * time.Millisecond
				if err := one.charge.Pin(); err == nil {
					one.pinned = true
				} else if !one.gone && !one.closed {
					t.Fatal("a charge that is open was not pinned")
				}
			}
			check(t, b, shares, limits, all)
		}
	})
}

// hold holds n more and notes what came of it.
func (m *modelCharge) hold(t *testing.T, n int64) {
	switch err := m.charge.Hold(n); {
	case err == nil:
		if m.gone || m.closed {
			t.Fatal("a charge that ended holds more")
		}
		m.held += n
	case errors.Is(err, ErrEvicted):
		if m.pinned && !m.closed {
			t.Fatal("a pinned charge was evicted")
		}
		m.gone = true
	case !errors.Is(err, ErrFull):
		t.Fatal(err)
	}
}

// check adds up what the model holds.
func check(t *testing.T, b *Budget, shares [2]*Share, limits [2]int64, all []*modelCharge) {
	t.Helper()
	var sum, leaving int64
	var of [2]int64
	for _, one := range all {
		if got := one.charge.Held(); got != one.held {
			t.Fatalf("a charge holds %d, want %d", got, one.held)
		}
		sum += one.held
		of[one.share] += one.held
		if one.gone && !one.closed {
			leaving += one.held
		}
	}
	if b.Held() != sum || b.leaving.Load() != leaving {
		t.Fatalf("%d held and %d leaving, want %d and %d", b.Held(), b.leaving.Load(), sum, leaving)
	}
	for i, s := range shares {
		if s.held.Load() != of[i] || of[i] > limits[i] {
			t.Fatalf("share %d holds %d, want %d of at most %d", i, s.held.Load(), of[i], limits[i])
		}
	}
	if sum > b.limit {
		t.Fatalf("%d bytes are held of %d", sum, b.limit)
	}
}
