package socketio

import (
	"bytes"
	"context"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"syscall"
	"testing"

	"podium/protocol/engineio"
)

// bareClient is a WebSocket that has joined the main namespace, of which this process
// holds nothing but the descriptor.
func bareClient(t *testing.T, addr *net.TCPAddr) (fd int) {
	t.Helper()
	fd, err := syscall.Socket(syscall.AF_INET, syscall.SOCK_STREAM|syscall.SOCK_CLOEXEC, 0)
	mustBeNil(t, err)
	to := &syscall.SockaddrInet4{Port: addr.Port}
	copy(to.Addr[:], addr.IP.To4())
	mustBeNil(t, syscall.Connect(fd, to))
	mustBeNil(t, syscall.SetsockoptTimeval(fd, syscall.SOL_SOCKET, syscall.SO_RCVTIMEO, &syscall.Timeval{Sec: 20}))
	write := func(b []byte) {
		_, err := syscall.Write(fd, b)
		mustBeNil(t, err)
	}
	buf := make([]byte, 4096)
	readTo := func(end string) {
		for n := 0; !bytes.Contains(buf[:n], []byte(end)); {
			got, err := syscall.Read(fd, buf[n:])
			if err != nil || got == 0 {
				t.Fatalf("connection ended behind %q: %v", buf[:n], err)
			}
			n += got
		}
	}
	write([]byte(strings.Join([]string{
		"GET /socket.io/?EIO=4&transport=websocket HTTP/1.1", "Host: " + addr.String(), "Upgrade: websocket",
		"Connection: Upgrade", "Sec-WebSocket-Version: 13", "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==", "", "",
	}, "\r\n")))
	readTo(`"sid"`)
	write([]byte("\x81\x82\x00\x00\x00\x0040")) // a masked text frame
	readTo(`40{"sid"`)
	return fd
}

// What a connection costs that does nothing: its WebSocket, its session and its
// socket, and what it holds of its request.
func TestAnIdleConnectionIsSmall(t *testing.T) {
	if raceEnabled {
		t.Skip("the race detector changes sizes")
	}
	const n = 300
	for _, c := range []struct {
		name string
		keep func(*http.Request) *http.Request
		most uint64
	}{
		{"with all of its request", nil, 2048},
		{"without its request's context", func(r *http.Request) *http.Request { return r.WithContext(context.Background()) }, 1600},
	} {
		t.Run(c.name, func(t *testing.T) {
			srv := newTestServer(t, Options{Engine: engineio.Options{Keep: c.keep}})
			hs := httptest.NewServer(srv)
			fds := make([]int, 0, n+20)
			t.Cleanup(func() {
				for _, fd := range fds {
					_ = syscall.Close(fd)
				}
				hs.Close()
			})
			add := func(n int) {
				for range n {
					fds = append(fds, bareClient(t, hs.Listener.Addr().(*net.TCPAddr)))
				}
			}
			add(20)
			before := heap()
			add(n)
			after := heap()
			each := (after - min(before, after)) / n
			t.Logf("%d bytes", each)
			if each > c.most {
				t.Errorf("%d bytes a connection, want at most %d", each, c.most)
			}
		})
	}
}
