package officialwire

import (
	"encoding/json"
	"fmt"
	"math"
	"time"

	"podium/protocol/socketio"
	"podium/protocol/socketio/msgpack"
	"podium/protocol/socketio/parser"
)

// kind is the type of a message between Node's cluster adapters. Of the others
// heartbeats and farewells carry nothing, and Node has no others.
type kind int

const (
	kindBroadcast    kind = 3
	kindJoin         kind = 4
	kindLeave        kind = 5
	kindDisconnect   kind = 6
	kindFetch        kind = 7
	kindSockets      kind = 8
	kindServer       kind = 9
	kindServerReply  kind = 10
	kindClientCount  kind = 11
	kindBroadcastAck kind = 12
)

// eventPacket is the type of an event among packets.
const eventPacket = 2

// askedFor is how long acknowledgements are of use where Node does not say.
const askedFor = time.Minute

// body returns the type and the data of a message; ok is false for one that Node has
// no words for.
func body(m *socketio.Message) (k kind, data object, ok bool) {
	request := field("requestId", m.Request)
	switch m.Kind {
	case socketio.MessageEvent:
		return kindBroadcast, object{field("packet", packet(m)), field("opts", options(m))}, true
	case socketio.MessageAsk:
		return kindBroadcast, object{field("packet", packet(m)), request, field("opts", options(m))}, true
	case socketio.MessageJoin:
		return kindJoin, object{field("opts", options(m)), field("rooms", texts(m.Names))}, true
	case socketio.MessageLeave:
		return kindLeave, object{field("opts", options(m)), field("rooms", texts(m.Names))}, true
	case socketio.MessageDisconnect:
		return kindDisconnect, object{field("opts", options(m)), field("close", m.Close)}, true
	case socketio.MessageFetch:
		return kindFetch, object{field("opts", options(m)), request}, true
	case socketio.MessageSockets:
		return kindSockets, object{request, field("sockets", sockets(m.Sockets))}, true
	case socketio.MessageServer:
		data := object{field("packet", event(m))}
		if m.Request != "" {
			data = append(data, request)
		}
		return kindServer, data, true
	case socketio.MessageReply:
		return kindServerReply, object{request, field("packet", first(m))}, true
	case socketio.MessageCount:
		return kindClientCount, object{request, field("clientCount", m.Count)}, true
	case socketio.MessageAnswer:
		return kindBroadcastAck, object{request, field("packet", first(m))}, !m.None
	}
	return 0, nil, false
}

func field(name string, value any) msgpack.Field { return msgpack.Field{Name: name, Value: value} }

// texts is never null: Node reads its length.
func texts(names []string) list {
	out := list{}
	for _, name := range names {
		out = append(out, name)
	}
	return out
}

// event is the name of an event, and its arguments.
func event(m *socketio.Message) list {
	out := list{m.Event}
	for _, v := range parser.UnmarshalArgs(m.Args, m.Attachments) {
		out = append(out, v)
	}
	return out
}

// packet is an event as adapters pass it on.
func packet(m *socketio.Message) object {
	return object{field("type", eventPacket), field("data", event(m))}
}

// options say whom it is for, and are whole: a Node server that reads a stream stops
// for good at an entry without one of them.
func options(m *socketio.Message) object {
	flags := object{}
	if m.Volatile {
		flags = append(flags, field("volatile", true))
	}
	if m.Uncompressed {
		flags = append(flags, field("compress", false))
	}
	if m.Kind == socketio.MessageAsk {
		flags = append(flags, field("timeout", int(m.Millis)))
	}
	return object{field("rooms", texts(m.Rooms)), field("except", texts(m.Except)), field("flags", flags)}
}

// first is the one value that Node's answers have.
func first(m *socketio.Message) any {
	args := parser.UnmarshalArgs(m.Args, m.Attachments)
	if len(args) == 0 {
		return nil
	}
	return args[0]
}

func sockets(records []socketio.RemoteRecord) list {
	out := list{}
	for _, r := range records {
		data := r.Data
		if data == nil {
			data = json.RawMessage("{}")
		}
		out = append(out, object{
			field("id", r.ID), field("handshake", r.Handshake), field("rooms", texts(r.Rooms)), field("data", data),
		})
	}
	return out
}

// meaning returns what a message says; nil where it asks for nothing. The namespace and
// the sender are for the caller to set.
func meaning(k kind, data part) (*socketio.Message, error) {
	if k < kindBroadcast || k > kindBroadcastAck {
		return nil, nil
	}
	f, err := data.fields()
	if err != nil {
		return nil, err
	}
	m := new(socketio.Message)
	if err := f["requestId"].decode(&m.Request); err != nil {
		return nil, err
	}
	switch k {
	case kindBroadcast:
		m.Kind = socketio.MessageEvent
		if m.Request != "" {
			m.Kind = socketio.MessageAsk
		}
		err = readPacket(m, f["packet"])
	case kindJoin, kindLeave:
		m.Kind = socketio.MessageJoin
		if k == kindLeave {
			m.Kind = socketio.MessageLeave
		}
		err = f["rooms"].decode(&m.Names)
	case kindDisconnect:
		m.Kind = socketio.MessageDisconnect
		err = f["close"].decode(&m.Close)
	case kindFetch:
		m.Kind = socketio.MessageFetch
	case kindSockets:
		m.Kind = socketio.MessageSockets
		err = f["sockets"].decode(&m.Sockets)
	case kindServer:
		m.Kind = socketio.MessageServer
		err = readEvent(m, f["packet"])
	case kindServerReply:
		m.Kind = socketio.MessageReply
		err = readAnswer(m, f["packet"])
	case kindClientCount:
		m.Kind = socketio.MessageCount
		err = f["clientCount"].decode(&m.Count)
	case kindBroadcastAck:
		m.Kind = socketio.MessageAnswer
		err = readAnswer(m, f["packet"])
	}
	if err == nil && f["opts"].present() {
		err = readOptions(m, f["opts"])
	}
	if err != nil {
		return nil, err
	}
	return m, nil
}

// readPacket reads an event that is on its way to clients.
func readPacket(m *socketio.Message, p part) error {
	f, err := p.fields()
	if err != nil {
		return err
	}
	var packetType int
	if err := f["type"].decode(&packetType); err != nil {
		return err
	}
	if packetType != eventPacket {
		return fmt.Errorf("%w: a packet of type %d", errShape, packetType)
	}
	return readEvent(m, f["data"])
}

// readEvent reads a name and arguments.
func readEvent(m *socketio.Message, p part) error {
	values, err := p.elements()
	if err != nil {
		return err
	}
	if len(values) == 0 {
		return fmt.Errorf("%w: an event without a name", errShape)
	}
	if err := values[0].decode(&m.Event); err != nil {
		return err
	}
	m.Args, m.Attachments, err = arguments(values[1:])
	return err
}

// readAnswer reads the one value of an answer; one that is missing is null.
func readAnswer(m *socketio.Message, p part) (err error) {
	if !p.present() {
		p = part{raw: []byte("null")}
	}
	m.Args, m.Attachments, err = arguments([]part{p})
	return err
}

func readOptions(m *socketio.Message, p part) error {
	var o struct {
		Rooms  []string `json:"rooms"`
		Except []string `json:"except"`
		Flags  struct {
			Volatile bool     `json:"volatile"`
			Compress *bool    `json:"compress"`
			Timeout  *float64 `json:"timeout"`
		} `json:"flags"`
	}
	if err := p.decode(&o); err != nil {
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
