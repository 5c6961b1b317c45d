// Package cost checks that whatever reads a stranger's bytes has a bounded cost for each, so that a
// small request cannot make the server compute for long. Tests and fuzz targets come in;
// nothing goes out but their failures. The library's parsers have
// protocol/internal/cost for that, which no other module may import.
package cost

import (
	"runtime"
	"testing"
	"time"
)

// Limit is what an input may cost: a base, and so much for each of its bytes. It should be
// generous, because machines differ and may be busy: what it catches is cost that grows
// faster than the input.
type Limit struct {
	Base, Byte             time.Duration
	BaseMemory, ByteMemory uint64 // bytes that are allocated, also those that are free again
}

// Parsing is for what is read in memory.
var Parsing = Limit{100 * time.Millisecond, 5 * time.Microsecond, 256 << 10, 128}

// attempts is how often an input is tried; the cheapest counts.
const attempts = 3

// Check fails the test where f takes more than an input of size bytes may cost. It must
// not run in parallel with other tests.
func (l Limit) Check(t testing.TB, size int, f func()) {
	t.Helper()
	took, allocated := time.Duration(1<<62), uint64(1<<62)
	for range attempts {
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		began := time.Now()
		f()
		took = min(took, time.Since(began))
		runtime.ReadMemStats(&after)
		allocated = min(allocated, after.TotalAlloc-before.TotalAlloc)
		if took <= l.Base+time.Duration(size)*l.Byte && allocated <= l.BaseMemory+uint64(size)*l.ByteMemory {
			return
		}
	}
	t.Fatalf("%d bytes took %v and %d bytes of memory", size, took, allocated)
}
