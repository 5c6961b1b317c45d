// Package redis makes several Socket.IO servers one, on Redis 7 or later, or Valkey: a
// log that they share, their session records, and the messages between them.
//
//	engine, err := redis.Open(ctx, redis.Options{URL: "redis://localhost:6379"})
//	...
//	srv := socketio.NewServer(socketio.Options{Cluster: engine.Join, Recovery: engine.Recovery()})
//	...
//	engine.Close() // after srv.Shutdown
//
// It needs no clients but the official ones, no sticky sessions where
// socketio.Options.Address is set, and nothing of Redis but one stream, a few keys that
// begin with the prefix, and pub/sub.
//
// # The log
//
// Events are entries of a stream whose ids are E-n: E is the time at which the stream
// was made, and is the log's epoch; n is the position, without gaps. So ids do not
// depend on clocks. A batch is appended by one script, which gives it neighbouring
// positions, stamps it with the clock of Redis, does nothing where the epoch is another,
// and does it once, however often it arrives: a batch whose answer got lost is sent
// again. The stream is trimmed to Options.MaxEntries, and never to nothing.
//
// # What it promises
//
// Every client gets every event that is meant for it exactly once and in the one order
// of the log, wherever it connects and however often it moves. What that is worth is
// what Redis keeps:
//
//	Redis is                        then
//	killed, appendfsync always      nothing that an emit returned for is lost
//	killed, appendfsync everysec    the same where the process died alone; a power cut takes
//	                                up to a second, and clients that had seen that are told
//	restarted without a file        the past is lost; all clients are told, and begin anew
//	failed over                     nothing is lost where the replica had all
//	failed over, replica behind     the end is lost; clients that had seen it are told
//	away                            emits fail after socketio.Recovery.LogTimeout; clients stay
//	                                for 10 s, then they are sent elsewhere; nothing is lost
//	out of memory                   emits fail; nothing is lost. Use a policy that evicts
//	                                nothing (noeviction): an evicted stream is a lost one
//
// Sentinel, Redis Cluster and TLS are ways to the same. A server's user needs no more than
//
//	~{podium}:* ~podium:* &podium:* +@read +@write +@connection +@scripting +@pubsub -@dangerous +info +time
//
// "Told" means that a client's session is refused, so that official clients see
// recovered === false, and never that it goes on with a hole.
package redis
