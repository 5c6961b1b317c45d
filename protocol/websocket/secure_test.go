package websocket

import (
	"bytes"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"runtime"
	"strings"
	"testing"
	"time"
)

// secureModes are the links under TLS.
var secureModes = []string{"loop-tls", "stream-tls"}

func runSecure(t *testing.T, f func(t *testing.T, mode string)) {
	t.Helper()
	for _, mode := range secureModes {
		t.Run(mode, func(t *testing.T) { f(t, mode) })
	}
}

// Connections that came by NewListener are on the loop, and others work all the same.
func TestUnderTLSTheListenerDecidesWhoHoldsAConnection(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("there are no event loops")
	}
	for mode, want := range map[string]bool{"loop-tls": false, "bare-tls": true} {
		t.Run(mode, func(t *testing.T) {
			h := serve(t, mode, Options{}, nil)
			peer := h.dial(t)
			_, streamed := h.conn(t).link.(*stream)
			if streamed != want {
				t.Errorf("the connection has goroutines of its own: %v", streamed)
			}
			peer.write(masked(0x81, "hello"))
			peer.want(0x81, "hello")
		})
	}
}

// What a listener below plain HTTP gives is held as if it were not there.
func TestNewListenerIsNoMatterForPlainConnections(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("there are no event loops")
	}
	h := serve(t, "loop", Options{}, nil)
	peer := h.dial(t)
	if _, streamed := h.conn(t).link.(*stream); streamed {
		t.Error("the connection has goroutines of its own")
	}
	peer.write(masked(0x81, "hello"))
	peer.want(0x81, "hello")
}

// cuts are ways of cutting what a client sends.
var cuts = map[string]func(*rand.Rand) int{
	"byte by byte":    func(*rand.Rand) int { return 1 },
	"all at once":     func(*rand.Rand) int { return 1 << 30 },
	"anyhow":          func(r *rand.Rand) int { return 1 + r.IntN(1<<r.IntN(16)) },
	"around a header": func(r *rand.Rand) int { return 4 + r.IntN(3) },
}

// Records arrive in any cut, and keys are changed between them: everything comes, and in
// its order, though the descriptor is quiet after the last byte.
func TestRecordsArriveInAnyCut(t *testing.T) {
	runSecure(t, func(t *testing.T, mode string) {
		h := serve(t, mode, Options{}, nil)
		for name, cut := range cuts {
			t.Run(name, func(t *testing.T) {
				random := rand.New(rand.NewPCG(1, 2))
				largest := 40_000
				if name == "byte by byte" || name == "around a header" {
					largest = 200
				}
				r := h.dialRecords(t)
				c := shake(t, r, "")
				h.conn(t)
				const n = 60
				var wire []byte
				var want []string
				asked := 0
				for i := range n {
					text := fmt.Sprint(i, strings.Repeat(" ", random.IntN(1+largest>>random.IntN(16))))
					want = append(want, text)
					wire = append(wire, r.data(masked(0x81, text))...)
					switch random.IntN(4) {
					case 0:
						wire = append(wire, r.newKeys(true, i%2 == 0)...)
						asked++
					case 1:
						wire = append(wire, r.newKeys(false, i%2 == 0)...)
					}
				}
				sent := make(chan error, 1)
				go func() { sent <- writeCut(r.Conn, wire, func() int { return cut(random) }) }()
				for _, text := range want {
					c.want(0x81, text)
				}
				if err := <-sent; err != nil {
					t.Fatal(err)
				}
				// The last answer may follow the last message.
				c.write(masked(0x89, "done"))
				c.want(0x8a, "done")
				if r.updates != asked {
					t.Errorf("the server changed its keys %d times, and was asked %d times", r.updates, asked)
				}
			})
		}
	})
}

// writeCut writes b in pieces.
func writeCut(w io.Writer, b []byte, cut func() int) error {
	for len(b) > 0 {
		n := min(len(b), cut())
		if _, err := w.Write(b[:n]); err != nil {
			return err
		}
		b = b[n:]
	}
	return nil
}

// What crypto/tls has read already is in nobody's epoll: it waits while the connection is
// paused, and comes when it is resumed, though nothing more arrives.
func TestAPauseHoldsRecordsThatTLSHasRead(t *testing.T) {
	runSecure(t, func(t *testing.T, mode string) {
		rec := newRecorder(func(c *Conn, _ Opcode, _ []byte) { c.Pause() })
		h := serve(t, mode, Options{}, func() Handler { return rec })
		r := h.dialRecords(t)
		shake(t, r, "")
		conn := h.conn(t)
		const n = 30
		var wire []byte
		for i := range n {
			wire = append(wire, r.data(masked(0x81, fmt.Sprint(i)))...)
		}
		if _, err := r.Conn.Write(wire); err != nil {
			t.Fatal(err)
		}
		for i := range n {
			select {
			case got := <-rec.messages:
				if got.data != fmt.Sprint(i) {
					t.Fatalf("message %d is %q", i, got.data)
				}
			case <-time.After(wait):
				t.Fatalf("message %d did not come", i)
			}
			conn.Resume()
		}
	})
}

// An end that arrives with messages is behind them, also where they wait.
func TestAnEndIsBehindTheMessagesThatCameWithIt(t *testing.T) {
	runSecure(t, func(t *testing.T, mode string) {
		rec := newRecorder(func(c *Conn, _ Opcode, _ []byte) { c.Pause() })
		h := serve(t, mode, Options{}, func() Handler { return rec })
		r := h.dialRecords(t)
		shake(t, r, "")
		conn := h.conn(t)
		wire := r.data(append(masked(0x81, "one"), masked(0x81, "two")...))
		if _, err := r.Conn.Write(append(wire, r.seal(recordAlert, []byte{1, 0})...)); err != nil {
			t.Fatal(err)
		}
		for _, want := range []string{"one", "two"} {
			select {
			case got := <-rec.messages:
				if got.data != want {
					t.Fatalf("got %q, want %q", got.data, want)
				}
			case err := <-rec.closed:
				t.Fatalf("%q was lost: %v", want, err)
			case <-time.After(wait):
				t.Fatalf("%q did not come", want)
			}
			conn.Resume()
		}
		if err := rec.wantClosed(t); err != io.EOF {
			t.Errorf("OnClose got %v", err)
		}
	})
}

// What came with the request, in records of their own, is read though nothing follows.
func TestRecordsThatCameWithTheRequestAreRead(t *testing.T) {
	runSecure(t, func(t *testing.T, mode string) {
		h := serve(t, mode, Options{}, nil)
		r := h.dialRecords(t)
		request := "GET / HTTP/1.1\r\nHost: test\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n" +
			"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: " + clientKey + "\r\n\r\n"
		wire := r.data([]byte(request))
		const n = 20
		for i := range n {
			wire = append(wire, r.data(masked(0x81, fmt.Sprint(i)))...)
		}
		if _, err := r.Conn.Write(wire); err != nil {
			t.Fatal(err)
		}
		var got []byte
		for b := make([]byte, 4096); !bytes.Contains(got, []byte{0x81, 2, '1', '9'}); {
			k, err := r.Read(b)
			if err != nil {
				t.Fatalf("after %q: %v", got, err)
			}
			got = append(got, b[:k]...)
		}
	})
}

// Whoever asks for new keys again and again makes the server write: that has a bound.
func TestOneWhoOnlyAsksForNewKeysIsCut(t *testing.T) {
	rec := newRecorder(nil)
	h := serve(t, "loop-tls", Options{}, func() Handler { return rec })
	r := h.dialRecords(t)
	shake(t, r, "")
	if err := h.conn(t).Send(numbered(0, 16<<20)); err != nil { // more than the kernel takes
		t.Fatal(err)
	}
	go func() {
		for {
			var wire []byte
			for range 200 {
				wire = append(wire, r.newKeys(true, false)...)
				wire = append(wire, r.data(masked(0x8a, ""))...)
			}
			if _, err := r.Conn.Write(wire); err != nil {
				return
			}
		}
	}()
	if err := rec.wantClosed(t); !errors.Is(err, ErrSlow) {
		t.Errorf("OnClose got %v", err)
	}
	_ = r.Close()
}

func TestEndsUnderTLS(t *testing.T) {
	const closeNotify, badRecord = 0, 20
	for name, end := range map[string]struct {
		act     func(*Conn, *records, *client)
		alert   byte
		orderly bool // the network's part of it
	}{
		"the server closes": {func(c *Conn, _ *records, p *client) {
			c.Close(CloseNormal, "")
			p.wantClose(CloseNormal)
			p.write(masked(0x88, closePayload(CloseNormal, "")))
		}, closeNotify, false},
		"the client closes": {func(_ *Conn, _ *records, p *client) {
			p.write(masked(0x88, closePayload(CloseNormal, "")))
			p.wantClose(CloseNormal)
		}, closeNotify, false},
		"the client breaks the protocol": {func(_ *Conn, _ *records, p *client) {
			p.write([]byte{0x81, 0})
			p.wantClose(CloseProtocolError)
		}, closeNotify, false},
		"TLS ends": {func(_ *Conn, r *records, _ *client) {
			_, _ = r.Conn.Write(r.seal(recordAlert, []byte{1, closeNotify}))
		}, noAlert, true},
		"TCP ends": {func(_ *Conn, r *records, _ *client) {
			_ = r.Conn.(*net.TCPConn).CloseWrite()
		}, noAlert, true},
		"TCP ends within a record": {func(_ *Conn, r *records, _ *client) {
			_, _ = r.Conn.Write(r.data(masked(0x81, "cut"))[:12])
			_ = r.Conn.(*net.TCPConn).CloseWrite()
		}, noAlert, false},
		"a record is forged": {func(_ *Conn, r *records, _ *client) {
			forged := r.data(masked(0x81, "forged"))
			forged[10] ^= 1
			_, _ = r.Conn.Write(forged)
		}, badRecord, false},
	} {
		t.Run(name, func(t *testing.T) {
			rec := newRecorder(nil)
			h := serve(t, "loop-tls", Options{}, func() Handler { return rec })
			r := h.dialRecords(t)
			c := shake(t, r, "")
			end.act(h.conn(t), r, c)
			for err := error(nil); err == nil; {
				_, err = c.br.ReadByte()
			}
			if r.alert != end.alert {
				t.Errorf("the client got alert %d, want %d", r.alert, end.alert)
			}
			_ = r.Close()
			if err := rec.wantClosed(t); end.orderly != (err == io.EOF) {
				t.Errorf("OnClose got %v", err)
			}
			if n := len(rec.messages); n > 0 {
				t.Errorf("%d messages were delivered", n)
			}
		})
	}
}

// Ciphers of TLS 1.2 add more to a record than those of 1.3, and as much in both directions.
func TestCiphersOfTLS12(t *testing.T) {
	for name, suites := range map[string][]uint16{
		"GCM":    {tls.TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256, tls.TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256},
		"CBC":    {tls.TLS_ECDHE_RSA_WITH_AES_128_CBC_SHA, tls.TLS_ECDHE_ECDSA_WITH_AES_128_CBC_SHA},
		"ChaCha": {tls.TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256, tls.TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256},
	} {
		t.Run(name, func(t *testing.T) {
			h := serve(t, "loop-tls", Options{}, nil)
			nc, err := net.Dial("tcp", h.http.Listener.Addr().String())
			if err != nil {
				t.Fatal(err)
			}
			_ = nc.SetDeadline(time.Now().Add(wait))
			c := shake(t, tls.Client(nc, &tls.Config{InsecureSkipVerify: true, MaxVersion: tls.VersionTLS12, CipherSuites: suites}), "")
			h.conn(t)
			sizes := []int{1, 15 << 10, 16 << 10, 300_000, 5}
			sent := make(chan error, 1)
			go func() {
				var all []byte
				for _, n := range sizes {
					all = append(all, masked(0x81, strings.Repeat("x", n))...)
				}
				_, err := c.Write(all)
				sent <- err
			}()
			for _, n := range sizes {
				c.want(0x81, strings.Repeat("x", n))
			}
			if err := <-sent; err != nil {
				t.Fatal(err)
			}
		})
	}
}

// FuzzSecure lets a client send messages in any records, with changes of keys and empty
// records between them and cuts anywhere: all are echoed, in their order.
func FuzzSecure(f *testing.F) {
	f.Add([]byte{0, 5, 10, 3, 5, 2, 200, 200, 5, 3, 4, 6, 1, 1, 5})
	f.Add([]byte{2, 255, 255, 1, 17, 5, 0, 1, 2, 3, 4, 5, 6, 7})
	f.Add([]byte{3, 4, 3, 4, 6, 7, 7, 7, 5, 9, 1, 0, 5, 1, 4})
	h := serve(f, "loop-tls", Options{}, nil)
	f.Fuzz(func(t *testing.T, script []byte) {
		r := h.dialRecords(t)
		c := shake(t, r, "")
		h.conn(t)
		var wire []byte
		var want []frame
		idle := 0 // records since the last data: TLS takes sixteen
		next := func() int {
			if len(script) == 0 {
				return 0
			}
			b := script[0]
			script = script[1:]
			return int(b)
		}
		for len(script) > 0 && len(want) < 200 {
			switch op := next(); {
			case op%8 < 3:
				text := strings.Repeat("x", next()<<(op%8*3))
				message := masked(0x81, text)
				at := min(next(), len(message)-1) // a message in two records
				wire = append(wire, r.seal(recordData, message[:at])...)
				wire = append(wire, r.data(message[at:])...)
				want = append(want, frame{0x81, text})
				idle = 0
			case op%8 < 5 && idle < 10:
				wire = append(wire, r.newKeys(op%8 == 3, op >= 128)...)
				idle++
			case op%8 == 5:
				n := min(next()*next(), len(wire))
				if _, err := r.Conn.Write(wire[:n]); err != nil {
					t.Fatal(err)
				}
				wire = wire[n:]
			case op%8 == 6 && idle < 10:
				wire = append(wire, r.seal(recordData, nil)...)
				idle++
			case op%8 == 7:
				wire = append(wire, r.data(masked(0x89, "?"))...)
				want = append(want, frame{0x8a, "?"})
				idle = 0
			}
		}
		sent := make(chan error, 1)
		go func() {
			_, err := r.Conn.Write(wire)
			sent <- err
		}()
		for _, f := range want {
			c.want(f.first, f.payload)
		}
		if err := <-sent; err != nil {
			t.Fatal(err)
		}
		_ = r.Close()
	})
}
