package command

import (
	"bufio"
	"context"
	"encoding/json"
	"io"
	"net/http/httptest"
	"reflect"
	"strings"
	"testing"
	"time"

	"podium/protocol/engineio"
	"podium/protocol/socketio"
	"podium/protocol/socketio/parser"
)

// talkServer is a server for podium connect.
func talkServer(t *testing.T) (srv *socketio.Server, address string) {
	t.Helper()
	srv = socketio.NewServer(socketio.Options{
		Engine:   engineio.Options{AllowEIO3: true},
		Recovery: &socketio.Recovery{Log: &socketio.MemoryLog{}},
	})
	socketio.OnEvent(srv, "echo", func(e *socketio.Event) {
		if e.WantsAck() {
			_ = e.Ack(e.Args.Any()...)
			return
		}
		_ = e.Socket.Emit("echo", e.Args.Any()...)
	})
	socketio.OnAck(srv, "auth", func(s *socketio.Socket, _ struct{}) (socketio.Value, error) { return s.Handshake().Auth, nil })
	socketio.OnEvent(srv, "silent", func(*socketio.Event) {})
	socketio.On(srv, "kick", func(s *socketio.Socket, _ struct{}) { s.Disconnect(true) })
	srv.Of("/refused").Use(func(*socketio.Socket) error { return &socketio.Error{Message: "not you", Data: 7} })
	hs := httptest.NewServer(srv)
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
		defer cancel()
		_ = srv.Shutdown(ctx)
		hs.Close()
	})
	return srv, hs.URL
}

// talking is a connect command that runs.
type talking struct {
	t     *testing.T
	input *io.PipeWriter
	lines *bufio.Scanner
	done  chan error
	stop  context.CancelFunc
}

func talk(t *testing.T, c connectCommand) *talking {
	t.Helper()
	in, input := io.Pipe()
	out, output_ := io.Pipe()
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	t.Cleanup(cancel)
	c.JSON, c.input = true, in
	if c.Timeout == 0 {
		c.Timeout = 10 * time.Second
	}
	k := &talking{t, input, bufio.NewScanner(out), make(chan error, 1), cancel}
	go func() {
		k.done <- c.Run(ctx, output{output_, io.Discard})
		_ = output_.Close()
		_ = in.Close()
	}()
	return k
}

func (k *talking) say(line string) {
	k.t.Helper()
	if _, err := io.WriteString(k.input, line+"\n"); err != nil {
		k.t.Fatal(err)
	}
}

// next is the next line of output.
func (k *talking) next(kind string) happening {
	k.t.Helper()
	if !k.lines.Scan() {
		k.t.Fatalf("output ended: %v", <-k.done)
	}
	var h happening
	if err := json.Unmarshal(k.lines.Bytes(), &h); err != nil {
		k.t.Fatal(err)
	}
	if h.Type != kind || h.At == 0 {
		k.t.Fatalf("got %s", k.lines.Bytes())
	}
	return h
}

func (h happening) args() string {
	text := make([]string, len(h.Args))
	for i, a := range h.Args {
		text[i] = string(a)
	}
	return strings.Join(text, " ")
}

func TestConnectSpeaksOverEachTransport(t *testing.T) {
	_, address := talkServer(t)
	for name, c := range map[string]connectCommand{
		"polling":   {Transports: []string{"polling"}},
		"websocket": {Transports: []string{"websocket"}},
		"upgrade":   {},
		"EIO3":      {EIO3: true},
	} {
		t.Run(name, func(t *testing.T) {
			c.URL, c.Once = address, true
			if !c.EIO3 {
				c.Auth = `{"token":"x"}`
			}
			k := talk(t, c)
			if h := k.next("connect"); h.ID == "" || h.Recovered == nil || *h.Recovered {
				t.Errorf("got %+v", h)
			}
			k.say(`echo 1 "a b" {"$bytes":"AAEC"} {"deep":[{"$bytes":"AQ=="}]} 12345678901234567890`)
			want := `1 "a b" {"$bytes":"AAEC"} {"deep":[{"$bytes":"AQ=="}]} 12345678901234567890`
			if h := k.next("event"); h.Event != "echo" || !strings.HasPrefix(h.args(), want) {
				t.Errorf("got %s %s", h.Event, h.args())
			}
			k.say(`"echo"? {"$bytes":"/w=="}`)
			if h := k.next("ack"); h.Event != "echo" || h.args() != `{"$bytes":"/w=="}` {
				t.Errorf("got %s", h.args())
			}
			if !c.EIO3 {
				k.say("auth?")
				if h := k.next("ack"); h.args() != `{"token":"x"}` {
					t.Errorf("got %s", h.args())
				}
			}
			_ = k.input.Close()
			if h := k.next("disconnect"); h.Reason != "io client disconnect" {
				t.Errorf("got %+v", h)
			}
			if err := <-k.done; err != nil {
				t.Errorf("ended with %v", err)
			}
		})
	}
}

func TestConnectRecoversWhereAsked(t *testing.T) {
	srv, address := talkServer(t)
	for _, again := range []bool{true, false} {
		k := talk(t, connectCommand{URL: address, Transports: []string{"websocket"}, Recover: again})
		first := k.next("connect")
		s := srv.Of("/").Socket(first.ID)
		if s == nil {
			t.Fatal("unknown to the server")
		}
		_ = s.Emit("news", 1)
		k.next("event")
		s.Conn().Close()
		k.next("disconnect")
		_ = srv.Emit("news", 2) // while it is away, or after
		second := happening{}
		for second.Type != "connect" {
			if !k.lines.Scan() {
				t.Fatal("output ended")
			}
			second = happening{}
			if err := json.Unmarshal(k.lines.Bytes(), &second); err != nil {
				t.Fatal(err)
			}
		}
		if *second.Recovered != again || (second.ID == first.ID) != again {
			t.Errorf("asked for recovery: %v; got %+v", again, second)
		}
		if again {
			if h := k.next("event"); !strings.HasPrefix(h.args(), "2") {
				t.Errorf("got %s", h.args())
			}
		}
		k.stop()
		go func() {
			for k.lines.Scan() {
			}
		}()
		if err := <-k.done; err != nil {
			t.Errorf("interrupted: %v", err)
		}
	}
}

func TestConnectSaysByItsErrorHowItWent(t *testing.T) {
	_, address := talkServer(t)
	for name, tc := range map[string]struct {
		command connectCommand
		input   string
		want    string
	}{
		"refused":          {connectCommand{URL: address, Namespace: "/refused"}, "", "not you"},
		"refused, by path": {connectCommand{URL: address + "/refused"}, "", "not you"},
		"put out":          {connectCommand{URL: address}, "kick\n", "closed the session"},
		"no server":        {connectCommand{URL: "http://127.0.0.1:1", Timeout: time.Millisecond}, "", "connect to"},
		"no answer":        {connectCommand{URL: address, Once: true, Timeout: 500 * time.Millisecond}, "silent?\n", "no acknowledgement"},
		"no JSON":          {connectCommand{URL: address, Once: true}, "echo {\n", "not JSON"},
		"no bytes":         {connectCommand{URL: address, Once: true}, `echo {"$bytes":"!"}` + "\n", "base64"},
		"reserved":         {connectCommand{URL: address, Once: true}, "disconnect\n", "reserved"},
		"auth":             {connectCommand{URL: address, Auth: "3"}, "", "--auth"},
		"URL":              {connectCommand{URL: "localhost:3000"}, "", "schemes"},
	} {
		t.Run(name, func(t *testing.T) {
			k := talk(t, tc.command)
			go func() {
				_, _ = io.WriteString(k.input, tc.input)
				_ = k.input.Close()
			}()
			for k.lines.Scan() {
			}
			if err := <-k.done; err == nil || !strings.Contains(err.Error(), tc.want) {
				t.Errorf("got %v", err)
			}
		})
	}
}

func TestConnectReadsLines(t *testing.T) {
	for line, want := range map[string][]any{
		`a`:                               {"a", false},
		`a?`:                              {"a", true},
		`a 1  "x" [2]`:                    {"a", false, json.RawMessage("1"), json.RawMessage(`"x"`), json.RawMessage("[2]")},
		`"b c" null`:                      {"b c", false, json.RawMessage("null")},
		`"b c"? null`:                     {"b c", true, json.RawMessage("null")},
		`a {"$bytes":"AQ=="}`:             {"a", false, parser.Binary{1}},
		`a {"$bytes":"AQ==","other":"x"}`: {"a", false, map[string]any{"$bytes": "AQ==", "other": "x"}},
	} {
		event, ask, args, err := parseLine(line)
		if got := append([]any{event, ask}, args...); err != nil || !reflect.DeepEqual(got, want) {
			t.Errorf("%s is %v, %v", line, got, err)
		}
	}
}

// Programs read the lines of --json: each type has its fields, and no others.
func TestConnectPrintsTheFieldsOfEachType(t *testing.T) {
	_, address := talkServer(t)
	var lines strings.Builder
	run := func(c connectCommand, input string) error {
		c.JSON, c.Once, c.Timeout, c.input = true, true, 10*time.Second, strings.NewReader(input)
		return c.Run(t.Context(), output{&lines, io.Discard})
	}
	if err := run(connectCommand{URL: address}, "echo? 1\necho? {\"$bytes\":\"AA==\"}\nbad {\n"); err == nil {
		t.Error("a line that is no JSON was taken")
	}
	if err := run(connectCommand{URL: address, Namespace: "/refused"}, ""); err == nil {
		t.Error("not refused")
	}
	_ = run(connectCommand{URL: address}, "echo\nkick\nsilent?\n") // is put out while it waits
	want := map[string]map[string]bool{                            // and whether it must be there
		"connect":    {"at": true, "type": true, "id": true, "recovered": true},
		"event":      {"at": true, "type": true, "event": true, "args": true},
		"ack":        {"at": true, "type": true, "event": true, "args": true},
		"disconnect": {"at": true, "type": true, "reason": true},
		"error":      {"at": true, "type": true, "reason": true, "event": false, "args": false},
	}
	seen := map[string]bool{}
	for line := range strings.Lines(lines.String()) {
		var fields map[string]any
		if err := json.Unmarshal([]byte(line), &fields); err != nil {
			t.Fatalf("%s: %v", line, err)
		}
		kind, _ := fields["type"].(string)
		seen[kind] = true
		for name := range fields {
			if _, ok := want[kind][name]; !ok {
				t.Errorf("%s has the field %q", line, name)
			}
		}
		for name, needed := range want[kind] {
			if _, ok := fields[name]; needed && !ok {
				t.Errorf("%s lacks the field %q", line, name)
			}
		}
	}
	if len(seen) != len(want) {
		t.Errorf("printed the types %v", seen)
	}
}
