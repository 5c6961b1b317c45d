package engineio

import (
	"bytes"
	"encoding/base64"
	"errors"
	"fmt"
	"unicode/utf8"
)

var errPacket = errors.New("engineio: invalid packet")

// packet is one packet as received. data is without the type, and decoded where
// it was base64.
type packet struct {
	kind   byte
	binary bool
	data   []byte
}

// decodePacket reads one packet of a polling payload.
// (Engine.IO protocol v4, "Packet encoding")
func decodePacket(b []byte) (packet, error) {
	if len(b) == 0 {
		return packet{}, fmt.Errorf("%w: empty", errPacket)
	}
	if b[0] == 'b' {
		data := make([]byte, base64.StdEncoding.DecodedLen(len(b)-1))
		n, err := base64.StdEncoding.Decode(data, b[1:])
		if err != nil {
			return packet{}, fmt.Errorf("%w: %w", errPacket, err)
		}
		return packet{kind: packetMessage, binary: true, data: data[:n]}, nil
	}
	if b[0] < packetOpen || b[0] > packetNoop {
		return packet{}, fmt.Errorf("%w: unknown type %q", errPacket, b[0])
	}
	return packet{kind: b[0], data: b[1:]}, nil
}

// decodePayload calls each for every packet of the body of a POST, in order.
// The packets share the body's bytes. Nothing is delivered of a payload that
// has an invalid packet.
func decodePayload(body []byte, each func(packet)) error {
	if !utf8.Valid(body) {
		return fmt.Errorf("%w: not UTF-8", errPacket)
	}
	packets := make([]packet, 0, 4)
	for part := range bytes.SplitSeq(body, []byte{recordSeparator}) {
		p, err := decodePacket(part)
		if err != nil {
			return err
		}
		packets = append(packets, p)
	}
	for _, p := range packets {
		each(p)
	}
	return nil
}
