// Package msgpack is a Socket.IO parser that carries each packet as one binary
// message in MessagePack, wire-compatible with socket.io-msgpack-parser.
//
// Packets come in and go out through [Parser], which is set as the Parser of
// socketio.Options; clients must be given the same parser. Values of handlers
// are decoded by the rules of encoding/json, with binary where it stands.
//
// The few hundred lines that read and write MessagePack are ours: what a peer
// sends is bounded in depth before anything is built from it, arguments stay
// encoded until a handler's type is known, and numbers come out as JavaScript
// would send them, which a general library leaves to its caller.
package msgpack

import (
	"encoding/json"
	"errors"
	"fmt"

	"podium/protocol/engineio"
	"podium/protocol/socketio/parser"
)

// Parser implements [parser.Parser]. The zero value is ready to use.
type Parser struct{}

var _ parser.Parser = Parser{}

// Encode implements [parser.Parser]: one binary message, a map of the fields
// that the official parser writes.
func (Parser) Encode(p *parser.Packet) ([]*engineio.Message, error) {
	e := new(writer)
	fields := 2
	hasData := p.Type == parser.Event || p.Type == parser.Ack || len(p.Args) > 0
	if hasData {
		fields++
	}
	if p.ID != parser.NoID {
		fields++
	}
	e.mapHead(fields)
	e.str("type")
	e.integer(int64(p.Type))
	if hasData {
		e.str("data")
		if err := e.data(p); err != nil {
			return nil, fmt.Errorf("msgpack: encode %v: %w", p.Type, err)
		}
	}
	if p.ID != parser.NoID {
		e.str("id")
		e.integer(p.ID)
	}
	e.str("nsp")
	e.str(p.Namespace)
	return []*engineio.Message{engineio.Binary(e.out)}, nil
}

// data writes a packet's arguments in the form that its type has.
func (e *writer) data(p *parser.Packet) error {
	switch p.Type {
	case parser.Event:
		e.arrayHead(len(p.Args) + 1)
		e.str(p.Event)
	case parser.Ack:
		e.arrayHead(len(p.Args))
	default:
		return e.argument(p.Args[0])
	}
	for _, a := range p.Args {
		if err := e.argument(a); err != nil {
			return err
		}
	}
	return nil
}

// argument writes one argument. Values that this parser decoded are passed on
// as they came.
func (e *writer) argument(a any) error {
	switch a := a.(type) {
	case parser.Value:
		if a.Codec() == (codec{}) {
			e.out = append(e.out, a.Raw()...)
			return nil
		}
	case nil, string, bool, int, int64, []byte:
		return e.value(a, maxDepth)
	case parser.Binary:
		return e.value([]byte(a), maxDepth)
	}
	wire, err := parser.ArgsOf(a)
	if err != nil {
		return err
	}
	var tree any
	if err := wire.Get(0).Decode(&tree); err != nil {
		return err
	}
	return e.value(tree, maxDepth)
}

// NewDecoder implements [parser.Parser].
func (Parser) NewDecoder() parser.Decoder { return decoder{} }

// decoder keeps nothing: a packet is one message.
type decoder struct{}

var errText = fmt.Errorf("%w: text with the msgpack parser", parser.ErrParse)

// Decode implements [parser.Decoder].
func (decoder) Decode(data []byte, binary bool, p *parser.Packet) (bool, error) {
	if !binary {
		return false, errText
	}
	if err := decodePacket(data, p); err != nil {
		return false, fmt.Errorf("%w: %w", parser.ErrParse, err)
	}
	return true, nil
}

var (
	errType  = errors.New("invalid packet type")
	errNsp   = errors.New("invalid namespace")
	errID    = errors.New("invalid packet id")
	errData  = errors.New("invalid payload")
	errShort = errors.New("message is cut short or malformed")
)

const maxID = 1<<53 - 1

// decodePacket reads the fields of data, in any order, ignoring others.
func decodePacket(data []byte, p *parser.Packet) error {
	r := &reader{data: data}
	n, ok := r.mapHead()
	if !ok {
		return errShort
	}
	*p = parser.Packet{ID: parser.NoID, Values: p.Values[:0]}
	kind := int64(-1)
	var payload []byte
	for range n {
		key, ok := r.text()
		from := r.pos
		if !ok || !r.skip(maxDepth) {
			return errShort
		}
		raw := data[from:r.pos]
		field := &reader{data: raw}
		switch key {
		case "type":
			if kind, ok = field.integer(); !ok || kind < 0 || kind > int64(parser.ConnectError) {
				return errType
			}
		case "nsp":
			if p.Namespace, ok = field.text(); !ok {
				return errNsp
			}
		case "id":
			if isUndefined(raw) {
				continue
			}
			if p.ID, ok = field.integer(); !ok || p.ID < 0 || p.ID > maxID {
				return errID
			}
		case "data":
			if !isUndefined(raw) {
				payload = raw
			}
		}
	}
	if r.pos != len(data) {
		return errShort
	}
	if kind < 0 {
		return errType
	}
	if p.Namespace == "" || p.Namespace[0] != '/' {
		return errNsp
	}
	p.Type = parser.PacketType(kind)
	return fill(p, payload)
}

// fill checks the payload as the official parser does, and takes it apart.
func fill(p *parser.Packet, payload []byte) error {
	r := &reader{data: payload}
	switch p.Type {
	case parser.Disconnect:
		if payload != nil {
			return errData
		}
	case parser.Connect, parser.ConnectError:
		if payload == nil && p.Type == parser.Connect {
			return nil
		}
		_, isMap := r.mapHead()
		_, isText := (&reader{data: payload}).text()
		if !isMap && (!isText || p.Type == parser.Connect) {
			return errData
		}
		p.Values = append(p.Values, parser.NewValue(payload, codec{}))
	default:
		n, ok := r.arrayHead()
		if !ok || n > parser.MaxArguments || p.Type == parser.Ack && p.ID == parser.NoID {
			return errData
		}
		for i := range n {
			from := r.pos
			r.skip(maxDepth)
			v := parser.NewValue(payload[from:r.pos], codec{})
			if i == 0 && p.Type == parser.Event {
				if p.Event, ok = eventName(v.Raw()); !ok {
					return errData
				}
				continue
			}
			p.Values = append(p.Values, v)
		}
		if p.Type == parser.Event && n == 0 {
			return errData
		}
	}
	return nil
}

// eventName reads a name: a string that is not reserved, or a number.
func eventName(raw []byte) (string, bool) {
	r := &reader{data: raw}
	if name, ok := r.text(); ok {
		return name, !parser.Reserved(name)
	}
	if n, ok := (&reader{data: raw}).integer(); ok {
		return fmt.Sprint(n), true
	}
	return "", false
}

// codec reads values.
type codec struct{}

var _ parser.Codec = codec{}

// Binary implements [parser.Codec].
func (codec) Binary(raw []byte) ([]byte, bool) {
	if len(raw) == 0 || !mayBeBytes(raw[0]) {
		return nil, false
	}
	v, ok := (&reader{data: raw}).value(0)
	b, isBytes := v.([]byte)
	return b, ok && isBytes
}

// JSON implements [parser.Codec].
func (codec) JSON(raw []byte) ([]byte, error) {
	out, ok := (&reader{data: raw}).appendJSON(nil, maxDepth)
	if !ok {
		return nil, errShort
	}
	return out, nil
}

// Unmarshal implements [parser.Codec].
func (c codec) Unmarshal(raw []byte, into any) error {
	switch into := into.(type) {
	case *any:
		v, ok := (&reader{data: raw}).value(maxDepth)
		if !ok {
			return errShort
		}
		*into = plain(v)
		return nil
	case *[]byte:
		if b, ok := c.Binary(raw); ok {
			*into = b
			return nil
		}
	case *parser.Binary:
		b, ok := c.Binary(raw)
		if !ok {
			return errors.New("msgpack: argument is not binary")
		}
		*into = b
		return nil
	case *map[string]any:
		return untyped(c, raw, into)
	case *[]any:
		return untyped(c, raw, into)
	}
	text, err := c.JSON(raw)
	if err != nil {
		return err
	}
	return json.Unmarshal(text, into)
}

func untyped[T any](c codec, raw []byte, into *T) error {
	var v any
	if err := c.Unmarshal(raw, &v); err != nil {
		return err
	}
	t, ok := v.(T)
	if !ok && v != nil {
		return fmt.Errorf("msgpack: cannot decode %T into %T", v, t)
	}
	*into = t
	return nil
}

// plain returns v with float64 for integers, as encoding/json has numbers.
func plain(v any) any {
	switch v := v.(type) {
	case int64:
		return float64(v)
	case uint64:
		return float64(v)
	case []any:
		for i := range v {
			v[i] = plain(v[i])
		}
	case map[string]any:
		for k := range v {
			v[k] = plain(v[k])
		}
	}
	return v
}
