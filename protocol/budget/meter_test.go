package budget

import (
	"encoding/binary"
	"net/netip"
	"testing"
	"time"
)

// meterAt is a meter whose clock the test sets.
func meterAt(perSecond int64) (*Meter, *time.Duration) {
	m, now := NewMeter(perSecond), new(time.Duration)
	m.now = func() time.Duration { return *now }
	return m, now
}

// spendAll has as much work done for the addresses as the meter lets them in a minute.
func spendAll(m *Meter, now *time.Duration, addrs func(i int) netip.Addr) (units int64) {
	for end, i := *now+time.Minute, 0; *now < end; i++ {
		if wait := m.Wait(addrs(i), true); wait > 0 {
			*now += max(wait, time.Millisecond)
			continue
		}
		m.Spend(addrs(i), 500)
		units += 500
	}
	return units
}

func TestAMeterGivesANetworkItsRate(t *testing.T) {
	for name, c := range map[string]struct {
		addrs func(i int) netip.Addr
		times int64
	}{
		"an address": {func(int) netip.Addr { return netip.MustParseAddr("192.0.2.1") }, 1},
		"a /64":      {func(i int) netip.Addr { return address6(7, uint64(i)) }, 1},
		"a /56":      {func(i int) netip.Addr { return address6(uint64(i%256), 1) }, 2},
		"a /48":      {func(i int) netip.Addr { return address6(uint64(i*257%65536), 1) }, 4},
		"everybody":  {func(i int) netip.Addr { return address6(uint64(i)<<16, 1) }, 16},
	} {
		m, now := meterAt(1000)
		got := spendAll(m, now, c.addrs)
		if want := c.times * 1000 * 68; got < want*9/10 || got > want*11/10 { // a minute, and the burst
			t.Errorf("%s: %d units, want about %d", name, got, want)
		}
	}
}

// address6 is an address in the network that differs from 2001:db8::/64 by low.
func address6(low, host uint64) netip.Addr {
	var a [16]byte
	binary.BigEndian.PutUint64(a[:8], 0x20010db800000000+low)
	binary.BigEndian.PutUint64(a[8:], host)
	return netip.AddrFrom16(a)
}

func TestWhoHadLittleDoneDoesNotWaitForOthers(t *testing.T) {
	m, now := meterAt(1000)
	spendAll(m, now, func(i int) netip.Addr { return address6(uint64(i)<<16, 1) })
	m.Spend(address6(1<<40, 1), 10_000_000)
	honest := netip.MustParseAddr("192.0.2.1")
	if m.Wait(honest, true) == 0 {
		t.Error("large work does not wait for what others had done")
	}
	for range 3 {
		if wait := m.Wait(honest, false); wait > 0 {
			t.Errorf("it waits %s", wait)
		}
		m.Spend(honest, 50)
	}
}

func TestAMeterForgetsWhoOwesNothing(t *testing.T) {
	m, now := meterAt(1000)
	for i := range 100_000 {
		m.Spend(address6(uint64(i)<<16, 1), 1000)
		*now += 10 * time.Millisecond
	}
	if n := len(m.dues); n > 4096 {
		t.Errorf("%d networks are remembered", n)
	}
}
