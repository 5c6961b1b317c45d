package limits

import (
	"fmt"
	"net/http"
	"net/netip"
	"sync"
	"testing"
	"time"

	"podium/protocol/budget"
)

func prefixes(list ...string) (p []netip.Prefix) {
	for _, text := range list {
		p = append(p, netip.MustParsePrefix(text))
	}
	return p
}

func TestTheAddressComesFromAHeaderOnlyBehindATrustedProxy(t *testing.T) {
	forwarded := Addresses{Proxies: prefixes("10.0.0.0/8", "fd00::/8"), Header: "X-Forwarded-For"}
	fly := Addresses{Proxies: prefixes("172.16.0.0/12"), Header: "Fly-Client-IP"}
	for _, row := range []struct {
		name, peer, header, value, want string
		addresses                       Addresses
	}{
		{"no proxy trusted", "10.0.0.1:5", "X-Forwarded-For", "1.2.3.4", "10.0.0.1", Addresses{Header: "X-Forwarded-For"}},
		{"a stranger's header", "9.9.9.9:5", "X-Forwarded-For", "1.2.3.4", "9.9.9.9", forwarded},
		{"a proxy's header", "10.0.0.1:5", "X-Forwarded-For", "1.2.3.4", "1.2.3.4", forwarded},
		{"made up on the left", "10.0.0.1:5", "X-Forwarded-For", "6.6.6.6, 1.2.3.4", "1.2.3.4", forwarded},
		{"two proxies", "10.0.0.1:5", "X-Forwarded-For", "6.6.6.6, 1.2.3.4, 10.0.0.2", "1.2.3.4", forwarded},
		{"garbage on the right", "10.0.0.1:5", "X-Forwarded-For", "1.2.3.4, unknown", "10.0.0.1", forwarded},
		{"no header", "10.0.0.1:5", "X-Other", "1.2.3.4", "10.0.0.1", forwarded},
		{"with a port", "10.0.0.1:5", "X-Forwarded-For", "1.2.3.4:777", "1.2.3.4", forwarded},
		{"IPv6", "[fd00::1]:5", "X-Forwarded-For", "2001:db8::7", "2001:db8::7", forwarded},
		{"mapped IPv4", "[::ffff:10.0.0.1]:5", "X-Forwarded-For", "::ffff:1.2.3.4", "1.2.3.4", forwarded},
		{"Fly", "172.16.3.2:5", "Fly-Client-IP", "2001:db8::7", "2001:db8::7", fly},
		{"Fly's header elsewhere", "8.8.8.8:5", "Fly-Client-IP", "2001:db8::7", "8.8.8.8", fly},
	} {
		t.Run(row.name, func(t *testing.T) {
			r := &http.Request{RemoteAddr: row.peer, Header: http.Header{}}
			r.Header.Set(row.header, row.value)
			if got := row.addresses.Of(r).String(); got != row.want {
				t.Errorf("%s, want %s", got, row.want)
			}
		})
	}
}

func TestIPv6CountsByItsNetwork(t *testing.T) {
	for text, want := range map[string]string{
		"1.2.3.4": "1.2.3.4/32", "::ffff:1.2.3.4": "1.2.3.4/32", "2001:db8:1:2:3:4:5:6": "2001:db8:1:2::/64", "fe80::1%eth0": "fe80::/64",
	} {
		if got := Key(netip.MustParseAddr(text)).String(); got != want {
			t.Errorf("%s: %s, want %s", text, got, want)
		}
	}
}

func TestARateHoldsPerAddressAndInTotal(t *testing.T) {
	r := NewRate("test", PerSecond{Address: 2, AddressBurst: 2, Total: 100, TotalBurst: 3})
	a, b, now := netip.MustParseAddr("1.1.1.1"), netip.MustParseAddr("2.2.2.2"), time.Unix(1000, 0)
	for range 2 {
		if wait := r.Allow(a, now); wait != 0 {
			t.Fatal(wait)
		}
	}
	if wait := r.Allow(a, now); wait <= 0 || wait > time.Second {
		t.Fatalf("the third of one address waits %v", wait)
	}
	if wait := r.Allow(b, now); wait != 0 {
		t.Fatal("another address waits for the first")
	}
	if r.Allow(b, now) == 0 {
		t.Fatal("the limit in total does not hold")
	}
	if got := r.Refusals(); got.Address != 1 || got.Total != 1 {
		t.Fatalf("%+v", got)
	}
	if wait := r.Allow(a, now.Add(time.Second)); wait != 0 {
		t.Fatal("tokens do not come back")
	}
}

func TestARateRemembersABoundedNumberOfAddresses(t *testing.T) {
	r := NewRate("test", PerSecond{Address: 1})
	for i := range maxBuckets + 500 {
		r.Allow(netip.MustParseAddr(fmt.Sprintf("2001:db8:%x:%x::1", i>>12, i&0xfff)), time.Unix(1000, 0))
	}
	if len(r.buckets) != maxBuckets || r.recent.Len() != maxBuckets {
		t.Fatalf("%d addresses are remembered", len(r.buckets))
	}
}

func TestAGateCountsPlacesAndForgetsThoseWhoLeft(t *testing.T) {
	g := NewGate("test", 2, 3)
	a, b := netip.MustParseAddr("1.1.1.1"), netip.MustParseAddr("2.2.2.2")
	got := []bool{g.Enter(a), g.Enter(a), g.Enter(a), g.Enter(b), g.Enter(b)}
	want := []bool{true, true, false, true, false}
	for i := range want {
		if got[i] != want[i] {
			t.Fatalf("%v, want %v", got, want)
		}
	}
	g.Leave(a)
	g.Leave(a)
	g.Leave(b)
	if g.Count() != 0 || len(g.counts) != 0 {
		t.Fatal("places are not given back")
	}
	if got := g.Refusals(); got.Address != 1 || got.Total != 1 {
		t.Fatalf("%+v", got)
	}
}

// What is refused takes nothing, also where many are refused at the same time.
func TestRefusalsAtOnceTakeNoTokens(t *testing.T) {
	for name, limit := range map[string]PerSecond{
		"of one address": {Address: 1, AddressBurst: 1},
		"in total":       {Total: 1, TotalBurst: 1},
		"of both":        {Address: 2, AddressBurst: 2, Total: 1, TotalBurst: 1},
	} {
		t.Run(name, func(t *testing.T) {
			r, addr, now := NewRate("test", limit), netip.MustParseAddr("1.1.1.1"), time.Unix(1000, 0)
			if wait := r.Allow(addr, now); wait != 0 {
				t.Fatal(wait)
			}
			var all sync.WaitGroup
			for range 8 {
				all.Go(func() {
					for range 5_000 {
						if wait := r.Allow(addr, now); wait <= 0 || wait > time.Second {
							t.Errorf("who asks waits %v", wait)
							return
						}
					}
				})
			}
			all.Wait()
			if wait := r.Allow(addr, now.Add(time.Second)); wait != 0 {
				t.Errorf("a second later it still waits %v", wait)
			}
		})
	}
}

// Looking for a place takes none from who enters at the same time.
func TestLookingForRoomTakesNone(t *testing.T) {
	g, addr := NewGate("test", 1, 1), netip.MustParseAddr("1.1.1.1")
	stop := make(chan struct{})
	var looking sync.WaitGroup
	for range 4 {
		looking.Go(func() {
			for {
				select {
				case <-stop:
					return
				default:
					g.Room(addr)
				}
			}
		})
	}
	refused := 0
	for range 5_000 {
		if !g.Enter(addr) {
			refused++
			continue
		}
		g.Leave(addr)
	}
	close(stop)
	looking.Wait()
	if refused > 0 {
		t.Errorf("%d of those who entered one by one were refused", refused)
	}
}

func TestPlacesTakeMemory(t *testing.T) {
	memory := budget.New(1 << 20)
	g := NewGate("test", 0, 0)
	addr := netip.MustParseAddr("192.0.2.1")
	if !g.Enter(addr) { // before there is anything to charge
		t.Fatal("no place")
	}
	g.Charge(memory.Share("places", 0), 100<<10)
	n := 1
	for g.Enter(addr) {
		n++
	}
	if n != 10 || memory.Held() != int64(n)*100<<10 || g.Refusals().Total != 1 {
		t.Errorf("%d places take %d bytes", n, memory.Held())
	}
	g.LeaveN(addr, n)
	if memory.Held() != 0 || g.Count() != 0 {
		t.Errorf("%d bytes are left", memory.Held())
	}
}
