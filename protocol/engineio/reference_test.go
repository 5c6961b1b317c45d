package engineio

import (
	"encoding/base64"
	"regexp"
	"strconv"
	"strings"
	"unicode/utf16"
	"unicode/utf8"

	"podium/protocol/websocket"
)

// readable is a packet, for comparison.
type readable struct {
	kind   byte
	binary bool
	data   string
}

// message is the packet as a server sends it.
func (r readable) message() *Message {
	if r.binary {
		return Binary([]byte(r.data))
	}
	return websocket.NewMessage(websocket.OpText, []byte{r.kind}, []byte(r.data))
}

// The references read whole payloads in the plainest way, and share no code with
// what they are compared to. They return the packets before the first that is
// invalid, and whether there was none.

// ReadPayload is what a client of protocol 3, or else 4, reads in the answer to a
// poll: "4hi" for a text message, "4bhi" for a binary one, "2" for a ping, and "?"
// instead of what is invalid and comes after it.
func ReadPayload(version int, body []byte, binary bool) []string {
	reference := referenceV4
	switch {
	case version == 3 && binary:
		reference = referenceV3Binary
	case version == 3:
		reference = referenceV3
	}
	packets, ok := reference(body)
	var all []string
	for _, p := range packets {
		all = append(all, p.String())
	}
	if !ok {
		all = append(all, "?")
	}
	return all
}

// ReadFrame is ReadPayload for a WebSocket message.
func ReadFrame(version int, data []byte, binary bool) []string {
	p, ok := readable{'4', true, string(data)}, true
	switch {
	case version == 3 && binary:
		if p.data, ok = strings.CutPrefix(p.data, "\x04"); !ok {
			return []string{"?"}
		}
	case !binary:
		mark := "b"
		if version == 3 {
			mark = "b4"
		}
		if p, ok = referenceText(string(data), mark); !ok {
			return []string{"?"}
		}
	}
	return []string{p.String()}
}

func (r readable) String() string {
	if r.binary {
		return "4b" + r.data
	}
	return string(r.kind) + r.data
}

// referenceV4 reads payloads of protocol 4.
func referenceV4(body []byte) (packets []readable, ok bool) {
	if !utf8.Valid(body) {
		return nil, false
	}
	for _, part := range strings.Split(string(body), "\x1e") {
		p, ok := referenceText(part, "b")
		if !ok {
			return packets, false
		}
		packets = append(packets, p)
	}
	return packets, true
}

// referenceV3 reads payloads of protocol 3 that are text.
func referenceV3(body []byte) (packets []readable, ok bool) {
	if len(body) == 0 || !utf8.Valid(body) {
		return nil, false
	}
	units := utf16.Encode([]rune(string(body))) // as JavaScript counts
	for len(units) > 0 {
		digits := v3Digits.FindString(string(utf16.Decode(units)))
		if digits == "" {
			return packets, false
		}
		units = units[len(digits):]
		n, _ := strconv.Atoi(digits[:len(digits)-1])
		if n > len(units) || n < len(units) && n > 0 && utf16.IsSurrogate(rune(units[n])) && units[n] >= 0xdc00 {
			return packets, false // too short, or within a character
		}
		part := string(utf16.Decode(units[:n]))
		units = units[n:]
		if part == "" {
			continue
		}
		p, ok := referenceText(part, "b4")
		if !ok {
			return packets, false
		}
		packets = append(packets, p)
	}
	return packets, true
}

// v3Digits is what stands before a packet of protocol 3.
var v3Digits = regexp.MustCompile(`^[0-9]{1,15}:`)

// referenceV3Binary reads payloads of protocol 3 that are bytes.
func referenceV3Binary(body []byte) (packets []readable, ok bool) {
	for rest := string(body); rest != ""; {
		head := v3Head(rest)
		if head == "" {
			return packets, false
		}
		n := 0
		for _, digit := range []byte(head[1 : len(head)-1]) {
			n = 10*n + int(digit)
		}
		if rest = rest[len(head):]; n > len(rest) {
			return packets, false
		}
		part := rest[:n]
		rest = rest[n:]
		var p readable
		if head[0] == 1 {
			if part == "" || part[0] != 4 {
				return packets, false
			}
			p = readable{'4', true, part[1:]}
		} else if p, ok = referenceText(part, "b4"); !ok || !utf8.ValidString(part) {
			return packets, false
		}
		packets = append(packets, p)
	}
	return packets, true
}

// v3Head is what stands before a packet in a payload of bytes: a mark, digits, and
// their end; "" where that is wrong.
func v3Head(s string) string {
	end := strings.IndexByte(s, 0xff)
	if end < 2 || end > 16 || s[0] > 1 {
		return ""
	}
	for _, digit := range []byte(s[1:end]) {
		if digit > 9 {
			return ""
		}
	}
	return s[:end+1]
}

// referenceText reads a packet that is text; mark is what stands before base64.
func referenceText(part, mark string) (readable, bool) {
	if data, found := strings.CutPrefix(part, mark); found {
		return readable{'4', true, referenceBase64(data)}, true
	}
	if part == "" || part[0] < '0' || part[0] > '6' {
		return readable{}, false
	}
	return readable{part[0], false, part[1:]}, true
}

// referenceBase64 decodes text with the standard library, after it was put into the
// shape that it takes, as Node's Buffer reads it.
func referenceBase64(text string) string {
	text, _, _ = strings.Cut(text, "=")
	text = notInAlphabets.ReplaceAllString(text, "")
	text = strings.NewReplacer("-", "+", "_", "/").Replace(text)
	if len(text)%4 == 1 {
		text = text[:len(text)-1]
	}
	data, err := base64.RawStdEncoding.DecodeString(text)
	if err != nil {
		panic(err)
	}
	return string(data)
}

var notInAlphabets = regexp.MustCompile(`(?s)[^A-Za-z0-9+/_-]`)
