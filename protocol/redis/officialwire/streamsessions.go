package officialwire

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"time"

	goredis "github.com/redis/go-redis/v9"

	"podium/protocol/internal/nodewire"
	"podium/protocol/socketio"
)

// A session's record is what Node's servers keep, base64 of MessagePack of {sid, pid,
// rooms, data}, and beside that a field that they pass over: ours, with what else we know.

// connectedFor is how long the record of a connected socket is kept without being saved
// again: servers do so more often.
const connectedFor = 25 * time.Hour

func (e *StreamEngine) sessionKey(pid string) string { return e.o.SessionPrefix + pid }

// SaveSessions implements [socketio.SessionStore].
func (e *StreamEngine) SaveSessions(ctx context.Context, records []socketio.SessionRecord) error {
	var texts []string
	for i := range records {
		text, err := sessionText(&records[i])
		if err != nil {
			return fmt.Errorf("officialwire: encode a session: %w", err)
		}
		texts = append(texts, text)
	}
	_, err := e.o.Client.Pipelined(ctx, func(p goredis.Pipeliner) error {
		for i, r := range records {
			switch {
			case r.PID == "":
			case r.Denied:
				p.Del(ctx, e.sessionKey(r.PID))
			case r.Away:
				p.Set(ctx, e.sessionKey(r.PID), texts[i], e.o.MaxDisconnection)
			default:
				p.Set(ctx, e.sessionKey(r.PID), texts[i], connectedFor)
			}
		}
		return nil
	})
	if err != nil {
		return fmt.Errorf("officialwire: save sessions: %w", err)
	}
	return nil
}

// sessionText writes a record.
func sessionText(r *socketio.SessionRecord) (string, error) {
	rooms := []string{r.ID}
	for _, room := range r.Rooms {
		rooms = append(rooms, room.Name)
	}
	data := r.Data
	if data == nil {
		data = json.RawMessage("{}") // Node's handlers rely on an object
	}
	ours, err := json.Marshal(r)
	if err != nil {
		return "", err
	}
	packed, err := nodewire.Write(nodewire.Object{
		nodewire.Field("sid", r.ID), nodewire.Field("pid", r.PID), nodewire.Field("rooms", nodewire.Texts(rooms)),
		nodewire.Field("data", data), nodewire.Field("podium", string(ours)),
	}, true)
	return base64.StdEncoding.EncodeToString(packed), err
}

// TakeSession implements [socketio.SharedSessions]. A record of Node's servers is removed,
// as they do; one of ours stays until it is saved again, so that a server that dies in
// between loses none.
func (e *StreamEngine) TakeSession(ctx context.Context, pid string) (socketio.SessionRecord, bool, error) {
	var r socketio.SessionRecord
	text, err := e.o.Client.Get(ctx, e.sessionKey(pid)).Result()
	if errors.Is(err, goredis.Nil) {
		return r, false, nil
	}
	if err != nil {
		return r, false, fmt.Errorf("officialwire: read a session: %w", err)
	}
	r, ours, err := readSession(text)
	if err != nil {
		return r, false, fmt.Errorf("officialwire: read a session: %w", err)
	}
	if r.PID != pid {
		return r, false, nil
	}
	if !ours {
		now, err := e.o.Client.GetDel(ctx, e.sessionKey(pid)).Result()
		if errors.Is(err, goredis.Nil) || err == nil && now != text {
			return r, false, nil // somebody else took it
		}
		if err != nil {
			return r, false, fmt.Errorf("officialwire: take a session: %w", err)
		}
	}
	return r, true, nil
}

// readSession reads a record, and whether it is one of ours.
func readSession(text string) (r socketio.SessionRecord, ours bool, err error) {
	p, err := nodewire.ReadText(text)
	if err != nil {
		return r, false, err
	}
	f, err := p.Fields()
	if err != nil {
		return r, false, err
	}
	var own string
	if err := f["podium"].Decode(&own); err != nil {
		return r, false, err
	}
	if own != "" {
		err := json.Unmarshal([]byte(own), &r)
		return r, true, err
	}
	var rooms []string
	err = errors.Join(f["sid"].Decode(&r.ID), f["pid"].Decode(&r.PID), f["rooms"].Decode(&rooms), f["data"].Decode(&r.Data))
	for _, name := range slices.DeleteFunc(rooms, func(name string) bool { return name == r.ID }) {
		r.Rooms = append(r.Rooms, socketio.RoomRecord{Name: name})
	}
	return r, false, err
}

// LoadSession implements [socketio.SessionStore]. Nothing is found by a socket's id.
func (e *StreamEngine) LoadSession(context.Context, string) (socketio.SessionRecord, bool, error) {
	return socketio.SessionRecord{}, false, nil
}

// TrimSessions implements [socketio.SessionStore]. Redis does it.
func (e *StreamEngine) TrimSessions(context.Context, time.Time, int) error { return nil }
