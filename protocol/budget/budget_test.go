package budget

import (
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// manual is a budget whose time stands still until it is moved.
func manual(limit int64) (*Budget, *time.Duration) {
	b, now := New(limit), new(time.Duration)
	b.now = func() time.Duration { return *now }
	return b, now
}

// address is the nth of many.
func address(n int) netip.Addr {
	return netip.AddrFrom4([4]byte{10, byte(n >> 16), byte(n >> 8), byte(n)})
}

// holder is a client that closes its charge when it is evicted.
type holder struct {
	*Charge
	gone atomic.Bool
}

func hold(t testing.TB, s *Share, addr netip.Addr, n int64) *holder {
	t.Helper()
	h := &holder{}
	h.Charge = s.Open(addr, func() { h.gone.Store(true); h.Close() })
	if err := h.Hold(n); err != nil {
		t.Fatalf("hold %d: %v", n, err)
	}
	return h
}

func TestNobodyIsEvictedWhileThereIsRoom(t *testing.T) {
	b, now := manual(1 << 20)
	s := b.Share("test", 0)
	all := []*holder{}
	for n := range 15 {
		all = append(all, hold(t, s, address(n), 60<<10))
		*now += time.Minute
	}
	for n, h := range all {
		if h.gone.Load() {
			t.Errorf("%d was evicted", n)
		}
		h.Close()
		h.Close()
	}
	if b.Held() != 0 || s.held.Load() != 0 {
		t.Errorf("%d bytes are left", b.Held())
	}
}

func TestTheSlowGoBeforeTheFastOfACrowdedAddress(t *testing.T) {
	b, now := manual(96 << 20)
	s := b.Share("uploads", 0)
	var slow, room []*holder
	for n := range 670 { // each has an address of its own
		slow = append(slow, hold(t, s, address(n), 100<<10))
	}
	for range 16 {
		room = append(room, hold(t, s, netip.MustParseAddr("192.0.2.1"), 64<<10))
	}
	for tick := range 200 { // and the room has one; 16 photos of 8 MB do not fit beside the others
		*now += time.Second / 10
		for _, h := range slow {
			if tick%10 > 0 {
				break
			}
			h.Progress(4 << 10)
			if h.Hold(4<<10) != nil {
				h.Close()
			}
		}
		for _, h := range room {
			h.Progress(15 << 10)
			if err := h.Hold(15 << 10); err != nil {
				t.Fatal("a guest's photo was refused:", err)
			}
		}
	}
	for n, h := range room {
		if h.gone.Load() {
			t.Errorf("guest %d was evicted", n)
		}
	}
	if b.Held() > 96<<20 || s.evicted.Load() == 0 {
		t.Errorf("%d bytes are held, %d evicted", b.Held(), s.evicted.Load())
	}
}

// Attackers who were sent away come again at once, and give much at first: all are young
// whenever there is no room, and an honest photo is larger than what each of them holds.
func TestTheSteadyStayWhenAllOthersBeginAnew(t *testing.T) {
	b, now := manual(64 << 20)
	s := b.Share("uploads", 0)
	begin := func(n int) *holder {
		h := &holder{}
		h.Charge = s.Open(address(n), func() { h.gone.Store(true); h.Close() })
		h.Progress(95 << 10)
		if h.Hold(95<<10) != nil {
			h.gone.Store(true)
			h.Close()
		}
		return h
	}
	var crawling, room []*holder
	stored := 0
	for n := range 670 {
		crawling = append(crawling, begin(n))
	}
	for step := range 120 { // twelve seconds; a new guest of the room every 400 ms, with 2.6 MB
		*now += 100 * time.Millisecond
		if step%4 == 0 {
			room = append(room, hold(t, s, netip.MustParseAddr("192.0.2.1"), 1))
		}
		for _, h := range room {
			if h.Held() > 2600<<10 {
				h.Close() // it has arrived
				stored++
			}
			if h.Evicted() {
				continue
			}
			h.Progress(43 << 10)
			if err := h.Hold(43 << 10); err != nil {
				t.Fatalf("a guest's photo was refused: %v", err)
			}
		}
		for n, h := range crawling {
			switch {
			case h.gone.Load():
				crawling[n] = begin(n)
			case step%10 == 0:
				h.Progress(4 << 10)
				if h.Hold(4<<10) != nil {
					h.gone.Store(true)
					h.Close()
				}
			}
		}
	}
	for n, h := range room {
		if h.gone.Load() {
			t.Errorf("guest %d was evicted", n)
		}
	}
	if stored != 15 || s.evicted.Load() < 1000 {
		t.Errorf("%d photos arrived, %d charges were evicted", stored, s.evicted.Load())
	}
}

func TestAFloodOfLargeHoldersGoesBeforeManySmallOnes(t *testing.T) {
	b, now := manual(64 << 20)
	s := b.Share("messages", 0)
	var small []*holder
	for n := range 500 {
		small = append(small, hold(t, s, address(n), 2<<10))
	}
	*now += 100 * time.Millisecond
	for range 100 { // at full speed, so that they are not slow yet
		h := hold(t, s, netip.MustParseAddr("192.0.2.9"), 1<<20)
		h.Progress(1 << 20)
		for range 14 {
			if h.Hold(1<<20) != nil {
				h.Close()
				break
			}
			h.Progress(1 << 20)
		}
	}
	for n, h := range small {
		if h.gone.Load() {
			t.Fatalf("%d was evicted, which held 2 KiB", n)
		}
	}
}

func TestWhoStalledGoesFirst(t *testing.T) {
	b, now := manual(16 << 20)
	s := b.Share("uploads", 0)
	stalled := hold(t, s, address(1), 4<<20) // brought much at once, and then nothing
	stalled.Progress(4 << 20)
	steady := hold(t, s, address(2), 4<<20)
	for range 10 {
		*now += time.Second
		steady.Progress(80 << 10)
	}
	hold(t, s, address(3), 7<<20+512<<10)
	if !stalled.gone.Load() || steady.gone.Load() {
		t.Errorf("the stalled one is evicted: %t, the steady one: %t", stalled.gone.Load(), steady.gone.Load())
	}
}

func TestAnIPv6NetworkIsWeighedAsAWhole(t *testing.T) {
	b, now := manual(1 << 20)
	s := b.Share("test", 0)
	var rotating []*holder
	for n := range 10 { // ten /64s of one /48
		rotating = append(rotating, hold(t, s, netip.MustParseAddr(fmt.Sprintf("2001:db8:1:%x::1", n<<4)), 50<<10))
	}
	alone := hold(t, s, netip.MustParseAddr("2001:db8:2::1"), 50<<10)
	*now += time.Minute // nobody gives anything
	hold(t, s, netip.MustParseAddr("192.0.2.1"), 440<<10)
	if alone.gone.Load() {
		t.Error("the one with a single charge was evicted")
	}
	if !slices.ContainsFunc(rotating, func(h *holder) bool { return h.gone.Load() }) {
		t.Error("nobody of the /48 was evicted")
	}
	b2, _ := manual(0)
	s2 := b2.Share("test", 0)
	hold(t, s2, netip.MustParseAddr("2001:db8:1:100::1"), 1)
	hold(t, s2, netip.MustParseAddr("2001:db8:1:1ff::1"), 2)
	hold(t, s2, netip.MustParseAddr("2001:db8:1:200::1"), 4)
	for bits, want := range map[int]int64{64: 1, 56: 3, 48: 7} {
		if got := b2.HeldBy(netip.MustParseAddr("2001:db8:1:100::9"), bits); got != want {
			t.Errorf("/%d holds %d, want %d", bits, got, want)
		}
	}
}

func TestAShareIsBoundedByItself(t *testing.T) {
	b, _ := manual(1 << 20)
	small, large := b.Share("small", 100<<10), b.Share("large", 0)
	other := hold(t, large, address(1), 500<<10)
	first := hold(t, small, address(2), 60<<10)
	second := hold(t, small, address(3), 50<<10)
	if other.gone.Load() || !first.gone.Load() || second.gone.Load() {
		t.Error("not the one that holds the most of the share was evicted")
	}
	if err := second.Hold(101 << 10); !errors.Is(err, ErrFull) {
		t.Errorf("more than the share: %v", err)
	}
	if second.Held() != 50<<10 {
		t.Errorf("%d bytes are held after a refusal", second.Held())
	}
}

func TestNobodyIsEvictedInVain(t *testing.T) {
	b, now := manual(1 << 20)
	s := b.Share("test", 0)
	pinned := s.Open(address(1), nil)
	if err := pinned.Hold(900 << 10); err != nil {
		t.Fatal(err)
	}
	small := hold(t, s, address(2), 20<<10)
	asking := s.Open(address(3), nil)
	*now += time.Minute
	if err := asking.Hold(500 << 10); !errors.Is(err, ErrFull) {
		t.Fatalf("there was room: %v", err)
	}
	if small.gone.Load() {
		t.Error("one was evicted though that made no room")
	}
	pinned.Close()
	*now += time.Second
	if err := asking.Hold(500 << 10); err != nil {
		t.Error(err)
	}
}

func TestWhoseOwnHoldEvictsItIsToldByTheError(t *testing.T) {
	b, _ := manual(1 << 20)
	s := b.Share("test", 0)
	c := s.Open(address(1), func() { t.Error("evict was called") })
	rest := hold(t, s, address(2), 100<<10)
	var err error
	for err == nil {
		err = c.Hold(10 << 10)
	}
	if !errors.Is(err, ErrEvicted) || rest.gone.Load() {
		t.Fatal(err)
	}
	if err := c.Hold(1); !errors.Is(err, ErrEvicted) {
		t.Error("an evicted charge goes on:", err)
	}
	if err := c.Pin(); !errors.Is(err, ErrEvicted) {
		t.Error("an evicted charge is pinned:", err)
	}
	c.Close()
	if b.Held() != 100<<10 || b.leaving.Load() != 0 {
		t.Errorf("%d held, %d leaving", b.Held(), b.leaving.Load())
	}
}

func TestAPinnedChargeStays(t *testing.T) {
	b, now := manual(1 << 20)
	s := b.Share("test", 0)
	arrived := hold(t, s, address(1), 700<<10)
	if err := arrived.Pin(); err != nil {
		t.Fatal(err)
	}
	*now += time.Hour
	running := hold(t, s, address(2), 200<<10)
	hold(t, s, address(3), 150<<10)
	if arrived.gone.Load() || !running.gone.Load() {
		t.Error("the pinned one was evicted")
	}
}

// Who was evicted and has not let go yet is not counted twice: nobody else is
// evicted in its place, and nobody gets memory that is still held.
func TestWhatIsStillHeldAfterAnEvictionIsNotGivenAway(t *testing.T) {
	b, now := manual(1 << 20)
	s := b.Share("test", 0)
	told := 0
	late := s.Open(address(1), func() { told++ })
	if err := late.Hold(800 << 10); err != nil {
		t.Fatal(err)
	}
	*now += time.Minute
	second := hold(t, s, address(2), 200<<10)
	c := s.Open(address(3), nil)
	if err := c.Hold(100 << 10); !errors.Is(err, ErrFull) {
		t.Errorf("memory was given away twice: %v", err)
	}
	if told != 1 || second.gone.Load() {
		t.Errorf("told %d times; the second was evicted: %t", told, second.gone.Load())
	}
	late.Close()
	if err := c.Hold(100 << 10); err != nil {
		t.Error(err)
	}
}

func TestAnAddressIsTrimmedByItsSlowest(t *testing.T) {
	b, now := manual(0)
	s := b.Share("test", 0)
	slow, other := hold(t, s, address(1), 50), hold(t, s, address(2), 500)
	fast := hold(t, s, address(1), 60)
	for range 10 {
		*now += time.Second
		fast.Progress(fast.Held() + 1<<20)
	}
	s.Trim(address(1), 100, fast.Charge)
	if !slow.gone.Load() || fast.gone.Load() || other.gone.Load() {
		t.Error("not the slow one of that address was evicted")
	}
	s.Trim(address(1), 10, fast.Charge)
	if err := fast.Hold(1); !errors.Is(err, ErrEvicted) || fast.gone.Load() {
		t.Error("the own charge is not told by its Hold:", err)
	}
}

func TestNilChargesNothing(t *testing.T) {
	var b *Budget
	c := b.Share("test", 1).Open(address(1), nil)
	if err := errors.Join(c.Hold(1<<40), c.Pin()); err != nil {
		t.Error(err)
	}
	c.Progress(1)
	c.Free(1)
	c.Close()
	if c.Held() != 0 || b.Held() != 0 || b.HeldBy(address(1), 64) != 0 || b.Usage() != nil {
		t.Error("something is held")
	}
}

func TestManyAtOnceEndWithNothingHeld(t *testing.T) {
	b := New(1 << 20)
	shares := []*Share{b.Share("a", 0), b.Share("b", 512<<10)}
	var all sync.WaitGroup
	for g := range 8 {
		all.Go(func() {
			for n := range 2000 {
				var c *Charge
				c = shares[n%2].Open(address(g), func() { c.Close() })
				for range 8 {
					if c.Hold(16<<10) != nil {
						break
					}
					c.Progress(16 << 10)
					if b.Held() > 1<<20+8*(16<<10) { // each of eight may be about to be refused
						t.Error("more is held than there is")
					}
				}
				c.Free(1 << 10)
				c.Close()
			}
		})
	}
	all.Wait()
	for _, u := range b.Usage() {
		if u.Held != 0 {
			t.Errorf("%+v", u)
		}
	}
	for i := range b.shards {
		if b.shards[i].first != nil {
			t.Error("a closed charge is still listed")
		}
	}
}

func BenchmarkHoldAndFree(b *testing.B) {
	c := New(1<<30).Share("test", 0).Open(address(1), func() {})
	b.ReportAllocs()
	for b.Loop() {
		_ = c.Hold(1000)
		c.Free(1000)
	}
}

func BenchmarkProgress(b *testing.B) {
	c := New(1<<30).Share("test", 0).Open(address(1), func() {})
	for b.Loop() {
		c.Progress(1000)
	}
}

func BenchmarkOpenAndClose(b *testing.B) {
	s := New(1<<30).Share("test", 0)
	evict := func() {}
	b.ReportAllocs()
	for b.Loop() {
		s.Open(address(1), evict).Close()
	}
}

// BenchmarkHoldUnderAttack is a Hold while 10,000 others hold all there is.
func BenchmarkHoldUnderAttack(b *testing.B) {
	s := New(64<<20).Share("test", 0)
	for n := range 10_000 {
		var c *Charge
		c = s.Open(address(n), func() { c.Close() })
		_ = c.Hold(6 << 10)
	}
	for b.Loop() {
		var c *Charge
		c = s.Open(address(1), func() { c.Close() })
		_ = c.Hold(6 << 10)
	}
}

func TestWhoCanDoWithoutEvictsNobody(t *testing.T) {
	b, now := manual(1 << 20)
	s := b.Share("test", 0)
	slow := hold(t, s, address(1), 900<<10)
	*now += time.Minute
	c := s.Open(address(2), nil)
	if err := c.TryHold(100 << 10); !errors.Is(err, ErrFull) {
		t.Errorf("there is room for more than there is: %v", err)
	}
	if err := c.TryHold(50 << 10); err != nil {
		t.Error(err)
	}
	if slow.gone.Load() || b.Held() != 950<<10 || c.Held() != 50<<10 {
		t.Errorf("%d bytes are held, %d of them by who asked", b.Held(), c.Held())
	}
	c.Close()
	slow.Close()
	if b.Held() != 0 {
		t.Errorf("%d bytes are left", b.Held())
	}
}

func TestWhoHoldsLocksClaimsAndLeavesEvictingToOthers(t *testing.T) {
	b := New(160)
	s := b.Share("x", 0)
	evicted := 0
	var idle *Charge
	idle = s.Open(netip.MustParseAddr("192.0.2.1"), func() { evicted++; idle.Close() })
	if tight, err := idle.Claim(140); tight || err != nil {
		t.Fatal(tight, err)
	}
	c := s.Open(netip.MustParseAddr("192.0.2.1"), func() { t.Error("the wrong one was evicted") })
	if tight, err := c.Claim(15); !tight || err != nil || evicted > 0 {
		t.Fatal(tight, err, evicted)
	}
	if _, err := c.Claim(10); err != ErrFull {
		t.Fatal(err)
	}
	c.Relieve()
	if evicted != 1 || b.Held() != 15 {
		t.Errorf("%d were evicted, and %d bytes are held", evicted, b.Held())
	}
	if tight, err := c.Claim(10); tight || err != nil {
		t.Error(tight, err)
	}
	if _, err := idle.Claim(1); err != ErrEvicted {
		t.Error(err)
	}
}

// Claims evict nobody at once, so those who take most can be ahead of who evicts them:
// somebody who holds little is not refused for that.
func TestTheLastOfTheRoomIsForThoseWhoHoldLittle(t *testing.T) {
	const limit = 4 << 20
	share := New(limit).Share("messages", 0)
	most := share.Open(netip.MustParseAddr("192.0.2.1"), func() {})
	defer most.Close()
	for {
		if _, err := most.Claim(8 << 10); err != nil {
			break
		}
	}
	few := share.Open(netip.MustParseAddr("192.0.2.2"), func() {})
	defer few.Close()
	if _, err := few.Claim(32 << 10); err != nil {
		t.Errorf("32 KiB: %v", err)
	}
	if _, err := few.Claim(limit); !errors.Is(err, ErrFull) {
		t.Errorf("more than all of it: %v", err)
	}
}
