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
// log offset in base 36. The official client takes any last argument that is
// a string for the offset of the event it came with, so ours must be told from
// others.
func appendOffset(out []byte, t epochTag, offset uint64) []byte {
	out = append(out, '~')
	out = hex.AppendEncode(out, t[:])
	out = append(out, '.')
	return strconv.AppendUint(out, offset, 36)
}

func formatOffset(t epochTag, offset uint64) string {
	return string(appendOffset(make([]byte, 0, 24), t, offset))
}

// parseOffset reads what formatOffset wrote for the same epoch. Whatever else
// it is given it refuses.
func parseOffset(s string, t epochTag) (uint64, bool) {
	prefix := len("~") + 2*len(t) + len(".")
	if len(s) <= prefix || s[0] != '~' || s[prefix-1] != '.' || len(s) > prefix+13 {
		return 0, false
	}
	var got epochTag
	if _, err := hex.Decode(got[:], []byte(s[1:prefix-1])); err != nil || got != t {
		return 0, false
	}
	digits := s[prefix:]
	if strings.ToLower(s) != s || digits[0] == '0' && len(digits) > 1 {
		return 0, false
	}
	n, err := strconv.ParseUint(digits, 36, 64)
	return n, err == nil
}
