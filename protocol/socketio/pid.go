package socketio

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"time"
)

// ticket is what a private session id (pid) says. Clients see it as an opaque
// string; it is signed, so that it can be believed after a restart although
// nothing was stored. It never changes while the session lives: the official
// client takes a recovery for one only if the same pid comes back.
type ticket struct {
	id     string    // the socket's id
	begin  mark      // where in the log the session began
	issued time.Time // to the second
}

// The first byte of a pid says what follows: offset and time, or in a history
// whose end can get lost the check of the entry at the offset between them.
const (
	ticketPlain   = 1
	ticketChecked = 2
	ticketMAC     = 16
)

// seal turns t into a pid for one namespace and epoch.
func (t ticket) seal(key []byte, nsp string, tag epochTag) string {
	b := make([]byte, 0, 64)
	if t.begin.check == 0 {
		b = append(b, ticketPlain)
		b = binary.AppendUvarint(b, t.begin.offset)
	} else {
		b = append(b, ticketChecked)
		b = binary.AppendUvarint(b, t.begin.offset)
		b = binary.AppendUvarint(b, uint64(t.begin.check))
	}
	b = binary.AppendUvarint(b, uint64(t.issued.Unix()))
	b = append(b, t.id...)
	b = append(b, ticketSum(key, nsp, tag, b)...)
	return base64.RawURLEncoding.EncodeToString(b)
}

// ticketSum authenticates what a pid says, where it may be used, and with
// which history of the log.
func ticketSum(key []byte, nsp string, tag epochTag, said []byte) []byte {
	h := hmac.New(sha256.New, key)
	h.Write([]byte("podium socket.io pid\x00"))
	h.Write(tag[:])
	h.Write([]byte(nsp))
	h.Write([]byte{0})
	h.Write(said)
	return h.Sum(nil)[:ticketMAC]
}

// openTicket reads a pid that seal made with the same key, namespace and
// epoch, and refuses anything else.
func openTicket(pid string, key []byte, nsp string, tag epochTag) (t ticket, ok bool) {
	if len(pid) > 512 {
		return t, false
	}
	b, err := base64.RawURLEncoding.Strict().DecodeString(pid)
	if err != nil || len(b) < 1+ticketMAC || b[0] != ticketPlain && b[0] != ticketChecked {
		return t, false
	}
	if base64.RawURLEncoding.EncodedLen(len(b)) != len(pid) {
		return t, false // the decoder passes over line ends: a pid has one spelling only
	}
	said, sum := b[:len(b)-ticketMAC], b[len(b)-ticketMAC:]
	if !hmac.Equal(sum, ticketSum(key, nsp, tag, said)) {
		return t, false
	}
	rest := said[1:]
	offset, n := binary.Uvarint(rest)
	if n <= 0 {
		return t, false
	}
	rest = rest[n:]
	begin := mark{offset: offset}
	if b[0] == ticketChecked {
		check, n := binary.Uvarint(rest)
		if n <= 0 || check == 0 || check >= checks {
			return t, false
		}
		begin.check, rest = uint32(check), rest[n:]
	}
	issued, n := binary.Uvarint(rest)
	if n <= 0 || issued > 1<<40 {
		return t, false
	}
	t = ticket{id: string(rest[n:]), begin: begin, issued: time.Unix(int64(issued), 0)}
	return t, t.id != ""
}
