package bolt

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"syscall"
	"testing"

	bolt "go.etcd.io/bbolt"

	"podium/contest"
)

// filled opens a store with n submissions, and checks it at the end.
func filled(t *testing.T, n int) *Store {
	t.Helper()
	s, err := Open(filepath.Join(t.TempDir(), "db"), Options{NoSync: true})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		mustBeSound(t, s)
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	for i := range n {
		if _, _, err := contest.New(s).Submit(t.Context(), sample(i+1), contest.Once{}, nil); err != nil {
			t.Fatal(err)
		}
	}
	return s
}

func TestCheckFindsAndRepairMends(t *testing.T) {
	for name, damage := range map[string]func(*writeTx) error{
		"a count is wrong": func(tx *writeTx) error { return tx.Count("best", contest.Approved, 5) },
		"a feed entry is missing": func(tx *writeTx) error {
			return tx.delete(bucketFeed, orderKey("best", 2))
		},
		"an entry is in the feed that is not there": func(tx *writeTx) error {
			return tx.put(bucketFeed, orderKey("best", 99), []byte("nobody"))
		},
		"a winner is nobody": func(tx *writeTx) error { return tx.SetPicks("best", []string{"nobody", "1-aaaaaa"}) },
		"an event is damaged": func(tx *writeTx) error {
			return tx.put(bucketEvents, uint64Key(2), []byte("x"))
		},
		"an event is missing": func(tx *writeTx) error { return tx.delete(bucketEvents, uint64Key(2)) },
		"an event tells of a submission that is not there": func(tx *writeTx) error {
			return tx.Append(contest.EventNewSubmission, "nobody", []byte(`{"id":"nobody"}`))
		},
		"an event is kept that is said to be gone": func(tx *writeTx) error { return tx.put(bucketMeta, metaTrimmed, uint64Key(2)) },
		"the counter of the log is behind":         func(tx *writeTx) error { tx.touched = true; return tx.Bucket(bucketEvents).SetSequence(1) },
		"a session cannot be read":                 func(tx *writeTx) error { return tx.put(bucketSessions, []byte("s"), []byte("x")) },
		"an answer cannot be read":                 func(tx *writeTx) error { return tx.put(bucketAnswers, []byte("a"), []byte("x")) },
		"a part is missing":                        func(tx *writeTx) error { tx.touched = true; return tx.DeleteBucket(bucketOrder) },
		"a picture waits for nobody": func(tx *writeTx) error {
			return tx.put(bucketTransfers, []byte("nobody"), []byte{})
		},
	} {
		t.Run(name, func(t *testing.T) {
			s := filled(t, 3)
			if err := s.update(t.Context(), "damage", damage); err != nil {
				t.Fatal(err)
			}
			if found, err := s.Check(); err != nil || len(found) == 0 {
				t.Errorf("check found %v %v", found, err)
			}
			before, _ := s.Version()
			did, err := s.Repair(t.Context())
			if after, _ := s.Version(); after == before {
				t.Error("what was read before the repair still counts as fresh")
			}
			if err != nil || len(did) == 0 {
				t.Errorf("repair did %v %v", did, err)
			}
			if did, err = s.Repair(t.Context()); err != nil || len(did) != 0 {
				t.Errorf("the second repair did %v %v", did, err)
			}
			if list, _, err := s.Submissions("best", contest.Query{}); err != nil || len(list) != 3 {
				t.Errorf("%d submissions, %v", len(list), err)
			}
			if _, _, err := contest.New(s).Submit(t.Context(), sample(4), contest.Once{}, nil); err != nil {
				t.Error(err)
			}
		})
	}
}

func TestCompactingKeepsTheDataAndGivesRoomBack(t *testing.T) {
	path := filepath.Join(t.TempDir(), "db")
	s, err := Open(path, Options{NoSync: true})
	if err != nil {
		t.Fatal(err)
	}
	var doomed []string
	for i := range 2000 {
		sub := sample(i + 1)
		sub.Caption = string(bytes.Repeat([]byte("x"), 1500))
		if _, _, err := contest.New(s).Submit(t.Context(), sub, contest.Once{}, nil); err != nil {
			t.Fatal(err)
		}
		if i >= 10 {
			doomed = append(doomed, sub.ID)
		}
	}
	if _, err := contest.New(s).TrimEvents(t.Context(), s.now(), 10); err != nil {
		t.Fatal(err)
	}
	if _, err := contest.New(s).Delete(t.Context(), doomed...); err != nil {
		t.Fatal(err)
	}
	if _, err := contest.New(s).TrimEvents(t.Context(), s.now(), 10); err != nil {
		t.Fatal(err)
	}
	first, last, _ := s.EventRange()
	epoch := s.Epoch()
	if _, err := Compact(path, Options{LockTimeout: -1}); !errors.Is(err, ErrLocked) {
		t.Errorf("compacting an open file: %v", err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	before, _ := os.Stat(path)
	if s, err = Open(path, Options{CompactFree: 1 << 20}); err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	after, _ := os.Stat(path)
	t.Logf("%d bytes before, %d after", before.Size(), after.Size())
	if after.Size()*2 > before.Size() {
		t.Error("opening did not compact it")
	}
	mustBeSound(t, s)
	if f, l, _ := s.EventRange(); f != first || l != last || s.Epoch() != epoch {
		t.Errorf("the log was %d to %d of %s and is %d to %d of %s", first, last, epoch, f, l, s.Epoch())
	}
	if _, _, err := contest.New(s).Submit(t.Context(), sample(5000), contest.Once{}, nil); err != nil {
		t.Error(err)
	}
	if list, _, _ := s.Submissions("best", contest.Query{}); len(list) != 11 || list[0].ID != "5000-aaaaaa" {
		t.Errorf("%d submissions", len(list))
	}
}

func TestADeletedSubmissionLeavesNoKeptAnswer(t *testing.T) {
	s := filled(t, 1)
	once := contest.Once{Key: "key", Content: []byte("c")}
	if _, _, err := contest.New(s).Submit(t.Context(), sample(7), once, []byte(`{"entry":{"id":"7-aaaaaa","phone":"555"}}`)); err != nil {
		t.Fatal(err)
	}
	if _, err := contest.New(s).Delete(t.Context(), "7-aaaaaa"); err != nil {
		t.Fatal(err)
	}
	if _, found, err := contest.New(s).Answered(once); found || err != nil {
		t.Errorf("the answer is still there (%v)", err)
	}
}

// The folder may refuse to be synced when the compact file has the old one's
// name already. What is stored from then on must go into the file with the name.
func TestAFileThatWasCompactedIsTheOneInUse(t *testing.T) {
	path := filepath.Join(t.TempDir(), "db")
	s, err := Open(path, Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { s.Close() }()
	real := syncFolder
	defer func() { syncFolder = real }()
	syncFolder = func(string) error { return syscall.EINVAL }
	if err := contest.New(s).SaveSetting("x", make([]byte, 15<<20)); err != nil {
		t.Fatal(err)
	}
	if err := contest.New(s).SaveSetting("x", nil); err != nil {
		t.Fatal(err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	if s, err = Open(path, Options{CompactFree: 1}); err != nil {
		t.Fatal(err)
	}
	if _, _, err := contest.New(s).Submit(t.Context(), sample(1), contest.Once{}, nil); err != nil {
		t.Fatal(err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	if s, err = Open(path, Options{CompactFree: -1}); err != nil {
		t.Fatal(err)
	}
	if list, _, err := s.Submissions("best", contest.Query{}); err != nil || len(list) != 1 {
		t.Errorf("%d submissions after opening again, want 1 (%v)", len(list), err)
	}
}

func TestForeignAndCutOffFilesAreRefused(t *testing.T) {
	folder := t.TempDir()
	whole := filepath.Join(folder, "whole")
	s, err := Open(whole, Options{})
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	data, err := os.ReadFile(whole)
	if err != nil {
		t.Fatal(err)
	}
	for name, content := range map[string][]byte{
		"text": bytes.Repeat([]byte("this is no database. "), 1000), "cut off": data[:3*os.Getpagesize()], "short": []byte("x"),
		"zeros": make([]byte, 1<<16),
	} {
		path := filepath.Join(folder, name)
		if err := os.WriteFile(path, content, 0o600); err != nil {
			t.Fatal(err)
		}
		want := ErrNotAStore
		if name == "cut off" {
			want = ErrDamaged
		}
		if s, err := Open(path, Options{}); !errors.Is(err, want) {
			t.Errorf("%s: %v", name, err)
			if err == nil {
				s.Close()
			}
		}
	}
}

func FuzzRecords(f *testing.F) {
	sub, err := encodeSubmission(&contest.Submission{ID: "1-a", Category: "best", Status: contest.Waiting})
	if err != nil {
		f.Fatal(err)
	}
	f.Add(sub)
	f.Add(encodeEvent(contest.Event{At: 5, Name: contest.EventNewSubmission, Payload: []byte(`{"id":"1-a"}`)}))
	f.Add([]byte{1, 0, 0, 0, 0, 0, 0, 0, 5, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 1})
	f.Fuzz(func(t *testing.T, data []byte) {
		if e, err := decodeEvent(uint64Key(1), data); err == nil {
			if again, err := decodeEvent(uint64Key(1), encodeEvent(e)); err != nil || again.Name != e.Name || !bytes.Equal(again.Payload, e.Payload) {
				t.Errorf("event %+v became %+v, %v", e, again, err)
			}
		}
		if sub, err := decodeSubmission(data); err == nil {
			if _, err := encodeSubmission(&sub); err != nil {
				t.Errorf("a submission that was read cannot be written: %v", err)
			}
		}
		_, _, _, _ = decodeAnswer(data)
		_, _ = parseMeta(data)
	})
}

func TestAnotherProgramsFileIsRefused(t *testing.T) {
	path := filepath.Join(t.TempDir(), "db")
	db, err := bolt.Open(path, 0o600, nil)
	if err != nil {
		t.Fatal(err)
	}
	err = db.Update(func(tx *bolt.Tx) error {
		_, err := tx.CreateBucket([]byte("another program's"))
		return err
	})
	if err := errors.Join(err, db.Close()); err != nil {
		t.Fatal(err)
	}
	if _, err := Open(path, Options{}); !errors.Is(err, ErrNotAStore) {
		t.Errorf("got %v", err)
	}
}
