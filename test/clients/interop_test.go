package clients

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"podium/protocol/engineio"
	"podium/protocol/socketio"
	"podium/protocol/socketio/msgpack"
	"podium/protocol/websocket"
	"podium/test/harness"
)

// interopClients are the official clients of the matrix, oldest first.
var interopClients = []interopClient{
	{pkg: "socket.io-client-2.5"}, {pkg: "socket.io-client-3.1"}, {pkg: "socket.io-client-4.0"},
	{pkg: "socket.io-client-4.7"}, {pkg: "socket.io-client"},
	{pkg: "socket.io-client", parser: "socket.io-msgpack-parser"},
}

// interopClient is an official client, with its own parser or another.
type interopClient struct{ pkg, parser string }

func (c interopClient) String() string {
	if c.parser != "" {
		return c.pkg + "+msgpack"
	}
	return c.pkg
}

var everyTransport = []string{"default", "polling", "websocket"}

// interopServer serves what clients/interop.cjs asks for.
func interopServer(t *testing.T, p socketio.Parser) string {
	t.Helper()
	srv := socketio.NewServer(socketio.Options{
		Engine: engineio.Options{AllowEIO3: true, MaxPayload: 1 << 20}, Parser: p,
	})
	for _, n := range []*socketio.Namespace{srv.Of("/"), srv.OfPattern(regexp.MustCompile(`^/room/\w+$`))} {
		registerInterop(n)
	}
	srv.Of("/closed").Use(func(*socketio.Socket) error {
		return &socketio.Error{Message: "not you", Data: map[string]string{"reason": "members only"}}
	})
	return serve(t, srv)
}

// serve mounts a Socket.IO server until the test ends.
func serve(t *testing.T, srv *socketio.Server) string {
	t.Helper()
	return serveThrough(t, srv, srv)
}

// serveThrough is serve with a handler in front.
func serveThrough(t *testing.T, srv *socketio.Server, front http.Handler) string {
	t.Helper()
	web := httptest.NewServer(front)
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), harness.Patience)
		defer cancel()
		if err := srv.Shutdown(ctx); err != nil {
			t.Errorf("shut down: %v", err)
		}
		web.Close()
	})
	return web.URL
}

func registerInterop(n *socketio.Namespace) {
	type S = *socketio.Socket
	type nothing = struct{}
	socketio.On(n, "echo", func(s S, args socketio.Args) { _ = s.Emit("back", args.Any()...) })
	socketio.OnAck(n, "ack", func(_ S, args socketio.Args) (socketio.Args, error) { return args, nil })
	socketio.OnAck(n, "where", func(s S, _ nothing) (string, error) { return s.Namespace().Name(), nil })
	socketio.OnAck(n, "ask", func(s S, number int) (socketio.Args, error) {
		return socketio.Call[socketio.Args](s.Context(), s, "question", number)
	})
	socketio.OnAck(n, "token", func(s S, _ nothing) (string, error) {
		var auth struct{ Token string }
		h := s.Handshake()
		if !h.Auth.Present() {
			return h.Query.Get("token"), nil
		}
		err := h.Auth.Decode(&auth)
		return auth.Token, err
	})
	socketio.OnAck(n, "join", func(s S, room string) (nothing, error) { s.Join(room); return nothing{}, nil })
	socketio.OnAck(n, "leave", func(s S, room string) (nothing, error) { s.Leave(room); return nothing{}, nil })
	socketio.OnAck(n, "to-room", func(s S, a socketio.Args2[string, int]) (nothing, error) {
		return nothing{}, s.To(a.A).Emit("news", a.B)
	})
	socketio.OnAck(n, "volatile", func(s S, count int) (nothing, error) {
		for i := range count {
			if err := s.Volatile().Emit("maybe", i); err != nil {
				return nothing{}, err
			}
		}
		return nothing{}, nil
	})
	socketio.On(n, "kick", func(s S, _ nothing) { s.Disconnect(false) })
}

// result is a line of clients/interop.cjs.
type result struct {
	Check  string
	OK     bool
	Detail string
}

// Every official client generation over every transport it has: events,
// acknowledgements, binary, namespaces, errors, rooms, volatile, reconnects.
func TestInteropMatrix(t *testing.T) {
	for _, client := range interopClients {
		harness.NeedClients(t, client.pkg)
	}
	harness.NeedClients(t, "socket.io-msgpack-parser")
	urls := map[string]string{"": interopServer(t, nil), "socket.io-msgpack-parser": interopServer(t, msgpack.Parser{})}
	type column struct {
		client    interopClient
		transport string
	}
	var columns []column
	var checks []string
	matrix := make(map[column]map[string]result)
	for _, client := range interopClients {
		for _, transport := range everyTransport {
			c := column{client, transport}
			columns = append(columns, c)
			t.Run(client.String()+"/"+transport, func(t *testing.T) {
				matrix[c] = make(map[string]result)
				for _, r := range interop(t, client, urls[client.parser], transport) {
					matrix[c][r.Check] = r
					if !slices.Contains(checks, r.Check) {
						checks = append(checks, r.Check)
					}
					if !r.OK {
						t.Errorf("%s: %s", r.Check, r.Detail)
					}
				}
			})
		}
	}
	var b strings.Builder
	fmt.Fprintf(&b, "%-20s", "D P W = default, polling, websocket")
	for _, client := range interopClients {
		fmt.Fprintf(&b, " %8s", versionOf(client.pkg))
	}
	b.WriteString(" +msgpack")
	for _, check := range checks {
		fmt.Fprintf(&b, "\n%-35s", check)
		for i, c := range columns {
			if i%len(everyTransport) == 0 {
				b.WriteString("   ")
			}
			mark := "✗ "
			if matrix[c][check].OK {
				mark = strings.ToUpper(c.transport[:1]) + " "
			}
			b.WriteString(mark)
		}
	}
	fmt.Println(b.String())
}

// versionOf is the version of an official client that is installed.
func versionOf(pkg string) string {
	raw, err := os.ReadFile(filepath.Join("node_modules", pkg, "package.json"))
	var about struct{ Version string }
	if err != nil || json.Unmarshal(raw, &about) != nil {
		return "?"
	}
	return about.Version
}

// interop runs every check with one client over one transport.
func interop(t *testing.T, client interopClient, url, transport string) []result {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 3*time.Minute)
	defer cancel()
	return checks(t, exec.CommandContext(ctx, "node", "clients/interop.cjs", client.pkg, url, transport, client.parser))
}

// checks runs a program that prints what interop.cjs does.
func checks(t *testing.T, cmd *exec.Cmd) []result {
	t.Helper()
	cmd.Stderr = os.Stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("%v: %v", cmd.Args, err)
	}
	var results []result
	for line := range strings.Lines(string(out)) {
		var r result
		if err := json.Unmarshal([]byte(line), &r); err != nil {
			t.Fatalf("%q: %v", line, err)
		}
		if r.Check == "done" {
			return results
		}
		results = append(results, r)
	}
	t.Fatalf("%v ended early", cmd.Args)
	return nil
}

const (
	burstClients  = 100
	burstMessages = 1000
)

// A burst to many clients arrives complete and in order, also with those that
// move from polling to WebSocket while it comes.
func TestABurstArrivesCompleteAndInOrder(t *testing.T) {
	harness.NeedClients(t, "socket.io-client")
	for _, transport := range everyTransport {
		t.Run(transport, func(t *testing.T) { burst(t, transport, &gate{}) })
	}
	t.Run("half upgrade in the middle", func(t *testing.T) {
		g := &gate{upgrades: burstClients / 2, open: make(chan struct{})}
		g.done = make(chan struct{}, g.upgrades)
		burst(t, "default", g)
	})
}

// gate holds the upgrades of some clients back until it opens, and refuses those
// of all others. Without a number of upgrades it lets everybody pass.
type gate struct {
	upgrades int
	open     chan struct{}
	done     chan struct{} // gets a value for each upgrade that is complete
	asked    atomic.Int64
}

func (g *gate) through(next http.Handler) http.Handler {
	if g.upgrades == 0 {
		return next
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if websocket.IsUpgrade(r) {
			if int(g.asked.Add(1)) > g.upgrades {
				http.Error(w, "this one stays on polling", http.StatusServiceUnavailable)
				return
			}
			select {
			case <-g.open:
			case <-r.Context().Done():
				return
			}
		}
		next.ServeHTTP(w, r)
	})
}

// pass is called before message number i: the gate opens in the middle, and from
// there every few messages wait for one more upgrade, so that all of them happen
// in the traffic.
func (g *gate) pass(t *testing.T, i int) {
	t.Helper()
	if g.upgrades == 0 || i < burstMessages/2 {
		return
	}
	if i == burstMessages/2 {
		close(g.open)
	}
	if i%(burstMessages/2/g.upgrades) != 0 {
		return
	}
	select {
	case <-g.done:
	case <-time.After(harness.Patience):
		t.Fatalf("an upgrade was not completed before message %d", i)
	}
}

func burst(t *testing.T, transport string, g *gate) {
	srv := socketio.NewServer(socketio.Options{Engine: engineio.Options{
		PingTimeout: time.Minute, MaxQueuedBytes: 64 << 20,
		Observer: engineio.Observer{Upgraded: func(*engineio.Session) {
			if g.done != nil {
				g.done <- struct{}{}
			}
		}},
	}})
	joined := make(chan struct{}, burstClients)
	srv.OnConnection(func(*socketio.Socket) { joined <- struct{}{} })
	url := serveThrough(t, srv, g.through(srv))
	ctx, cancel := context.WithTimeout(t.Context(), 3*time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, "node", "clients/burst.cjs", "socket.io-client", url, transport,
		fmt.Sprint(burstClients), fmt.Sprint(burstMessages))
	cmd.Stderr = os.Stderr
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	for range burstClients {
		select {
		case <-joined:
		case <-ctx.Done():
			t.Fatal("not every client joined")
		}
	}
	// The sockets are joined and their upgrades under way: no pause before the burst.
	for i := range burstMessages {
		g.pass(t, i)
		if err := srv.Emit("m", i); err != nil {
			t.Fatal(err)
		}
	}
	var report struct {
		Complete, Upgraded int
		Wrong              string
	}
	scanner := bufio.NewScanner(out)
	for scanner.Scan() {
		if strings.HasPrefix(scanner.Text(), "{") {
			err = errors.Join(err, json.Unmarshal(scanner.Bytes(), &report))
		}
	}
	if err := errors.Join(err, scanner.Err(), cmd.Wait()); err != nil {
		t.Fatal(err)
	}
	if report.Complete != burstClients {
		t.Errorf("%d of %d clients got everything in order; one of the others: %s", report.Complete, burstClients, report.Wrong)
	}
	if g.upgrades > 0 && report.Upgraded != g.upgrades {
		t.Errorf("%d clients upgraded, want %d", report.Upgraded, g.upgrades)
	}
	if transport == "default" {
		t.Logf("%d clients upgraded during the burst", report.Upgraded)
	}
}
