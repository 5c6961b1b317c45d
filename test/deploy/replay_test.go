package deploy

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"podium/test/harness"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"
)

// flyProxy stands before several machines and does with fly-replay what Fly
// says that its proxy does: a response that carries it is not delivered; the
// request goes to the machine that "instance" names, with fly-replay-src, or,
// where that machine does not answer and "fallback" says so, back to the first
// one with fly-replay-failed. Handshakes go around the machines, and every
// request of a session reaches a wrong machine first.
type flyProxy struct {
	ids      []string
	machines map[string]string // id → host:port
	next     atomic.Int64

	mu       sync.Mutex // guards the counters
	replays  int
	fallback int
	upgrades int // WebSockets that went through a replay
	loops    int // replays that were answered with another replay
}

func (p *flyProxy) count(n *int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	*n++
}

// exchange is a request at a machine, with the connection that it used.
type exchange struct {
	conn   net.Conn
	reader *bufio.Reader
	answer *http.Response
}

// send puts a request to a machine and reads the head of the answer.
func (p *flyProxy) send(id string, r *http.Request, body []byte, extra http.Header) (*exchange, error) {
	address, found := p.machines[id]
	if !found {
		return nil, fmt.Errorf("no machine %s", id)
	}
	conn, err := net.Dial("tcp", address)
	if err != nil {
		return nil, err
	}
	// Whoever asked and went away asks the machine no longer either.
	context.AfterFunc(r.Context(), func() { _ = conn.Close() })
	out := r.Clone(r.Context())
	out.Body, out.ContentLength = io.NopCloser(bytes.NewReader(body)), int64(len(body))
	out.Header.Del("Fly-Replay-Src") // only the proxy says so
	out.Header.Del("Fly-Replay-Failed")
	for name, values := range extra {
		out.Header[name] = values
	}
	if err := out.Write(conn); err != nil {
		_ = conn.Close()
		return nil, err
	}
	e := &exchange{conn: conn, reader: bufio.NewReader(conn)}
	if e.answer, err = http.ReadResponse(e.reader, out); err != nil {
		_ = conn.Close()
		return nil, err
	}
	return e, nil
}

// ServeHTTP implements http.Handler.
func (p *flyProxy) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(io.LimitReader(r.Body, 1<<20)) // longer ones are not replayed
	if err != nil {
		return
	}
	first := p.ids[int(p.next.Add(1))%len(p.ids)]
	for strings.HasPrefix(r.URL.Query().Get("sid"), first+"~") {
		first = p.ids[int(p.next.Add(1))%len(p.ids)]
	}
	e, err := p.send(first, r, body, nil)
	for tries := 1; err != nil && tries < len(p.ids); tries++ { // machines that are gone are passed over
		first = p.ids[int(p.next.Add(1))%len(p.ids)]
		e, err = p.send(first, r, body, nil)
	}
	if err == nil && e.answer.Header.Get("Fly-Replay") != "" {
		e, err = p.replay(e, first, r, body)
	}
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadGateway)
		return
	}
	defer e.conn.Close()
	if e.answer.StatusCode == http.StatusSwitchingProtocols {
		tunnel(w, e)
		return
	}
	for name, values := range e.answer.Header {
		w.Header()[name] = values
	}
	w.WriteHeader(e.answer.StatusCode)
	_, _ = io.Copy(w, e.answer.Body)
}

// replay does what the header of an answer says.
func (p *flyProxy) replay(e *exchange, first string, r *http.Request, body []byte) (*exchange, error) {
	fields := make(map[string]string)
	for field := range strings.SplitSeq(e.answer.Header.Get("Fly-Replay"), ";") {
		name, value, _ := strings.Cut(strings.TrimSpace(field), "=")
		fields[name] = value
	}
	_ = e.conn.Close()
	p.count(&p.replays)
	src := fmt.Sprintf("instance=%s;region=fra;t=%d", first, time.Now().UnixMicro())
	again, err := p.send(fields["instance"], r, body, http.Header{"Fly-Replay-Src": {src}})
	if err != nil && fields["fallback"] == "force_self" {
		p.count(&p.fallback)
		again, err = p.send(first, r, body, http.Header{"Fly-Replay-Failed": {"instance=" + fields["instance"]}})
	}
	if err != nil {
		return nil, err
	}
	if again.answer.Header.Get("Fly-Replay") != "" {
		p.count(&p.loops)
	}
	if again.answer.StatusCode == http.StatusSwitchingProtocols {
		p.count(&p.upgrades)
	}
	return again, nil
}

// tunnel joins the two connections of a WebSocket until one ends.
func tunnel(w http.ResponseWriter, e *exchange) {
	client, buffered, err := w.(http.Hijacker).Hijack()
	if err != nil {
		return
	}
	defer client.Close()
	_, _ = fmt.Fprintf(client, "HTTP/1.1 101 Switching Protocols\r\n")
	_ = e.answer.Header.Write(client)
	_, _ = io.WriteString(client, "\r\n")
	ended := make(chan struct{}, 2)
	go func() {
		_, _ = io.Copy(client, e.reader)
		ended <- struct{}{}
	}()
	go func() {
		_, _ = io.Copy(e.conn, buffered)
		ended <- struct{}{}
	}()
	<-ended
	_ = client.Close()
	_ = e.conn.Close()
	<-ended
}

// Two machines behind a proxy that sends every request of a session to the wrong
// one first: official clients stay connected, over polling and through the
// upgrade to WebSocket, and when a machine is gone its clients come to the other.
func TestSessionsStickToTheirMachine(t *testing.T) {
	a := harness.Start(t, "--node-id", "machine-a")
	b := harness.Start(t, "--node-id", "machine-b")
	proxy := &flyProxy{ids: []string{"machine-a", "machine-b"}, machines: map[string]string{
		"machine-a": "127.0.0.1:" + a.Port, "machine-b": "127.0.0.1:" + b.Port,
	}}
	front := httptest.NewServer(proxy)
	defer front.Close()
	defer front.CloseClientConnections()

	polling := harness.Listen(t, "socket.io-client", front.URL, "polling")
	polling.Next("connect", "")
	upgrading := harness.Listen(t, "socket.io-client-4.7", front.URL, "default")
	upgrading.Next("upgrade", "")
	for n := range 10 {
		// The machines share no contest: each client is told by its own.
		a.Submit(fmt.Sprint("on a ", n))
		b.Submit(fmt.Sprint("on b ", n))
		for _, c := range []*harness.NodeClient{polling, upgrading} {
			l := c.Next("event", "newSubmission")
			if !strings.Contains(string(l.Payload), fmt.Sprintf(` %d"`, n)) {
				t.Fatalf("event %d is %s", n, l.Payload)
			}
		}
	}
	proxy.mu.Lock()
	t.Logf("%d requests were replayed, %d of them to become WebSockets", proxy.replays, proxy.upgrades)
	if proxy.replays < 10 || proxy.upgrades == 0 || proxy.loops > 0 || proxy.fallback > 0 {
		t.Errorf("%d replays, %d loops, %d fallbacks", proxy.replays, proxy.loops, proxy.fallback)
	}
	proxy.mu.Unlock()

	b.Signal(syscall.SIGKILL)
	// Whoever was on b is told by a that its session is gone, and comes back there.
	fresh := harness.Listen(t, "socket.io-client", front.URL, "polling")
	fresh.Next("connect", "")
	for _, c := range []*harness.NodeClient{polling, upgrading, fresh} {
		harness.Eventually(t, "a client to be told by the machine that is left", func() bool {
			a.Submit("after the fall") // an earlier one may have come before the client was back
			for deadline := time.After(200 * time.Millisecond); ; {
				select {
				case l := <-c.Lines:
					if l.Event == "newSubmission" && strings.Contains(string(l.Payload), "after the fall") {
						return true
					}
				case <-deadline:
					return false
				}
			}
		})
	}
}

// A machine does not send a request on that was sent to it, or back to it.
func TestReplaysDoNotGoRound(t *testing.T) {
	p := harness.Start(t, "--node-id", "machine-a")
	ask := func(sid string, header ...string) *http.Response {
		t.Helper()
		req, err := http.NewRequestWithContext(t.Context(), "GET", p.URL+"/socket.io/?EIO=4&transport=polling&sid="+sid, nil)
		if err != nil {
			t.Fatal(err)
		}
		for i := 0; i+1 < len(header); i += 2 {
			req.Header.Set(header[i], header[i+1])
		}
		res, err := http.DefaultClient.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		_ = res.Body.Close()
		return res
	}
	res := ask("machine-b~0123456789abcdef0123")
	sent := res.Header.Get("Fly-Replay")
	if !strings.HasPrefix(sent, "instance=machine-b") {
		t.Errorf("the session of another machine: %d, Fly-Replay %q", res.StatusCode, sent)
	}
	for what, header := range map[string][]string{
		"one that was sent here":   {"Fly-Replay-Src", "instance=machine-c;region=fra;t=1"},
		"one that came back":       {"Fly-Replay-Failed", "instance=machine-b"},
		"one of this very machine": nil,
	} {
		sid := "machine-b~0123456789abcdef0123"
		if header == nil {
			sid = "machine-a~0123456789abcdef0123"
		}
		if res := ask(sid, header...); res.StatusCode != http.StatusBadRequest || res.Header.Get("Fly-Replay") != "" {
			t.Errorf("%s: %d, Fly-Replay %q", what, res.StatusCode, res.Header.Get("Fly-Replay"))
		}
	}
}
