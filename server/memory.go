package server

// What the process takes whatever clients do, in bytes.
const (
	programMemory = 20 << 20 // Go's runtime, the program's own data, the store
	decoderMemory = 26 << 20 // the compiled decoders of pictures, once each was needed
)

// garbageMemory is how much of the memory is left for what the collector has yet to
// find: near the limit it runs as often as that takes.
func garbageMemory(limit int64) int64 { return limit / 16 }

// heldMemory is how much of the memory may be held for clients, whatever for: what
// is left of it.
func heldMemory(limit int64) int64 {
	if limit == 0 {
		return 4 << 30
	}
	return max(64<<20, limit-programMemory-decoderMemory-2*feedMemory(limit)-garbageMemory(limit))
}

// pictureBudget is how much of the memory decoding pictures may use.
func pictureBudget(limit int64) int64 {
	if limit == 0 {
		return 1 << 30
	}
	return max(32<<20, limit/2)
}

// feedMemory is how much of the memory the feed may take as JSON. It takes as much
// again for what cannot be compressed.
func feedMemory(limit int64) int64 {
	if limit == 0 {
		return 256 << 20
	}
	return max(4<<20, limit/32)
}
