package redis

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	goredis "github.com/redis/go-redis/v9"

	"podium/protocol/internal/logentry"
	"podium/protocol/redis/internal/script"
	"podium/protocol/socketio"
)

// The first entry of every stream stands for nothing: it is E-0, so that an event's
// offset is the n of its id.

// What Redis calls its replication id is the log's incarnation: a server that starts or is
// promoted has another, and one that becomes a replica has its primary's.

// readScript returns the epoch, the replication id, the time in seconds and microseconds,
// the first and the last id, and entries after a position. It makes a stream where there is
// none, or one of another epoch: its time in microseconds, so that a log which was lost a
// moment after it was made has another one too.
//
// KEYS: epoch, log. ARGV: after, limit.
var readScript = goredis.NewScript(`
local t = redis.call('TIME')
local epoch = redis.call('GET', KEYS[1])
local last
if epoch and redis.call('EXISTS', KEYS[2]) == 1 then
  local info = redis.call('XINFO', 'STREAM', KEYS[2])
  for i = 1, #info, 2 do
    if info[i] == 'last-generated-id' then last = info[i+1] end
  end
  if string.sub(last, 1, #epoch + 1) ~= epoch .. '-' then last = nil end
end
if not last then
  local now = string.format('%.0f', t[1] * 1000000 + t[2])
  if epoch and tonumber(now) <= tonumber(epoch) then now = string.format('%.0f', tonumber(epoch) + 1) end
  epoch = now
  redis.call('SET', KEYS[1], epoch)
  redis.call('DEL', KEYS[2])
  last = redis.call('XADD', KEYS[2], epoch .. '-0', 'd', '')
end
local first = redis.call('XRANGE', KEYS[2], '-', '+', 'COUNT', 1)[1][1]
local entries = {}
if tonumber(ARGV[2]) > 0 then
  entries = redis.call('XRANGE', KEYS[2], '(' .. epoch .. '-' .. ARGV[1], '+', 'COUNT', ARGV[2])
end
local run = string.match(redis.call('INFO', 'replication'), 'master_replid:(%w+)')
return {epoch, run, t[1], t[2], first, last, entries}
`)

// appendScript appends a batch, once, and returns the position of its first entry, its
// time in ms, and the replication id; or nothing where the log has another epoch.
//
// KEYS: epoch, log, batch of this node. ARGV: epoch, number of the batch, how many
// entries to keep, entries.
var appendScript = goredis.NewScript(`
if redis.call('GET', KEYS[1]) ~= ARGV[1] then return false end
local run = string.match(redis.call('INFO', 'replication'), 'master_replid:(%w+)')
local done = redis.call('GET', KEYS[3])
if done then
  local epoch, batch, first, at = string.match(done, '^(%d+) (%d+) (%d+) (%d+)$')
  if epoch == ARGV[1] and batch == ARGV[2] then return {first, at, run} end
  if epoch == ARGV[1] and tonumber(batch) > tonumber(ARGV[2]) then return redis.error_reply('LATE the batch was given up') end
end
local t = redis.call('TIME')
local at = string.format('%.0f', t[1] * 1000 + math.floor(t[2] / 1000))
local first
for i = 4, #ARGV do
  local id = redis.call('XADD', KEYS[2], 'NOMKSTREAM', 'MAXLEN', '~', ARGV[3], ARGV[1] .. '-*', 't', at, 'd', ARGV[i])
  if not id then return false end
  first = first or string.match(id, '-(%d+)$')
end
redis.call('SET', KEYS[3], ARGV[1] .. ' ' .. ARGV[2] .. ' ' .. first .. ' ' .. at, 'PX', 86400000)
return {first, at, run}
`)

// Read implements [socketio.Log].
func (e *Engine) Read(ctx context.Context, after uint64, limit int) ([]socketio.Entry, socketio.Position, error) {
	answer, err := readScript.Run(ctx, e.client, []string{e.keys.epoch, e.keys.log}, after, limit).Slice()
	if err != nil {
		return nil, socketio.Position{}, fmt.Errorf("redis: read the log: %w", err)
	}
	entries, at, err := readAnswer(answer)
	if err != nil {
		return nil, at, fmt.Errorf("redis: read the log: %w", err)
	}
	e.told(at)
	return entries, at, nil
}

// readAnswer reads what readScript returns.
func readAnswer(answer []any) (entries []socketio.Entry, at socketio.Position, err error) {
	text, list, err := script.Answer(answer, 6)
	if err != nil {
		return nil, at, err
	}
	first, ok1 := offsetOf(text[4], text[0])
	last, ok2 := offsetOf(text[5], text[0])
	seconds, err1 := strconv.ParseInt(text[2], 10, 64)
	micros, err2 := strconv.ParseInt(text[3], 10, 64)
	if !ok1 || !ok2 || err1 != nil || err2 != nil {
		return nil, at, script.ErrAnswer
	}
	at = socketio.Position{
		Epoch: text[0], Incarnation: text[1], First: max(first, 1), Last: last,
		Now: time.Unix(seconds, micros*1000),
	}
	for _, m := range list {
		offset, ok := offsetOf(m.ID, at.Epoch)
		if !ok {
			return nil, at, script.ErrAnswer
		}
		entries = append(entries, entryOf(offset, m.Values))
	}
	return entries, at, nil
}

// offsetOf reads the position in an id of an epoch.
func offsetOf(id, epoch string) (uint64, bool) {
	made, n, ok := strings.Cut(id, "-")
	if !ok || made != epoch {
		return 0, false
	}
	offset, err := strconv.ParseUint(n, 10, 64)
	return offset, err == nil
}

// entryOf reads an entry of the stream.
func entryOf(offset uint64, values map[string]any) socketio.Entry {
	data, _ := values["d"].(string)
	entry, err := logentry.Decode([]byte(data))
	if err != nil {
		entry = socketio.Entry{Kind: logentry.Unreadable}
	}
	entry.Offset = offset
	if at, ok := values["t"].(string); ok {
		if ms, err := strconv.ParseInt(at, 10, 64); err == nil {
			entry.At = time.UnixMilli(ms)
		}
	}
	return entry
}

// told notes what was read last.
func (e *Engine) told(at socketio.Position) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.last = at
}

func (e *Engine) known() socketio.Position {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.last
}

// Append implements [socketio.Appender], as of the position that was read last.
func (e *Engine) Append(ctx context.Context, entries []socketio.Entry) error {
	return e.AppendAt(ctx, e.known(), entries)
}

// AppendAt implements [socketio.AppenderAt]. Where the connection breaks it asks again until
// ctx ends: the batch has a number, and Redis appends it once.
func (e *Engine) AppendAt(ctx context.Context, to socketio.Position, entries []socketio.Entry) error {
	args := make([]any, 3, 3+len(entries))
	args[0], args[1], args[2] = to.Epoch, e.seq.Add(1), e.o.MaxEntries
	for i := range entries {
		args = append(args, logentry.Encode(&entries[i]))
	}
	keys := []string{e.keys.epoch, e.keys.log, e.keys.batch + e.node}
	answer, err := e.insist(ctx, keys, args)
	if err != nil {
		return err
	}
	if len(answer) != 3 {
		return fmt.Errorf("redis: append: %w", script.ErrAnswer)
	}
	first, _ := answer[0].(string)
	at, _ := answer[1].(string)
	run, _ := answer[2].(string)
	offset, err1 := strconv.ParseUint(first, 10, 64)
	ms, err2 := strconv.ParseInt(at, 10, 64)
	if err1 != nil || err2 != nil {
		return fmt.Errorf("redis: append: %w", script.ErrAnswer)
	}
	if run != to.Incarnation {
		return nil // the offsets are of a log that the server does not know yet
	}
	for i := range entries {
		entries[i].Offset, entries[i].At = offset+uint64(i), time.UnixMilli(ms)
	}
	return nil
}

// insist runs appendScript until it has an answer.
func (e *Engine) insist(ctx context.Context, keys []string, args []any) ([]any, error) {
	answer, err := script.Insist(ctx, func() ([]any, error) {
		return appendScript.Run(ctx, e.client, keys, args...).Slice()
	})
	if errors.Is(err, goredis.Nil) {
		err = socketio.ErrEpoch
	}
	if err != nil {
		return nil, fmt.Errorf("redis: append: %w", err)
	}
	return answer, nil
}

// followBlock is how long one call of XREAD waits. Between two calls the position is
// read, so that a log that was lost is noticed although nobody writes.
const followBlock = time.Second

// incarnationScript returns the replication id of the server that has the log.
const incarnationScript = `return string.match(redis.call('INFO', 'replication'), 'master_replid:(%w+)')`

// Follow implements [socketio.Follower]. The replication id is asked for behind the entries
// on the same connection: it may lead to a server that was replaced since, which goes on
// answering as the replica of another.
func (e *Engine) Follow(ctx context.Context, after uint64, limit int) ([]socketio.Entry, socketio.Position, error) {
	epoch := e.known().Epoch
	pipe := e.reader.Pipeline()
	read := pipe.XRead(ctx, &goredis.XReadArgs{
		Streams: []string{e.keys.log, epoch + "-" + strconv.FormatUint(after, 10)},
		Count:   int64(limit), Block: followBlock,
	})
	incarnation := pipe.Eval(ctx, incarnationScript, []string{e.keys.log})
	_, _ = pipe.Exec(ctx) // each of the two has its error
	streams, err := read.Result()
	if errors.Is(err, goredis.Nil) {
		return e.Read(ctx, after, limit)
	}
	if err != nil {
		return nil, socketio.Position{}, fmt.Errorf("redis: follow the log: %w", err)
	}
	at := socketio.Position{Epoch: epoch}
	if at.Incarnation, err = incarnation.Text(); err != nil {
		return nil, socketio.Position{}, fmt.Errorf("redis: follow the log: %w", err)
	}
	var entries []socketio.Entry
	for _, s := range streams {
		for _, m := range s.Messages {
			offset, ok := offsetOf(m.ID, epoch)
			if !ok {
				return e.Read(ctx, after, limit) // another epoch
			}
			entries = append(entries, entryOf(offset, m.Values))
		}
	}
	if len(entries) > 0 && entries[0].Offset != after+1 {
		return e.Read(ctx, after, limit) // something is gone: the position tells what
	}
	e.told(at)
	return entries, at, nil
}
