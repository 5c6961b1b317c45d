package websocket

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"runtime"
	"testing"
	"time"
)

// deaf is a handler that does nothing.
type deaf struct{}

func (deaf) OnMessage(*Conn, Opcode, []byte) {}
func (deaf) OnClose(*Conn, error)            {}

// greeted opens a connection on which the server sends "hello" before it starts
// it apart, and returns it when the handshake's answer has been read.
func greeted(t *testing.T, o Options, delay time.Duration) (net.Conn, *bufio.Reader) {
	t.Helper()
	srv := NewServer(o)
	web := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		c, err := srv.Upgrade(w, r, deaf{}, nil)
		if err != nil {
			t.Error(err)
			return
		}
		_ = c.Send(NewMessage(OpText, []byte("hello")))
		c.StartApart(delay)
	}))
	nc, err := net.Dial("tcp", web.Listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = nc.Close()
		if err := srv.Shutdown(context.Background()); err != nil {
			t.Error(err)
		}
		web.Close()
	})
	_ = nc.SetDeadline(time.Now().Add(10 * time.Second))
	if _, err := fmt.Fprint(nc, "GET / HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n"); err != nil {
		t.Fatal(err)
	}
	in := bufio.NewReader(nc)
	if res, err := http.ReadResponse(in, nil); err != nil || res.StatusCode != http.StatusSwitchingProtocols {
		t.Fatalf("handshake: %v", err)
	}
	return nc, in
}

func wantHello(t *testing.T, in *bufio.Reader) {
	t.Helper()
	frame := make([]byte, 7)
	if _, err := io.ReadFull(in, frame); err != nil || string(frame[2:]) != "hello" {
		t.Fatalf("read %q, %v", frame, err)
	}
}

func TestTheAnswerOfAConnectionThatIsStartedApartLeavesAlone(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("no event loops here")
	}
	nc, in := greeted(t, Options{}, time.Hour)
	if n := in.Buffered(); n > 0 {
		t.Errorf("%d bytes came with the answer", n)
	}
	if _, err := nc.Write([]byte{0x81, 0x80, 0, 0, 0, 0}); err != nil { // the peer is listening
		t.Fatal(err)
	}
	wantHello(t, in)
}

func TestWhatIsSentFollowsWhenTheDelayIsOver(t *testing.T) {
	for _, loops := range []int{0, -1} {
		_, in := greeted(t, Options{Loops: loops}, time.Millisecond)
		wantHello(t, in)
	}
}
