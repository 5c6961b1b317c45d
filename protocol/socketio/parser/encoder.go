package parser

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"sync"
	"unicode/utf8"

	"podium/protocol/engineio"
)

// encoder writes packets as JSON text with attachments. It is pooled: nothing
// it holds may be kept after free.
type encoder struct {
	head        []byte // type, attachments, namespace, id: known last, sent first
	body        []byte // the JSON
	attachments [][]byte
	from        *jsonAttachments // whose attachments were passed on last
	numbers     []int            // for each of those, 1 more than its number here; 0: none
	parts       [][]byte         // scratch for sending
	scratch     bytes.Buffer
	json        *json.Encoder // writes to scratch
}

var encoders = sync.Pool{New: func() any {
	e := new(encoder)
	e.json = json.NewEncoder(&e.scratch)
	e.json.SetEscapeHTML(false) // as JSON.stringify does
	return e
}}

func newEncoder() *encoder {
	e := encoders.Get().(*encoder)
	e.head, e.body, e.attachments = e.head[:0], e.body[:0], nil
	return e
}

// free gives e back. Buffers that grew large are left to the collector.
func (e *encoder) free() {
	if cap(e.body) > 64<<10 || e.scratch.Cap() > 64<<10 {
		return
	}
	e.attachments, e.from = nil, nil
	clear(e.parts)
	encoders.Put(e)
}

// messages returns what was encoded.
func (e *encoder) messages() []*engineio.Message {
	ms := make([]*engineio.Message, 1, 1+len(e.attachments))
	ms[0] = engineio.Text(e.head, e.body)
	for _, a := range e.attachments {
		ms = append(ms, engineio.Binary(a))
	}
	return ms
}

// packet encodes p.
func (e *encoder) packet(p *Packet) error {
	switch p.Type {
	case Event:
		e.body = AppendString(append(e.body, '['), p.Event)
		for _, a := range p.Args {
			e.body = append(e.body, ',')
			if err := e.value(a); err != nil {
				return fmt.Errorf("socketio: encode %q: %w", p.Event, err)
			}
		}
		e.body = append(e.body, ']')
	case Ack:
		if err := e.list(p.Args); err != nil {
			return err
		}
	case Disconnect:
	default:
		if len(p.Args) > 0 {
			if err := e.value(p.Args[0]); err != nil {
				return fmt.Errorf("socketio: encode %v: %w", p.Type, err)
			}
		}
	}
	e.start(p.Type, p.Namespace, p.ID)
	return nil
}

// list encodes the arguments of an acknowledgement.
func (e *encoder) list(args []any) error {
	e.body = append(e.body, '[')
	for i, a := range args {
		if i > 0 {
			e.body = append(e.body, ',')
		}
		if err := e.value(a); err != nil {
			return fmt.Errorf("socketio: encode acknowledgement: %w", err)
		}
	}
	e.body = append(e.body, ']')
	return nil
}

// passOn encodes an acknowledgement whose arguments are passed on.
func (e *encoder) passOn(args Args) error {
	e.body = append(e.body, '[')
	for i, v := range args {
		if i > 0 {
			e.body = append(e.body, ',')
		}
		if err := e.wireValue(v); err != nil {
			return err
		}
	}
	e.body = append(e.body, ']')
	return nil
}

// start writes the head; the body must be complete.
func (e *encoder) start(t PacketType, nsp string, id int64) {
	if n := len(e.attachments); n > 0 {
		if t == Event {
			t = BinaryEvent
		} else if t == Ack {
			t = BinaryAck
		}
		e.head = append(strconv.AppendInt(append(e.head, '0'+byte(t)), int64(n), 10), '-')
	} else {
		e.head = append(e.head, '0'+byte(t))
	}
	if nsp != "/" {
		e.head = append(append(e.head, nsp...), ',')
	}
	if id != NoID {
		e.head = strconv.AppendInt(e.head, id, 10)
	}
}

// sendAck sends the acknowledgement whose arguments were encoded: straight from
// e's buffers where there are no attachments.
func (e *encoder) sendAck(to Sink, nsp string, id int64) error {
	e.start(Ack, nsp, id)
	if len(e.attachments) > 0 {
		return to.Send(e.messages()...)
	}
	e.parts = append(e.parts[:0], e.head, e.body)
	return to.SendText(e.parts...)
}

var errInvalidJSON = errors.New("not valid JSON")

// value appends one argument.
func (e *encoder) value(v any) error {
	switch v := v.(type) {
	case nil:
		e.body = append(e.body, "null"...)
	case string:
		e.body = AppendString(e.body, v)
	case bool:
		e.body = strconv.AppendBool(e.body, v)
	case int:
		e.body = strconv.AppendInt(e.body, int64(v), 10)
	case int64:
		e.body = strconv.AppendInt(e.body, v, 10)
	case []byte:
		e.attach(v)
	case Binary:
		e.attach(v)
	case Value:
		return e.wireValue(v)
	case json.RawMessage:
		if len(v) == 0 {
			e.body = append(e.body, "null"...)
			return nil
		}
		if !scanValue(v, 0, maxDepth) || !utf8.Valid(v) {
			return errInvalidJSON
		}
		e.body = append(e.body, v...)
	default:
		return e.marshal(v)
	}
	return nil
}

func (e *encoder) marshal(v any) error {
	var t tagged
	v, _ = markBytes(v, &t, maxDepth)
	e.scratch.Reset()
	if err := e.json.Encode(v); err != nil {
		return err
	}
	text := bytes.TrimSuffix(e.scratch.Bytes(), []byte("\n"))
	text = takeMarked(text, &e.attachments)
	e.body = append(e.body, t.take(text, &e.attachments)...)
	return nil
}

// attach copies b: the caller may change it once Emit has returned.
func (e *encoder) attach(b []byte) {
	e.body = appendPlaceholder(e.body, len(e.attachments))
	e.attachments = append(e.attachments, append([]byte{}, b...))
}

// wireValue passes a value on as it came.
func (e *encoder) wireValue(v Value) error {
	switch c := v.codec.(type) {
	case nil:
		if v.raw == nil {
			e.body = append(e.body, "null"...)
		} else {
			e.body = append(e.body, v.raw...)
		}
		return nil
	case *jsonAttachments:
		text, err := c.replace(v.raw, func(out []byte, num int) []byte {
			return appendPlaceholder(out, e.passedOn(c, num))
		})
		e.body = append(e.body, text...)
		return err
	}
	if b, ok := v.Bytes(); ok {
		e.attach(b)
		return nil
	}
	text, err := v.codec.JSON(v.raw)
	if err != nil {
		return err
	}
	e.body = append(e.body, takeMarked(text, &e.attachments)...)
	return nil
}

// passedOn returns the number that an attachment of c has in the packet, and adds it
// where it has none: named often, it is sent once, as it came.
func (e *encoder) passedOn(c *jsonAttachments, num int) int {
	if e.from != c {
		e.from, e.numbers = c, append(e.numbers[:0], make([]int, len(c.list))...)
	}
	if e.numbers[num] == 0 {
		e.attachments = append(e.attachments, c.list[num])
		e.numbers[num] = len(e.attachments)
	}
	return e.numbers[num] - 1
}

func appendPlaceholder(out []byte, num int) []byte {
	out = append(out, `{"_placeholder":true,"num":`...)
	return append(strconv.AppendInt(out, int64(num), 10), '}')
}

const hexDigits = "0123456789abcdef"

// AppendString appends s as a JSON string, as JSON.stringify writes it.
// Invalid UTF-8 becomes U+FFFD.
func AppendString(out []byte, s string) []byte {
	out = append(out, '"')
	from := 0
	for i := 0; i < len(s); {
		c := s[i]
		if c >= utf8.RuneSelf {
			r, n := utf8.DecodeRuneInString(s[i:])
			if r == utf8.RuneError && n == 1 {
				out = append(append(out, s[from:i]...), "\ufffd"...)
				from = i + 1
			}
			i += n
			continue
		}
		if c >= 0x20 && c != '"' && c != '\\' {
			i++
			continue
		}
		out = append(out, s[from:i]...)
		switch c {
		case '"', '\\':
			out = append(out, '\\', c)
		case '\n':
			out = append(out, '\\', 'n')
		case '\r':
			out = append(out, '\\', 'r')
		case '\t':
			out = append(out, '\\', 't')
		case '\b':
			out = append(out, '\\', 'b')
		case '\f':
			out = append(out, '\\', 'f')
		default:
			out = append(out, '\\', 'u', '0', '0', hexDigits[c>>4], hexDigits[c&15])
		}
		i++
		from = i
	}
	return append(append(out, s[from:]...), '"')
}
