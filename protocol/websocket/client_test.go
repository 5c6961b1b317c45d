package websocket

import (
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"
)

// silent is a handler that sends nothing.
func silent() *recorder { return newRecorder(func(*Conn, Opcode, []byte) {}) }

func (r *recorder) next(t *testing.T) received {
	t.Helper()
	select {
	case m := <-r.messages:
		return m
	case <-time.After(wait):
		t.Fatal("no message came")
		return received{}
	}
}

// dialEcho connects a client to a server that echoes.
func dialEcho(t *testing.T, o Options, start func(http.Handler) *httptest.Server, hc func(*httptest.Server) *http.Client) (*Conn, *recorder, *recorder) {
	t.Helper()
	server, client := NewServer(o), NewClient(o)
	e := newRecorder(nil)
	hs := start(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		c, err := server.Upgrade(w, r, e, nil)
		if err != nil {
			return
		}
		_ = c.SendParts(OpText, []byte("welcome"))
		c.Start()
	}))
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), time.Second)
		defer cancel()
		_ = client.Shutdown(ctx)
		_ = server.Shutdown(ctx)
		hs.Close()
	})
	ctx, cancel := context.WithCancel(context.Background())
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, hs.URL, nil)
	if err != nil {
		t.Fatal(err)
	}
	h := silent()
	c, err := client.Dial(hc(hs), r, h)
	if err != nil {
		t.Fatal(err)
	}
	cancel() // the handshake's context is no matter for what follows
	c.Start()
	return c, h, e
}

func TestClientExchangesMessages(t *testing.T) {
	plain := func(hs *httptest.Server) *http.Client { return hs.Client() }
	bare := func(hs *httptest.Server) *http.Client {
		return &http.Client{Transport: untraced{hs.Client().Transport}}
	}
	for name, tc := range map[string]struct {
		o     Options
		start func(http.Handler) *httptest.Server
		hc    func(*httptest.Server) *http.Client
	}{
		"loop":             {Options{}, httptest.NewServer, plain},
		"goroutines":       {Options{Loops: -1}, httptest.NewServer, plain},
		"TLS":              {Options{}, httptest.NewTLSServer, plain},
		"compressed":       {Options{Compression: &Compression{Threshold: -1}}, httptest.NewServer, plain},
		"untraced":         {Options{}, httptest.NewServer, bare},
		"with own timeout": {Options{}, httptest.NewServer, func(*httptest.Server) *http.Client { return &http.Client{Timeout: time.Minute} }},
	} {
		t.Run(name, func(t *testing.T) {
			tc.o.MaxMessageBytes = 4 << 20
			c, h, e := dialEcho(t, tc.o, tc.start, tc.hc)
			if m := h.next(t); m.data != "welcome" || m.op != OpText {
				t.Fatalf("first message %v", m)
			}
			if c.Compressed() != (tc.o.Compression != nil) {
				t.Errorf("compressed: %v", c.Compressed())
			}
			big := make([]byte, 1<<20)
			_, _ = rand.Read(big)
			for _, m := range [][]byte{{}, []byte("a"), bytes.Repeat([]byte("b"), 126), bytes.Repeat([]byte("c"), 70_000), big} {
				if err := c.SendParts(OpBinary, m); err != nil {
					t.Fatal(err)
				}
				if got := h.next(t); got.op != OpBinary || got.data != string(m) {
					t.Fatalf("%d bytes came back as %d", len(m), len(got.data))
				}
			}
			if err := c.Send(NewMessage(OpText, []byte("one")), NewMessage(OpText, []byte("two"))); err != nil {
				t.Fatal(err)
			}
			if a, b := h.next(t), h.next(t); a.data != "one" || b.data != "two" {
				t.Errorf("got %v, %v", a, b)
			}
			c.Close(CloseNormal, "bye")
			var closed *CloseError
			if err := h.wantClosed(t); !errors.As(err, &closed) || closed.Code != CloseNormal {
				t.Errorf("client's end: %v", err)
			}
			if err := e.wantClosed(t); !errors.As(err, &closed) || closed.Reason != "bye" {
				t.Errorf("server's end: %v", err)
			}
		})
	}
}

// untraced is a RoundTripper that tells of no connections.
type untraced struct{ http.RoundTripper }

func (u untraced) RoundTrip(r *http.Request) (*http.Response, error) {
	return u.RoundTripper.RoundTrip(r.WithContext(context.WithoutCancel(valueless{r.Context()})))
}

type valueless struct{ context.Context }

func (valueless) Value(any) any { return nil }

func TestClientTellsWhyItWasRefused(t *testing.T) {
	key := make(chan string, 1)
	for name, tc := range map[string]struct {
		answer func(w http.ResponseWriter)
		status int
		reason string
	}{
		"plain answer": {func(w http.ResponseWriter) { http.Error(w, "Session ID unknown", 400) }, 400, "Session ID unknown"},
		"empty answer": {func(w http.ResponseWriter) { w.WriteHeader(503) }, 503, "Service Unavailable"},
		"wrong proof": {func(w http.ResponseWriter) {
			w.Header().Set("Sec-WebSocket-Accept", "AAAA")
			switching(w)
		}, 101, "answer does not fit the key"},
		"other protocol": {func(w http.ResponseWriter) {
			w.Header().Set("Upgrade", "h2c")
			w.Header().Set("Connection", "upgrade")
			w.WriteHeader(101)
		}, 101, "answer is not an upgrade to websocket"},
		"extension": {func(w http.ResponseWriter) {
			w.Header().Set("Sec-WebSocket-Accept", string(appendAccept(nil, <-key)))
			w.Header().Set("Sec-WebSocket-Extensions", "permessage-deflate")
			switching(w)
		}, 101, "answer has extensions that were not offered"},
	} {
		t.Run(name, func(t *testing.T) {
			hs := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				select {
				case key <- r.Header.Get("Sec-WebSocket-Key"):
				default:
				}
				tc.answer(w)
			}))
			defer hs.Close()
			select {
			case <-key:
			default:
			}
			client := NewClient(Options{})
			r, _ := http.NewRequest(http.MethodGet, hs.URL, nil)
			_, err := client.Dial(hs.Client(), r, silent())
			var bad *HandshakeError
			if !errors.As(err, &bad) || bad.Status != tc.status || bad.Reason != tc.reason {
				t.Errorf("got %v", err)
			}
		})
	}
}

func switching(w http.ResponseWriter) {
	w.Header().Set("Upgrade", "websocket")
	w.Header().Set("Connection", "upgrade")
	w.WriteHeader(101)
}

func TestClientRefusesMaskedFrames(t *testing.T) {
	client := NewClient(Options{})
	near, far := net.Pipe()
	h := silent()
	c, err := client.carrier.adopt(near, h, nil, nil, false)
	if err != nil {
		t.Fatal(err)
	}
	c.Start()
	_ = far.SetDeadline(time.Now().Add(wait))
	if _, err := far.Write([]byte{0x81, 0x81, 1, 2, 3, 4, 'a' ^ 1}); err != nil {
		t.Fatal(err)
	}
	var closeFrame [2 + 4 + 2]byte
	if _, err := io.ReadFull(far, closeFrame[:]); err != nil || closeFrame[0] != 0x88 || closeFrame[1] != 0x82 {
		t.Fatalf("answer % x, %v", closeFrame, err)
	}
	_ = far.Close()
	var bad *ProtocolError
	if err := h.wantClosed(t); !errors.As(err, &bad) || bad.Reason != "frame masked" {
		t.Errorf("got %v", err)
	}
	if err := client.Shutdown(t.Context()); err != nil {
		t.Error(err)
	}
}
