package sockettest

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"

	"podium/protocol/socketio"
)

// TestLog holds a [socketio.Appender] to its contract; a [socketio.Follower] too. open makes
// an empty log, which the suite alone appends to.
func TestLog(t *testing.T, open func(t *testing.T) socketio.Appender) {
	s := logSuite{open}
	t.Run("an empty log", s.empty)
	t.Run("keeps everything of an entry", s.keeps)
	t.Run("reads in order, after an offset, up to a limit", s.reads)
	t.Run("appends nothing after its context has ended, or says so", s.endedContext)
	t.Run("is safe for concurrent use", s.concurrent)
	t.Run("follows", s.follows)
}

// logSuite are the parts of TestLog.
type logSuite struct {
	open func(t *testing.T) socketio.Appender
}

// patient is a context that ends with a helper's patience.
func patient(t *testing.T) context.Context {
	ctx, cancel := context.WithTimeout(t.Context(), Patience)
	t.Cleanup(cancel)
	return ctx
}

func (s logSuite) empty(t *testing.T) {
	entries, at, err := s.open(t).Read(patient(t), 0, 10)
	if err != nil || len(entries) != 0 || at.Last != 0 || at.First != 1 || at.Epoch == "" {
		t.Errorf("reads %v at %+v, %v", entries, at, err)
	}
}

func (s logSuite) keeps(t *testing.T) {
	log := s.open(t)
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
	if err := log.Append(patient(t), given); err != nil {
		t.Fatal(err)
	}
	read, _, err := log.Read(patient(t), 0, 100)
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
}

func (s logSuite) reads(t *testing.T) {
	log := s.open(t)
	var offsets []uint64
	for i := range 10 {
		batch := []socketio.Entry{{At: time.Now(), Event: fmt.Sprint(2 * i)}, {At: time.Now(), Event: fmt.Sprint(2*i + 1)}}
		if err := log.Append(patient(t), batch); err != nil {
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
			entries, at, err := log.Read(patient(t), offsets[after], limit)
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
}

func (s logSuite) endedContext(t *testing.T) {
	log := s.open(t)
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	err := log.Append(ended, []socketio.Entry{{At: time.Now(), Event: "e"}})
	entries, _, readErr := log.Read(patient(t), 0, 10)
	if readErr != nil {
		t.Fatal(readErr)
	}
	if err != nil && !errors.Is(err, socketio.ErrOutcome) && len(entries) != 0 || err == nil && len(entries) != 1 {
		t.Errorf("Append returned %v and there are %d entries", err, len(entries))
	}
}

func (s logSuite) concurrent(t *testing.T) {
	log := s.open(t)
	var readers sync.WaitGroup
	for range 4 {
		readers.Go(func() {
			for last := uint64(0); last < 100; {
				entries, at, err := log.Read(patient(t), last, 7)
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
		if err := log.Append(patient(t), []socketio.Entry{{At: time.Now(), Event: fmt.Sprint(i)}}); err != nil {
			t.Fatal(err)
		}
	}
	readers.Wait()
}

func (s logSuite) follows(t *testing.T) {
	log, ok := s.open(t).(socketio.Follower)
	if !ok {
		t.Skip("the log is not a Follower")
	}
	appender := log.(socketio.Appender)
	got := make(chan string, 10)
	var reader sync.WaitGroup
	reader.Go(func() {
		for after, n := uint64(0), 0; n < 3; {
			entries, _, err := log.Follow(patient(t), after, 10)
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
		if err := appender.Append(patient(t), []socketio.Entry{{At: time.Now(), Event: fmt.Sprint(i)}}); err != nil {
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
}
