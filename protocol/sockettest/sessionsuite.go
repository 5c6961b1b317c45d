package sockettest

import (
	"encoding/json"
	"fmt"
	"reflect"
	"testing"
	"time"

	"podium/protocol/socketio"
)

// TestSessionStore holds a [socketio.SessionStore] to its contract. open makes an empty
// one, which keeps records for a quarter of an hour at least.
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
		if has(t, s, "5") && has(t, s, "4") {
			t.Skip("the store drops records by itself")
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
