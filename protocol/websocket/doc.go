// Package websocket is the WebSocket protocol (RFC 6455) with permessage-deflate (RFC
// 7692). HTTP requests become connections in [Server.Upgrade], and [Client.Dial] opens
// connections to other servers; what peers send comes to [Handler.OnMessage], and
// [Conn.Send] and its relatives send to them.
//
// # Two links
//
// A connection's bytes are carried by one of two links behind one small interface
// (link, in conn.go), and one behaviour suite runs over both:
//
//   - On Linux a TCP connection becomes a socket on an event loop: the descriptor is
//     duplicated, the net.Conn closed, and nothing of net/http kept. Under TLS that needs
//     a listener by [NewListener].
//   - Other systems, TLS without that listener, and any other net.Conn get a stream: a
//     goroutine that reads, and one that writes while there is something to write.
//
// The event loop is ours because that was measured to be the cheapest way of holding
// many connections that are mostly silent. Bare prototypes on one machine with two
// cores, every message checked:
//
//	                          idle KB   CPU µs: single   burst   round   pipelined
//	                          a conn    broadcast        of 20   trip    x16
//	goroutine a connection    7–11.5    13.6             1.6–9   18.5    11
//	a general event library   0.97      12.2             0.97    18.5    1.8
//	epoll loop as here        0.47      12.1             0.85    14.4    1.7
//
// 87 % of a round trip is in the kernel, so the design saves system calls: one read
// a readiness, one write for all replies to it, one write for all that was posted.
// A batch for hundreds of connections waits a moment while more is being posted
// (loop.hold), which halves or thirds the cost of a burst.
// One busy loop was cheaper than two half-idle ones (Options.Loops).
//
// # TLS
//
// Under TLS a socket keeps the [crypto/tls.Conn] that shook hands, and reads and writes
// through it (secure, in secure_linux.go). That never waits, since what it has below is
// not a net.Conn of the system any more but the socket itself: a read for which nothing
// has arrived fails with a temporary error, after which crypto/tls goes on where it was,
// and a write only keeps the records, which leave as there is room. What TLS says by
// itself, as answers to new keys and alerts, leaves the same way.
//
// crypto/tls does not let go of the net.Conn that it was made with, and a *net.TCPConn
// can only wait: one whose deadline has passed does not even look at what is there. So
// what is below has to be ours from the beginning, for which the program's listener is
// wrapped, in one line that fits every use of net/http. Where that line is missing
// WebSockets work as streams do.
//
// The kernel's TLS would save the copies of records, but Go's standard library hands out
// no keys for it but to a log (Config.KeyLogWriter), has no way of taking part in changes
// of them, and the kernel does not shake hands: what it would save, one copy of some
// hundred bytes a message, is not worth a second implementation of TLS.
//
// # Memory
//
// An idle connection on a loop is one allocation of a few hundred bytes; under TLS
// crypto/tls keeps besides some 4 KB: the tables of two keys of AES-GCM are 1.8 KB, its
// Conn with its secrets 1.2, buffers for records 0.8. Of the latter it lets none go:
// they stay as large as the largest record that arrived, with one of 16 KB up to twice that.
// Read buffers belong to the loop; a buffer for a message that has arrived in part, and a
// queue of what waits for the peer to read, are borrowed from pools while needed.
//
// # Concurrency
//
// All methods are safe for concurrent use and none blocks, except Shutdown. The
// handler's methods of one connection are called in turn by its link's reading
// goroutine; on an event loop that is the loop, so a handler must not block. No lock
// is held meanwhile, so it may call every method of the connection.
//
// Order of locks: Server.mu → loop.mu and Conn.mu → loop.mu. Server.mu and Conn.mu
// are never held together.
//
// # The end of a connection
//
// Conn.endLocked alone decides it, once, with the first reason that was given:
//
//  1. The state becomes dead, under Conn.mu: from here on nobody uses the descriptor
//     for writing.
//  2. The link is told to shut, and wakes its reading goroutine, for only that may
//     close the descriptor: a number that is closed elsewhere could be given to
//     another connection while the reader is about to use it.
//  3. The reading goroutine closes the descriptor, and frees its slot. Each slot counts
//     its owners, and an event carries the count, so that one which the kernel
//     reported for an earlier owner is dropped.
//  4. It calls OnClose, and only then counts the connection out: Shutdown returns after
//     the last OnClose.
package websocket
