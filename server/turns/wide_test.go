package turns

import (
	"fmt"
	"net/netip"
	"slices"
	"testing"
	"testing/synctest"
)

// rotated is an address in the i-th /64 of a /48.
func rotated(i int) netip.Addr { return netip.MustParseAddr(fmt.Sprintf("2001:db8:7:%x::1", i)) }

// honest is one of another network.
var honest = netip.MustParseAddr("2001:db8:8::1")

func TestWhoRotatesThroughANetworkDelaysAnotherByOne(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		turns, ran := NewTurns(1), make(chan netip.Addr, 20)
		if err := turns.Enter(t.Context()); err != nil {
			t.Fatal(err)
		}
		addresses := []netip.Addr{rotated(1), rotated(1), rotated(2), rotated(3), honest, honest, netip.MustParseAddr("192.0.2.1")}
		for _, address := range addresses {
			go func() {
				if turns.Enter(WithAddress(t.Context(), address)) == nil {
					ran <- address
				}
			}()
			synctest.Wait()
		}
		if n := turns.Waiting(); n != len(addresses) {
			t.Errorf("%d wait", n)
		}
		var got []netip.Addr
		for range addresses {
			turns.Leave()
			got = append(got, <-ran)
		}
		want := []netip.Addr{rotated(1), honest, addresses[6], rotated(2), honest, rotated(3), rotated(1)}
		if !slices.Equal(got, want) {
			t.Errorf("%v, want %v", got, want)
		}
		turns.Leave()
		if turns.Waiting() != 0 || turns.free != 1 || len(turns.queue.members) != 0 {
			t.Error("something is left")
		}
	})
}
