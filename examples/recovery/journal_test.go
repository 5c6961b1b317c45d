package main

import (
	"fmt"
	"path/filepath"
	"testing"

	"podium/protocol/socketio"
	"podium/protocol/sockettest"
)

// temporary is a journal in a file of the test.
func temporary(t *testing.T) *journal {
	t.Helper()
	j, err := open(filepath.Join(t.TempDir(), "chat.db"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := j.db.Close(); err != nil {
			t.Error(err)
		}
	})
	return j
}

// The suites that everybody can run who writes a log or a store of sessions.
func TestTheJournalIsALog(t *testing.T) {
	sockettest.TestLog(t, func(t *testing.T) socketio.Appender { return temporary(t) })
}

func TestTheJournalIsAStoreOfSessions(t *testing.T) {
	sockettest.TestSessionStore(t, func(t *testing.T) socketio.SessionStore { return temporary(t) })
}

func TestTheJournalForgetsTheOldestEvents(t *testing.T) {
	j := temporary(t)
	entries := make([]socketio.Entry, keep+5)
	for i := range entries {
		entries[i].Event = fmt.Sprint(i + 1)
	}
	if err := j.Append(t.Context(), entries); err != nil {
		t.Fatal(err)
	}
	read, at, err := j.Read(t.Context(), 0, 1)
	if err != nil || at.First != 6 || at.Last != keep+5 || len(read) != 1 || read[0].Event != "6" {
		t.Errorf("reads %v at %+v, %v", read, at, err)
	}
}
