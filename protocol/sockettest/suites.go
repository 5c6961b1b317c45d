package sockettest

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
	"sync"
	"testing"
	"time"

	"podium/protocol/engineio"
	"podium/protocol/socketio"
	"podium/protocol/socketio/parser"
	"podium/protocol/websocket"
)

// TestLog holds a [socketio.Appender] to its contract; a [socketio.Follower] too. open makes
// an empty log, which the suite alone appends to.
func TestLog(t *testing.T, open func(t *testing.T) socketio.Appender) {
	ctx := func(t *testing.T) context.Context {
		ctx, cancel := context.WithTimeout(t.Context(), Patience)
		t.Cleanup(cancel)
		return ctx
	}
	t.Run("an empty log", func(t *testing.T) {
		entries, at, err := open(t).Read(ctx(t), 0, 10)
		if err != nil || len(entries) != 0 || at.Last != 0 || at.First != 1 || at.Epoch == "" {
			t.Errorf("reads %v at %+v, %v", entries, at, err)
		}
	})
	t.Run("keeps everything of an entry", func(t *testing.T) {
		log := open(t)
		full := socketio.Entry{
			At: time.Now().Truncate(time.Millisecond), Namespace: "/a", Rooms: []string{"r", "ü"}, Except: []string{"x"}, Event: "e",
			Args:        []json.RawMessage{json.RawMessage(`{"b" : [1.0,"\u00e4"]}`), json.RawMessage(`{"_placeholder":true,"num":0}`)},
			Attachments: [][]byte{{0, 255}}, Uncompressed: true, From: "server",
		}
		orders := []socketio.Entry{
			full,
			{At: full.At, Kind: socketio.KindJoin, Rooms: []string{"id"}, Names: []string{"a", "b"}},
			{At: full.At, Kind: socketio.KindLeave, Names: []string{"a"}},
			{At: full.At, Kind: socketio.KindDisconnect, Close: true},
			{At: full.At, Kind: socketio.KindClaim, Names: []string{"id"}, From: "server"},
		}
		given := append([]socketio.Entry(nil), orders...)
		if err := log.Append(ctx(t), given); err != nil {
			t.Fatal(err)
		}
		read, _, err := log.Read(ctx(t), 0, 100)
		if err != nil || len(read) != len(orders) {
			t.Fatalf("%d entries, %v", len(read), err)
		}
		for i, got := range read {
			want := orders[i]
			if got.Offset == 0 || got.Offset != given[i].Offset || got.At.IsZero() {
				t.Errorf("entry %d has offset %d, and Append set %d; at %v", i, got.Offset, given[i].Offset, got.At)
			}
			want.Offset, want.Check, want.At = got.Offset, got.Check, got.At
			if a, b := fmt.Sprintf("%+v", got), fmt.Sprintf("%+v", want); a != b {
				t.Errorf("entry %d:\n%s, appended as\n%s", i, a, b)
			}
		}
	})
	t.Run("reads in order, after an offset, up to a limit", func(t *testing.T) {
		log := open(t)
		var offsets []uint64
		for i := range 10 {
			batch := []socketio.Entry{{At: time.Now(), Event: fmt.Sprint(2 * i)}, {At: time.Now(), Event: fmt.Sprint(2*i + 1)}}
			if err := log.Append(ctx(t), batch); err != nil {
				t.Fatal(err)
			}
			offsets = append(offsets, batch[0].Offset, batch[1].Offset)
		}
		for i := 1; i < len(offsets); i++ {
			if offsets[i] <= offsets[i-1] {
				t.Fatalf("offsets %v do not rise", offsets)
			}
		}
		for after := range offsets {
			for limit := range 8 {
				entries, at, err := log.Read(ctx(t), offsets[after], limit)
				if err != nil || at.Last != offsets[len(offsets)-1] {
					t.Fatalf("at %+v, %v", at, err)
				}
				if want := min(limit, len(offsets)-after-1); len(entries) != want {
					t.Fatalf("%d entries after the %dth, up to %d", len(entries), after, limit)
				}
				for i, e := range entries {
					if e.Event != fmt.Sprint(after+1+i) {
						t.Errorf("entry %d after the %dth is %q", i, after, e.Event)
					}
				}
			}
		}
	})
	t.Run("appends nothing after its context has ended, or says so", func(t *testing.T) {
		log := open(t)
		ended, cancel := context.WithCancel(t.Context())
		cancel()
		err := log.Append(ended, []socketio.Entry{{At: time.Now(), Event: "e"}})
		entries, _, readErr := log.Read(ctx(t), 0, 10)
		if readErr != nil {
			t.Fatal(readErr)
		}
		if err != nil && !errors.Is(err, socketio.ErrOutcome) && len(entries) != 0 || err == nil && len(entries) != 1 {
			t.Errorf("Append returned %v and there are %d entries", err, len(entries))
		}
	})
	t.Run("is safe for concurrent use", func(t *testing.T) {
		log := open(t)
		var readers sync.WaitGroup
		for range 4 {
			readers.Go(func() {
				for last := uint64(0); last < 100; {
					entries, at, err := log.Read(ctx(t), last, 7)
					if err != nil || at.Last < last {
						t.Errorf("at %+v, %v", at, err)
						return
					}
					for _, e := range entries {
						if want := fmt.Sprint(last); e.Event != want {
							t.Errorf("entry %q instead of %q", e.Event, want)
							return
						}
						last++
						if e.Offset != last {
							return // with gaps: order was shown above
						}
					}
				}
			})
		}
		for i := range 100 {
			if err := log.Append(ctx(t), []socketio.Entry{{At: time.Now(), Event: fmt.Sprint(i)}}); err != nil {
				t.Fatal(err)
			}
		}
		readers.Wait()
	})
	t.Run("follows", func(t *testing.T) {
		log, ok := open(t).(socketio.Follower)
		if !ok {
			t.Skip("the log is not a Follower")
		}
		appender := log.(socketio.Appender)
		got := make(chan string, 10)
		var reader sync.WaitGroup
		reader.Go(func() {
			for after, n := uint64(0), 0; n < 3; {
				entries, _, err := log.Follow(ctx(t), after, 10)
				if err != nil {
					t.Errorf("follow: %v", err)
					return
				}
				for _, e := range entries {
					after = e.Offset
					got <- e.Event
					n++
				}
			}
		})
		for i := range 3 {
			if err := appender.Append(ctx(t), []socketio.Entry{{At: time.Now(), Event: fmt.Sprint(i)}}); err != nil {
				t.Fatal(err)
			}
			select {
			case e := <-got:
				if e != fmt.Sprint(i) {
					t.Errorf("followed %q instead of %d", e, i)
				}
			case <-time.After(Patience):
				t.Fatal("Follow did not see what was appended")
			}
		}
		reader.Wait()
	})
}

// TestSessionStore holds a [socketio.SessionStore] to its contract. open makes an empty one.
func TestSessionStore(t *testing.T, open func(t *testing.T) socketio.SessionStore) {
	start := time.Now().Truncate(time.Millisecond).UTC()
	record := func(id string, age time.Duration) socketio.SessionRecord {
		return socketio.SessionRecord{
			ID: id, Namespace: "/n", Rooms: []socketio.RoomRecord{{Name: "r", Since: 7}}, Data: json.RawMessage(`{"k":[1]}`),
			Denied: true, At: start.Add(-age), Offset: 1 << 40,
		}
	}
	has := func(t *testing.T, s socketio.SessionStore, id string) bool {
		t.Helper()
		_, ok, err := s.LoadSession(t.Context(), id)
		if err != nil {
			t.Fatal(err)
		}
		return ok
	}
	t.Run("keeps everything of a record", func(t *testing.T) {
		s := open(t)
		want := record("a", 0)
		if err := s.SaveSessions(t.Context(), []socketio.SessionRecord{want, record("b", 0)}); err != nil {
			t.Fatal(err)
		}
		got, ok, err := s.LoadSession(t.Context(), "a")
		if err != nil || !ok || !got.At.Equal(want.At) {
			t.Fatalf("got %+v, %v, %v", got, ok, err)
		}
		got.At = want.At
		if !reflect.DeepEqual(got, want) {
			t.Errorf("got %+v, saved as %+v", got, want)
		}
		if has(t, s, "c") {
			t.Error("there is a record that was not saved")
		}
	})
	t.Run("replaces records", func(t *testing.T) {
		s := open(t)
		for _, data := range []string{"1", "2"} {
			r := socketio.SessionRecord{ID: "a", Namespace: "/", Data: json.RawMessage(data), At: start}
			if err := s.SaveSessions(t.Context(), []socketio.SessionRecord{r}); err != nil {
				t.Fatal(err)
			}
		}
		if got, _, err := s.LoadSession(t.Context(), "a"); err != nil || string(got.Data) != "2" || len(got.Rooms) != 0 {
			t.Errorf("got %+v, %v", got, err)
		}
	})
	t.Run("trims by age and number", func(t *testing.T) {
		s := open(t)
		var all []socketio.SessionRecord
		for i := range 6 {
			all = append(all, record(fmt.Sprint(i), time.Duration(i)*time.Minute))
		}
		if err := s.SaveSessions(t.Context(), all); err != nil {
			t.Fatal(err)
		}
		if err := s.TrimSessions(t.Context(), start.Add(-4*time.Minute), 100); err != nil {
			t.Fatal(err)
		}
		if has(t, s, "5") || !has(t, s, "3") {
			t.Error("trimmed others than those saved before the time")
		}
		if err := s.TrimSessions(t.Context(), start.Add(-time.Hour), 2); err != nil {
			t.Fatal(err)
		}
		for i := range 4 {
			if has(t, s, fmt.Sprint(i)) != (i < 2) {
				t.Errorf("record %d: there is %v, of the newest two", i, !(i < 2))
			}
		}
	})
}

// TestParser holds a [parser.Parser] to its contract: what it encodes it decodes, and what
// it cannot decode is an error that wraps [parser.ErrParse] and no panic.
func TestParser(t *testing.T, p parser.Parser) {
	values := []any{
		nil, true, false, 0.0, -1.0, 1.5, float64(1<<53 - 1), "", "text", "ä𝄞\u2028\n", []any{}, map[string]any{},
		[]byte{}, []byte{0, 255}, []any{1.0, []any{"x", []byte("y")}}, map[string]any{"a": map[string]any{"b": []byte{1}}},
	}
	packets := map[string]parser.Packet{
		"connect":          {Type: parser.Connect, Namespace: "/", ID: parser.NoID},
		"connect, auth":    {Type: parser.Connect, Namespace: "/a", ID: parser.NoID, Args: []any{map[string]any{"k": "v"}}},
		"refusal":          {Type: parser.ConnectError, Namespace: "/a", ID: parser.NoID, Args: []any{map[string]any{"message": "no"}}},
		"disconnect":       {Type: parser.Disconnect, Namespace: "/a", ID: parser.NoID},
		"event":            {Type: parser.Event, Namespace: "/", ID: parser.NoID, Event: "e"},
		"event, values":    {Type: parser.Event, Namespace: "/a/b", ID: 0, Event: "é 1", Args: values},
		"acknowledgement":  {Type: parser.Ack, Namespace: "/", ID: 1<<53 - 1},
		"answer with more": {Type: parser.Ack, Namespace: "/a", ID: 7, Args: values},
	}
	for name, want := range packets {
		t.Run(name, func(t *testing.T) {
			ms, err := p.Encode(&want)
			if err != nil {
				t.Fatal(err)
			}
			got := decodeAll(t, p.NewDecoder(), ms)
			if got.Type != want.Type || got.Namespace != want.Namespace || got.ID != want.ID || got.Event != want.Event || len(got.Values) != len(want.Args) {
				t.Fatalf("%+v is decoded as %+v", want, got)
			}
			for i, v := range got.Values {
				var x any
				if err := v.Decode(&x); err != nil {
					t.Fatalf("value %d: %v", i, err)
				}
				if b, ok := x.([]byte); ok && len(b) == 0 {
					x = []byte{}
				}
				if !reflect.DeepEqual(x, want.Args[i]) {
					t.Errorf("value %d: %#v is decoded as %#v", i, want.Args[i], x)
				}
			}
			again := got
			again.Args, again.Values = got.Values.Any(), nil
			passed, err := p.Encode(&again)
			if err != nil {
				t.Fatalf("pass on: %v", err)
			}
			if back := decodeAll(t, p.NewDecoder(), passed); len(back.Values) != len(want.Args) {
				t.Errorf("passed on as %+v", back)
			}
			for cut := range ms[0].Payload() {
				var packet parser.Packet
				_, err := p.NewDecoder().Decode(ms[0].Payload()[:cut], ms[0].Op() == websocket.OpBinary, &packet)
				if err != nil && !errors.Is(err, parser.ErrParse) {
					t.Fatalf("cut at %d: %v does not wrap ErrParse", cut, err)
				}
			}
		})
	}
	t.Run("refuses what cannot be encoded", func(t *testing.T) {
		if _, err := p.Encode(&parser.Packet{Type: parser.Event, Namespace: "/", ID: parser.NoID, Event: "e", Args: []any{make(chan int)}}); err == nil {
			t.Error("a channel was encoded")
		}
	})
	t.Run("refuses reserved events", func(t *testing.T) {
		ms, err := p.Encode(&parser.Packet{Type: parser.Event, Namespace: "/", ID: parser.NoID, Event: "connect"})
		if err != nil {
			return
		}
		var packet parser.Packet
		if _, err := p.NewDecoder().Decode(ms[0].Payload(), ms[0].Op() == websocket.OpBinary, &packet); !errors.Is(err, parser.ErrParse) {
			t.Errorf("got %v", err)
		}
	})
}

func decodeAll(t *testing.T, d parser.Decoder, ms []*engineio.Message) parser.Packet {
	t.Helper()
	var p parser.Packet
	for i, m := range ms {
		payload := m.Payload()
		if m.Op() == websocket.OpText {
			payload = payload[1:] // without the type that Engine.IO puts in front
		}
		done, err := d.Decode(payload, m.Op() == websocket.OpBinary, &p)
		if err != nil || done != (i == len(ms)-1) {
			t.Fatalf("message %d of %d: %v, %v", i+1, len(ms), done, err)
		}
	}
	p.Values = p.Values.Clone()
	return p
}
