package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	"podium/protocol/engineio"
	"podium/protocol/socketio"
	"podium/protocol/socketio/parser"
)

// What a client that fell off may have missed.
const (
	recoverFor  = 2 * time.Minute
	recoverMost = 10_000
)

// controlTimeout bounds what one request to the control address waits for.
const controlTimeout = 10 * time.Second

// node is one server of a cluster, with what drives it from outside.
type node struct {
	name   string
	io     *socketio.Server
	engine engine
	sent   atomic.Int64 // events emitted by /emit
}

// runCluster is one server of a cluster until ctx ends.
func runCluster(ctx context.Context, c config) error {
	listeners, err := listenAll(ctx, c.listen)
	if err != nil {
		return err
	}
	control, err := net.Listen("tcp", c.control)
	if err != nil {
		return fmt.Errorf("--control: %w", err)
	}
	opening, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	e, err := openEngine(opening, c.cluster)
	if err != nil {
		return err
	}
	n := openNode(c, e, "http://"+listeners[0].Addr().String()+c.path)
	web := &http.Server{Handler: handler(c, n.io), ReadHeaderTimeout: 10 * time.Second}
	driver := &http.Server{Handler: n.controls(), ReadHeaderTimeout: 10 * time.Second}
	failed := make(chan error, len(listeners)+1)
	for _, l := range listeners {
		fmt.Println("listening on", l.Addr())
		go func() { failed <- web.Serve(l) }()
	}
	go func() { failed <- driver.Serve(control) }()
	fmt.Println("control on", control.Addr())
	fmt.Println("ready")
	select {
	case err = <-failed:
	case <-ctx.Done():
	}
	end, cancel := context.WithTimeout(context.Background(), stopTimeout)
	defer cancel()
	ended := make(chan error, 1)
	go func() { ended <- errors.Join(n.io.Shutdown(end), web.Shutdown(end), driver.Close(), e.close()) }()
	select {
	case stopped := <-ended:
		return errors.Join(err, stopped)
	case <-time.After(stopTimeout + 200*time.Millisecond):
		return errors.Join(err, errors.New("the engine does not let go")) // and the process ends without it
	}
}

// stopTimeout is how long the server may take to end: the process is to be gone 2 s after
// SIGTERM, also where the engine is away.
const stopTimeout = 1500 * time.Millisecond

// openNode makes the server, with the events that its clients may send.
func openNode(c config, e engine, address string) *node {
	n := &node{name: c.node, engine: e}
	o := socketOptions(c)
	o.Engine.NodeID = nodeID(c.node)
	o.Cluster, o.Recovery, o.Address = e.join, e.recovery, address
	if o.Recovery != nil {
		o.Recovery.MaxAge, o.Recovery.MaxMissed = recoverFor, recoverMost
	}
	n.io = socketio.NewServer(o)
	main := n.io.Of("/")
	type S = *socketio.Socket
	socketio.OnAck(main, "join", func(s S, room string) (none, error) { s.Join(room); return none{}, nil })
	socketio.OnAck(main, "leave", func(s S, room string) (none, error) { s.Leave(room); return none{}, nil })
	socketio.OnAck(main, "whoami", func(s S, _ none) (map[string]any, error) {
		return map[string]any{"node": n.name, "id": s.ID(), "rooms": s.Rooms(), "recovered": s.Recovered()}, nil
	})
	socketio.OnAck(main, "say", func(_ S, a socketio.Args2[string, json.RawMessage]) (none, error) {
		return none{}, target(main, a.A, "").Emit("m", map[string]any{"node": n.name, "payload": a.B})
	})
	main.OnServerSide("", func(e *socketio.ServerEvent) {
		if e.WantsAck() {
			_ = e.Ack(n.name) // the asker may be gone
		}
	})
	return n
}

// nodeID makes a name fit for session ids: where it is not they carry none, and polls
// have to come to the node that they belong to by themselves.
func nodeID(name string) string {
	if strings.Trim(name, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-") != "" {
		return ""
	}
	return name
}

// target addresses a room but another; "" is everybody, and nobody.
func target(n *socketio.Namespace, room, except string) socketio.Broadcast {
	b := n.Timeout(0)
	if room != "" {
		b = b.To(room)
	}
	if except != "" {
		b = b.Except(except)
	}
	return b
}

// controls are what drives the node: each answers in JSON when it is done.
func (n *node) controls() http.Handler {
	mux := http.NewServeMux()
	for path, f := range map[string]func(context.Context, url.Values) (any, error){
		"/emit": n.emit, "/ask": n.ask, "/sockets": n.sockets, "/join": n.join, "/leave": n.leave,
		"/disconnect": n.disconnect, "/side": n.side, "/stats": n.stats,
	} {
		mux.HandleFunc("GET "+path, func(w http.ResponseWriter, r *http.Request) {
			ctx, cancel := context.WithTimeout(r.Context(), controlTimeout)
			defer cancel()
			answer, err := f(ctx, r.URL.Query())
			w.Header().Set("Content-Type", "application/json")
			if err != nil {
				w.WriteHeader(http.StatusInternalServerError)
				answer = map[string]any{"error": err.Error(), "found": answer}
			}
			_ = json.NewEncoder(w).Encode(answer) // who asked may be gone
		})
	}
	return mux
}

// number reads a number of the query, or another where it is missing.
func number(q url.Values, name string, missing int) (int, error) {
	s := q.Get(name)
	if s == "" {
		return missing, nil
	}
	n, err := strconv.Atoi(s)
	if err != nil || n < 0 {
		return 0, fmt.Errorf("%s=%s is not a number of 0 or more", name, s)
	}
	return n, nil
}

func (n *node) emit(_ context.Context, q url.Values) (any, error) {
	count, err := number(q, "n", 1)
	if err != nil {
		return nil, err
	}
	size, err := number(q, "size", 0)
	if err != nil {
		return nil, err
	}
	b := target(n.io.Of("/"), q.Get("room"), q.Get("except"))
	if v := q.Get("volatile"); v != "" && v != "0" && v != "false" {
		b = b.Volatile()
	}
	pad := strings.Repeat("x", size)
	began := time.Now()
	for i := range count {
		number := n.sent.Add(1) - 1
		if err := b.Emit("m", map[string]any{"node": n.name, "n": number, "pad": pad}); err != nil {
			return map[string]any{"emitted": i}, err
		}
	}
	return map[string]any{"node": n.name, "emitted": count, "ms": time.Since(began).Milliseconds()}, nil
}

// firsts are the first values of answers, as Node's emitWithAck has them.
func firsts(answers []parser.Args) []parser.Value {
	out := make([]parser.Value, 0, len(answers))
	for _, a := range answers {
		out = append(out, a.Get(0))
	}
	return out
}

func (n *node) ask(ctx context.Context, q url.Values) (any, error) {
	ms, err := number(q, "timeout", 5000)
	if err != nil {
		return nil, err
	}
	answers, err := target(n.io.Of("/"), q.Get("room"), q.Get("except")).Timeout(time.Duration(ms)*time.Millisecond).EmitWithAck(ctx, "q")
	return firsts(answers), err
}

func (n *node) sockets(ctx context.Context, q url.Values) (any, error) {
	found, err := target(n.io.Of("/"), q.Get("room"), q.Get("except")).FetchSockets(ctx)
	list := make([]map[string]any, 0, len(found))
	for _, s := range found {
		list = append(list, map[string]any{"id": s.ID, "rooms": s.Rooms, "handshake": s.Handshake, "data": s.Data})
	}
	return list, err
}

func (n *node) join(_ context.Context, q url.Values) (any, error) {
	return n.done(), target(n.io.Of("/"), q.Get("room"), q.Get("except")).SocketsJoin(q["into"]...)
}

func (n *node) leave(_ context.Context, q url.Values) (any, error) {
	return n.done(), target(n.io.Of("/"), q.Get("room"), q.Get("except")).SocketsLeave(q["from"]...)
}

func (n *node) disconnect(_ context.Context, q url.Values) (any, error) {
	closeConn := q.Get("close") == "1" || q.Get("close") == "true"
	return n.done(), target(n.io.Of("/"), q.Get("room"), q.Get("except")).DisconnectSockets(closeConn)
}

func (n *node) side(ctx context.Context, q url.Values) (any, error) {
	answers, err := n.io.Of("/").ServerSideEmitWithAck(ctx, q.Get("event"), n.name)
	return firsts(answers), err
}

func (n *node) done() any { return map[string]any{"node": n.name, "ok": true} }

func (n *node) stats(context.Context, url.Values) (any, error) {
	s := n.io.Stats()
	ready := ""
	if err := n.io.Ready(); err != nil {
		ready = err.Error()
	}
	sessions := 0
	n.io.Engine().Sessions(func(*engineio.Session) bool { sessions++; return true })
	return map[string]any{
		"node": n.name, "connections": n.io.Connections(), "sessions": sessions, "sockets": n.io.Of("/").Count(),
		"emitted": n.sent.Load(), "offered": s.Attempts, "recovered": s.Recovered, "replayed": s.Replayed,
		"superseded": s.Superseded, "refused": s.Refused, "deadLetters": s.DeadLetters, "notReady": ready,
	}, nil
}
