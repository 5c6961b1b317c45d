// Package budget bounds the memory that strangers can make a process hold.
//
// Whoever keeps something for a client (an unfinished message, a queue, a body
// that is still arriving) opens a [Charge] for the client's address and charges
// it with the bytes that are really taken. Charges belong to a [Share], which is
// one kind of use with a bound of its own, and all shares to one [Budget], which
// is what the machine has. Nothing but numbers comes in, and nothing but a
// decision goes out: the package holds no memory for anybody and starts no
// goroutine.
//
//	machine := budget.New(96 << 20)
//	messages := machine.Share("messages", 48<<20)
//
//	charge := messages.Open(addr, func() { conn.Close() })
//	defer charge.Close()
//	...
//	if err := charge.Hold(int64(len(chunk))); err != nil {
//		return err // ErrEvicted or ErrFull: drop what was kept
//	}
//	charge.Progress(int64(len(chunk))) // the client brought something
//
// # Who goes first
//
// While there is room, nothing is judged. When a Hold finds less than a sixteenth
// of a bound free, charges are evicted until an eighth is free, in this order:
//
//   - Whoever takes the most and gives the least goes first. A charge's rank is
//     the bytes that it holds times the third power of how much slower it is than
//     64 KiB a second, at most 32 times slower. What it gave is what Progress was
//     told in the last two to four seconds; of what comes at once, 16 KiB count, and
//     more at 128 KiB a second: who gives much at once and then crawls is slow.
//   - A newcomer has yet to show its pace. It counts as three sixteenths as fast as
//     64 KiB a second, and as that fast when it gave steadily for a second.
//   - Where that makes no great difference, the larger share of its address's
//     network does: IPv6 by /64, /56 and /48, IPv4 by address. It weighs at most
//     twice, so that many who share an address are not worse off than many
//     who have one each: it is pace that tells a crowd from an attacker.
//
// Nobody is evicted in vain: where evicting everybody would not make the room,
// the Hold is refused with [ErrFull] instead.
package budget
