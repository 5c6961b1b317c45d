package engineio

import (
	"bytes"
	"fmt"
	"slices"
	"strings"
	"testing"

	"podium/protocol/websocket"
)

// decoded shows packets as text: "4hi", and "b" before binary.
func decoded(c codec, body []byte, binary bool) (string, error) {
	var all []string
	err := c.decodePayload(body, binary, func(p packet) bool {
		mark := ""
		if p.binary {
			mark = "b"
		}
		all = append(all, fmt.Sprintf("%s%c%s", mark, p.kind, p.data))
		return true
	})
	return strings.Join(all, "|"), err
}

func TestPayloadsOfBothProtocols(t *testing.T) {
	packets := []*Message{Text([]byte("héllo")), Binary([]byte{1, 2, 3, 4}), control("2"), Text([]byte("😀"))}
	for _, c := range []struct {
		name     string
		codec    codec
		asBase64 bool
		binary   bool
		body     string
	}{
		{"4", codecV4{}, false, false, "4héllo\x1ebAQIDBA==\x1e2\x1e4😀"},
		{"3 as text", codecV3{}, true, false, "6:4héllo10:b4AQIDBA==1:23:4😀"},
		{"3 as bytes", codecV3{}, false, true, "\x00\x07\xff4héllo\x01\x05\xff\x04\x01\x02\x03\x04\x00\x01\xff2\x00\x05\xff4😀"},
	} {
		body, binary := c.codec.appendPayload(nil, packets, c.asBase64)
		if string(body) != c.body || binary != c.binary {
			t.Errorf("protocol %s: %q (binary %v), want %q", c.name, body, binary, c.body)
		}
		got, err := decoded(c.codec, body, binary)
		if want := "4héllo|b4\x01\x02\x03\x04|2|4😀"; got != want || err != nil {
			t.Errorf("protocol %s decoded: %q, %v", c.name, got, err)
		}
	}
}

func TestInvalidPayloads(t *testing.T) {
	for _, body := range []string{"", "abc", "7", "4a\x1e", "b!", "4\xff"} {
		if got, err := decoded(codecV4{}, []byte(body), false); err == nil {
			t.Errorf("protocol 4 took %q as %q", body, got)
		}
	}
	for _, body := range []string{"", "abc", ":4a", "2:4", "1:9", "-1:4", "2:4😀", "1", "3:b", "4:b0AA", "9999999999999999999:4"} {
		if got, err := decoded(codecV3{}, []byte(body), false); err == nil {
			t.Errorf("protocol 3 took %q as %q", body, got)
		}
	}
	for _, body := range []string{"\x00", "\x00\xff4", "\x00\x02\xff4", "\x02\x01\xff4", "\x01\x01\xff\x07", "\x00\x0a\xff4"} {
		if got, err := decoded(codecV3{}, []byte(body), true); err == nil {
			t.Errorf("protocol 3 took the bytes %q as %q", body, got)
		}
	}
}

func TestBase64InEveryShapeThatClientsSend(t *testing.T) {
	for _, text := range []string{"+/+/AA==", "-_-_AA==", "-_-_AA"} {
		got, err := decodeBase64([]byte(text))
		if want := []byte{0xfb, 0xff, 0xbf, 0}; err != nil || !bytes.Equal(got, want) {
			t.Errorf("%s: %v %v", text, got, err)
		}
	}
}

func TestJSONPEscapes(t *testing.T) {
	script := appendJSONP(nil, "7;alert(1)", []byte("4\"\u2028</script>"))
	if got, want := string(script), `___eio[71]("4\"\u2028\u003c/script\u003e");`; got != want {
		t.Errorf("script %s, want %s", got, want)
	}
	body, err := decodeJSONP([]byte(`d=6%3A4a%5Cnb%5C%5Cn`))
	if err != nil || string(body) != "6:4a\nb\\n" {
		t.Errorf("form: %q %v", body, err)
	}
}

func TestQueryIsReadAsURLsAre(t *testing.T) {
	q := parseQuery("EIO=4&transport=poll%69ng&t=abc&sid=a&sid=b&b64=1&j=0&&x")
	if want := (query{eio: "4", transport: "polling", sid: "b", base64: true, jsonp: true, callback: "0"}); q != want {
		t.Errorf("%+v, want %+v", q, want)
	}
}

func TestAcceptedEncoding(t *testing.T) {
	for header, want := range map[string]string{
		"": "", "br": "", "gzip, deflate, br": "gzip", "deflate": "deflate", "gzip;q=0, deflate;q=0.5": "deflate", "GZIP": "gzip", "gzip;q=0.0": "",
	} {
		if got := acceptedEncoding(header); got != want {
			t.Errorf("%q: %q, want %q", header, got, want)
		}
	}
}

// FuzzDecodePayload: whatever is accepted can be encoded again and reads the same.
func FuzzDecodePayload(f *testing.F) {
	for _, seed := range []string{"4hi", "4a\x1ebAQID\x1e2", "\x1e", "b", "4\xff", "2:4a", "6:4hello10:b4AQIDBA==", "3:4😀", "0:", "\x00\x06\xff4hello\x01\x05\xff\x04\x01\x02\x03\x04"} {
		f.Add([]byte(seed), uint8(0))
		f.Add([]byte(seed), uint8(1))
		f.Add([]byte(seed), uint8(2))
	}
	f.Fuzz(func(t *testing.T, body []byte, form uint8) {
		var c codec = codecV3{}
		if form%3 == 0 {
			c = codecV4{}
		}
		var ms []*Message
		err := c.decodePayload(body, form%3 == 2, func(p packet) bool {
			if p.binary {
				ms = append(ms, Binary(p.data))
			} else {
				ms = append(ms, websocket.NewMessage(websocket.OpText, []byte{p.kind}, p.data))
			}
			return true
		})
		if err != nil || len(ms) == 0 {
			return
		}
		again, binary := c.appendPayload(nil, ms, form%3 == 1)
		var got []*Message
		if err := c.decodePayload(again, binary, func(p packet) bool {
			if p.binary {
				got = append(got, Binary(p.data))
			} else {
				got = append(got, websocket.NewMessage(websocket.OpText, []byte{p.kind}, p.data))
			}
			return true
		}); err != nil {
			t.Fatalf("%q encoded as %q: %v", body, again, err)
		}
		if !slices.EqualFunc(ms, got, func(a, b *Message) bool { return a.Op() == b.Op() && bytes.Equal(a.Payload(), b.Payload()) }) {
			t.Fatalf("%q came back different as %q", body, again)
		}
	})
}
