package officialwire

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"time"
	"unicode/utf16"

	goredis "github.com/redis/go-redis/v9"

	"podium/protocol/internal/nodewire"
	"podium/protocol/socketio"
)

// Streams joins servers that use @socket.io/redis-streams-adapter 0.3, and obeys
// @socket.io/redis-streams-emitter. Its Join is what [socketio.Options].Cluster takes.
//
// Events, joins, leaves and disconnects go through a stream: a server that was not
// connected to Redis for a while gets them when it is again, as far as the stream
// reaches. The rest is pub/sub. Sockets of Node servers recover on Node servers; where ours
// are to recover too, use [OpenStream].
type Streams struct{ Options }

// streams is one server's place among them.
type streams struct {
	*link
	after map[string]string // id of the last entry that was read of each stream; the reader's
}

var _ socketio.Cluster = (*streams)(nil)

// Join is what [socketio.Options].Cluster takes.
func (s Streams) Join(self socketio.Member, node socketio.Node) (socketio.Cluster, error) {
	place, err := s.join(self, node)
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(place.ctx, joinTimeout)
	defer cancel()
	if err := place.seekEnd(ctx); err != nil {
		_ = place.Close()
		return nil, err
	}
	place.work.Go(place.follow)
	return place, nil
}

// join subscribes, and does not read the stream.
func (s Streams) join(self socketio.Member, node socketio.Node) (*streams, error) {
	o := s.Options.withDefaults()
	var channels []string
	for _, nsp := range o.Namespaces {
		channels = append(channels, o.Prefix+"#"+nsp+"#", o.Prefix+"#"+nsp+"#"+self.ID+"#")
	}
	place := &streams{after: make(map[string]string)}
	ready := make(chan struct{})
	l, err := open(o, self, node, topics{channels: channels}, func(channel, payload string) {
		<-ready
		place.take(channel, payload)
	})
	if err != nil {
		return nil, err
	}
	place.link = l
	close(ready)
	return place, nil
}

func (s *streams) channel(namespace string) string { return s.o.Prefix + "#" + namespace + "#" }

// Members implements [socketio.Cluster]. The wire does not tell who they are.
func (s *streams) Members(ctx context.Context, namespace string) ([]socketio.Member, error) {
	if !s.shares(namespace) {
		return nil, nil
	}
	return s.others(ctx, s.channel(namespace))
}

// Send implements [socketio.Cluster].
func (s *streams) Send(ctx context.Context, m *socketio.Message) error {
	k, data, ok := nodewire.Body(m)
	if !ok || !s.shares(m.Namespace) {
		return nil
	}
	switch m.Kind {
	case socketio.MessageEvent, socketio.MessageJoin, socketio.MessageLeave, socketio.MessageDisconnect:
		return s.append(ctx, m, k, data)
	}
	whole, _ := nodewire.Whole(m, s.self)
	payload, err := nodewire.Write(whole, true)
	if err != nil {
		return fmt.Errorf("officialwire: encode: %w", err)
	}
	channel := s.channel(m.Namespace)
	if m.To != "" {
		channel += m.To + "#"
	}
	return s.publish(ctx, channel, payload)
}

// append adds a message to the stream.
func (s *streams) append(ctx context.Context, m *socketio.Message, k nodewire.Kind, data nodewire.Object) error {
	text, err := nodewire.WriteText(data, len(m.Attachments) > 0)
	if err != nil {
		return fmt.Errorf("officialwire: encode: %w", err)
	}
	entry := &goredis.XAddArgs{
		Stream: s.o.streamOf(m.Namespace), MaxLen: int64(s.o.MaxEntries), Approx: true,
		Values: []any{"uid", s.self, "nsp", m.Namespace, "type", strconv.Itoa(int(k)), "data", text},
	}
	return s.do(ctx, func(ctx context.Context, p goredis.Pipeliner) { p.XAdd(ctx, entry) })
}

// streamOf returns the stream that Node writes a namespace's entries to. Where the hash
// is negative so is the number in the name.
func (o Options) streamOf(namespace string) string {
	if o.StreamCount == 1 {
		return o.Stream
	}
	var hash int32
	for _, unit := range utf16.Encode([]rune(namespace)) {
		hash = hash*31 + int32(unit)
	}
	return o.Stream + "-" + strconv.Itoa(int(hash)%o.StreamCount)
}

// seekEnd begins to read at the end of the streams: what is in them already was for the
// servers that were there. An id and not "$", which would pass over what is added
// between two readings.
func (s *streams) seekEnd(ctx context.Context) error {
	for _, nsp := range s.o.Namespaces {
		name := s.o.streamOf(nsp)
		last, err := s.o.Client.XRevRangeN(ctx, name, "+", "-", 1).Result()
		if err != nil {
			return fmt.Errorf("officialwire: open the stream: %w", err)
		}
		s.after[name] = "0-0"
		if len(last) > 0 {
			s.after[name] = last[0].ID
		}
	}
	return nil
}

// How much one reading takes, and how long it waits. The end of the link is noticed
// between two.
const (
	readCount = 100
	readBlock = 500 * time.Millisecond
)

// follow delivers what is added to the streams until the link is closed.
func (s *streams) follow() {
	for s.ctx.Err() == nil {
		found, err := s.o.Client.XRead(s.ctx, &goredis.XReadArgs{Streams: s.positions(), Count: readCount, Block: readBlock}).Result()
		if err != nil && !errors.Is(err, goredis.Nil) {
			s.pause()
			continue
		}
		for _, stream := range found {
			for _, entry := range stream.Messages {
				// An entry that cannot be read, or that makes a handler fail, is not read again.
				s.after[stream.Stream] = entry.ID
				s.takeEntry(entry)
			}
		}
	}
}

// positions are the names of the streams, and then the ids.
func (s *streams) positions() []string {
	var names, ids []string
	for name, id := range s.after {
		names, ids = append(names, name), append(ids, id)
	}
	return append(names, ids...)
}

// takeEntry delivers an entry of a stream.
func (s *streams) takeEntry(entry goredis.XMessage) {
	get := func(name string) string {
		text, _ := entry.Values[name].(string)
		return text
	}
	uid, nsp := get("uid"), get("nsp")
	k, err := strconv.Atoi(get("type"))
	if err != nil || uid == s.self || !s.shares(nsp) || nodewire.Kind(k) < nodewire.KindBroadcast || nodewire.Kind(k) > nodewire.KindBroadcastAck {
		return
	}
	data, err := nodewire.ReadText(get("data"))
	if err != nil {
		s.passedOver(entry.ID, err)
		return
	}
	s.deliver(entry.ID, nodewire.Letter{Kind: nodewire.Kind(k), UID: uid, Namespace: nsp, Data: data})
}

// take delivers what was published.
func (s *streams) take(channel, payload string) { s.deliverWhole(channel, payload) }
