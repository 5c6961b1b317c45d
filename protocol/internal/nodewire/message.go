package nodewire

import (
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"time"

	"podium/protocol/socketio"
	"podium/protocol/socketio/msgpack"
	"podium/protocol/socketio/parser"
)

// Kind is the type of a message between Node's cluster adapters.
type Kind int

// The kinds, by their numbers on the wire.
const (
	KindGreeting     Kind = 1 // of a server that comes: the others answer with KindHeartbeat
	KindHeartbeat    Kind = 2
	KindBroadcast    Kind = 3
	KindJoin         Kind = 4
	KindLeave        Kind = 5
	KindDisconnect   Kind = 6
	KindFetch        Kind = 7
	KindSockets      Kind = 8
	KindServer       Kind = 9
	KindServerReply  Kind = 10
	KindClientCount  Kind = 11
	KindBroadcastAck Kind = 12
	KindFarewell     Kind = 13
)

// eventPacket is the type of an event among packets.
const eventPacket = 2

// askedFor is how long acknowledgements are of use where Node does not say.
const askedFor = time.Minute

// Body returns the type and the data of a message; ok is false for one that Node has
// no words for.
func Body(m *socketio.Message) (k Kind, data Object, ok bool) {
	request := Field("requestId", m.Request)
	switch m.Kind {
	case socketio.MessageEvent:
		return KindBroadcast, Object{Field("packet", PacketOf(m)), Field("opts", OptionsOf(m))}, true
	case socketio.MessageAsk:
		return KindBroadcast, Object{Field("packet", PacketOf(m)), request, Field("opts", OptionsOf(m))}, true
	case socketio.MessageJoin:
		return KindJoin, Object{Field("opts", OptionsOf(m)), Field("rooms", Texts(m.Names))}, true
	case socketio.MessageLeave:
		return KindLeave, Object{Field("opts", OptionsOf(m)), Field("rooms", Texts(m.Names))}, true
	case socketio.MessageDisconnect:
		return KindDisconnect, Object{Field("opts", OptionsOf(m)), Field("close", m.Close)}, true
	case socketio.MessageFetch:
		return KindFetch, Object{Field("opts", OptionsOf(m)), request}, true
	case socketio.MessageSockets:
		return KindSockets, Object{request, Field("sockets", SocketsOf(m.Sockets))}, true
	case socketio.MessageServer:
		data := Object{Field("packet", EventOf(m))}
		if m.Request != "" {
			data = append(data, request)
		}
		return KindServer, data, true
	case socketio.MessageReply:
		return KindServerReply, Object{request, Field("packet", FirstOf(m))}, true
	case socketio.MessageCount:
		return KindClientCount, Object{request, Field("clientCount", m.Count)}, true
	case socketio.MessageAnswer:
		return KindBroadcastAck, Object{request, Field("packet", FirstOf(m))}, !m.None
	}
	return 0, nil, false
}

// Field is a field of an [Object].
func Field(name string, value any) msgpack.Field { return msgpack.Field{Name: name, Value: value} }

// Texts is never null: Node reads its length.
func Texts(names []string) List {
	out := List{}
	for _, name := range names {
		out = append(out, name)
	}
	return out
}

// EventOf is the name of an event, and its arguments.
func EventOf(m *socketio.Message) List {
	out := List{m.Event}
	for _, v := range parser.UnmarshalArgs(m.Args, m.Attachments) {
		out = append(out, v)
	}
	return out
}

// PacketOf is an event as adapters pass it on.
func PacketOf(m *socketio.Message) Object {
	return Object{Field("type", eventPacket), Field("data", EventOf(m))}
}

// OptionsOf say who it is for, and are whole: a Node server that reads a stream stops
// for good at an entry without one of them.
func OptionsOf(m *socketio.Message) Object {
	flags := Object{}
	if m.Volatile {
		flags = append(flags, Field("volatile", true))
	}
	if m.Uncompressed {
		flags = append(flags, Field("compress", false))
	}
	if m.Kind == socketio.MessageAsk {
		flags = append(flags, Field("timeout", int(m.Millis)))
	}
	return Object{Field("rooms", Texts(m.Rooms)), Field("except", Texts(m.Except)), Field("flags", flags)}
}

// FirstOf is the one value that Node's answers have.
func FirstOf(m *socketio.Message) any {
	args := parser.UnmarshalArgs(m.Args, m.Attachments)
	if len(args) == 0 {
		return nil
	}
	return args[0]
}

// SocketsOf lists sockets as Node does.
func SocketsOf(records []socketio.RemoteRecord) List {
	out := List{}
	for _, r := range records {
		data := r.Data
		if data == nil {
			data = json.RawMessage("{}")
		}
		out = append(out, Object{
			Field("id", r.ID), Field("handshake", r.Handshake), Field("rooms", Texts(r.Rooms)), Field("data", data),
		})
	}
	return out
}

// Meaning returns what a message says; nil where it asks for nothing. The namespace and
// the sender are for the caller to set.
func Meaning(k Kind, data Part) (*socketio.Message, error) {
	if k < KindBroadcast || k > KindBroadcastAck {
		return nil, nil
	}
	f, err := data.Fields()
	if err != nil {
		return nil, err
	}
	m := new(socketio.Message)
	if err := f["requestId"].Decode(&m.Request); err != nil {
		return nil, err
	}
	switch k {
	case KindBroadcast:
		m.Kind = socketio.MessageEvent
		if m.Request != "" {
			m.Kind = socketio.MessageAsk
		}
		err = ReadPacket(m, f["packet"])
	case KindJoin, KindLeave:
		m.Kind = socketio.MessageJoin
		if k == KindLeave {
			m.Kind = socketio.MessageLeave
		}
		err = f["rooms"].Decode(&m.Names)
	case KindDisconnect:
		m.Kind = socketio.MessageDisconnect
		err = f["close"].Decode(&m.Close)
	case KindFetch:
		m.Kind = socketio.MessageFetch
	case KindSockets:
		m.Kind = socketio.MessageSockets
		err = f["sockets"].Decode(&m.Sockets)
	case KindServer:
		m.Kind = socketio.MessageServer
		err = ReadEvent(m, f["packet"])
	case KindServerReply:
		m.Kind = socketio.MessageReply
		err = ReadAnswer(m, f["packet"])
	case KindClientCount:
		m.Kind = socketio.MessageCount
		err = f["clientCount"].Decode(&m.Count)
	case KindBroadcastAck:
		m.Kind = socketio.MessageAnswer
		err = ReadAnswer(m, f["packet"])
	}
	if err == nil && f["opts"].Present() {
		err = ReadOptions(m, f["opts"])
	}
	if err != nil {
		return nil, err
	}
	return m, nil
}

// ReadPacket reads an event that is on its way to clients.
func ReadPacket(m *socketio.Message, p Part) error {
	f, err := p.Fields()
	if err != nil {
		return err
	}
	var packetType int
	if err := f["type"].Decode(&packetType); err != nil {
		return err
	}
	if packetType != eventPacket {
		return fmt.Errorf("%w: a packet of type %d", ErrShape, packetType)
	}
	return ReadEvent(m, f["data"])
}

// ReadEvent reads a name and arguments.
func ReadEvent(m *socketio.Message, p Part) error {
	values, err := p.Elements()
	if err != nil {
		return err
	}
	if len(values) == 0 {
		return fmt.Errorf("%w: an event without a name", ErrShape)
	}
	if err := values[0].Decode(&m.Event); err != nil {
		return err
	}
	m.Args, m.Attachments, err = arguments(values[1:])
	return err
}

// ReadAnswer reads the one value of an answer; one that is missing is null.
func ReadAnswer(m *socketio.Message, p Part) (err error) {
	if !p.Present() {
		p = Part{raw: []byte("null")}
	}
	m.Args, m.Attachments, err = arguments([]Part{p})
	return err
}

// ReadOptions reads who a message is for, and its flags.
func ReadOptions(m *socketio.Message, p Part) error {
	var o struct {
		Rooms  []string `json:"rooms"`
		Except []string `json:"except"`
		Flags  struct {
			Volatile bool     `json:"volatile"`
			Compress *bool    `json:"compress"`
			Timeout  *float64 `json:"timeout"`
		} `json:"flags"`
	}
	if err := p.Decode(&o); err != nil {
		return err
	}
	m.Rooms, m.Except, m.Volatile = o.Rooms, o.Except, o.Flags.Volatile
	m.Uncompressed = o.Flags.Compress != nil && !*o.Flags.Compress
	if m.Kind == socketio.MessageAsk {
		m.Millis = askedFor.Milliseconds()
		if t := o.Flags.Timeout; t != nil {
			m.Millis = int64(math.Max(1, math.Min(*t, float64(m.Millis))))
		}
	}
	return nil
}

// Whole is a message with its sender and its namespace, as adapters publish it where
// the wire has no other place for these; ok is false for one that Node has no words for.
func Whole(m *socketio.Message, uid string) (whole Object, ok bool) {
	k, data, ok := Body(m)
	return Object{Field("type", int(k)), Field("data", data), Field("uid", uid), Field("nsp", m.Namespace)}, ok
}

// Signal is a message that carries nothing: a greeting, a heartbeat or a farewell.
func Signal(k Kind, uid, namespace string) Object {
	return Object{Field("type", int(k)), Field("uid", uid), Field("nsp", namespace)}
}

// Letter is a message that was read as far as its sender and its namespace.
type Letter struct {
	Kind      Kind
	UID       string
	Namespace string // "" where it does not say
	Data      Part
}

// ReadWhole reads what [Whole] and [Signal] write.
func ReadWhole(p Part) (l Letter, err error) {
	f, err := p.Fields()
	if err != nil {
		return l, err
	}
	err = errors.Join(f["uid"].Decode(&l.UID), f["nsp"].Decode(&l.Namespace), f["type"].Decode(&l.Kind))
	l.Data = f["data"]
	return l, err
}

// Message returns what the letter says; nil where it asks for nothing.
func (l Letter) Message() (*socketio.Message, error) {
	m, err := Meaning(l.Kind, l.Data)
	if m != nil {
		m.From, m.Namespace = l.UID, l.Namespace
	}
	return m, err
}
