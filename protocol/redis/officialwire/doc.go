// Package officialwire lets a server join Node servers that are one by Redis, and so
// lets it take their place one by one: it speaks the wires of their adapters.
//
//	client := redis.NewClient(&redis.Options{Addr: "localhost:6379", MaxRetries: -1})
//	node := officialwire.Classic{Options: officialwire.Options{Client: client}}
//	srv := socketio.NewServer(socketio.Options{Cluster: node.Join})
//
// [Classic] is @socket.io/redis-adapter with createAdapter, and @socket.io/redis-emitter;
// [Sharded] is the same package with createShardedAdapter, in its three modes; [Streams]
// and [OpenStream] are @socket.io/redis-streams-adapter 0.3, and its emitter. Both ways go
// broadcasts with rooms, exceptions and flags, binary, acknowledgements, FetchSockets,
// SocketsJoin, SocketsLeave, DisconnectSockets and ServerSideEmit.
//
// The Emitter of each sends from a process that has no sockets.
//
// What cannot be read is logged and passed over; it stops nothing.
//
// # A mixed cluster
//
// What goes between our servers (Go) and official ones (Node), by wire:
//
//	                          classic  sharded  streams  streams as a log  PostgreSQL
//	Emit, rooms, except       both     both     both     both              both
//	volatile, compress        both     both     both     both              both
//	binary                    both     both     both     both              both
//	acknowledgements          both     both     both     both              both
//	FetchSockets              both     both     both     both              both
//	SocketsJoin, Leave        both     both     both     both              both
//	DisconnectSockets         both     both     both     both              both
//	ServerSideEmit, with ack  both     both     both     both              both
//	official emitter          obeyed   none     (1)      (1)               obeyed (2)
//	our Emitter               both     both     both     both              both
//	order of a sender         kept     kept (3) kept     kept              ours kept (4)
//	one order for all         no       no       no       on ours           no
//	recovery on another       no       no       no       both (5)          no
//
// (1) Its messages are those of the wire; none of it is on npm to test with.
// (2) Node's own servers pass over what that emitter sends. (3) Where a room has a channel
// of its own, an event for it may pass one for others only if Redis moves slots. (4) Node
// sends by several connections at once. (5) See below.
//
// The wire for PostgreSQL is package podium/protocol/postgres/officialwire, so that this
// one brings no driver for that along.
//
// # What it promises
//
// What Node's adapters do, and not what package redis does among our own servers:
// messages arrive at most once, and servers are known by number only, so that a question
// waits for its whole time where one dies before it has answered; one that is asked later
// waits for nobody who is gone. Answers have one value, as Node's. A socket that goes
// before it acknowledged is waited for as well, by Node.
//
// With the Join of [Streams] no sessions are shared: a client recovers on Node servers if
// they do that, and on the server that it had if that has a [socketio.Recovery] of its own
// with a log that is not shared.
//
// # The stream as a log
//
// [OpenStream] makes the stream itself the log of our servers. Then among ours every event
// that is neither volatile nor acknowledged reaches each client once, and in the order of
// the stream, which a server's own events wait for too. Offsets are the stream's ids, and
// sessions stand in Redis as Node's do, while the client is connected already: official
// clients of ours recover on Node servers, also where ours was killed, and Node's on ours.
//
// What Node promises less stays so on Node: its own events come there in another order than
// the stream's; a client without an event is not recovered; volatile events are sent again;
// sessions of a server that was killed are lost, but for those of ours. A session that a
// Node server has taken up is no longer ours to recover until that stores it. A client that
// is at two servers at once, half open at one, is closed by the other only among ours.
// Where Redis restarts without its data, or fails over to a replica that is behind, our
// clients are told, if what they had is gone.
//
// Redis Cluster, streams adapters older than 0.3 as receivers of answers, and requests of
// socket.io-redis that name a single socket are not spoken.
package officialwire
