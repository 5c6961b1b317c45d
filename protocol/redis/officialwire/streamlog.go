package officialwire

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"hash/crc32"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	goredis "github.com/redis/go-redis/v9"

	"podium/protocol/emitter"
	"podium/protocol/internal/nodewire"
	"podium/protocol/redis/internal/script"
	"podium/protocol/socketio"
)

// StreamEngine is the stream of Node's streams adapter as a log that servers share: see
// [OpenStream]. It is a [socketio.Log] and a [socketio.SessionStore]; all methods are safe
// for concurrent use, [StreamEngine.Append] for one batch at a time.
type StreamEngine struct {
	o    Options
	key  []byte
	self string // of whoever appends, until a server has joined; also names the batches

	seq atomic.Uint64

	mu   sync.Mutex // guards the fields below
	last socketio.Position
	read uint64   // up to which what is no entry of the log was handed over
	seat *streams // nil until a server has joined
}

var (
	_ socketio.AppenderAt     = (*StreamEngine)(nil)
	_ socketio.Follower       = (*StreamEngine)(nil)
	_ socketio.OffsetFormat   = (*StreamEngine)(nil)
	_ socketio.SharedSessions = (*StreamEngine)(nil)
)

// OpenStream makes the stream of servers that use @socket.io/redis-streams-adapter 0.3 a
// log that they share with ours, sessions included: for one server each.
//
//	engine, err := officialwire.OpenStream(ctx, officialwire.Options{Client: client})
//	...
//	srv := socketio.NewServer(socketio.Options{Cluster: engine.Join, Recovery: engine.Recovery()})
//
// See the package comment for what is promised. It needs Redis 7, and StreamCount 1.
func OpenStream(ctx context.Context, o Options) (*StreamEngine, error) {
	if o.Client == nil {
		return nil, errors.New("officialwire: Options.Client is missing")
	}
	if o = o.withDefaults(); o.StreamCount != 1 {
		return nil, errors.New("officialwire: what is spread over several streams is no log: StreamCount must be 1")
	}
	var id [8]byte
	_, _ = rand.Read(id[:]) // never fails
	e := &StreamEngine{o: o, self: hex.EncodeToString(id[:])}
	fresh := make([]byte, 32)
	_, _ = rand.Read(fresh)
	if err := o.Client.SetNX(ctx, o.keyName(), fresh, 0).Err(); err != nil {
		return nil, fmt.Errorf("officialwire: make the key of sessions: %w", err)
	}
	var err error
	if e.key, err = o.Client.Get(ctx, o.keyName()).Bytes(); err != nil {
		return nil, fmt.Errorf("officialwire: read the key of sessions: %w", err)
	}
	_, at, err := e.Read(ctx, 0, 0)
	e.read = at.Last
	return e, err
}

// keyName is where the servers of this package keep what signs their sessions.
func (o Options) keyName() string { return "podium:" + o.Stream + ":key" }

// Recovery returns what the servers have in common, for [socketio.Options]. It may be
// changed.
func (e *StreamEngine) Recovery() *socketio.Recovery {
	return &socketio.Recovery{Log: e, Sessions: e, Key: e.key, MaxAge: e.o.MaxDisconnection, MaxMissed: e.o.MaxEntries}
}

// Join is what [socketio.Options].Cluster takes.
func (e *StreamEngine) Join(self socketio.Member, node socketio.Node) (socketio.Cluster, error) {
	s, err := Streams{e.o}.join(self, node)
	if err != nil {
		return nil, err
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	e.seat = s
	return s, nil
}

// Emitter is that of [Streams].
func (e *StreamEngine) Emitter() emitter.Emitter { return Streams{e.o}.Emitter() }

// kindClaim is the type of an entry by which a server of this package takes a session up.
// Node's pass over types that they do not know.
const kindClaim nodewire.Kind = 100

// maxSeq is how many entries of one millisecond have offsets of their own.
const maxSeq = 1 << 20

// offsetOf is the offset of a stream's id; 0 for one that has none.
func offsetOf(id string) uint64 {
	ms, seq, ok := strings.Cut(id, "-")
	if !ok || len(ms) > 1 && ms[0] == '0' || len(seq) > 1 && seq[0] == '0' {
		return 0
	}
	m, err1 := strconv.ParseUint(ms, 10, 43)
	s, err2 := strconv.ParseUint(seq, 10, 20)
	if err1 != nil || err2 != nil {
		return 0
	}
	return m*maxSeq + s
}

// FormatOffset implements [socketio.OffsetFormat]: an offset is the id that Node's
// servers send.
func (e *StreamEngine) FormatOffset(offset uint64) string {
	return strconv.FormatUint(offset/maxSeq, 10) + "-" + strconv.FormatUint(offset%maxSeq, 10)
}

// ParseOffset implements [socketio.OffsetFormat].
func (e *StreamEngine) ParseOffset(text string) (uint64, bool) {
	offset := offsetOf(text)
	return offset, offset != 0
}

// streamScript returns the run id of the server, its time in microseconds, how many entries
// were added to the stream and are kept, its last id, the id of its first entry, and entries
// after an id.
//
// KEYS: stream. ARGV: after, limit.
var streamScript = goredis.NewScript(`
local t = redis.call('TIME')
local run = string.match(redis.call('INFO', 'server'), 'run_id:(%w+)')
local added, length, last, first, entries = 0, 0, '0-0', '', {}
if redis.call('EXISTS', KEYS[1]) == 1 then
  local info = redis.call('XINFO', 'STREAM', KEYS[1])
  for i = 1, #info, 2 do
    if info[i] == 'last-generated-id' then last = info[i+1] end
    if info[i] == 'entries-added' then added = info[i+1] end
    if info[i] == 'length' then length = info[i+1] end
  end
  local head = redis.call('XRANGE', KEYS[1], '-', '+', 'COUNT', 1)[1]
  if head then first = head[1] end
  if tonumber(ARGV[2]) > 0 then
    entries = redis.call('XRANGE', KEYS[1], '(' .. ARGV[1], '+', 'COUNT', ARGV[2])
  end
end
return {run, t[1], t[2], tostring(added), tostring(length), last, first, entries}
`)

// Read implements [socketio.Log].
func (e *StreamEngine) Read(ctx context.Context, after uint64, limit int) ([]socketio.Entry, socketio.Position, error) {
	answer, err := streamScript.Run(ctx, e.o.Client, []string{e.o.Stream}, e.FormatOffset(after), limit).Slice()
	if err != nil {
		return nil, socketio.Position{}, fmt.Errorf("officialwire: read the stream: %w", err)
	}
	at, list, err := readStream(answer)
	if err != nil {
		return nil, at, fmt.Errorf("officialwire: read the stream: %w", err)
	}
	e.mu.Lock()
	e.last = at
	e.mu.Unlock()
	var entries []socketio.Entry
	for _, item := range list {
		entry, _, err := entryOf(item)
		if err != nil {
			e.o.Logger.Debug("socket.io cluster: an entry of the stream is passed over", "id", item.ID, "error", err)
		}
		entries = append(entries, entry)
	}
	return entries, at, nil
}

// readStream reads what streamScript returns.
func readStream(answer []any) (at socketio.Position, list []goredis.XMessage, err error) {
	text, list, err := script.Answer(answer, 7)
	if err != nil {
		return at, nil, err
	}
	seconds, err1 := strconv.ParseInt(text[1], 10, 64)
	micros, err2 := strconv.ParseInt(text[2], 10, 64)
	if err1 != nil || err2 != nil {
		return at, nil, script.ErrAnswer
	}
	at = socketio.Position{
		Epoch: "stream", Incarnation: text[0], Last: offsetOf(text[5]), First: 1, Now: time.Unix(seconds, micros*1000),
	}
	switch {
	case text[6] == "":
		at.First = at.Last + 1
	case text[3] != text[4]: // something was trimmed
		at.First = offsetOf(text[6])
	}
	return at, list, nil
}

// entryOf reads an entry of the stream. Where it asks for nothing that is kept in a log,
// m is what it says, if anything.
func entryOf(x goredis.XMessage) (e socketio.Entry, m *socketio.Message, err error) {
	offset := offsetOf(x.ID)
	e = socketio.Entry{Offset: offset, At: time.UnixMilli(int64(offset / maxSeq)), Kind: socketio.KindNothing}
	get := func(name string) string {
		text, _ := x.Values[name].(string)
		return text
	}
	sum := crc32.NewIEEE()
	for _, name := range []string{"uid", "nsp", "type", "data"} {
		_, _ = sum.Write([]byte(get(name) + "\x00")) // never fails
	}
	e.Check = sum.Sum32() | 1
	k, err := strconv.Atoi(get("type"))
	if err != nil {
		return e, nil, fmt.Errorf("%w: type %q", nodewire.ErrShape, get("type"))
	}
	e.From, e.Namespace = get("uid"), get("nsp")
	kind := nodewire.Kind(k)
	if kind != kindClaim && (kind < nodewire.KindBroadcast || kind > nodewire.KindBroadcastAck) {
		return e, nil, nil
	}
	data, err := nodewire.ReadText(get("data"))
	if err != nil {
		return e, nil, err
	}
	if kind == kindClaim {
		f, err := data.Fields()
		if err == nil {
			err = f["sessions"].Decode(&e.Names)
		}
		if err == nil {
			e.Kind = socketio.KindClaim
		}
		return e, nil, err
	}
	m, err = nodewire.Letter{Kind: kind, UID: e.From, Namespace: e.Namespace, Data: data}.Message()
	if err != nil || m == nil {
		return e, nil, err
	}
	logged, ok := emitter.Entry(m)
	if !ok {
		return e, m, nil
	}
	logged.Offset, logged.At, logged.Check, logged.From = e.Offset, e.At, e.Check, e.From
	return logged, nil, nil
}

// followBlock is how long one call of XREAD waits. Between two calls the position is
// read, so that a stream that was lost is noticed although nobody writes.
const followBlock = time.Second

// Follow implements [socketio.Follower]. What stands in the stream and is kept in no log,
// it hands to the server.
func (e *StreamEngine) Follow(ctx context.Context, after uint64, limit int) ([]socketio.Entry, socketio.Position, error) {
	found, err := e.o.Client.XRead(ctx, &goredis.XReadArgs{
		Streams: []string{e.o.Stream, e.FormatOffset(after)}, Count: int64(limit), Block: followBlock,
	}).Result()
	if err != nil && !errors.Is(err, goredis.Nil) {
		return nil, socketio.Position{}, fmt.Errorf("officialwire: follow the stream: %w", err)
	}
	var list []goredis.XMessage
	for _, s := range found {
		list = append(list, s.Messages...)
	}
	// Where there is nothing, or more than can be taken at once, the position tells
	// whether something was lost or trimmed.
	if len(list) == 0 || len(list) == limit {
		entries, at, err := e.Read(ctx, after, limit)
		e.handOver(list)
		return entries, at, err
	}
	var entries []socketio.Entry
	for _, x := range list {
		entry, _, err := entryOf(x)
		if err != nil {
			e.o.Logger.Warn("socket.io cluster: an entry of the stream is passed over", "id", x.ID, "error", err)
		}
		entries = append(entries, entry)
	}
	e.handOver(list)
	e.mu.Lock()
	defer e.mu.Unlock()
	return entries, socketio.Position{Epoch: e.last.Epoch, Incarnation: e.last.Incarnation}, nil
}

// handOver gives the server what it has not seen and is no entry of the log: volatile
// events, and what older adapters and emitters put into the stream.
func (e *StreamEngine) handOver(list []goredis.XMessage) {
	for _, x := range list {
		offset := offsetOf(x.ID)
		e.mu.Lock()
		seat, again := e.seat, offset <= e.read
		if !again {
			e.read = offset
		}
		e.mu.Unlock()
		if seat == nil || again {
			continue
		}
		if _, m, err := entryOf(x); err == nil && m != nil && m.From != seat.self && seat.shares(m.Namespace) {
			seat.node.Deliver(m)
		}
	}
}

// streamAppend appends a batch, once, and returns the run id of the server and the ids.
//
// KEYS: stream, batch of this server. ARGV: number of the batch, how many entries to keep,
// sender; then of each entry namespace, type, data.
var streamAppend = goredis.NewScript(`
local run = string.match(redis.call('INFO', 'server'), 'run_id:(%w+)')
local done = redis.call('GET', KEYS[2])
if done then
  local batch, ids = string.match(done, '^(%d+) (.*)$')
  if batch == ARGV[1] then return {run, ids} end
  if tonumber(batch) > tonumber(ARGV[1]) then return redis.error_reply('LATE the batch was given up') end
end
local ids = {}
for i = 4, #ARGV, 3 do
  ids[#ids + 1] = redis.call('XADD', KEYS[1], 'MAXLEN', '~', ARGV[2], '*', 'uid', ARGV[3], 'nsp', ARGV[i], 'type', ARGV[i+1], 'data', ARGV[i+2])
end
local all = table.concat(ids, ' ')
redis.call('SET', KEYS[2], ARGV[1] .. ' ' .. all, 'PX', 3600000)
return {run, all}
`)

// Append implements [socketio.Appender], as of the position that was read last.
func (e *StreamEngine) Append(ctx context.Context, entries []socketio.Entry) error {
	e.mu.Lock()
	at := e.last
	e.mu.Unlock()
	return e.AppendAt(ctx, at, entries)
}

// AppendAt implements [socketio.AppenderAt]. Where the connection breaks it asks again
// until ctx ends: the batch has a number, and Redis appends it once.
func (e *StreamEngine) AppendAt(ctx context.Context, to socketio.Position, entries []socketio.Entry) error {
	args := []any{e.seq.Add(1), e.o.MaxEntries, e.sender()}
	for i := range entries {
		kind, data, err := wordsOf(&entries[i])
		if err != nil {
			return fmt.Errorf("officialwire: encode: %w", err)
		}
		args = append(args, namespaceOf(&entries[i]), int(kind), data)
	}
	keys := []string{e.o.Stream, "podium:" + e.o.Stream + ":batch:" + e.self}
	answer, err := script.Insist(ctx, func() ([]string, error) {
		return streamAppend.Run(ctx, e.o.Client, keys, args...).StringSlice()
	})
	if err == nil && len(answer) != 2 {
		err = script.ErrAnswer
	}
	if err != nil {
		return fmt.Errorf("officialwire: append: %w", err)
	}
	run, ids := answer[0], strings.Fields(answer[1])
	if len(ids) != len(entries) {
		return fmt.Errorf("officialwire: append: %w", script.ErrAnswer)
	}
	if run != to.Incarnation {
		return nil // what the server knows of the stream may not be so any more
	}
	for i, id := range ids {
		entries[i].Offset = offsetOf(id)
		entries[i].At = time.UnixMilli(int64(entries[i].Offset / maxSeq))
	}
	return nil
}

func namespaceOf(e *socketio.Entry) string {
	if e.Namespace == "" {
		return "/"
	}
	return e.Namespace
}

// sender is what Node calls uid.
func (e *StreamEngine) sender() string {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.seat != nil {
		return e.seat.self
	}
	return e.self
}

// wordsOf returns how an entry stands in the stream.
func wordsOf(e *socketio.Entry) (nodewire.Kind, string, error) {
	if e.Kind == socketio.KindClaim {
		text, err := nodewire.WriteText(nodewire.Object{nodewire.Field("sessions", nodewire.Texts(e.Names))}, false)
		return kindClaim, text, err
	}
	m := &socketio.Message{
		Namespace: e.Namespace, Rooms: e.Rooms, Except: e.Except, Names: e.Names, Event: e.Event, Args: e.Args,
		Attachments: e.Attachments, Uncompressed: e.Uncompressed, Close: e.Close,
	}
	switch e.Kind {
	case socketio.KindJoin:
		m.Kind = socketio.MessageJoin
	case socketio.KindLeave:
		m.Kind = socketio.MessageLeave
	case socketio.KindDisconnect:
		m.Kind = socketio.MessageDisconnect
	default:
		m.Kind = socketio.MessageEvent
	}
	kind, data, _ := nodewire.Body(m)
	text, err := nodewire.WriteText(data, len(m.Attachments) > 0)
	return kind, text, err
}
