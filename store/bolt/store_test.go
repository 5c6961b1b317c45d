package bolt_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"path/filepath"
	"slices"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"podium/contest"
	"podium/store/bolt"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func open(t testing.TB, path string) *bolt.Store {
	t.Helper()
	s, err := bolt.Open(path, bolt.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if found, err := s.Check(); err != nil || len(found) > 0 {
			t.Errorf("check: %v %v", found, err)
		}
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	return s
}

func fresh(t testing.TB) *bolt.Store { return open(t, filepath.Join(t.TempDir(), "podium.db")) }

func entry(n int, category string) contest.Submission {
	return contest.Submission{
		ID: fmt.Sprintf("%d-aaaaaa", n), SubmissionID: fmt.Sprintf("sub-%d-aaaaaa", n), Category: category,
		Caption: fmt.Sprint("caption ", n), Name: "Ann", Phone: "+49 170 " + fmt.Sprint(n),
		StorageMethod: "none", CreatedAt: int64(n), Status: contest.Approved,
	}
}

func submit(t testing.TB, s *bolt.Store, sub contest.Submission) {
	t.Helper()
	if _, _, err := contest.New(s).Submit(context.Background(), sub, contest.Once{}, nil); err != nil {
		t.Fatal(err)
	}
}

func events(t testing.TB, s *bolt.Store) (names []string, payloads []string) {
	t.Helper()
	err := contest.EachEvent(s, 0, func(e contest.Event) bool {
		names = append(names, e.Name)
		payloads = append(payloads, string(e.Payload))
		return true
	})
	if err != nil {
		t.Fatal(err)
	}
	return names, payloads
}

func ids(list []contest.Submission) []string {
	out := []string{}
	for _, sub := range list {
		out = append(out, sub.ID)
	}
	return out
}

func TestASubmissionAndItsEventAreOneCommit(t *testing.T) {
	path := filepath.Join(t.TempDir(), "podium.db")
	s, err := bolt.Open(path, bolt.Options{})
	if err != nil {
		t.Fatal(err)
	}
	submit(t, s, entry(1, "best"))
	if _, _, err := contest.New(s).Submit(t.Context(), entry(2, "nope"), contest.Once{}, nil); !errors.Is(err, contest.ErrUnknownCategory) {
		t.Errorf("unknown category: %v", err)
	}
	if _, _, err := contest.New(s).Submit(t.Context(), entry(1, "best"), contest.Once{}, nil); !errors.Is(err, contest.ErrDuplicate) {
		t.Errorf("duplicate: %v", err)
	}
	epoch := s.Epoch()
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	s = open(t, path)
	names, payloads := events(t, s)
	want := `{"id":"1-aaaaaa","category":"best","caption":"caption 1","imageUrl":null,"createdAt":1,"artist":"Anonymous Artist"}`
	if !slices.Equal(names, []string{contest.EventNewSubmission}) || payloads[0] != want {
		t.Errorf("log after reopening: %v %v", names, payloads)
	}
	if s.Epoch() != epoch || epoch == "" {
		t.Errorf("epoch changed from %q to %q", epoch, s.Epoch())
	}
}

func TestASecondProcessIsTurnedAway(t *testing.T) {
	s := fresh(t)
	if _, err := bolt.Open(s.Path(), bolt.Options{LockTimeout: -1}); !errors.Is(err, bolt.ErrLocked) {
		t.Errorf("got %v, want ErrLocked", err)
	}
}

func TestAFeedIsNewestFirstInPages(t *testing.T) {
	s := fresh(t)
	for n := 1; n <= 5; n++ {
		submit(t, s, entry(n, "best"))
		submit(t, s, entry(n+10, "worst"))
	}
	list, more, err := s.Submissions("best", contest.Query{Limit: 2})
	if err != nil || !more || !slices.Equal(ids(list), []string{"5-aaaaaa", "4-aaaaaa"}) {
		t.Errorf("first page %v %v %v", ids(list), more, err)
	}
	list, more, err = s.Submissions("best", contest.Query{Before: "4-aaaaaa"})
	if err != nil || more || !slices.Equal(ids(list), []string{"3-aaaaaa", "2-aaaaaa", "1-aaaaaa"}) {
		t.Errorf("second page %v %v %v", ids(list), more, err)
	}
	list, _, _ = s.Submissions("best", contest.Query{Since: 4})
	if !slices.Equal(ids(list), []string{"5-aaaaaa"}) {
		t.Errorf("since: %v", ids(list))
	}
}

func TestCategoriesKeepTheirSubmissions(t *testing.T) {
	s := fresh(t)
	submit(t, s, entry(1, "best"))
	worst := contest.Category{ID: "worst", Name: "Worst"}
	if err := contest.New(s).ReplaceCategories(t.Context(), []contest.Category{worst}); err != nil {
		t.Fatal(err)
	}
	if feed, _, _ := s.Feed(contest.Query{}); len(feed) != 1 {
		t.Errorf("feed has %d categories", len(feed))
	}
	if err := contest.New(s).ReplaceCategories(t.Context(), []contest.Category{worst, {ID: "best", Name: "Best"}}); err != nil {
		t.Fatal(err)
	}
	if feed, _, _ := s.Feed(contest.Query{}); len(feed) != 2 || len(feed[1].Submissions) != 1 {
		t.Errorf("the submissions did not come back: %v", feed)
	}
	for _, bad := range [][]contest.Category{
		{{ID: "a b", Name: "x"}}, {{Name: "x"}}, {{ID: "a"}}, {worst, worst}, {{ID: "../etc", Name: "x"}},
	} {
		if err := contest.New(s).ReplaceCategories(t.Context(), bad); !errors.Is(err, contest.ErrInvalid) {
			t.Errorf("%v: %v, want ErrInvalid", bad, err)
		}
	}
}

func TestWinnersKeepOrderAndLimitAndSayWhatTheyIgnored(t *testing.T) {
	s := fresh(t)
	for n := 1; n <= 3; n++ {
		submit(t, s, entry(n, "best"))
	}
	submit(t, s, entry(9, "worst"))
	save := func(picks contest.Picks) (ignored []string) {
		_, _, err := contest.New(s).SaveWinners(t.Context(), picks, 2, contest.Once{}, func(i []string) ([]byte, error) {
			ignored = i
			return nil, nil
		})
		if err != nil {
			t.Fatal(err)
		}
		return ignored
	}
	save(contest.Picks{"worst": {"9-aaaaaa"}})
	ignored := save(contest.Picks{"best": {"nope", "3-aaaaaa", "9-aaaaaa", "1-aaaaaa", "2-aaaaaa"}})
	if !slices.Equal(ignored, []string{"nope", "9-aaaaaa"}) {
		t.Errorf("ignored %v", ignored)
	}
	picks, _ := contest.New(s).Winners()
	if !slices.Equal(picks["best"], []string{"3-aaaaaa", "1-aaaaaa"}) || !slices.Equal(picks["worst"], []string{"9-aaaaaa"}) {
		t.Errorf("winners %v", picks)
	}
	if _, err := contest.New(s).SetStatus(t.Context(), "3-aaaaaa", contest.Hidden); err != nil {
		t.Fatal(err)
	}
	if picks, _ = contest.New(s).Winners(); !slices.Equal(picks["best"], []string{"1-aaaaaa"}) {
		t.Errorf("winners after hiding one: %v", picks)
	}
}

func TestARepeatedRequestGetsTheFirstAnswer(t *testing.T) {
	s := fresh(t)
	once := contest.Once{Key: "k", Content: []byte("c")}
	if _, replayed, err := contest.New(s).Submit(t.Context(), entry(1, "best"), once, []byte("first")); err != nil || replayed {
		t.Fatal(replayed, err)
	}
	answer, replayed, err := contest.New(s).Submit(t.Context(), entry(2, "best"), once, []byte("second"))
	if err != nil || !replayed || string(answer) != "first" {
		t.Errorf("got %q %v %v", answer, replayed, err)
	}
	if _, _, err := contest.New(s).Submit(t.Context(), entry(3, "best"), contest.Once{Key: "k", Content: []byte("other")}, nil); !errors.Is(err, contest.ErrIdempotencyMismatch) {
		t.Errorf("other content: %v", err)
	}
	if counts, _ := s.Counts(); counts.Total() != 1 {
		t.Errorf("%d submissions", counts.Total())
	}
	if err := contest.New(s).TrimAnswers(t.Context(), time.Now().Add(time.Hour)); err != nil {
		t.Fatal(err)
	}
	if _, found, _ := contest.New(s).Answered(once); found {
		t.Error("the answer outlived its time")
	}
}

func TestADeletedSubmissionIsGoneFromTheLogToo(t *testing.T) {
	s := fresh(t)
	submit(t, s, entry(1, "best"))
	found, err := contest.New(s).ByPhone("0049/170-1")
	if err != nil || len(found) != 0 {
		t.Errorf("other digits found %v %v", found, err)
	}
	if found, _ = contest.New(s).ByPhone("+49(170)1"); !slices.Equal(found, []string{"1-aaaaaa"}) {
		t.Errorf("by phone: %v", found)
	}
	gone, err := contest.New(s).Delete(t.Context(), "1-aaaaaa", "nope")
	if err != nil || len(gone) != 1 {
		t.Fatal(gone, err)
	}
	names, payloads := events(t, s)
	if payloads[0] != "" || names[1] != contest.EventSubmissionRemoved {
		t.Errorf("log: %v %v", names, payloads)
	}
	if counts, _ := s.Counts(); counts.Total() != 0 {
		t.Errorf("counts: %v", counts)
	}
}

func TestModeration(t *testing.T) {
	s := fresh(t)
	sub := entry(1, "best")
	sub.Status = contest.Waiting
	submit(t, s, sub)
	if list, _, _ := s.Submissions("best", contest.Query{}); len(list) != 0 {
		t.Error("a waiting submission is in the feed")
	}
	for _, status := range []contest.Status{contest.Approved, contest.Hidden, contest.Approved} {
		if _, err := contest.New(s).SetStatus(t.Context(), sub.ID, status); err != nil {
			t.Fatal(err)
		}
	}
	names, _ := events(t, s)
	if !slices.Equal(names, []string{contest.EventNewSubmission, contest.EventSubmissionRemoved, contest.EventSubmissionUpdated}) {
		t.Errorf("announced %v", names)
	}
}

func TestTheLogIsTrimmedByAgeAndNumber(t *testing.T) {
	now := time.UnixMilli(1_000_000)
	s, err := bolt.Open(filepath.Join(t.TempDir(), "db"), bolt.Options{Now: func() time.Time { return now }})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	for n := 1; n <= 10; n++ {
		now = now.Add(time.Second)
		submit(t, s, entry(n, "best"))
	}
	if n, err := contest.New(s).TrimEvents(t.Context(), now.Add(-6*time.Second), 5); err != nil || n != 5 {
		t.Errorf("trimmed %d %v", n, err)
	}
	if first, last, _ := s.EventRange(); first != 6 || last != 10 {
		t.Errorf("range %d to %d", first, last)
	}
	if n, _ := contest.New(s).TrimEvents(t.Context(), now.Add(time.Hour), 0); n != 5 {
		t.Errorf("trimmed %d", n)
	}
	if first, last, _ := s.EventRange(); first != 11 || last != 10 {
		t.Errorf("range of an empty log %d to %d", first, last)
	}
	submit(t, s, entry(11, "best"))
	if _, last, _ := s.EventRange(); last != 11 {
		t.Errorf("offsets begin again: %d", last)
	}
}

func TestSettingsAndSessionsAreKept(t *testing.T) {
	s := fresh(t)
	if v, err := s.Setting("x"); v != nil || err != nil {
		t.Error(v, err)
	}
	if err := contest.New(s).SaveSetting("x", []byte("1")); err != nil {
		t.Fatal(err)
	}
	if v, _ := s.Setting("x"); string(v) != "1" {
		t.Errorf("setting %q", v)
	}
	var records []contest.SessionRecord
	for n := range 10 {
		records = append(records, contest.SessionRecord{ID: fmt.Sprint(n), At: time.UnixMilli(int64(n)), Data: []byte{byte(n)}})
	}
	if err := contest.New(s).SaveSessions(t.Context(), records); err != nil {
		t.Fatal(err)
	}
	if err := contest.New(s).TrimSessions(t.Context(), time.UnixMilli(3), 5); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Session("4"); !errors.Is(err, contest.ErrNotFound) {
		t.Errorf("an old session is kept: %v", err)
	}
	if r, err := s.Session("5"); err != nil || r.Data[0] != 5 {
		t.Errorf("session: %v %v", r, err)
	}
}

// A model in memory does what the store does; after every step both must say
// the same.
func TestRandomOperationsAgreeWithAModel(t *testing.T) {
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	random := rand.New(rand.NewPCG(seed, 0))
	path := filepath.Join(t.TempDir(), "podium.db")
	s, err := bolt.Open(path, bolt.Options{NoSync: true})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { s.Close() }()
	model := map[string][]string{"best": {}, "worst": {}} // approved, newest first
	all := []string{}
	category := map[string]string{}
	for step := range 600 {
		switch random.IntN(10) {
		case 0, 1, 2, 3, 4:
			c := []string{"best", "worst"}[random.IntN(2)]
			sub := entry(step, c)
			submit(t, s, sub)
			model[c] = append([]string{sub.ID}, model[c]...)
			all = append(all, sub.ID)
			category[sub.ID] = c
		case 5, 6:
			if len(all) == 0 {
				continue
			}
			id := all[random.IntN(len(all))]
			if _, err := contest.New(s).Delete(t.Context(), id); err != nil {
				t.Fatal(err)
			}
			model[category[id]] = slices.DeleteFunc(model[category[id]], func(x string) bool { return x == id })
		case 7:
			if _, err := contest.New(s).TrimEvents(t.Context(), time.Time{}, 20); err != nil {
				t.Fatal(err)
			}
		case 8:
			if err := s.Close(); err != nil {
				t.Fatal(err)
			}
			if s, err = bolt.Open(path, bolt.Options{NoSync: true}); err != nil {
				t.Fatal(err)
			}
		}
		if found, err := s.Check(); err != nil || len(found) > 0 {
			t.Fatalf("step %d: %v %v", step, found, err)
		}
		for c, want := range model {
			list, _, err := s.Submissions(c, contest.Query{})
			if err != nil {
				t.Fatal(err)
			}
			if !slices.Equal(ids(list), want) {
				t.Fatalf("step %d, %s: store has %v, model %v", step, c, ids(list), want)
			}
		}
	}
}

func TestConcurrentSubmissionsShareSyncs(t *testing.T) {
	s := fresh(t)
	var wg sync.WaitGroup
	for n := range 64 {
		wg.Go(func() { submit(t, s, entry(n+1, "best")) })
	}
	wg.Wait()
	stats, err := s.Stats()
	if err != nil {
		t.Fatal(err)
	}
	if stats.Changes != 64 || stats.Commits >= 64 {
		t.Errorf("%d changes in %d commits", stats.Changes, stats.Commits)
	}
	offset := uint64(0)
	_ = contest.EachEvent(s, 0, func(e contest.Event) bool {
		if offset++; e.Offset != offset {
			t.Errorf("offset %d after %d", e.Offset, offset-1)
		}
		return true
	})
}

func BenchmarkSubmit(b *testing.B) {
	s := fresh(b)
	n := 0
	var mu sync.Mutex
	b.SetParallelism(8)
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			mu.Lock()
			n++
			sub := entry(n, "best")
			mu.Unlock()
			submit(b, s, sub)
		}
	})
}
