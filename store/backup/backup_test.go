package backup

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"podium/contest"
	"podium/store/bolt"
	"podium/store/uploads"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// filled opens a store with n submissions.
func filled(t *testing.T, n int) *bolt.Store {
	t.Helper()
	s, err := bolt.Open(filepath.Join(t.TempDir(), "podium.db"), bolt.Options{NoSync: true})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	for i := range n {
		submit(t, s, i)
	}
	return s
}

func submit(t *testing.T, s *bolt.Store, i int) {
	t.Helper()
	sub := contest.Submission{ID: fmt.Sprintf("%d-aaaaaa", i+1), Category: "best", Status: contest.Approved, StorageMethod: "none"}
	if _, _, err := contest.New(s).Submit(context.Background(), sub, contest.Once{}, nil); err != nil {
		t.Error(err)
	}
}

func keeper(t *testing.T, o Options) *Keeper {
	t.Helper()
	o.Logger = slog.New(slog.DiscardHandler)
	if o.Now == nil {
		o.Now = time.Now
	}
	k, err := New(context.Background(), o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := k.Close(); err != nil {
			t.Error(err)
		}
	})
	return k
}

func TestABackupInAFolderAndInABucketComesBackWithPictures(t *testing.T) {
	for _, kind := range []string{"folder", "bucket"} {
		t.Run(kind, func(t *testing.T) {
			s, dest, pictures := filled(t, 5), t.TempDir(), t.TempDir()
			if err := os.WriteFile(filepath.Join(pictures, "a.jpg"), []byte("picture"), 0o600); err != nil {
				t.Fatal(err)
			}
			if kind == "bucket" {
				dest = "file://" + dest + "?no_tmp_dir=true&metadata=skip"
			}
			k := keeper(t, Options{Store: s, Dest: dest, Uploads: pictures, Keep: 3})
			name, err := k.Take(context.Background())
			if err != nil {
				t.Fatal(err)
			}
			b, err := Open(context.Background(), dest)
			if err != nil {
				t.Fatal(err)
			}
			defer b.Close()
			to := filepath.Join(t.TempDir(), "back.db")
			if got, err := Fetch(context.Background(), b, "", time.Time{}, to); err != nil || got != name {
				t.Fatal(got, err)
			}
			back, err := bolt.Open(to, bolt.Options{ReadOnly: true})
			if err != nil {
				t.Fatal(err)
			}
			defer back.Close()
			if counts, err := back.Counts(); err != nil || counts.Total() != 5 {
				t.Fatal(counts, err)
			}
			dir := t.TempDir()
			if n, err := FetchPictures(context.Background(), b, (&uploads.Place{Dir: dir}).Within(context.Background()), []string{"not-there.jpg"}); err != nil || n != 1 {
				t.Fatal(n, err)
			}
			if data, err := os.ReadFile(filepath.Join(dir, "a.jpg")); err != nil || string(data) != "picture" {
				t.Fatal(string(data), err)
			}
		})
	}
}

func TestADeletedPictureIsKeptAsLongAsABackupNeedsIt(t *testing.T) {
	s, dest, pictures := filled(t, 1), t.TempDir(), t.TempDir()
	now := time.Date(2026, 1, 31, 20, 0, 0, 0, time.UTC)
	k := keeper(t, Options{Store: s, Dest: dest, Uploads: pictures, Keep: 2, Now: func() time.Time { return now }})
	here, there := filepath.Join(pictures, "a.jpg"), filepath.Join(dest, "uploads", "a.jpg")
	if err := os.WriteFile(here, []byte("picture"), 0o600); err != nil {
		t.Fatal(err)
	}
	for n := range 4 {
		now = now.Add(time.Hour)
		if _, err := k.Take(context.Background()); err != nil {
			t.Fatal(err)
		}
		_, err := os.Stat(there)
		if kept := err == nil; kept != (n < 3) {
			t.Errorf("backup %d: the picture is kept: %v", n, kept)
		}
		if n == 0 {
			if err := os.Remove(here); err != nil {
				t.Fatal(err)
			}
		}
	}
}

func TestADamagedBackupIsNotRestored(t *testing.T) {
	s, dest := filled(t, 1), t.TempDir()
	k := keeper(t, Options{Store: s, Dest: dest, Keep: 3})
	name, err := k.Take(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(dest, name)
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	data[len(data)-1] ^= 1
	if err := os.WriteFile(path, data, 0o600); err != nil {
		t.Fatal(err)
	}
	to := filepath.Join(t.TempDir(), "back.db")
	if _, err := Fetch(context.Background(), k.bucket, name, time.Time{}, to); err == nil {
		t.Fatal("a damaged backup was taken")
	}
	if _, err := os.Stat(to); err == nil {
		t.Fatal("it was left there")
	}
	if _, err := Fetch(context.Background(), k.bucket, "", time.Unix(1, 0), to); !errors.Is(err, ErrNone) {
		t.Fatal(err)
	}
}

func TestNothingNewMakesNoBackupAndFailuresAreCounted(t *testing.T) {
	s, dest := filled(t, 1), t.TempDir()
	now := time.Date(2026, 1, 31, 20, 0, 0, 0, time.UTC)
	k := keeper(t, Options{Store: s, Dest: dest, Keep: 10, Now: func() time.Time { now = now.Add(time.Minute); return now }})
	for range 3 {
		if err := k.TakeIfChanged(context.Background()); err != nil {
			t.Fatal(err)
		}
	}
	if f := k.Stats(); f.Count != 1 || f.Failures != 0 || f.Last.IsZero() {
		t.Fatalf("%+v", f)
	}
	submit(t, s, 7)
	if err := k.TakeIfChanged(context.Background()); err != nil || k.Stats().Count != 2 {
		t.Fatal(k.Stats(), err)
	}
	if err := contest.New(s).SaveSetting("password", []byte("another")); err != nil {
		t.Fatal(err)
	}
	if err := k.TakeIfChanged(context.Background()); err != nil || k.Stats().Count != 3 {
		t.Fatal(k.Stats(), err)
	}
	ended, cancel := context.WithCancel(context.Background())
	cancel()
	if _, err := k.Take(ended); err == nil || k.Stats().Failures != 1 || k.Stats().LastError == "" {
		t.Fatal(k.Stats(), err)
	}
}

func TestTheNewestAreKeptAndOneOfEachDayForLonger(t *testing.T) {
	now := time.Date(2026, 1, 31, 12, 0, 0, 0, time.UTC)
	var all []Backup
	for hour := range 24 * 20 {
		at := now.Add(-time.Duration(hour) * time.Hour)
		all = append(all, Backup{"podium-" + at.Format(Stamp) + ".db", at})
	}
	drop := surplus(all, 5, 7)
	kept := len(all) - len(drop)
	if kept != 5+7 { // the five newest, all of today, and the last of each of seven days before
		t.Fatalf("%d are kept", kept)
	}
	if len(surplus(all[:1], 0, 0)) != 0 {
		t.Fatal("the only backup was dropped")
	}
}

func TestABackupIsWholeWhileSubmissionsGoOn(t *testing.T) {
	s := filled(t, 100)
	k := keeper(t, Options{Store: s, Dest: t.TempDir(), Keep: 10})
	var writers sync.WaitGroup
	stop := make(chan struct{})
	writers.Go(func() {
		for i := 100; ; i++ {
			select {
			case <-stop:
				return
			default:
				submit(t, s, i)
			}
		}
	})
	for range 5 {
		if _, err := k.Take(context.Background()); err != nil {
			t.Error(err)
		}
	}
	close(stop)
	writers.Wait()
}

// Where the clock is set while backups are made, the last one is restored, and what
// it and the others need is kept.
func TestASteppedClockCostsNoBackupAndNoPicture(t *testing.T) {
	for _, step := range []time.Duration{-time.Second, time.Second, -time.Minute, time.Minute, -time.Hour, time.Hour, 40 * 365 * 24 * time.Hour, -40 * 365 * 24 * time.Hour} {
		t.Run(step.String(), func(t *testing.T) {
			s, dest, uploads := filled(t, 1), t.TempDir(), t.TempDir()
			now := time.Date(2026, 1, 31, 20, 0, 0, 0, time.UTC)
			k := keeper(t, Options{Store: s, Dest: dest, Uploads: uploads, Keep: 2, Days: 7, Now: func() time.Time { return now }})
			take := func() string {
				t.Helper()
				name, err := k.Take(t.Context())
				if err != nil {
					t.Fatal(err)
				}
				now = now.Add(time.Minute)
				return name
			}
			var days []string
			for range 3 {
				days = append(days, take())
				now = now.Add(24 * time.Hour)
			}
			picture := filepath.Join(uploads, "a.jpg")
			if err := os.WriteFile(picture, []byte("picture"), 0o600); err != nil {
				t.Fatal(err)
			}
			take()
			if err := os.Remove(picture); err != nil {
				t.Fatal(err)
			}
			now = now.Add(step)
			last := take()
			if _, err := os.Stat(filepath.Join(dest, "uploads", "a.jpg")); err != nil {
				t.Error("the picture that the backup before needs:", err)
			}
			for _, name := range days {
				if _, err := os.Stat(filepath.Join(dest, name)); err != nil {
					t.Error("the backup of an earlier day:", err)
				}
			}
			bucket, err := Open(t.Context(), dest)
			if err != nil {
				t.Fatal(err)
			}
			defer bucket.Close()
			if got, err := Fetch(t.Context(), bucket, "", time.Time{}, filepath.Join(t.TempDir(), "x.db")); err != nil || got != last {
				t.Errorf("%s is restored, not %s (%v)", got, last, err)
			}
		})
	}
}
