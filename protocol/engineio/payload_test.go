package engineio

import (
	"bytes"
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"testing"
)

// read is the packets of a payload, up to the first that is invalid.
func read(c codec, body []byte, binary bool) (all []readable, err error) {
	err = c.decodePayload(body, binary, func(p packet) bool {
		all = append(all, readable{p.kind, p.binary, string(p.data)})
		return true
	})
	return all, err
}

// decoded shows packets as text: "4hi", and "b" before binary.
func decoded(c codec, body []byte, binary bool) (string, error) {
	packets, err := read(c, body, binary)
	var all []string
	for _, p := range packets {
		mark := ""
		if p.binary {
			mark = "b"
		}
		all = append(all, fmt.Sprintf("%s%c%s", mark, p.kind, p.data))
	}
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
	for _, body := range []string{"", "abc", "7", "4a\x1e", "4\xff"} {
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

// The bytes are what Node 20 prints for Buffer.from(text, "base64").
func TestBase64IsReadAsNodesBufferDoes(t *testing.T) {
	for text, want := range map[string]string{
		"+/+/AA==": "\xfb\xff\xbf\x00", "-_-_AA==": "\xfb\xff\xbf\x00", "-_-_AA": "\xfb\xff\xbf\x00", "AQI+-/_": "\x01\x02\x3e\xfb\xff",
		"AQ==\n": "\x01", "AQI=\r\n": "\x01\x02", "AQ\nID": "\x01\x02\x03", "\nAQID": "\x01\x02\x03", " A Q\tID\n\n": "\x01\x02\x03",
		"AQ=\n=": "\x01", "AQ====": "\x01", "AQID=": "\x01\x02\x03", "AQI": "\x01\x02", "AQ": "\x01", "A": "", "": "", "====": "",
		"AQ==BA": "\x01", "AQ=ID": "\x01", "AQI=\nAQI=\n": "\x01\x02", "=AQID": "", "AQ*ID": "\x01\x02\x03", "AQ\u00e9ID": "\x01\x02\x03",
		"AQIDB": "\x01\x02\x03", "AR==": "\x01", "!!!": "",
	} {
		if got := decodeBase64([]byte(text)); string(got) != want {
			t.Errorf("%q: %q, want %q", text, got, want)
		}
	}
}

func TestJSONPEscapes(t *testing.T) {
	script := appendJSONP(nil, "7;alert(1)", []byte("4\"\u2028</script>"))
	if got, want := string(script), `___eio[71]("4\"\u2028\u003c/script\u003e");`; got != want {
		t.Errorf("script %s, want %s", got, want)
	}
	body, ok := decodeJSONP([]byte(`d=6%3A4a%5Cnb%5C%5Cn`))
	if !ok || string(body) != "6:4a\nb\\n" {
		t.Errorf("form: %q %v", body, ok)
	}
	if body, ok := decodeJSONP([]byte("e=4a")); ok {
		t.Errorf("a form without payload has %q", body)
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
		"deflate, gzip": "deflate", "gzip;q=0.5, deflate": "deflate", "gzip;q=0, *": "deflate", "*": "gzip", "deflate, *;q=0.5": "deflate",
		"*, gzip;q=0.5": "deflate", "gzip;q=0, deflate;q=0, *": "", "gzip; q=none": "",
	} {
		if got := acceptedEncoding(header); got != want {
			t.Errorf("%q: %q, want %q", header, got, want)
		}
	}
}

// FuzzQuery compares with net/url, where that takes the query.
func FuzzQuery(f *testing.F) {
	for _, seed := range []string{"EIO=4&transport=polling", "EIO=3&transport=poll%69ng&t=a+b&sid=a&sid=b", "b64=1&j=0&&x", "b64&j&=&%45IO=4", "sid=%zz&EIO=4", "sid=a;b", "+=%2B"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, raw string) {
		got := parseQuery(raw)
		form, err := url.ParseQuery(raw)
		if err != nil {
			return
		}
		last := func(name string) string {
			if all := form[name]; len(all) > 0 {
				return all[len(all)-1]
			}
			return ""
		}
		want := query{last("EIO"), last("transport"), last("sid"), last("j"), form.Has("j"), last("b64") != ""}
		if got != want {
			t.Fatalf("%q: %+v, expected %+v", raw, got, want)
		}
	})
}

// FuzzPayload compares with references that are written another way; wants
// what was taken to read the same when it is encoded again, and a POST of it to be
// answered and delivered accordingly.
func FuzzPayload(f *testing.F) {
	for _, seed := range []string{
		"4hi", "4a\x1ebAQID\x1e2", "\x1e", "", "b", "b=", "b!", "bAQ\nID", "b-_==", "b-+", "bA", "9x", "4\xff", "41", "3\x1e4a\x1e5", "4a\x1e7\x1e4b",
		"2:4a", "6:4hello10:b4AQIDBA==1:2", "3:4😀", "2:4😀", "0:", "0:2:4a", ":4a", "2:4", "02:4a", "0000000000000002:4a", "1:b", "3:b0A", "1:9",
		"\x00\x06\xff4hello\x01\x05\xff\x04\x01\x02\x03\x04", "\x01\x01\xff\x03", "\x01\x00\xff", "\x00\x02\xff4\xff", "\x02\x01\xff4", "\x00\xff4", "\x00\x02\xff4",
		`6:4a\nb\\n`,
	} {
		for form := range uint8(4) {
			f.Add([]byte(seed), form)
		}
	}
	var in inbox
	srv := NewServer(Options{AllowEIO3: true}, func(s *Session) Receiver {
		in = inbox{session: s}
		return &in
	})
	f.Cleanup(func() { _ = srv.Shutdown(context.Background()) })
	f.Fuzz(func(t *testing.T, body []byte, form uint8) {
		how := payloadForms[form%uint8(len(payloadForms))]
		want, wanted := how.reference(body)
		got, err := read(how.codec, body, how.binary)
		if (err == nil) != wanted || !slices.Equal(got, want) {
			t.Fatalf("%s: %q: %v, %v, expected %v, %v", how.name, body, got, err, want, wanted)
		}
		var packets []*Message
		for _, p := range got {
			packets = append(packets, p.message())
		}
		for _, asBase64 := range []bool{false, true} {
			if len(packets) == 0 {
				break
			}
			again, binary := how.codec.appendPayload(nil, packets, asBase64)
			if back, err := read(how.codec, again, binary); err != nil || !slices.Equal(back, got) {
				t.Fatalf("%s: %v encoded as %q came back as %v, %v", how.name, got, again, back, err)
			}
		}
		if slices.ContainsFunc(want, func(p readable) bool { return p.kind != packetMessage }) {
			return // FuzzSession is about those
		}
		if how.wrap != nil && bytes.Contains(body, []byte("\\\n")) {
			return // in a form, this cannot be told from a backslash and an n
		}
		status := map[bool]int{true: http.StatusOK, false: http.StatusBadRequest}[wanted]
		how.request(srv, http.MethodGet, "", nil)
		if got := how.request(srv, http.MethodPost, in.session.ID(), body); got != status || !slices.Equal(in.got, want) {
			t.Fatalf("%s: POST of %q got %d and delivered %v, expected %d and %v", how.name, body, got, in.got, status, want)
		}
		if wanted { // else the session has ended
			how.request(srv, http.MethodPost, in.session.ID(), []byte("x"))
		}
	})
}

// inbox is a receiver that keeps what arrives.
type inbox struct {
	session *Session
	got     []readable
}

func (in *inbox) OnMessage(data []byte, binary bool) {
	in.got = append(in.got, readable{packetMessage, binary, string(data)})
}

func (in *inbox) OnClose(Reason, error) {}

// payloadForm is a way in which clients send payloads.
type payloadForm struct {
	name        string
	codec       codec
	binary      bool
	query       string
	contentType string
	wrap        func([]byte) []byte // what the body carries it in; nil for itself
	reference   func([]byte) ([]readable, bool)
}

var payloadForms = []payloadForm{
	{"protocol 4", codecV4{}, false, "EIO=4", "text/plain;charset=UTF-8", nil, referenceV4},
	{"protocol 3 as text", codecV3{}, false, "EIO=3", "text/plain;charset=UTF-8", nil, referenceV3},
	{"protocol 3 as bytes", codecV3{}, true, "EIO=3", "application/octet-stream", nil, referenceV3Binary},
	{"protocol 3 in a form", codecV3{}, false, "EIO=3&j=0", "application/x-www-form-urlencoded", inForm, referenceV3},
}

// inForm is a payload as JSONP clients send it.
func inForm(body []byte) []byte {
	text := strings.ReplaceAll(string(body), `\n`, `\\n`)
	return []byte("d=" + url.QueryEscape(strings.ReplaceAll(text, "\n", `\n`)))
}

// request is a request in this form; it returns the answer's status.
func (form *payloadForm) request(srv *Server, method, sid string, body []byte) int {
	if form.wrap != nil {
		body = form.wrap(body)
	}
	query := "/?transport=polling&" + form.query
	if sid != "" {
		query += "&sid=" + sid
	}
	r := httptest.NewRequest(method, query, bytes.NewReader(body))
	r.Header.Set("Content-Type", form.contentType)
	w := httptest.NewRecorder()
	srv.ServeHTTP(w, r)
	return w.Code
}
