package socketio

// The order of locks. Who holds one takes only those that stand further down, so that
// nobody waits for another in a circle. Locks that are not in the list guard the fields
// behind them for a moment, and no other is taken under them.
//
//	the session's, that calls OnMessage    one message of a connection after the other
//	Socket.ending                          a socket closes, and its session is remembered
//	saver.flushing                         session records are saved
//	publisher.startMu, publisher.reading,
//	orders.loading                         the log is read (three locks, never two)
//	publisher.mu                           logged events are delivered
//	roster.mu                              who is in a namespace and its rooms
//	Socket.mu                              what waits for a socket
//	the session's, of its state            packets are queued, reading is paused
//
// Server.mu, client.mu, saver.mu, orders.mu, committer.mu and cluster.mu are among those
// that no other is taken under. No log and no session store is called under publisher.mu
// or what stands below it.
//
// What a program registers is called under none of them, but for OnAnyOutgoing, under
// publisher.mu, which is why that must not emit; and for disconnecting hooks, under
// Socket.ending of their own socket, which is why that comes so early. A session that
// ends may do so while something is sent, below all of this: its OnClose, and whatever
// else closes sockets under a lock, leaves that to a goroutine of Server.workers.
