// Package cost holds parsers to what an input may cost: a bound of time and memory for
// each of its bytes, so that a small request cannot make the server compute for long.
// Tests and fuzz targets come in; nothing goes out but their failures.
package cost

import (
	"runtime"
	"testing"
	"time"
)

// What an input may cost: a base, and so much a byte. They are generous, because
// machines differ and the race detector slows everything down: what they catch is cost
// that grows faster than the input.
const (
	baseTime  = 100 * time.Millisecond
	timeByte  = 5 * time.Microsecond
	baseAlloc = 256 << 10
	allocByte = 128
	attempts  = 3 // the cheapest counts: the machine may be busy
)

// Bound fails the test where f takes more than an input of that many bytes may cost. It
// must not run in parallel with other tests.
func Bound(t testing.TB, input int, f func()) {
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
		if took <= baseTime+time.Duration(input)*timeByte && allocated <= baseAlloc+uint64(input)*allocByte {
			return
		}
	}
	t.Fatalf("%d bytes took %v and %d bytes of memory", input, took, allocated)
}
