package clustertest

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/coder/websocket"
)

// client is a client of one of the servers, which does what the official one does to
// recover.
type client struct {
	s    *scene
	name string

	pid, offset string // owned by who calls connect

	mu        sync.Mutex // guards the fields below
	conn      *websocket.Conn
	ended     chan struct{} // closed when nothing more is read from conn
	sid       string
	connected bool
	got       []int
	sessions  int
	recovered int
	refused   []string // why a session was not taken up, each time
	asked     int
	acks      map[int]chan string
	nextAck   int
}

// dial makes a client that is at a server.
func (s *scene) dial(n *node) *client {
	s.t.Helper()
	c := &client{s: s, name: fmt.Sprint("client", len(s.fleet)), acks: make(map[int]chan string)}
	s.fleet = append(s.fleet, c)
	s.t.Cleanup(c.drop)
	if err := c.connect(n); err != nil {
		s.t.Fatalf("%s at %s: %v", c.name, n.name, err)
	}
	return c
}

// connect connects to a server, offering the session it had, and returns when it is in.
func (c *client) connect(n *node) error {
	c.drop()
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	conn, _, err := websocket.Dial(ctx, "ws://"+n.addr+"/socket.io/?EIO=4&transport=websocket", nil)
	if err != nil {
		return err
	}
	conn.SetReadLimit(1 << 24)
	offer := map[string]string{}
	if c.pid != "" {
		offer["pid"] = c.pid
		if c.offset != "" {
			offer["offset"] = c.offset
		}
	}
	b, err := json.Marshal(offer)
	if err != nil {
		return err
	}
	if _, _, err := conn.Read(ctx); err != nil { // the handshake of Engine.IO
		_ = conn.CloseNow()
		return err
	}
	if err := conn.Write(ctx, websocket.MessageText, append([]byte("40"), b...)); err != nil {
		_ = conn.CloseNow()
		return err
	}
	in := make(chan struct{})
	ended := make(chan struct{})
	c.mu.Lock()
	c.conn, c.ended, c.connected = conn, ended, false
	c.mu.Unlock()
	go func() {
		defer close(ended)
		c.read(conn, in)
	}()
	select {
	case <-in:
		return nil
	case <-ended:
		return fmt.Errorf("the connection ended before the answer to CONNECT")
	case <-ctx.Done():
		c.drop()
		return ctx.Err()
	}
}

// read handles what comes until the connection ends. in is closed when it has joined.
func (c *client) read(conn *websocket.Conn, in chan struct{}) {
	ctx := context.Background()
	for {
		_, data, err := conn.Read(ctx)
		if err != nil {
			c.mu.Lock()
			c.connected = false
			c.mu.Unlock()
			return
		}
		text := string(data)
		switch {
		case text == "2":
			_ = conn.Write(ctx, websocket.MessageText, []byte("3")) // the next read tells
		case strings.HasPrefix(text, "40"):
			c.joined(text[2:])
			close(in)
		case text == "41":
			c.mu.Lock()
			c.connected = false
			c.mu.Unlock()
		case strings.HasPrefix(text, "43"):
			c.acknowledged(text[2:])
		case strings.HasPrefix(text, "42"):
			c.event(ctx, conn, text[2:])
		}
	}
}

func (c *client) joined(answer string) {
	var a struct{ SID, PID, Refused string }
	_ = json.Unmarshal([]byte(answer), &a) // an answer of another form makes the test fail
	c.mu.Lock()
	defer c.mu.Unlock()
	if a.PID != "" && a.PID == c.pid {
		c.recovered++
	} else {
		c.sessions++
	}
	if a.Refused != "" {
		c.refused = append(c.refused, a.Refused)
	}
	c.sid, c.pid, c.connected = a.SID, a.PID, true
}

func (c *client) event(ctx context.Context, conn *websocket.Conn, text string) {
	id, body, _ := strings.Cut(text, "[")
	var args []any
	if json.Unmarshal([]byte("["+body), &args) != nil {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	switch args[0] {
	case "m":
		c.got = append(c.got, int(args[1].(float64)))
	case "q":
		c.asked++
		answer, _ := json.Marshal([]string{c.sid})
		_ = conn.Write(ctx, websocket.MessageText, []byte("43"+id+string(answer)))
	}
	if last, ok := args[len(args)-1].(string); ok {
		c.offset = last
	}
}

func (c *client) acknowledged(text string) {
	id, body, _ := strings.Cut(text, "[")
	n, _ := strconv.Atoi(id)
	c.mu.Lock()
	defer c.mu.Unlock()
	if ch := c.acks[n]; ch != nil {
		delete(c.acks, n)
		ch <- "[" + body
	}
}

// call emits an event and waits for its acknowledgement.
func (c *client) call(event, arg string) {
	c.s.t.Helper()
	c.mu.Lock()
	c.nextAck++
	id, conn := c.nextAck, c.conn
	answer := make(chan string, 1)
	c.acks[id] = answer
	c.mu.Unlock()
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	if err := conn.Write(ctx, websocket.MessageText, fmt.Appendf(nil, "42%d[%q,%q]", id, event, arg)); err != nil {
		c.s.t.Fatal(err)
	}
	select {
	case <-answer:
	case <-ctx.Done():
		c.s.t.Fatalf("%s: no acknowledgement of %s", c.name, event)
	}
}

// drop ends the connection as a network does.
func (c *client) drop() {
	c.mu.Lock()
	conn, ended := c.conn, c.ended
	c.conn = nil
	c.mu.Unlock()
	if conn != nil {
		_ = conn.CloseNow()
		<-ended
	}
}

func (c *client) state() (got []int, connected bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return slices.Clone(c.got), c.connected
}

func (c *client) online() bool { _, on := c.state(); return on }

// counts returns how many sessions and recoveries it had, and why it was refused.
func (c *client) counts() (sessions, recovered int, refused string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.sessions, c.recovered, strings.Join(c.refused, " ")
}

// reconnect connects to any of some servers, as often as it takes.
func (c *client) reconnect(nodes ...*node) {
	c.s.t.Helper()
	i := 0
	eventually(c.s.t, c.name+" comes back", func() bool {
		i++
		return c.connect(nodes[i%len(nodes)]) == nil
	})
}
