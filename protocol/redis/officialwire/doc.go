// Package officialwire lets a server join Node servers that are one by Redis, and so
// lets it take their place one by one: it speaks the wires of their adapters.
//
//	client := redis.NewClient(&redis.Options{Addr: "localhost:6379", MaxRetries: -1})
//	node := officialwire.Classic{Options: officialwire.Options{Client: client}}
//	srv := socketio.NewServer(socketio.Options{Cluster: node.Join})
//
// [Classic] is @socket.io/redis-adapter with createAdapter, and @socket.io/redis-emitter;
// [Sharded] is the same package with createShardedAdapter, in its three modes; [Streams]
// is @socket.io/redis-streams-adapter 0.3, and its emitter. Both ways go
// broadcasts with rooms, exceptions and flags, binary, acknowledgements, FetchSockets,
// SocketsJoin, SocketsLeave, DisconnectSockets and ServerSideEmit.
//
// The Emitter of each sends from a process that has no sockets.
//
// What cannot be read is logged and passed over; it stops nothing.
//
// # What it promises
//
// What Node's adapters do, and not what package redis does among our own servers:
// messages arrive at most once, and servers are known by number only, so that a question
// waits for its whole time where one dies before it has answered. Answers have one value,
// as Node's. A socket that goes before it acknowledged is waited for as well, by Node.
//
// The records of sessions are not shared: a client recovers its session on Node servers
// if they do that, and on the server that it had if that has a [socketio.Recovery] of its
// own with a log that is not shared.
//
// Redis Cluster, streams adapters older than 0.3 and requests of socket.io-redis that name
// a single socket are not spoken.
package officialwire
