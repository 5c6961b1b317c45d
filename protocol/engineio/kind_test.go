package engineio_test

import (
	"encoding/base64"
	"fmt"
	"time"

	"podium/protocol/engineio"
)

// kind is what sort of session a machine drives: any of the bits below.
type kind byte

const (
	protocol3     kind = 1 << iota // else it is 4
	withBinary                     // every other message is binary
	asBase64                       // which the client takes as text
	fromWebSocket                  // the session begins on WebSocket
	parking                        // polls are parked after a moment
	impatient                      // little may wait for the client
	silent                         // nobody notices that the client of a parked poll went away
)

func (k kind) version() int {
	if k&protocol3 != 0 {
		return 3
	}
	return 4
}

func (k kind) options() engineio.Options {
	o := engineio.Options{AllowEIO3: true, PingInterval: 10 * time.Second, PingTimeout: 5 * time.Second}
	if k&parking != 0 {
		o.ParkAfter = 10 * time.Millisecond
	}
	if k&impatient != 0 {
		o.MaxQueuedBytes = 100
	}
	return o
}

// textOf is the content of the n-th message; all are of one length, so that a body
// can begin to arrive before it is known which it is.
func textOf(n int) string { return fmt.Sprintf("%04d", n) }

// binary reports whether the n-th message is.
func (m *machine) binary(n int) bool { return m.kind&withBinary != 0 && n%2 == 1 }

// seen is how the n-th message is seen by who gets it.
func (m *machine) seen(n int) string {
	if m.binary(n) {
		return "b" + textOf(n)
	}
	return textOf(n)
}

func (m *machine) message(n int) *engineio.Message {
	if m.binary(n) {
		return engineio.Binary([]byte(textOf(n)))
	}
	return engineio.Text([]byte(textOf(n)))
}

// open opens the session.
func (m *machine) open() {
	if m.kind&fromWebSocket == 0 {
		m.bubble.open(m.kind.version())
	} else {
		m.version = m.kind.version()
		query := fmt.Sprintf("EIO=%d&transport=websocket", m.version)
		m.live = m.dialWebSocket(query + m.base64())
		m.letAMomentPass()
		m.query = fmt.Sprintf("EIO=%d&transport=polling&sid=%s", m.version, m.session.ID())
	}
	m.query += m.base64()
}

// base64 is what a query says of what the client takes.
func (m *machine) base64() string {
	if m.kind&asBase64 != 0 {
		return "&b64=1"
	}
	return ""
}

// postPacket is post for one packet, whose form is that of the session's protocol.
func (m *machine) postPacket(packet string) *answer {
	if m.kind&protocol3 != 0 {
		packet = fmt.Sprintf("%d:%s", len(packet), packet)
	}
	return m.post(packet)
}

// textPacket is the n-th message as a packet that is text.
func (m *machine) textPacket(n int) string {
	if !m.binary(n) {
		return "4" + textOf(n)
	}
	mark := "b"
	if m.kind&protocol3 != 0 {
		mark = "b4"
	}
	return mark + base64.StdEncoding.EncodeToString([]byte(textOf(n)))
}

// sendOverWebSocket sends the n-th message.
func (m *machine) sendOverWebSocket(n int) {
	switch {
	case !m.binary(n) || m.kind&asBase64 != 0:
		m.live.send(m.textPacket(n))
	case m.kind&protocol3 != 0:
		m.live.sendFrame(0x82, "\x04"+textOf(n))
	default:
		m.live.sendFrame(0x82, textOf(n))
	}
}
