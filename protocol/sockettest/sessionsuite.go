package sockettest

import (
	"encoding/json"
	"fmt"
	"reflect"
	"slices"
	"testing"
	"time"

	"podium/protocol/socketio"
)

// TestSessionStore holds a [socketio.SessionStore] to its contract. open makes an empty
// one, which keeps records for a minute at least.
func TestSessionStore(t *testing.T, open func(t *testing.T) socketio.SessionStore) {
	start := time.Now().Truncate(time.Millisecond).UTC()
	record := func(id string) socketio.SessionRecord {
		return socketio.SessionRecord{
			ID: id, Namespace: "/n", Rooms: []socketio.RoomRecord{{Name: "r", Since: 7}}, Data: json.RawMessage(`{"k":[1]}`),
			Denied: true, At: start, Offset: 1 << 40,
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
		want := record("a")
		if err := s.SaveSessions(t.Context(), []socketio.SessionRecord{want, record("b")}); err != nil {
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
		for i := range 6 { // one after another, so that stores may go by their own clock
			r := record(fmt.Sprint(i))
			r.At = time.Now().Truncate(time.Millisecond)
			if err := s.SaveSessions(t.Context(), []socketio.SessionRecord{r}); err != nil {
				t.Fatal(err)
			}
			time.Sleep(2 * time.Millisecond) // the next one is younger
		}
		trimmed := func(before time.Time, keep int) (left []int) {
			t.Helper()
			if err := s.TrimSessions(t.Context(), before, keep); err != nil {
				t.Fatal(err)
			}
			for i := range 6 {
				if has(t, s, fmt.Sprint(i)) {
					left = append(left, i)
				}
			}
			return left
		}
		if left := trimmed(start.Add(-time.Hour), 100); len(left) != 6 {
			t.Errorf("of what is young and few, %v are left", left)
		}
		switch left := trimmed(start.Add(-time.Hour), 2); {
		case len(left) == 6:
			t.Skip("the store drops records by itself")
		case !slices.Equal(left, []int{4, 5}):
			t.Errorf("of the newest two, %v are left", left)
		}
		if left := trimmed(time.Now().Add(time.Hour), 100); len(left) != 0 {
			t.Errorf("of what was saved before, %v are left", left)
		}
	})
}
