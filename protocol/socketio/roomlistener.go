package socketio

import (
	"context"
	"time"
)

// RoomListener is a [Cluster] in which what is meant for one room travels apart, so that
// only the servers that have the room get it. It is told of the rooms on this server, a
// socket's own among them, while it joins and leaves them: ListenRoom and ForgetRoom are
// called one at a time for each namespace, and must not block.
type RoomListener interface {
	Cluster
	// ListenRoom has what is sent to the room arrive here.
	ListenRoom(namespace, room string)
	// ForgetRoom says that no socket here is in the room any more.
	ForgetRoom(namespace, room string)
	// AwaitRooms returns when what is sent to the rooms arrives here.
	AwaitRooms(ctx context.Context, namespace string, rooms []string) error
}

// listener returns who wants to know which rooms the namespace has, or nil.
func (n *Namespace) listener() RoomListener {
	if c := n.server.cluster; c != nil {
		return c.listener
	}
	return nil
}

// openLocked notes that there is somebody in a room. roster.mu must be held.
func (r *roster) openLocked(n *Namespace, room string) {
	if l := n.listener(); l != nil {
		l.ListenRoom(n.name, room)
	}
}

// closeLocked notes that a socket has left a room. roster.mu must be held.
func (r *roster) closeLocked(n *Namespace, room string) {
	if l := n.listener(); l != nil && r.rooms[room] == nil && r.ids[room] == nil {
		l.ForgetRoom(n.name, room)
	}
}

// listenTimeout is how long a join waits for what other servers send to the room.
const listenTimeout = time.Second

// awaitRooms returns when what other servers send to rooms arrives here, so that a client
// that knows of its join misses nothing. It must not be called by a cluster's Deliver.
func (n *Namespace) awaitRooms(rooms []string) {
	l := n.listener()
	if l == nil || len(rooms) == 0 {
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), listenTimeout)
	defer cancel()
	if err := l.AwaitRooms(ctx, n.name, rooms); err != nil {
		n.server.opts.Logger.Warn("socket.io cluster: a room is not listened to yet", "error", err)
	}
}
