package parser

import "bytes"

// span is where one element of an array lies in the text.
type span struct{ from, to int }

// scanner checks JSON (RFC 8259) by hand and notes where the elements of the
// outermost array lie. It allocates nothing but the growth of elems.
type scanner struct {
	data  []byte
	pos   int
	depth int            // nesting that is still allowed
	found *[]placeholder // where not nil, collects the placeholders passed
}

// placeholder is an object {"_placeholder":true,"num":n} that stands for the
// n-th attachment of a binary packet. (Socket.IO protocol v5, "Packet encoding")
type placeholder struct {
	span
	num int // -1 where num is missing or no index
}

// scanArray checks that data, from at on, is one JSON array and nothing else,
// of at most most elements and nested at most maxDepth deep, and appends its elements
// to elems.
func scanArray(data []byte, at, maxDepth, most int, elems []span) ([]span, bool) {
	s := scanner{data: data, pos: at, depth: maxDepth}
	s.space()
	if !s.take('[') {
		return elems, false
	}
	s.depth--
	s.space()
	if s.take(']') {
		return elems, s.atEnd()
	}
	for {
		s.space()
		from := s.pos
		if !s.value() || len(elems) == most {
			return elems, false
		}
		elems = append(elems, span{from, s.pos})
		s.space()
		if s.take(',') {
			continue
		}
		return elems, s.take(']') && s.atEnd()
	}
}

// Valid reports whether raw is one JSON value that a packet may hold: well-formed,
// and not nested deeper than a peer's may be.
func Valid(raw []byte) bool { return scanValue(raw, 0, maxDepth) }

// scanValue checks that data, from at on, is one JSON value and nothing else.
func scanValue(data []byte, at, maxDepth int) bool {
	s := scanner{data: data, pos: at, depth: maxDepth}
	s.space()
	return s.value() && s.atEnd()
}

func (s *scanner) atEnd() bool {
	s.space()
	return s.pos == len(s.data)
}

func (s *scanner) space() {
	for s.pos < len(s.data) {
		switch s.data[s.pos] {
		case ' ', '\t', '\n', '\r':
			s.pos++
		default:
			return
		}
	}
}

func (s *scanner) take(c byte) bool {
	if s.pos < len(s.data) && s.data[s.pos] == c {
		s.pos++
		return true
	}
	return false
}

func (s *scanner) value() bool {
	if s.pos >= len(s.data) {
		return false
	}
	switch c := s.data[s.pos]; {
	case c == '"':
		return s.str()
	case c == '{':
		return s.object()
	case c == '[':
		return s.array()
	case c == '-' || c >= '0' && c <= '9':
		return s.number()
	case c == 't':
		return s.word("true")
	case c == 'f':
		return s.word("false")
	case c == 'n':
		return s.word("null")
	}
	return false
}

func (s *scanner) word(w string) bool {
	if len(s.data)-s.pos < len(w) || string(s.data[s.pos:s.pos+len(w)]) != w {
		return false
	}
	s.pos += len(w)
	return true
}

// str checks a string literal. Control characters must be escaped; \u escapes
// need not form valid surrogate pairs, as in JavaScript.
func (s *scanner) str() bool {
	data, i := s.data, s.pos+1
	for i < len(data) {
		switch c := data[i]; {
		case c == '"':
			s.pos = i + 1
			return true
		case c < 0x20:
			return false
		case c != '\\':
			i++
		default:
			if i+1 >= len(data) {
				return false
			}
			switch data[i+1] {
			case '"', '\\', '/', 'b', 'f', 'n', 'r', 't':
				i += 2
			case 'u':
				if i+6 > len(data) || !isHex(data[i+2:i+6]) {
					return false
				}
				i += 6
			default:
				return false
			}
		}
	}
	return false
}

func isHex(b []byte) bool {
	for _, c := range b {
		if !(c >= '0' && c <= '9' || c >= 'a' && c <= 'f' || c >= 'A' && c <= 'F') {
			return false
		}
	}
	return true
}

func (s *scanner) digits() bool {
	from := s.pos
	for s.pos < len(s.data) && s.data[s.pos] >= '0' && s.data[s.pos] <= '9' {
		s.pos++
	}
	return s.pos > from
}

func (s *scanner) number() bool {
	s.take('-')
	if s.take('0') {
		// No digit may follow a leading zero; the caller stumbles over it.
	} else if !s.digits() {
		return false
	}
	if s.take('.') && !s.digits() {
		return false
	}
	if s.take('e') || s.take('E') {
		if !s.take('+') {
			s.take('-')
		}
		return s.digits()
	}
	return true
}

func (s *scanner) array() bool {
	if s.depth--; s.depth < 0 {
		return false
	}
	s.pos++
	s.space()
	if !s.take(']') {
		for {
			s.space()
			if !s.value() {
				return false
			}
			s.space()
			if s.take(',') {
				continue
			}
			if !s.take(']') {
				return false
			}
			break
		}
	}
	s.depth++
	return true
}

func (s *scanner) object() bool {
	if s.depth--; s.depth < 0 {
		return false
	}
	mark := placeholder{span: span{from: s.pos}, num: -1}
	inside, marked := 0, false
	if s.found != nil {
		inside = len(*s.found)
	}
	s.pos++
	s.space()
	if !s.take('}') {
		for {
			s.space()
			key := s.pos
			if s.pos >= len(s.data) || s.data[s.pos] != '"' || !s.str() {
				return false
			}
			keyEnd := s.pos
			s.space()
			if !s.take(':') {
				return false
			}
			s.space()
			from := s.pos
			if !s.value() {
				return false
			}
			if s.found != nil {
				switch string(keyName(s.data[key:keyEnd])) {
				case "_placeholder":
					marked = string(s.data[from:s.pos]) == "true"
				case "num":
					mark.num = smallInt(s.data[from:s.pos])
				}
			}
			s.space()
			if s.take(',') {
				continue
			}
			if !s.take('}') {
				return false
			}
			break
		}
	}
	s.depth++
	if marked {
		mark.to = s.pos
		*s.found = append((*s.found)[:inside], mark)
	}
	return true
}

// keyName is what raw, the key of an object, says.
func keyName(raw []byte) []byte {
	if bytes.IndexByte(raw, '\\') >= 0 {
		var name string
		_ = unmarshalJSON(raw, &name) // raw was scanned
		return []byte(name)
	}
	return raw[1 : len(raw)-1]
}

// smallInt reads the digits of an index, or returns -1.
func smallInt(b []byte) int {
	if len(b) == 0 || len(b) > 6 {
		return -1
	}
	n := 0
	for _, c := range b {
		if c < '0' || c > '9' {
			return -1
		}
		n = n*10 + int(c-'0')
	}
	return n
}

// findPlaceholders lists the placeholders in raw, which is one JSON value. It
// returns false where one names none of the n attachments.
func findPlaceholders(raw []byte, n int) ([]placeholder, bool) {
	var found []placeholder
	s := scanner{data: raw, depth: maxDepth + 1, found: &found}
	if !s.value() {
		return nil, false
	}
	for _, p := range found {
		if p.num < 0 || p.num >= n {
			return nil, false
		}
	}
	return found, true
}
