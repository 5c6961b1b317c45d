package officialwire

import (
	"context"
	"fmt"
	"unicode/utf16"

	goredis "github.com/redis/go-redis/v9"

	"podium/protocol/internal/nodewire"
	"podium/protocol/socketio"
)

// Sharded joins servers that use createShardedAdapter of @socket.io/redis-adapter 8, on
// Redis 7 or later. Its Join is what [socketio.Options].Cluster takes. The servers must
// agree about Options.Subscriptions, Node's too.
//
// Messages are delivered at most once, and nothing is kept: what is published while a
// server is not connected to Redis is lost on it. In the dynamic modes a room has a
// channel of its own, and each server subscribes to those of its rooms. A join by a
// handler waits until that is done; one that another server asks for does not, so that
// an event which follows it at once may pass it. On Node's servers that is so for every
// join.
type Sharded struct{ Options }

// Subscriptions says which rooms have channels of their own in the sharded adapter: its
// option subscriptionMode.
type Subscriptions string

// The modes.
const (
	Dynamic        Subscriptions = "dynamic"         // all but those of single sockets, told by names of 20 characters
	DynamicPrivate Subscriptions = "dynamic-private" // all
	Static         Subscriptions = "static"          // none
)

// sharded is one server's place among them.
type sharded struct{ *link }

var _ socketio.RoomListener = sharded{}

// Join is what [socketio.Options].Cluster takes.
func (s Sharded) Join(self socketio.Member, node socketio.Node) (socketio.Cluster, error) {
	o := s.Options.withDefaults()
	switch o.Subscriptions {
	case Dynamic, DynamicPrivate, Static:
	default:
		return nil, fmt.Errorf("officialwire: Options.Subscriptions is %q: want dynamic, dynamic-private or static", o.Subscriptions)
	}
	var shards []string
	for _, nsp := range o.Namespaces {
		shards = append(shards, o.channel(nsp), o.channel(nsp)+self.ID+"#")
	}
	var place sharded
	ready := make(chan struct{})
	l, err := open(o, self, node, topics{shards: shards}, func(channel, payload string) {
		<-ready
		place.deliverWhole(channel, payload)
	})
	if err != nil {
		return nil, err
	}
	place.link = l
	close(ready)
	return place, nil
}

// channel returns the channel of a namespace.
func (o Options) channel(namespace string) string { return o.Prefix + "#" + namespace + "#" }

// apart reports whether a room has a channel of its own.
func (s sharded) apart(room string) bool {
	switch s.o.Subscriptions {
	case Dynamic:
		return len(utf16.Encode([]rune(room))) != idLength
	case DynamicPrivate:
		return true
	}
	return false
}

// idLength is the length of a socket's id in JavaScript's units: Node takes every room
// with such a name for a socket.
const idLength = 20

// Members implements [socketio.Cluster]. The wire does not tell who they are.
func (s sharded) Members(ctx context.Context, namespace string) ([]socketio.Member, error) {
	if !s.shares(namespace) {
		return nil, nil
	}
	channel := s.o.channel(namespace)
	counts, err := s.o.Client.PubSubShardNumSub(ctx, channel).Result()
	if err != nil {
		return nil, fmt.Errorf("officialwire: count the servers: %w", err)
	}
	return make([]socketio.Member, max(counts[channel]-1, 0)), nil
}

// Send implements [socketio.Cluster].
func (s sharded) Send(ctx context.Context, m *socketio.Message) error {
	whole, ok := nodewire.Whole(m, s.self)
	if !ok || !s.shares(m.Namespace) {
		return nil
	}
	payload, err := nodewire.Write(whole, len(m.Attachments) > 0)
	if err != nil {
		return fmt.Errorf("officialwire: encode: %w", err)
	}
	channel := s.o.channel(m.Namespace)
	switch {
	case m.To != "":
		channel += m.To + "#"
	case m.Kind == socketio.MessageEvent && len(m.Rooms) == 1 && s.apart(m.Rooms[0]):
		channel += m.Rooms[0] + "#"
	}
	return s.do(ctx, func(ctx context.Context, p goredis.Pipeliner) { p.SPublish(ctx, channel, payload) })
}

// ListenRoom implements [socketio.RoomListener].
func (s sharded) ListenRoom(namespace, room string) { s.change(namespace, room, true) }

// ForgetRoom implements [socketio.RoomListener].
func (s sharded) ForgetRoom(namespace, room string) { s.change(namespace, room, false) }

func (s sharded) change(namespace, room string, wanted bool) {
	if s.shares(namespace) && s.apart(room) {
		s.rooms.want(s.link, change{s.o.channel(namespace) + room + "#", wanted})
	}
}

// AwaitRooms implements [socketio.RoomListener].
func (s sharded) AwaitRooms(ctx context.Context, namespace string, rooms []string) error {
	var channels []string
	for _, room := range rooms {
		channels = append(channels, s.o.channel(namespace)+room+"#")
	}
	return s.rooms.await(ctx, channels)
}
