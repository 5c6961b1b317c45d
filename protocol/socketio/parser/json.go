package parser

import (
	"bytes"
	"fmt"
	"strconv"
	"unicode/utf8"

	"podium/protocol/engineio"
)

// maxDepth is how deep JSON from a peer may be nested.
const maxDepth = 512

// MaxArguments is how many arguments an event or acknowledgement from a peer may have,
// the event's name counted: each takes some hundred bytes, however short it is.
const MaxArguments = 4096

// JSON is the official parser: a text message per packet, and one binary
// message per attachment. The zero value is ready to use.
// (Socket.IO protocol v5, "Packet encoding")
type JSON struct {
	// MaxAttachments is how many attachments a packet from a peer may
	// announce. Zero means 256.
	MaxAttachments int
	// MaxAttachmentBytes is how many bytes the attachments of one packet from
	// a peer may have together. Zero means 16 MiB.
	MaxAttachmentBytes int
}

var _ Parser = JSON{}

// Encode implements [Parser].
func (j JSON) Encode(p *Packet) ([]*engineio.Message, error) {
	e := newEncoder()
	defer e.free()
	if err := e.packet(p); err != nil {
		return nil, err
	}
	return e.messages(), nil
}

// Sink is where packets are sent that are encoded on the way. Its errors are
// passed on.
type Sink interface {
	// Send sends messages next to each other, and may keep them.
	Send(ms ...*engineio.Message) error
	// SendText sends one text message whose payload is the parts together. It
	// keeps none of them.
	SendText(parts ...[]byte) error
}

// SendAck encodes an acknowledgement and sends it: where it has no attachments,
// without allocating memory for it.
func (j JSON) SendAck(to Sink, nsp string, id int64, args []any) error {
	e := newEncoder()
	defer e.free()
	if err := e.list(args); err != nil {
		return err
	}
	return e.sendAck(to, nsp, id)
}

// SendAckArgs is SendAck for arguments that are passed on as they came.
func (j JSON) SendAckArgs(to Sink, nsp string, id int64, args Args) error {
	e := newEncoder()
	defer e.free()
	if err := e.passOn(args); err != nil {
		return err
	}
	return e.sendAck(to, nsp, id)
}

// NewDecoder implements [Parser].
func (j JSON) NewDecoder() Decoder {
	if j.MaxAttachments == 0 {
		j.MaxAttachments = 256
	}
	if j.MaxAttachmentBytes == 0 {
		j.MaxAttachmentBytes = 16 << 20
	}
	return &jsonDecoder{limits: &j}
}

// jsonDecoder holds a binary packet until its attachments are complete.
type jsonDecoder struct {
	limits  *JSON
	names   *Names // those that need no new string; may be nil
	pending *pendingPacket
}

// UseNames implements [NamesUser].
func (d *jsonDecoder) UseNames(n *Names) { d.names = n }

// pendingPacket is a binary packet whose attachments are still arriving.
type pendingPacket struct {
	head        jsonHead
	text        []byte // owned
	missing     int
	size        int
	attachments [][]byte
}

// Decode implements [Decoder].
func (d *jsonDecoder) Decode(data []byte, binary bool, p *Packet) (bool, error) {
	if binary {
		return d.attachment(data, p)
	}
	if d.pending != nil {
		return false, parseError("text where an attachment was expected")
	}
	var head jsonHead
	if err := head.read(data); err != nil {
		return false, err
	}
	if head.attachments < 0 {
		return true, head.fill(d, p, data, nil)
	}
	if head.attachments > d.limits.MaxAttachments {
		return false, parseError("too many attachments")
	}
	d.pending = &pendingPacket{head: head, text: bytes.Clone(data), missing: head.attachments}
	return false, nil
}

func (d *jsonDecoder) attachment(data []byte, p *Packet) (bool, error) {
	b := d.pending
	if b == nil {
		return false, parseError("binary data without a packet")
	}
	if b.size += len(data); b.size > d.limits.MaxAttachmentBytes {
		return false, parseError("attachments too large")
	}
	b.attachments = append(b.attachments, bytes.Clone(data))
	if b.missing--; b.missing > 0 {
		return false, nil
	}
	d.pending = nil
	return true, b.head.fill(d, p, b.text, b.attachments)
}

// jsonHead is what stands before a packet's JSON.
type jsonHead struct {
	kind        PacketType
	attachments int // -1 for none announced
	nsp         span
	id          int64
	body        int // where the JSON begins
}

// read parses the head of data. The order of the fields is that of the
// official decoder: type, attachments, namespace, id, JSON.
func (h *jsonHead) read(data []byte) error {
	if len(data) == 0 || data[0] < '0' || data[0] > '6' {
		return parseError("unknown packet type")
	}
	h.kind, h.attachments, h.id = PacketType(data[0]-'0'), -1, NoID
	i := 1
	if h.kind == BinaryEvent || h.kind == BinaryAck {
		end := bytes.IndexByte(data, '-')
		if end < 0 {
			return parseError("attachments missing")
		}
		if h.attachments = smallInt(data[1:end]); h.attachments < 1 {
			return parseError("illegal attachments")
		}
		i = end + 1
		h.kind -= BinaryEvent - Event
		if h.kind == Ack+1 {
			h.kind = Ack
		}
	}
	if i < len(data) && data[i] == '/' {
		end := bytes.IndexByte(data[i:], ',')
		if end < 0 {
			h.nsp, i = span{i, len(data)}, len(data)
		} else {
			h.nsp, i = span{i, i + end}, i+end+1
		}
	}
	from := i
	for i < len(data) && data[i] >= '0' && data[i] <= '9' {
		i++
	}
	if i > from {
		id, err := strconv.ParseInt(string(data[from:i]), 10, 64)
		if err != nil || id > maxID {
			return parseError("illegal acknowledgement id")
		}
		h.id = id
	}
	h.body = i
	return nil
}

// fill turns the head and the JSON after it into p.
func (h *jsonHead) fill(d *jsonDecoder, p *Packet, data []byte, attachments [][]byte) error {
	if !utf8.Valid(data) {
		return parseError("text is not UTF-8")
	}
	p.Type, p.ID, p.Namespace, p.Event = h.kind, h.id, "/", ""
	p.Args, p.Values = nil, p.Values[:0]
	if h.nsp.to > h.nsp.from {
		p.Namespace = d.names.intern(data[h.nsp.from:h.nsp.to])
	}
	switch h.kind {
	case Event, Ack:
		return h.fillArgs(d, p, data, attachments)
	case Disconnect:
		if h.body < len(data) {
			return parseError("payload in a disconnect packet")
		}
		return nil
	}
	if h.body == len(data) {
		return nil
	}
	first := data[h.body]
	if first != '{' && first != '"' || first == '"' && h.kind == Connect {
		return parseError("payload is not an object")
	}
	if !scanValue(data, h.body, maxDepth) {
		return parseError("malformed JSON")
	}
	p.Values = append(p.Values, Value{raw: data[h.body:]})
	return nil
}

func (h *jsonHead) fillArgs(d *jsonDecoder, p *Packet, data []byte, attachments [][]byte) error {
	var buf [8]span
	elems, ok := scanArray(data, h.body, maxDepth, MaxArguments, buf[:0])
	if !ok {
		return parseError("payload is not a JSON array, or has too many arguments")
	}
	if h.kind == Event {
		if len(elems) == 0 {
			return parseError("event without a name")
		}
		name, err := d.eventName(data[elems[0].from:elems[0].to])
		if err != nil {
			return err
		}
		p.Event, elems = name, elems[1:]
	} else if h.id == NoID {
		return parseError("acknowledgement without an id")
	}
	var codec Codec
	if attachments != nil {
		codec = &jsonAttachments{attachments}
	}
	for _, e := range elems {
		v := Value{raw: data[e.from:e.to]}
		if codec != nil {
			found, ok := findPlaceholders(v.raw, len(attachments))
			if !ok {
				return parseError("placeholder without an attachment")
			}
			if len(found) > 0 {
				v.codec = codec
			}
		}
		p.Values = append(p.Values, v)
	}
	return nil
}

// eventName decodes the first element of an event. Numbers are names too.
func (d *jsonDecoder) eventName(raw []byte) (string, error) {
	switch {
	case raw[0] == '"':
		name := d.names.intern(raw[1 : len(raw)-1])
		if bytes.IndexByte(raw, '\\') >= 0 {
			var unescaped string
			if err := unmarshalJSON(raw, &unescaped); err != nil {
				return "", fmt.Errorf("%w: event name: %w", ErrParse, err)
			}
			name = unescaped
		}
		if reserved(name) {
			return "", parseError("reserved event name")
		}
		return name, nil
	case raw[0] == '-' || raw[0] >= '0' && raw[0] <= '9':
		return string(raw), nil
	}
	return "", parseError("event name is not a string")
}

// Reserved reports whether name is an event that only the library itself may
// report, for custom parsers: such an event from a peer is an invalid packet.
func Reserved(name string) bool { return reserved(name) }

// reserved reports whether name is an event that only the library itself may
// report. (Socket.IO, "Emit cheatsheet: reserved events")
func reserved(name string) bool {
	switch name {
	case "connect", "connect_error", "disconnect", "disconnecting", "newListener", "removeListener":
		return true
	}
	return false
}
