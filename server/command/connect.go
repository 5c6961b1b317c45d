package command

import (
	"bufio"
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"sync"
	"time"

	"podium/protocol/client"
	"podium/protocol/socketio/msgpack"
	"podium/protocol/socketio/parser"
)

// connectCommand is a Socket.IO client on the command line.
type connectCommand struct {
	URL        string        `arg:"" help:"Address of the server; a path in it names the namespace."`
	Namespace  string        `placeholder:"/NAME" help:"Namespace to join (the URL's path, or /)."`
	Auth       string        `placeholder:"JSON" help:"Auth payload, a JSON object."`
	Transports []string      `placeholder:"NAME" help:"Transports in the order to try them: polling, websocket (polling, and websocket by upgrade)."`
	Path       string        `default:"/socket.io/" help:"Where the server is mounted (${default})."`
	EIO3       bool          `name:"eio3" help:"Talk to servers up to Socket.IO 2.x."`
	Msgpack    bool          `help:"Use the MessagePack parser, as the server does."`
	Recover    bool          `help:"After a drop, resume the session and receive what was missed."`
	JSON       bool          `name:"json" help:"Print one JSON object per line."`
	Once       bool          `help:"Exit at the end of the input, once everything asked has been answered."`
	Timeout    time.Duration `default:"20s" placeholder:"TIME" help:"How long to wait for the first connection, and for each acknowledgement (${default})."`

	input io.Reader // nil for standard input
}

// Help implements kong's HelpProvider.
func (*connectCommand) Help() string {
	return "Reads lines \"EVENT JSON…\" and emits them; \"EVENT? JSON…\" asks for an acknowledgement. Binary is {\"$bytes\":\"base64\"}, both ways. " +
		"An event whose name has blanks is written as a JSON string. The connection is opened again when it breaks, until the command is interrupted. " +
		"The exit code is 1 where the server refused or put the client out, could not be reached, or left a question open.\n\n" +
		"Examples:\n  podium connect http://localhost:3000\n  echo 'ask? {\"n\":1}' | podium connect http://localhost:3000/chat --once --json"
}

// happening is what a line of output tells.
type happening struct {
	At        int64             `json:"at"`   // milliseconds since the epoch
	Type      string            `json:"type"` // connect, event, ack, disconnect, error
	ID        string            `json:"id,omitempty"`
	Recovered *bool             `json:"recovered,omitempty"`
	Event     string            `json:"event,omitempty"`
	Args      []json.RawMessage `json:"args,omitzero"`
	Reason    string            `json:"reason,omitempty"`
}

// conversation is a connect command that runs.
type conversation struct {
	command *connectCommand
	socket  *client.Socket
	put     chan struct{}  // closed when the server puts the client out
	asked   sync.WaitGroup // questions without answer; added to under mu
	emitted bool           // an event that asks for no answer; set by read

	mu     sync.Mutex // guards the fields below
	out    io.Writer
	failed error
	ended  bool // nothing more is asked
}

// Run connects, and speaks until there is nothing left to say.
func (c *connectCommand) Run(ctx context.Context, out output) error {
	talk := &conversation{command: c, out: out.stdout, put: make(chan struct{})}
	if err := talk.open(); err != nil {
		return err
	}
	// Of the connection, which waits until everything has left and was printed: a socket
	// of another namespace than the URL's is closed without waiting.
	defer talk.end()
	first, cancel := context.WithTimeout(ctx, c.Timeout)
	defer cancel()
	if err := talk.socket.Connect(first); err != nil {
		if ctx.Err() != nil {
			return nil
		}
		return fmt.Errorf("connect to %s: %w", c.URL, err)
	}
	ended := make(chan error, 1)
	go func() { ended <- talk.read(ctx) }() // left alone where the command ends before its input does
	select {
	case err := <-ended:
		if err != nil {
			return fmt.Errorf("read the input: %w", err)
		}
	case <-talk.put:
		return errPutOut
	case <-ctx.Done():
		return talk.failure()
	}
	if c.Once {
		return talk.finish(ctx)
	}
	select {
	case <-talk.put:
		return errPutOut
	case <-ctx.Done():
		return talk.failure()
	}
}

var errPutOut = errors.New("the server closed the session")

// open makes the socket.
func (t *conversation) open() error {
	c := t.command
	o := client.Options{Path: c.Path, Transports: c.Transports, EIO3: c.EIO3}
	o.Socket.NoRecovery = !c.Recover
	if c.Msgpack {
		o.Parser = msgpack.Parser{}
	}
	if c.Auth != "" {
		if err := c.auth(&o.Socket); err != nil {
			return err
		}
	}
	o.Trace = &client.Trace{
		Failed: func(err error) { t.print(happening{Type: "error", Reason: err.Error()}) },
	}
	s, err := client.New(c.URL, o)
	if err == nil && c.Namespace != "" {
		s = s.Manager().Socket(c.Namespace, o.Socket)
	}
	if err != nil {
		return err
	}
	t.socket = s
	s.OnConnect(func() {
		recovered := s.Recovered()
		t.print(happening{Type: "connect", ID: s.ID(), Recovered: &recovered})
	})
	s.OnConnectError(func(err error) {
		var refused *client.ConnectError
		if errors.As(err, &refused) {
			t.print(happening{Type: "error", Reason: refused.Message, Args: printable(parser.Args{refused.Data})})
		}
	})
	s.OnDisconnect(func(reason client.Reason, _ error) {
		t.print(happening{Type: "disconnect", Reason: string(reason)})
		if reason == client.ReasonServerDisconnect {
			close(t.put)
		}
	})
	s.OnAny(func(e *client.Event) { t.print(happening{Type: "event", Event: e.Name, Args: printable(e.Args)}) })
	return nil
}

// auth reads --auth.
func (c *connectCommand) auth(o *client.SocketOptions) error {
	if c.EIO3 {
		query := make(map[string]string)
		if err := json.Unmarshal([]byte(c.Auth), &query); err != nil {
			return fmt.Errorf("--auth with --eio3 must be a JSON object of strings: %w", err)
		}
		o.Auth = query
		return nil
	}
	var object map[string]json.RawMessage
	if err := json.Unmarshal([]byte(c.Auth), &object); err != nil {
		return fmt.Errorf("--auth must be a JSON object: %w", err)
	}
	o.Auth = json.RawMessage(c.Auth)
	return nil
}

// read emits the lines of the input, until it ends.
func (t *conversation) read(ctx context.Context) error {
	input := t.command.input
	if input == nil {
		input = os.Stdin
	}
	lines := bufio.NewScanner(input)
	lines.Buffer(nil, 64<<20)
	for lines.Scan() {
		line := strings.TrimSpace(lines.Text())
		if line == "" {
			continue
		}
		event, ask, args, err := parseLine(line)
		if err == nil && ask {
			t.ask(ctx, event, args)
		} else if err == nil {
			t.emitted = true
			err = t.socket.Emit(event, args...)
		}
		if err != nil {
			t.fail(event, err)
		}
	}
	return lines.Err()
}

// ask emits an event and prints its acknowledgement.
func (t *conversation) ask(ctx context.Context, event string, args []any) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.ended {
		return
	}
	t.asked.Go(func() {
		answer, err := t.socket.Timeout(t.command.Timeout).EmitWithAck(ctx, event, args...)
		if err != nil {
			t.fail(event, err)
			return
		}
		t.print(happening{Type: "ack", Event: event, Args: printable(answer)})
	})
}

// finish waits for what is still to be answered or sent.
func (t *conversation) finish(ctx context.Context) error {
	answered := make(chan struct{})
	go func() { t.asked.Wait(); close(answered) }()
	select {
	case <-answered:
	case <-t.put:
		return errPutOut
	case <-ctx.Done():
	}
	last, cancel := context.WithTimeout(ctx, t.command.Timeout)
	defer cancel()
	if err := t.socket.Connect(last); err != nil { // at once, unless something waits for the connection
		return fmt.Errorf("send the rest: %w", err)
	}
	if t.emitted {
		select {
		case <-time.After(linger):
		case <-t.put:
			return errPutOut
		case <-ctx.Done():
		}
	}
	return t.failure()
}

// end closes the connection. What was asked is answered or in vain then, and nothing is
// printed once it returns, though the input may go on.
func (t *conversation) end() {
	_ = t.socket.Manager().Close()
	t.mu.Lock()
	t.ended = true
	t.mu.Unlock()
	t.asked.Wait()
	t.mu.Lock()
	defer t.mu.Unlock()
	t.out = io.Discard
}

// linger is how long the session stays after an event that nobody acknowledges: servers
// for Node pass over events that they read together with the end.
const linger = 100 * time.Millisecond

// fail prints an error, which the exit code will tell.
func (t *conversation) fail(event string, err error) {
	t.mu.Lock()
	if t.failed == nil {
		t.failed = err
	}
	t.mu.Unlock()
	t.print(happening{Type: "error", Event: event, Reason: err.Error()})
}

func (t *conversation) failure() error {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.failed
}

// print writes a line.
func (t *conversation) print(h happening) {
	now := time.Now()
	h.At = now.UnixMilli()
	var line []byte
	if t.command.JSON {
		var err error
		if line, err = encode(h); err != nil {
			line = fmt.Appendf(nil, `{"at":%d,"type":"error","reason":"cannot be printed"}`, h.At)
		}
	} else {
		line = h.appendText(nil, now)
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	if _, err := t.out.Write(append(line, '\n')); err != nil && t.failed == nil {
		t.failed = fmt.Errorf("print: %w", err)
	}
}

// encode is h as JSON, with text as it is.
func encode(h happening) ([]byte, error) {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	err := e.Encode(h)
	return bytes.TrimSuffix(b.Bytes(), []byte("\n")), err
}

// appendText appends h as people read it.
func (h *happening) appendText(b []byte, now time.Time) []byte {
	b = now.AppendFormat(b, "15:04:05.000 ")
	b = append(b, h.Type...)
	for _, word := range []string{h.Event, h.ID, h.Reason} {
		if word != "" {
			b = append(append(b, ' '), word...)
		}
	}
	if h.Recovered != nil && *h.Recovered {
		b = append(b, " recovered"...)
	}
	for _, a := range h.Args {
		b = append(append(b, ' '), a...)
	}
	return b
}

// bytesKey is the key of an object that stands for binary.
const bytesKey = "$bytes"

// printable is args as JSON.
func printable(args parser.Args) []json.RawMessage {
	out := make([]json.RawMessage, 0, len(args))
	for _, v := range args {
		if !v.Present() {
			continue
		}
		text, err := v.MarshalJSON()
		if err != nil {
			text = []byte(`null`)
		}
		if v.Codec() != nil {
			text = namedBytes(text)
		}
		out = append(out, text)
	}
	return out
}

// namedBytes puts objects in the place of the strings that stand for binary, which begin
// with an escape that no other string of a parser's begins with: see [parser.Binary].
func namedBytes(text []byte) []byte {
	const mark = `"\u000a`
	var out []byte
	for {
		before, rest, found := bytes.Cut(text, []byte(mark))
		out = append(out, before...)
		if !found {
			return out
		}
		data, after, _ := bytes.Cut(rest, []byte(`"`))
		out = fmt.Appendf(out, `{"%s":"%s"}`, bytesKey, data)
		text = after
	}
}

// parseLine reads a line of input: an event's name, "?" where an acknowledgement is
// asked for, and any number of JSON values.
func parseLine(line string) (event string, ask bool, args []any, err error) {
	rest := ""
	if strings.HasPrefix(line, `"`) {
		d := json.NewDecoder(strings.NewReader(line))
		if err := d.Decode(&event); err != nil {
			return "", false, nil, fmt.Errorf("the event's name is not a JSON string: %w", err)
		}
		rest = line[d.InputOffset():]
		rest, ask = strings.CutPrefix(rest, "?")
	} else {
		event, rest, _ = strings.Cut(line, " ")
		event, ask = strings.CutSuffix(event, "?")
	}
	if event == "" {
		return "", false, nil, errors.New("line does not begin with an event")
	}
	values := json.NewDecoder(strings.NewReader(rest))
	for {
		var raw json.RawMessage
		err := values.Decode(&raw)
		if errors.Is(err, io.EOF) {
			return event, ask, args, nil
		}
		if err != nil {
			return event, ask, nil, fmt.Errorf("argument %d is not JSON: %w", len(args)+1, err)
		}
		v, err := argument(raw)
		if err != nil {
			return event, ask, nil, fmt.Errorf("argument %d: %w", len(args)+1, err)
		}
		args = append(args, v)
	}
}

// argument is a JSON value as it is emitted: itself, or with bytes for the objects that
// name them.
func argument(raw json.RawMessage) (any, error) {
	if !bytes.Contains(raw, []byte(bytesKey)) {
		return raw, nil
	}
	d := json.NewDecoder(bytes.NewReader(raw))
	d.UseNumber()
	var v any
	if err := d.Decode(&v); err != nil {
		return nil, err
	}
	return withBytes(v)
}

func withBytes(v any) (any, error) {
	switch v := v.(type) {
	case []any:
		for i := range v {
			x, err := withBytes(v[i])
			if err != nil {
				return nil, err
			}
			v[i] = x
		}
	case map[string]any:
		if text, ok := v[bytesKey].(string); ok && len(v) == 1 {
			b, err := base64.StdEncoding.DecodeString(text)
			if err != nil {
				return nil, fmt.Errorf("%s is not base64: %w", bytesKey, err)
			}
			return parser.Binary(b), nil
		}
		for k := range v {
			x, err := withBytes(v[k])
			if err != nil {
				return nil, err
			}
			v[k] = x
		}
	}
	return v, nil
}
