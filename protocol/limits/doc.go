// Package limits bounds what the clients of a Socket.IO server may ask for, each address
// and all of them together: connections, handshakes, requests, messages, bytes.
//
//	l := limits.Default()
//	srv := socketio.NewServer(socketio.Options{Limits: l})
//
// Requests and sessions come in; a permission, or the time to wait, goes out. Every limit
// counts what it refused: see [Limits.Refusals]. A [Rate] and a [Gate] may be used by
// themselves for whatever else a program limits.
//
// # What counts as one address
//
// An IPv4 address, and of IPv6 a /64, which a household or a phone has all of; those of a
// /48 have twice as much together. Many
// people may be one address: a school behind one router, whose clients all come back at
// once where its Wi-Fi dropped. So a limit per address should be what such a crowd does
// at its worst moment, and not what one person does; the limits in total are what keeps
// the machine alive. Behind a proxy all clients are one address unless
// [Limits.Addresses] says where the proxy writes theirs.
//
// # What else is bounded
//
// Limits of a single connection or socket are in the options of engineio (MaxPayload,
// MaxQueuedBytes, MaxIdlePackets) and socketio (MaxPacketsPerSecond, MaxPendingBytes,
// MaxRooms, MaxNamespaces, MaxAuthBytes), and memory is bounded by package budget.
package limits
