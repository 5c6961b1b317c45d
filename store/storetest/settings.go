package storetest

import (
	"bytes"
	"errors"
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"podium/contest"
)

func settings(t *testing.T, open Opener) {
	c := start(t, open)
	if v, err := c.Setting("x"); v != nil || err != nil {
		t.Errorf("a setting that is not there: %q %v", v, err)
	}
	for _, value := range [][]byte{[]byte("1"), {}, {0, 255, 'x'}} {
		must(t, c.SaveSetting("x", value))
		if v, err := c.Setting("x"); v == nil || !bytes.Equal(v, value) || err != nil {
			t.Errorf("kept %q as %q (%v)", value, v, err)
		}
	}
	must(t, c.SaveSetting("x", nil))
	must(t, c.SaveSetting("x", nil))
	if v, _ := c.Setting("x"); v != nil {
		t.Errorf("kept %q", v)
	}
	for _, name := range []string{"a.2", "b", "a.1", "a%", "A.0"} {
		must(t, c.SaveSetting(name, []byte("v")))
	}
	if names, err := c.SettingNames("a.", 10); err != nil || !slices.Equal(names, []string{"a.1", "a.2"}) {
		t.Errorf("names %v (%v)", names, err)
	}
	if names, err := c.SettingNames("a%", 10); err != nil || !slices.Equal(names, []string{"a%"}) {
		t.Errorf("names %v (%v)", names, err)
	}
	if names, _ := c.SettingNames("a.", 1); len(names) != 1 {
		t.Errorf("names %v", names)
	}
}

func sessions(t *testing.T, open Opener) {
	c := start(t, open)
	var records []contest.SessionRecord
	for n := range 10 {
		records = append(records, contest.SessionRecord{ID: fmt.Sprint(n), At: time.UnixMilli(int64(n)), Data: []byte{byte(n)}})
	}
	must(t, c.SaveSessions(t.Context(), records))
	must(t, c.SaveSessions(t.Context(), []contest.SessionRecord{{ID: "9", At: time.UnixMilli(99), Data: []byte("new")}, {ID: "9", At: time.UnixMilli(100), Data: []byte("newer")}}))
	if r, err := c.Session("9"); err != nil || string(r.Data) != "newer" || r.At.UnixMilli() != 100 {
		t.Errorf("replaced: %v (%v)", r, err)
	}
	must(t, c.TrimSessions(t.Context(), time.UnixMilli(3), 5))
	if _, err := c.Session("4"); !errors.Is(err, contest.ErrNotFound) {
		t.Errorf("an old session is kept: %v", err)
	}
	if r, err := c.Session("5"); err != nil || r.Data[0] != 5 || r.ID != "5" {
		t.Errorf("session: %v (%v)", r, err)
	}
	if n, err := c.Sessions(); n != 5 || err != nil {
		t.Errorf("%d sessions (%v)", n, err)
	}
}

func ensured(t *testing.T, open Opener) {
	c := start(t, open)
	got := make([]string, 8)
	var wg sync.WaitGroup
	for n := range got {
		wg.Go(func() {
			v, err := c.EnsureSetting("key", fmt.Append(nil, n))
			if err != nil {
				t.Error(err)
			}
			got[n] = string(v)
		})
	}
	wg.Wait()
	if v, _ := c.Setting("key"); len(slices.Compact(got)) != 1 || got[0] != string(v) {
		t.Errorf("got %v, kept %q", got, v)
	}
}
