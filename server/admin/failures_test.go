package admin

import (
	"fmt"
	"net/netip"
	"testing"
	"time"
)

// Who rotates through the /64s of a /48 has no more tries than the total, and
// nobody elsewhere is told to wait.
func TestRotatingThroughANetworkIsBoundedByTheTotal(t *testing.T) {
	f, now := newFailures(60), time.Unix(1_700_000_000, 0)
	judged := 0
	try := func(addr netip.Addr) time.Duration {
		return f.begin("address "+addr.String(), around(addr), now)
	}
	for n := range 26_580 { // ten times what got through in a minute
		now = now.Add(time.Minute / 26_580)
		if try(netip.MustParseAddr(fmt.Sprintf("2001:db8:1:%x::1", n))) == 0 {
			judged++
			f.failed(now)
		}
	}
	if judged > 60+60+neighbours {
		t.Errorf("%d were judged in a minute", judged)
	}
	for _, text := range []string{"2001:db8:2::1", "192.0.2.1"} {
		addr := netip.MustParseAddr(text)
		if wait := try(addr); wait != 0 {
			t.Errorf("%s waits %s for what others do", text, wait)
		}
		f.succeeded("address "+addr.String(), around(addr))
	}
	if f.recent.Len() > 300 {
		t.Errorf("%d records are kept of those who were not judged", f.recent.Len())
	}
	now = now.Add(forgetAfter + time.Second)
	if wait := try(netip.MustParseAddr("2001:db8:1:ffff::1")); wait != 0 {
		t.Errorf("an hour later it still waits %s", wait)
	}
}
