package socketio

import (
	"crypto/sha256"
	"encoding/hex"
	"strconv"
	"strings"
)

// epochTag is the short form of a log's epoch that offsets and session tokens
// carry.
type epochTag [4]byte

func tagOf(epoch string) (t epochTag) {
	sum := sha256.Sum256([]byte(epoch))
	copy(t[:], sum[:])
	return t
}

// Offsets on the wire are "~", the epoch's tag in hexadecimal, ".", and the
// log offset in base 36; then, where the end of the log can get lost, "." and the
// check of the entry in base 36. The official client takes any last argument that
// is a string for the offset of the event it came with, so ours must be told from
// others.
func appendOffset(out []byte, t epochTag, m mark) []byte {
	out = append(out, '~')
	out = hex.AppendEncode(out, t[:])
	out = append(out, '.')
	out = strconv.AppendUint(out, m.offset, 36)
	if m.check == 0 {
		return out
	}
	out = append(out, '.')
	return strconv.AppendUint(out, uint64(m.check), 36)
}

func formatOffset(t epochTag, m mark) string {
	return string(appendOffset(make([]byte, 0, 29), t, m))
}

// format writes an offset of this history; of no log, where nothing is known of it.
func (h *history) format(m mark) string {
	if h == nil {
		return formatOffset(epochTag{}, mark{})
	}
	if h.form != nil {
		return h.form.FormatOffset(m.offset)
	}
	return formatOffset(h.tag, m)
}

// parse reads what format writes.
func (h *history) parse(s string) (mark, bool) {
	if h.form != nil {
		offset, ok := h.form.ParseOffset(s)
		return mark{offset: offset}, ok
	}
	return parseOffset(s, h.tag)
}

// parseOffset reads what formatOffset wrote for the same epoch. Whatever else
// it is given it refuses.
func parseOffset(s string, t epochTag) (m mark, ok bool) {
	prefix := len("~") + 2*len(t) + len(".")
	if len(s) <= prefix || s[0] != '~' || s[prefix-1] != '.' || len(s) > prefix+18 || strings.ToLower(s) != s {
		return m, false
	}
	var got epochTag
	if _, err := hex.Decode(got[:], []byte(s[1:prefix-1])); err != nil || got != t {
		return m, false
	}
	offset, check, checked := strings.Cut(s[prefix:], ".")
	if m.offset, ok = parseBase36(offset, 64); !ok || !checked {
		return m, ok
	}
	c, ok := parseBase36(check, 32)
	m.check = uint32(c)
	return m, ok && c > 0 && c < checks
}

// parseBase36 reads what strconv.FormatUint writes.
func parseBase36(digits string, bits int) (uint64, bool) {
	if digits == "" || digits[0] == '0' && len(digits) > 1 || digits[0] == '+' || digits[0] == '-' {
		return 0, false
	}
	n, err := strconv.ParseUint(digits, 36, bits)
	return n, err == nil
}
