package listen

import (
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/http"
	"podium/protocol/limits"
	"testing"
	"time"
)

// newFront listens on a free port of loopback.
func newFront(t *testing.T) (f *Front, url string) {
	t.Helper()
	f, err := New(Options{
		Address: "127.0.0.1:0", Addresses: new(limits.Addresses), Sockets: limits.NewGate("sockets", 0, 0),
		HeaderTimeout: time.Minute, MaxHeader: 16 << 10, Logger: slog.New(slog.DiscardHandler),
	})
	if err != nil {
		t.Fatal(err)
	}
	return f, "http://" + f.Addr().String()
}

// The UDP port has the number of the TCP port, and goes with the Front where nobody took it.
func TestTheUDPPortIsTheSame(t *testing.T) {
	o := Options{Address: "127.0.0.1:0", Addresses: new(limits.Addresses), Sockets: limits.NewGate("sockets", 0, 0), HeaderTimeout: time.Minute, UDP: true, Logger: slog.New(slog.DiscardHandler)}
	f, err := New(o)
	if err != nil {
		t.Fatal(err)
	}
	at := f.Packets().LocalAddr().String()
	if at != f.Addr().String() {
		t.Errorf("TCP is at %s, and UDP at %s", f.Addr(), at)
	}
	o.Address = at
	if second, err := New(o); err == nil {
		t.Error("a port was taken twice")
		second.Close()
	}
	if err := f.Close(); err != nil {
		t.Error(err)
	}
	again, err := net.ListenPacket("udp", at)
	if err != nil {
		t.Fatalf("the UDP port is still taken: %v", err)
	}
	again.Close()
}

// get sends a request on a connection of its own.
func get(t *testing.T, url string) (status int, header http.Header, body map[string]any) {
	t.Helper()
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}, Timeout: 20 * time.Second}
	res, err := client.Get(url)
	if err != nil {
		t.Error(err)
		return 0, nil, nil
	}
	defer res.Body.Close()
	data, err := io.ReadAll(res.Body)
	if err != nil || json.Unmarshal(data, &body) != nil {
		t.Errorf("GET %s: %v: %s", url, err, data)
	}
	return res.StatusCode, res.Header, body
}

// Before the server is there, health checks are answered and everything else
// waits for it.
func TestRequestsWaitForAServerThatStarts(t *testing.T) {
	f, url := newFront(t)
	defer f.Close()
	if status, _, body := get(t, url+"/health"); status != 200 || body["status"] != "healthy" || body["winners"] == nil {
		t.Errorf("/health: %d %v", status, body)
	}
	if status, _, body := get(t, url+"/ready"); status != 503 || body["ready"] != false || body["reason"] == "" {
		t.Errorf("/ready: %d %v", status, body)
	}
	waiting := make(chan int, 1)
	go func() {
		status, _, _ := get(t, url+"/api/feed")
		waiting <- status
	}()
	select {
	case status := <-waiting:
		t.Fatalf("answered %d before there was a server", status)
	case <-time.After(50 * time.Millisecond):
	}
	f.Open(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.WriteHeader(http.StatusTeapot)
		io.WriteString(w, "{}")
	}))
	if status := <-waiting; status != http.StatusTeapot {
		t.Errorf("the request that waited was answered %d", status)
	}
	if status, _, _ := get(t, url+"/ready"); status != http.StatusTeapot {
		t.Errorf("later requests were answered %d", status)
	}
}

// Nobody waits for ever.
func TestRequestsThatWaitedLongAreSentAway(t *testing.T) {
	f, url := newFront(t)
	defer f.Close()
	f.hold = 20 * time.Millisecond
	status, header, body := get(t, url+"/api/feed")
	if status != 503 || header.Get("Retry-After") != "1" || body["error"] == nil {
		t.Errorf("%d, Retry-After %q, %v", status, header.Get("Retry-After"), body)
	}
}

// A stop does not wait for connections on which nothing was ever asked.
func TestAStopDoesNotWaitForSilentConnections(t *testing.T) {
	f, url := newFront(t)
	c, err := net.Dial("tcp", f.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	get(t, url+"/health") // connections are accepted in order, so the silent one was too
	began := time.Now()
	if err := errors.Join(f.Refuse(), f.Drain(t.Context(), func() bool { return true })); err != nil {
		t.Error(err)
	}
	// net/http by itself gives such a connection five seconds.
	if took := time.Since(began); took > 4*time.Second {
		t.Errorf("it took %s", took)
	}
}
