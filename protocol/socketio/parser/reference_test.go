package parser

import (
	"bytes"
	"encoding/json"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"unicode/utf8"
)

// fuzzAttachments is the largest number of attachments in FuzzDecode.
const fuzzAttachments = 4

// readable is a packet with its values decoded, for comparison.
type readable struct {
	kind      PacketType
	namespace string
	id        int64
	event     string
	values    []any
}

// undecodable stands for a value with a number that no float64 holds.
const undecodable = "undecodable"

// decodable reports whether all values of the packet are.
func (r *readable) decodable() bool {
	for _, v := range r.values {
		if v, ok := v.(string); ok && v == undecodable {
			return false
		}
	}
	return true
}

// readPacket is a packet that came in, its values decoded.
func readPacket(t *testing.T, p *Packet) readable {
	t.Helper()
	r := readable{p.Type, p.Namespace, p.ID, p.Event, []any{}}
	for _, v := range p.Values {
		var tree any
		if err := v.Decode(&tree); err != nil {
			tree = undecodable
		}
		r.values = append(r.values, tree)
	}
	return r
}

// packetHead is what stands before the JSON of a packet: type, number of
// attachments, namespace, id. (Socket.IO protocol v5, "Packet encoding")
var packetHead = regexp.MustCompile(`^(?s:([0-4])|([56])0{0,5}([1-9])-)(/[^,]*(?:,|$))?([0-9]*)`)

// referenceDecode reads a packet whose attachments are all the same, as the
// official decoder does, with encoding/json. It shares no code with what it is
// compared to. false stands for a packet that breaks the protocol.
func referenceDecode(text string, attachment []byte) (readable, bool) {
	r := readable{namespace: "/", id: NoID, values: []any{}}
	head := packetHead.FindStringSubmatch(text)
	if head == nil || !utf8.ValidString(text) {
		return r, false
	}
	kind, binary, count, namespace, id, body := head[1], head[2], head[3], head[4], head[5], text[len(head[0]):]
	attachments := -1
	if binary != "" {
		kind = map[string]string{"5": "2", "6": "3"}[binary]
		if attachments, _ = strconv.Atoi(count); attachments > fuzzAttachments {
			return r, false
		}
	}
	r.kind = PacketType(kind[0] - '0')
	if namespace != "" {
		r.namespace = strings.TrimSuffix(namespace, ",")
	}
	if id != "" {
		n, err := strconv.ParseInt(id, 10, 64)
		if err != nil || n > 1<<53-1 {
			return r, false // beyond what JavaScript counts
		}
		r.id = n
	}
	return r, r.read(body, attachments, attachment)
}

// read reads the JSON of a packet, and says whether the packet may have it.
func (r *readable) read(body string, attachments int, attachment []byte) bool {
	if deepest(body) > maxDepth {
		return false
	}
	switch r.kind {
	case Disconnect:
		return body == ""
	case Connect, ConnectError:
		if body == "" {
			return true
		}
		if body[0] != '{' && (body[0] != '"' || r.kind == Connect) || !json.Valid([]byte(body)) {
			return false
		}
		v, _ := decoded(json.RawMessage(body), -1, nil)
		r.values = []any{v}
		return true
	}
	var list []json.RawMessage
	if !strings.HasPrefix(strings.TrimLeft(body, " \t\r\n"), "[") || json.Unmarshal([]byte(body), &list) != nil || len(list) > MaxArguments {
		return false
	}
	if r.kind == Ack && r.id == NoID {
		return false
	}
	if r.kind == Event {
		if len(list) == 0 || !r.named(list[0]) {
			return false
		}
		list = list[1:]
	}
	for _, raw := range list {
		v, ok := decoded(raw, attachments, attachment)
		if !ok {
			return false
		}
		r.values = append(r.values, v)
	}
	return true
}

// named takes the name of an event, a string or a number.
func (r *readable) named(raw json.RawMessage) bool {
	if c := raw[0]; c == '-' || c >= '0' && c <= '9' {
		r.event = string(raw)
		return true
	}
	if raw[0] != '"' || json.Unmarshal(raw, &r.event) != nil {
		return false
	}
	reserved := []string{"connect", "connect_error", "disconnect", "disconnecting", "newListener", "removeListener"}
	for _, name := range reserved {
		if r.event == name {
			return false
		}
	}
	return true
}

// decoded is the value of raw, with the attachment in place of each of the
// placeholders, which may name so many; negative: there are none. It returns false
// where one names another.
func decoded(raw json.RawMessage, attachments int, attachment []byte) (any, bool) {
	r := valueReader{json.NewDecoder(bytes.NewReader(raw)), attachments, attachment, false}
	r.UseNumber()
	v, ok := r.value()
	if r.beyond {
		return undecodable, ok
	}
	return floats(v), ok
}

// valueReader reads values token by token: what a repeated key hides counts too.
type valueReader struct {
	*json.Decoder
	attachments int
	attachment  []byte
	beyond      bool // there was a number that no float64 holds
}

// value reads one value. ok is false where it holds a placeholder that is none.
func (r *valueReader) value() (v any, ok bool) {
	token, _ := r.Token() // the text is known to be valid
	switch token := token.(type) {
	case json.Delim:
		if token == '[' {
			return r.array()
		}
		return r.object()
	case json.Number:
		_, err := token.Float64()
		r.beyond = r.beyond || err != nil
	}
	return token, true
}

func (r *valueReader) array() (any, bool) {
	items, ok := []any{}, true
	for r.More() {
		item, good := r.value()
		items, ok = append(items, item), ok && good
	}
	_, _ = r.Token()
	return items, ok
}

func (r *valueReader) object() (any, bool) {
	fields, ok := map[string]any{}, true
	for r.More() {
		name, _ := r.Token()
		field, good := r.value()
		fields[name.(string)], ok = field, ok && good
	}
	_, _ = r.Token()
	if r.attachments >= 0 && fields["_placeholder"] == true {
		num, _ := fields["num"].(json.Number)
		n, err := strconv.ParseUint(string(num), 10, 16)
		return r.attachment, err == nil && int(n) < r.attachments
	}
	return fields, ok
}

// floats is v with float64 in place of numbers.
func floats(v any) any {
	switch v := v.(type) {
	case json.Number:
		n, _ := v.Float64() // it was tried
		return n
	case []any:
		for i := range v {
			v[i] = floats(v[i])
		}
	case map[string]any:
		for name := range v {
			v[name] = floats(v[name])
		}
	}
	return v
}

// deepest is how deep JSON is nested.
func deepest(text string) int {
	most, now, quoted := 0, 0, false
	for i := 0; i < len(text); i++ {
		switch c := text[i]; {
		case quoted && c == '\\':
			i++
		case c == '"':
			quoted = !quoted
		case quoted:
		case c == '[' || c == '{':
			now++
			most = max(most, now)
		case c == ']' || c == '}':
			now--
		}
	}
	return most
}
