package websocket

import (
	"errors"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
)

func TestHandshakeIsJudged(t *testing.T) {
	request := func(change func(r *http.Request)) *http.Request {
		r := httptest.NewRequest("GET", "/", nil)
		r.Header.Set("Connection", "keep-alive, Upgrade")
		r.Header.Set("Upgrade", "WebSocket")
		r.Header.Set("Sec-WebSocket-Version", "13")
		r.Header.Set("Sec-WebSocket-Key", clientKey)
		change(r)
		return r
	}
	set := func(name, value string) func(*http.Request) {
		return func(r *http.Request) { r.Header.Set(name, value) }
	}
	cases := []struct {
		name   string
		change func(*http.Request)
		status int // 500: good, but a recorder's connection cannot be taken over
	}{
		{"good", func(*http.Request) {}, 500},
		{"POST", func(r *http.Request) { r.Method = "POST" }, 405},
		{"HTTP/1.0", func(r *http.Request) { r.ProtoMinor = 0 }, 400},
		{"no upgrade", set("Upgrade", ""), 426},
		{"other upgrade", set("Upgrade", "h2c"), 426},
		{"connection not upgraded", set("Connection", "keep-alive"), 400},
		{"version 8", set("Sec-WebSocket-Version", "8"), 426},
		{"no version", set("Sec-WebSocket-Version", ""), 426},
		{"no key", func(r *http.Request) { r.Header.Del("Sec-WebSocket-Key") }, 400},
		{"two keys", func(r *http.Request) { r.Header.Add("Sec-WebSocket-Key", clientKey) }, 400},
		{"short key", set("Sec-WebSocket-Key", "AAAA"), 400},
		{"key of 15 bytes", set("Sec-WebSocket-Key", "AAAAAAAAAAAAAAAAAAAA"), 400},
		{"key of 18 bytes", set("Sec-WebSocket-Key", "AAAAAAAAAAAAAAAAAAAAAAAA"), 400},
		{"key not base64", set("Sec-WebSocket-Key", "!HhlIHNhbXBsZSBub25jZQ=="), 400},
	}
	for _, tc := range cases {
		t.Run(tc.name, func(t *testing.T) {
			w := httptest.NewRecorder()
			_, err := NewServer(Options{}).Upgrade(w, request(tc.change), newRecorder(nil), nil)
			var refused *HandshakeError
			if !errors.As(err, &refused) || refused.Status != tc.status || w.Code != tc.status {
				t.Fatalf("got %v, answered with %d, want %d", err, w.Code, tc.status)
			}
			if tc.status == 426 && w.Header().Get("Sec-WebSocket-Version") != "13" {
				t.Error("the answer does not name the version")
			}
		})
	}
}

// The key and its answer are those of RFC 6455, section 1.3.
func TestAnswerProvesThatTheKeyWasRead(t *testing.T) {
	got := string(appendAnswer(nil, clientKey, "", http.Header{
		"Set-Cookie": {"a=1", "b=2\r\nEvil: yes"}, "Bad Name": {"x"},
	}))
	for _, want := range []string{
		"HTTP/1.1 101 Switching Protocols\r\n", "\r\nSec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n",
		"\r\nSet-Cookie: a=1\r\n", "\r\nSet-Cookie: b=2  Evil: yes\r\n",
	} {
		if !strings.Contains(got, want) {
			t.Errorf("answer lacks %q:\n%s", want, got)
		}
	}
	if strings.Contains(got, "Bad Name") || !strings.HasSuffix(got, "\r\n\r\n") {
		t.Errorf("answer is malformed:\n%s", got)
	}
}

func TestExtensionIsNegotiated(t *testing.T) {
	const both = "permessage-deflate; server_no_context_takeover; client_no_context_takeover"
	cases := []struct{ offer, answer string }{
		{"permessage-deflate", both},
		{"permessage-deflate; client_max_window_bits", both},
		{"permessage-deflate; client_max_window_bits=10", both},
		{"permessage-deflate; server_max_window_bits=15", both + "; server_max_window_bits=15"},
		{`permessage-deflate; server_max_window_bits="15"`, both + "; server_max_window_bits=15"},
		{"permessage-deflate; server_no_context_takeover; client_no_context_takeover", both},
		{"permessage-deflate; server_max_window_bits=10, permessage-deflate", both},
		{"x-webkit-deflate-frame, permessage-deflate", both},
		{"permessage-deflate; server_max_window_bits=10", ""},
		{"permessage-deflate; server_max_window_bits", ""},
		{"permessage-deflate; client_max_window_bits=7", ""},
		{"permessage-deflate; client_max_window_bits=16", ""},
		{"permessage-deflate; client_max_window_bits=08", ""},
		{"permessage-deflate; client_max_window_bits=", ""},
		{"permessage-deflate; unknown=1", ""},
		{"permessage-deflate; server_no_context_takeover=1", ""},
		{"permessage-deflate; server_no_context_takeover; server_no_context_takeover", ""},
		{"", ""},
	}
	for _, tc := range cases {
		if got := deflateAnswer([]string{tc.offer}); got != tc.answer {
			t.Errorf("offer %q got %q, want %q", tc.offer, got, tc.answer)
		}
	}
}

func TestUpgradeAfterShutdownIsRefused(t *testing.T) {
	h := serve(t, "loop", Options{}, nil)
	_ = h.Shutdown(t.Context())
	target, err := url.Parse(h.http.URL)
	if err != nil {
		t.Fatal(err)
	}
	answer, err := http.DefaultClient.Do(&http.Request{Method: "GET", URL: target, Header: http.Header{
		"Connection": {"Upgrade"}, "Upgrade": {"websocket"}, "Sec-Websocket-Version": {"13"}, "Sec-Websocket-Key": {clientKey},
	}})
	if err != nil {
		t.Fatal(err)
	}
	_ = answer.Body.Close()
	http.DefaultClient.CloseIdleConnections()
	if answer.StatusCode != http.StatusServiceUnavailable {
		t.Errorf("answered with %s", answer.Status)
	}
}

// Whoever closes all connections, as Shutdown does, finds none whose answer to the
// handshake is still being made: its close frame would be the first thing sent.
func TestNothingIsSentBeforeTheAnswer(t *testing.T) {
	run(t, func(t *testing.T, mode string) {
		h := serve(t, mode, Options{}, nil)
		h.pools.encode.New = func() any { // called while the answer is made
			for _, c := range h.all() {
				c.Close(CloseGoingAway, "")
			}
			return new([]byte)
		}
		c := h.dial(t)
		c.write(masked(bitFin|byte(OpText), "hello"))
		c.want(bitFin|byte(OpText), "hello")
	})
}
