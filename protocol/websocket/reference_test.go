package websocket

import (
	"bytes"
	"compress/flate"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"regexp"
	"strings"
	"unicode/utf8"
)

// fuzzLimit is the largest message in FuzzReceive.
const fuzzLimit = 4000

// reference reads a client's bytes as RFC 6455 and RFC 7692 say, in the plainest
// way: all of them are there, nothing is kept between calls, and speed does not
// matter. It shares no code with what it is compared to.
type reference struct {
	deflate  bool
	messages strings.Builder // as transcript writes them
	sent     []byte

	open       bool // a message has begun
	op         byte
	compressed bool
	message    []byte
}

// failure is a violation, by the code that the peer is told.
type failure uint16

// expected is what has to be delivered of b, and what has to be answered.
func expected(b []byte, deflate bool) (messages string, sent []byte) {
	r := reference{deflate: deflate}
	for len(b) > 0 {
		rest, end := r.frame(b)
		if end != nil {
			r.sent = append(r.sent, end...)
			break
		}
		b = rest
	}
	return r.messages.String(), r.sent
}

// closing is a close frame with a code.
func closing(code failure) []byte { return []byte{0x88, 2, byte(code >> 8), byte(code)} }

// frame reads one frame off b. Where the connection ends with it, end is the close
// frame; of a frame that is not complete, what is there is judged and rest is nil.
func (r *reference) frame(b []byte) (rest, end []byte) {
	size, width := uint64(0), 0
	if len(b) < 2 {
		return nil, nil
	}
	switch size = uint64(b[1] & 0x7f); size {
	case 126:
		width = 2
	case 127:
		width = 8
	}
	if len(b) < 2+width {
		return nil, nil
	}
	switch width { // the shortest form, and 63 bits (section 5.2)
	case 2:
		if size = uint64(binary.BigEndian.Uint16(b[2:])); size <= 125 {
			return nil, closing(1002)
		}
	case 8:
		if size = binary.BigEndian.Uint64(b[2:]); size <= 0xffff || size > 1<<63-1 {
			return nil, closing(1002)
		}
	}
	head := 2 + width
	if b[1]&0x80 == 0 {
		return nil, closing(1002) // clients mask (section 5.1)
	}
	if len(b) < head+4 {
		return nil, nil
	}
	if bad := r.mayCome(b[0], size); bad != 0 {
		return nil, closing(bad)
	}
	key, body := b[head:head+4], b[head+4:]
	complete := uint64(len(body)) >= size
	if complete {
		rest, body = body[size:], body[:size]
	}
	plain := make([]byte, len(body))
	for i := range body {
		plain[i] = body[i] ^ key[i%4] // section 5.3
	}
	if b[0]&8 != 0 {
		if complete {
			return rest, r.control(b[0]&0xf, plain)
		}
		return nil, nil
	}
	if bad := r.data(b[0], plain, complete); bad != 0 {
		return nil, closing(bad)
	}
	return rest, nil
}

// mayCome judges the first byte and the length by what came before.
func (r *reference) mayCome(first byte, size uint64) failure {
	op := first & 0xf
	switch {
	case first&0x30 != 0, // no extension uses these bits
		first&0x40 != 0 && (!r.deflate || op != 1 && op != 2), // set on a message's first frame only
		op > 2 && op < 8 || op > 10,
		op >= 8 && (first&0x80 == 0 || size > 125),
		op == 0 && !r.open,
		(op == 1 || op == 2) && r.open:
		return 1002
	}
	if op < 8 && size > uint64(fuzzLimit-len(r.message)) {
		return 1009
	}
	return 0
}

// control answers a control frame (section 5.5).
func (r *reference) control(op byte, plain []byte) (end []byte) {
	switch {
	case op == 9:
		r.sent = append(append(r.sent, 0x8a, byte(len(plain))), plain...)
	case op == 8 && len(plain) == 0:
		return []byte{0x88, 0}
	case op == 8 && len(plain) == 1:
		return closing(1002)
	case op == 8:
		switch code := binary.BigEndian.Uint16(plain); {
		case code < 1000, code == 1004, code == 1005, code == 1006, code >= 1015 && code < 3000, code >= 5000:
			return closing(1002)
		case !utf8.Valid(plain[2:]):
			return closing(1007)
		default:
			return append([]byte{0x88, byte(len(plain))}, plain...)
		}
	}
	return nil
}

// data adds a fragment to its message, which ends with it where the frame says so.
func (r *reference) data(first byte, plain []byte, complete bool) failure {
	if op := first & 0xf; op != 0 {
		r.open, r.op, r.compressed, r.message = true, op, first&0x40 != 0, nil
	}
	r.message = append(r.message, plain...)
	if r.op == 1 && !r.compressed && !beginsText(r.message) {
		return 1007
	}
	if !complete || first&0x80 == 0 {
		return 0
	}
	whole := r.message
	r.open, r.message = false, nil
	if r.compressed {
		var bad failure
		if whole, bad = inflated(whole); bad != 0 {
			return bad
		}
	}
	if r.op == 1 && !utf8.Valid(whole) {
		return 1007
	}
	fmt.Fprintf(&r.messages, "%d %q\n", r.op, whole)
	return 0
}

// beginsText reports whether b can be the beginning of a text.
func beginsText(b []byte) bool {
	for len(b) > 0 {
		char, size := utf8.DecodeRune(b)
		if char == utf8.RuneError && size == 1 {
			return !utf8.FullRune(b)
		}
		b = b[size:]
	}
	return true
}

// inflated undoes the compression of a message (RFC 7692, section 7.2.2) with the
// standard library.
func inflated(b []byte) ([]byte, failure) {
	const tail, final = "\x00\x00\xff\xff", "\x01\x00\x00\xff\xff"
	in := flate.NewReader(io.MultiReader(bytes.NewReader(b), strings.NewReader(tail+final)))
	out, err := io.ReadAll(io.LimitReader(in, fuzzLimit+1))
	switch {
	case len(out) > fuzzLimit:
		return nil, 1009
	case err != nil && !errors.Is(err, io.EOF):
		return nil, 1007
	}
	return out, 0
}

// printable matches the values of headers as net/http hands them on.
var printable = regexp.MustCompile(`^([!-~]([ -~\t]*[!-~])?)?$`)

// What section 4.2.1 wants of each header.
var (
	upgradeWanted   = regexp.MustCompile(`(?i)(^|,)[ \t]*upgrade[ \t]*(,|$)`)
	webSocketWanted = regexp.MustCompile(`(?i)(^|,)[ \t]*websocket[ \t]*(,|$)`)
	sixteenBytes    = regexp.MustCompile(`^[A-Za-z0-9+/]{22}==$`)
)

// referenceHandshake is the status that refuses a request with these headers, 0
// where it is right.
func referenceHandshake(connection, upgrade, version, key string) int {
	switch {
	case !webSocketWanted.MatchString(upgrade):
		return 426
	case !upgradeWanted.MatchString(connection):
		return 400
	case version != "13":
		return 426
	case !sixteenBytes.MatchString(key):
		return 400
	}
	return 0
}

// What of an offer of permessage-deflate can be accepted (RFC 7692, section 7.1).
var (
	deflateOffer = regexp.MustCompile(`^[ \t]*permessage-deflate[ \t]*(;[^;]+)*$`)
	deflateParam = regexp.MustCompile(`^;[ \t]*((?:server|client)_no_context_takeover|client_max_window_bits|(client_max_window_bits|server_max_window_bits)[ \t]*=[ \t]*(?:([0-9]+)|"([0-9]+)"))[ \t]*$`)
	offerParams  = regexp.MustCompile(`;[^;]+`)
)

// referenceDeflate is the answer to offers of extensions.
func referenceDeflate(offers string) string {
next:
	for _, offer := range strings.Split(offers, ",") {
		if !deflateOffer.MatchString(offer) {
			continue
		}
		answer := "permessage-deflate; server_no_context_takeover; client_no_context_takeover"
		seen := ""
		for _, param := range offerParams.FindAllString(offer, -1) {
			found := deflateParam.FindStringSubmatch(param)
			if found == nil {
				continue next
			}
			name, bits := found[1], found[3]+found[4]
			if found[2] != "" {
				name = found[2]
			}
			fits := bits == "" || strings.Contains(" 8 9 10 11 12 13 14 15 ", " "+bits+" ")
			if name == "server_max_window_bits" {
				fits = bits == "15"
				answer += "; server_max_window_bits=15"
			}
			if !fits || strings.Contains(seen, name) {
				continue next
			}
			seen += name + " "
		}
		return answer
	}
	return ""
}
