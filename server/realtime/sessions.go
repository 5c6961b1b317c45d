package realtime

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"podium/contest"
	"podium/protocol/socketio"
	"time"
)

// sessionStore keeps recovery's session records in the store.
type sessionStore struct{ contest *contest.Contest }

// sessionData is the part of a record that the store does not look at.
type sessionData struct {
	Namespace string                `json:"nsp,omitempty"`
	Rooms     []socketio.RoomRecord `json:"rooms,omitempty"`
	Data      json.RawMessage       `json:"data,omitempty"`
	Denied    bool                  `json:"denied,omitempty"`
}

func (s sessionStore) SaveSessions(ctx context.Context, records []socketio.SessionRecord) error {
	list := make([]contest.SessionRecord, 0, len(records))
	for _, r := range records {
		data, err := json.Marshal(sessionData{r.Namespace, r.Rooms, r.Data, r.Denied})
		if err != nil {
			return fmt.Errorf("encode a session: %w", err)
		}
		list = append(list, contest.SessionRecord{ID: r.ID, At: r.At, Data: data})
	}
	return s.contest.SaveSessions(ctx, list)
}

func (s sessionStore) LoadSession(_ context.Context, id string) (socketio.SessionRecord, bool, error) {
	r, err := s.contest.Session(id)
	if errors.Is(err, contest.ErrNotFound) {
		return socketio.SessionRecord{}, false, nil
	}
	if err != nil {
		return socketio.SessionRecord{}, false, fmt.Errorf("read a session: %w", err)
	}
	var d sessionData
	if err := json.Unmarshal(r.Data, &d); err != nil {
		return socketio.SessionRecord{}, false, fmt.Errorf("decode a session: %w", err)
	}
	return socketio.SessionRecord{ID: id, Namespace: d.Namespace, Rooms: d.Rooms, Data: d.Data, Denied: d.Denied, At: r.At}, true, nil
}

func (s sessionStore) TrimSessions(ctx context.Context, before time.Time, keep int) error {
	return s.contest.Alone(ctx, "trim the sessions", func(ctx context.Context) error { return s.contest.TrimSessions(ctx, before, keep) })
}
