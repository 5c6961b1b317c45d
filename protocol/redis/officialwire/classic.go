package officialwire

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"podium/protocol/internal/nodewire"
	"podium/protocol/socketio"
	"podium/protocol/socketio/msgpack"
)

// Types of requests and answers on the classic wire.
const (
	classicSockets     = 0
	classicAllRooms    = 1
	classicJoin        = 2
	classicLeave       = 3
	classicDisconnect  = 4
	classicFetch       = 5
	classicServer      = 6
	classicBroadcast   = 7
	classicClientCount = 8
	classicAck         = 9
)

// Classic joins servers that use @socket.io/redis-adapter, version 7 or 8, in its classic
// form, and obeys @socket.io/redis-emitter. Its Join is what [socketio.Options].Cluster
// takes.
//
// Messages are delivered at most once, and nothing is kept: what is published while a
// server is not connected to Redis is lost on it.
type Classic struct{ Options }

// classic is one server's place among them.
type classic struct{ *link }

var _ socketio.Cluster = classic{}

// Join is what [socketio.Options].Cluster takes.
func (c Classic) Join(self socketio.Member, node socketio.Node) (socketio.Cluster, error) {
	o := c.Options.withDefaults()
	var channels, patterns []string
	for _, nsp := range o.Namespaces {
		patterns = append(patterns, quote(o.Prefix+"#"+nsp+"#")+"*")
		answers := o.Prefix + "-response#" + nsp + "#"
		channels = append(channels, o.Prefix+"-request#"+nsp+"#", answers, answers+self.ID+"#")
	}
	var place classic
	ready := make(chan struct{})
	l, err := open(o, self, node, topics{channels: channels, patterns: patterns}, func(channel, payload string) {
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

func (c classic) channel(what, namespace string) string {
	return c.o.Prefix + what + "#" + namespace + "#"
}

// Members implements [socketio.Cluster]. The wire does not tell who they are.
func (c classic) Members(ctx context.Context, namespace string) ([]socketio.Member, error) {
	if !c.shares(namespace) {
		return nil, nil
	}
	return c.others(ctx, c.channel("-request", namespace))
}

// Send implements [socketio.Cluster].
func (c classic) Send(ctx context.Context, m *socketio.Message) error {
	if !c.shares(m.Namespace) {
		return nil
	}
	channel, message := c.words(m)
	if message == nil {
		return nil
	}
	payload, err := nodewire.Write(message, len(m.Attachments) > 0 || m.Kind == socketio.MessageEvent)
	if err != nil {
		return fmt.Errorf("officialwire: encode: %w", err)
	}
	return c.publish(ctx, channel, payload)
}

// words returns how Node says a message, and over which channel; nil where it has no
// words for it.
func (c classic) words(m *socketio.Message) (channel string, message any) {
	uid, request := nodewire.Field("uid", c.self), nodewire.Field("requestId", m.Request)
	opts := nodewire.OptionsOf(m)
	ask := func(f ...msgpack.Field) (string, any) {
		return c.channel("-request", m.Namespace), nodewire.Object(append([]msgpack.Field{uid}, f...))
	}
	answer := func(f ...msgpack.Field) (string, any) {
		return c.channel("-response", m.Namespace), nodewire.Object(f)
	}
	packet := append(nodewire.PacketOf(m), nodewire.Field("nsp", m.Namespace))
	switch m.Kind {
	case socketio.MessageEvent:
		channel = c.channel("", m.Namespace)
		if len(m.Rooms) == 1 {
			channel += m.Rooms[0] + "#"
		}
		return channel, nodewire.List{c.self, packet, opts}
	case socketio.MessageAsk:
		return ask(request, nodewire.Field("type", classicBroadcast), nodewire.Field("packet", packet), nodewire.Field("opts", opts))
	case socketio.MessageJoin:
		return ask(nodewire.Field("type", classicJoin), nodewire.Field("opts", opts), nodewire.Field("rooms", nodewire.Texts(m.Names)))
	case socketio.MessageLeave:
		return ask(nodewire.Field("type", classicLeave), nodewire.Field("opts", opts), nodewire.Field("rooms", nodewire.Texts(m.Names)))
	case socketio.MessageDisconnect:
		return ask(nodewire.Field("type", classicDisconnect), nodewire.Field("opts", opts), nodewire.Field("close", m.Close))
	case socketio.MessageFetch:
		return ask(request, nodewire.Field("type", classicFetch), nodewire.Field("opts", opts))
	case socketio.MessageServer:
		if m.Request == "" {
			return ask(nodewire.Field("type", classicServer), nodewire.Field("data", nodewire.EventOf(m)))
		}
		return ask(nodewire.Field("type", classicServer), request, nodewire.Field("data", nodewire.EventOf(m)))
	case socketio.MessageSockets:
		return answer(socketsAs(m)...)
	case socketio.MessageReply:
		return answer(nodewire.Field("type", classicServer), request, nodewire.Field("data", nodewire.FirstOf(m)))
	case socketio.MessageCount:
		return answer(nodewire.Field("type", classicClientCount), request, nodewire.Field("clientCount", m.Count))
	case socketio.MessageAnswer:
		if !m.None {
			return answer(nodewire.Field("type", classicAck), request, nodewire.Field("packet", nodewire.FirstOf(m)))
		}
	}
	return "", nil
}

// Questions for rooms or ids alone are asked here as for sockets, under a request of
// another name.
const (
	roomsOf = "rooms of "
	idsOf   = "ids of "
)

// socketsAs answers a question for sockets, or for something of them.
func socketsAs(m *socketio.Message) nodewire.Object {
	if request, ok := strings.CutPrefix(m.Request, roomsOf); ok {
		var rooms []string
		for _, s := range m.Sockets {
			rooms = append(rooms, s.Rooms...)
		}
		slices.Sort(rooms)
		return nodewire.Object{nodewire.Field("requestId", request), nodewire.Field("rooms", nodewire.Texts(slices.Compact(rooms)))}
	}
	if request, ok := strings.CutPrefix(m.Request, idsOf); ok {
		var ids []string
		for _, s := range m.Sockets {
			ids = append(ids, s.ID)
		}
		return nodewire.Object{nodewire.Field("requestId", request), nodewire.Field("sockets", nodewire.Texts(ids))}
	}
	return nodewire.Object{nodewire.Field("requestId", m.Request), nodewire.Field("sockets", nodewire.SocketsOf(m.Sockets))}
}

// take delivers what was published, and passes over what cannot be read.
func (c classic) take(channel, payload string) {
	m, err := c.read(channel, payload)
	if err != nil {
		c.passedOver(channel, err)
		return
	}
	if m != nil {
		c.node.Deliver(m)
	}
}

// read returns what was published; nil where it asks for nothing.
func (c classic) read(channel, payload string) (*socketio.Message, error) {
	p, err := nodewire.Read([]byte(payload))
	if err != nil {
		return nil, err
	}
	for _, nsp := range c.o.Namespaces {
		switch {
		case channel == c.channel("-request", nsp):
			return named(nsp)(c.request(p))
		case strings.HasPrefix(channel, c.channel("-response", nsp)):
			return named(nsp)(classicAnswer(p))
		case strings.HasPrefix(channel, c.channel("", nsp)):
			return c.broadcast(p)
		}
	}
	return nil, nodewire.ErrShape
}

// named puts a namespace on a message.
func named(namespace string) func(*socketio.Message, error) (*socketio.Message, error) {
	return func(m *socketio.Message, err error) (*socketio.Message, error) {
		if m != nil {
			m.Namespace = namespace
		}
		return m, err
	}
}

// broadcast reads [uid, packet, opts].
func (c classic) broadcast(p nodewire.Part) (*socketio.Message, error) {
	parts, err := p.Elements()
	if err != nil {
		return nil, err
	}
	if len(parts) != 3 {
		return nil, nodewire.ErrShape
	}
	m := &socketio.Message{Kind: socketio.MessageEvent}
	if err := parts[0].Decode(&m.From); err != nil {
		return nil, err
	}
	if m.From == c.self {
		return nil, nil
	}
	if err := nodewire.ReadPacket(m, parts[1]); err != nil {
		return nil, err
	}
	f, err := parts[1].Fields()
	if err != nil {
		return nil, err
	}
	m.Namespace = "/"
	if err := f["nsp"].Decode(&m.Namespace); err != nil {
		return nil, err
	}
	return m, nodewire.ReadOptions(m, parts[2])
}

// request reads what all servers are asked for.
func (c classic) request(p nodewire.Part) (*socketio.Message, error) {
	f, err := p.Fields()
	if err != nil {
		return nil, err
	}
	m := new(socketio.Message)
	request := -1
	for _, err := range []error{f["uid"].Decode(&m.From), f["requestId"].Decode(&m.Request), f["type"].Decode(&request)} {
		if err != nil {
			return nil, err
		}
	}
	if m.From == c.self {
		return nil, nil
	}
	switch request {
	case classicAllRooms:
		m.Kind, m.Request = socketio.MessageFetch, roomsOf+m.Request
	case classicSockets:
		m.Kind, m.Request = socketio.MessageFetch, idsOf+m.Request
		err = f["rooms"].Decode(&m.Rooms)
	case classicFetch:
		m.Kind = socketio.MessageFetch
	case classicJoin, classicLeave:
		if m.Kind = socketio.MessageJoin; request == classicLeave {
			m.Kind = socketio.MessageLeave
		}
		err = f["rooms"].Decode(&m.Names)
	case classicDisconnect:
		m.Kind = socketio.MessageDisconnect
		err = f["close"].Decode(&m.Close)
	case classicServer:
		m.Kind = socketio.MessageServer
		err = nodewire.ReadEvent(m, f["data"])
	case classicBroadcast:
		m.Kind = socketio.MessageAsk
		err = nodewire.ReadPacket(m, f["packet"])
	default:
		return nil, nil
	}
	if err == nil && m.Kind != socketio.MessageServer && request > classicAllRooms {
		err = nodewire.ReadOptions(m, f["opts"])
	}
	return m, err
}

// classicAnswer reads what a server answers to a question. The wire does not tell which
// server that is, and of sockets not even that it is about them.
func classicAnswer(p nodewire.Part) (*socketio.Message, error) {
	f, err := p.Fields()
	if err != nil {
		return nil, err
	}
	m := new(socketio.Message)
	answer := -1
	for _, err := range []error{f["requestId"].Decode(&m.Request), f["type"].Decode(&answer)} {
		if err != nil {
			return nil, err
		}
	}
	switch {
	case answer == classicServer:
		m.Kind = socketio.MessageReply
		err = nodewire.ReadAnswer(m, f["data"])
	case answer == classicClientCount:
		m.Kind = socketio.MessageCount
		err = f["clientCount"].Decode(&m.Count)
	case answer == classicAck:
		m.Kind = socketio.MessageAnswer
		err = nodewire.ReadAnswer(m, f["packet"])
	case f["sockets"].Present():
		m.Kind = socketio.MessageSockets
		err = f["sockets"].Decode(&m.Sockets)
	default:
		return nil, nil
	}
	return m, err
}
