package websocket

import (
	"bufio"
	"bytes"
	"crypto/aes"
	"crypto/cipher"
	"crypto/hkdf"
	"crypto/sha256"
	"crypto/tls"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"net"
	"testing"
	"time"
)

// records is a client's TLS connection whose records the test makes by itself (RFC 8446,
// section 5) once crypto/tls has shaken hands: crypto/tls asks nobody for new keys, and
// sends nothing wrong.
type records struct {
	net.Conn
	in, out traffic
	raw     *bufio.Reader
	plain   []byte // decrypted, and not yet read
	updates int    // how often the server has changed its keys
	alert   byte   // that the server sent last; noAlert for none
}

const (
	recordAlert     = 21
	recordHandshake = 22
	recordData      = 23
	noAlert         = 255
)

// traffic is the keys of one direction.
type traffic struct {
	secret []byte
	aead   cipher.AEAD
	iv     []byte
	seq    uint64
}

// dialRecords opens a connection to h. Session tickets are off there, so that nothing
// comes before the answer.
func (h *host) dialRecords(t testing.TB) *records {
	t.Helper()
	nc, err := net.Dial("tcp", h.http.Listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = nc.Close() })
	_ = nc.SetDeadline(time.Now().Add(wait))
	var keys bytes.Buffer
	c := tls.Client(nc, &tls.Config{InsecureSkipVerify: true, MinVersion: tls.VersionTLS13, KeyLogWriter: &keys})
	if err := c.Handshake(); err != nil {
		t.Fatal(err)
	}
	if c.ConnectionState().CipherSuite != tls.TLS_AES_128_GCM_SHA256 {
		t.Skip("another cipher was agreed on")
	}
	r := &records{Conn: nc, raw: bufio.NewReader(nc), alert: noAlert}
	for line := range bytes.Lines(keys.Bytes()) {
		var label, random, secret string
		if _, err := fmt.Sscan(string(line), &label, &random, &secret); err != nil {
			t.Fatal(err)
		}
		raw, err := hex.DecodeString(secret)
		if err != nil {
			t.Fatal(err)
		}
		switch label {
		case "CLIENT_TRAFFIC_SECRET_0":
			r.out.use(raw)
		case "SERVER_TRAFFIC_SECRET_0":
			r.in.use(raw)
		}
	}
	return r
}

// use begins with a secret (section 7.3).
func (d *traffic) use(secret []byte) {
	block, err := aes.NewCipher(expandLabel(secret, "key", 16))
	if err != nil {
		panic(err)
	}
	aead, err := cipher.NewGCM(block)
	if err != nil {
		panic(err)
	}
	*d = traffic{secret: secret, aead: aead, iv: expandLabel(secret, "iv", 12)}
}

// update goes on with the next secret (section 7.2).
func (d *traffic) update() { d.use(expandLabel(d.secret, "traffic upd", sha256.Size)) }

// expandLabel is HKDF-Expand-Label (section 7.1) without a context.
func expandLabel(secret []byte, label string, n int) []byte {
	label = "tls13 " + label
	info := string(binary.BigEndian.AppendUint16(nil, uint16(n))) + string(rune(len(label))) + label + "\x00"
	out, err := hkdf.Expand(sha256.New, secret, info, n)
	if err != nil {
		panic(err)
	}
	return out
}

func (d *traffic) nonce() []byte {
	nonce := make([]byte, 12)
	binary.BigEndian.PutUint64(nonce[4:], d.seq)
	d.seq++
	for i := range nonce {
		nonce[i] ^= d.iv[i]
	}
	return nonce
}

// seal is a record.
func (r *records) seal(kind byte, payload []byte) []byte {
	head := []byte{recordData, 3, 3, 0, 0}
	binary.BigEndian.PutUint16(head[3:], uint16(len(payload)+1+16))
	inner := append(bytes.Clone(payload), kind)
	return r.out.aead.Seal(head, r.out.nonce(), inner, head[:5:5])
}

// data is application data as records.
func (r *records) data(b []byte) (all []byte) {
	const most = 1 << 14
	for ; len(b) > most; b = b[most:] {
		all = append(all, r.seal(recordData, b[:most])...)
	}
	return append(all, r.seal(recordData, b)...)
}

// newKeys changes the client's keys, and asks the server to change its own (section 4.6.3),
// in one record or split into two.
func (r *records) newKeys(ask, split bool) []byte {
	message := []byte{24, 0, 0, 1, 0}
	if ask {
		message[4] = 1
	}
	var wire []byte
	if split {
		wire, message = r.seal(recordHandshake, message[:3]), message[3:]
	}
	wire = append(wire, r.seal(recordHandshake, message)...)
	r.out.update()
	return wire
}

// Write implements net.Conn.
func (r *records) Write(b []byte) (int, error) {
	if _, err := r.Conn.Write(r.data(b)); err != nil {
		return 0, err
	}
	return len(b), nil
}

var errAlert = errors.New("the server sent an alert")

// Read implements net.Conn.
func (r *records) Read(b []byte) (int, error) {
	for len(r.plain) == 0 {
		if err := r.readRecord(); err != nil {
			return 0, err
		}
	}
	n := copy(b, r.plain)
	r.plain = r.plain[n:]
	return n, nil
}

func (r *records) readRecord() error {
	var head [5]byte
	if _, err := io.ReadFull(r.raw, head[:]); err != nil {
		return err
	}
	sealed := make([]byte, binary.BigEndian.Uint16(head[3:]))
	if _, err := io.ReadFull(r.raw, sealed); err != nil {
		return err
	}
	if head[0] != recordData {
		return fmt.Errorf("a record of type %d", head[0])
	}
	inner, err := r.in.aead.Open(nil, r.in.nonce(), sealed, head[:])
	if err != nil {
		return err
	}
	inner = bytes.TrimRight(inner, "\x00")
	kind, payload := inner[len(inner)-1], inner[:len(inner)-1]
	switch {
	case kind == recordData:
		r.plain = payload
	case kind == recordHandshake && payload[0] == 24:
		r.in.update()
		r.updates++
	case kind == recordAlert:
		r.alert = payload[1]
		return errAlert
	default:
		return fmt.Errorf("a message of type %d in a record of type %d", payload[0], kind)
	}
	return nil
}
