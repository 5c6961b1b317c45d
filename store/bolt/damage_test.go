package bolt

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"flag"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"podium/contest"
)

// damages is how often every page is damaged: make crash does it at length.
var damages = flag.Int("damage", 1, "how often each page is damaged")

// damageSeed is that of the random damage.
var damageSeed = flag.Uint64("damage-seed", 0, "seed of random damage; 0 takes a new one")

// aSmallFile makes a contest of about fifty pages: branches, pages that flow
// over, free pages, two categories, winners, an event log.
func aSmallFile(t testing.TB) (path string, submissions int) {
	t.Helper()
	path = filepath.Join(t.TempDir(), "podium.db")
	s, err := Open(path, Options{NoSync: true})
	if err != nil {
		t.Fatal(err)
	}
	var bulk contest.Bulk
	for i := range 60 {
		sub := sample(1000 + i*7)
		if i%3 == 0 {
			sub.Category = "worst"
		}
		if i == 5 {
			sub.Caption = strings.Repeat("a long story ", 900)
		}
		sub.Name, sub.Phone = "Ann", "+49 170 1234567"
		bulk.Submissions = append(bulk.Submissions, sub)
	}
	if _, err := contest.New(s).Import(t.Context(), bulk); err != nil {
		t.Fatal(err)
	}
	for i := range 20 {
		if _, _, err := contest.New(s).Submit(t.Context(), sample(5000+i), contest.Once{}, nil); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := contest.New(s).Delete(t.Context(), bulk.Submissions[7].ID); err != nil {
		t.Fatal(err)
	}
	answer := func([]string) ([]byte, error) { return nil, nil }
	if _, _, err := contest.New(s).SaveWinners(t.Context(), contest.Picks{"best": {bulk.Submissions[1].ID}}, nil, 2, contest.Once{}, answer); err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(contest.New(s).SaveSetting("password", []byte("hash")), s.Close()); err != nil {
		t.Fatal(err)
	}
	return path, 79
}

// bytesOf are a file's, without the room that was reserved behind its pages.
func bytesOf(t testing.TB, path string) ([]byte, meta) {
	t.Helper()
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	m, ok := readMeta(bytes.NewReader(data))
	if !ok {
		t.Fatal("the file has no meta page")
	}
	return data[:int64(m.pages)*m.pageSize], m
}

// noise is what a page may hold after a disk has failed.
func noise(random *rand.Rand, n int) []byte {
	b := make([]byte, n)
	for i := range b {
		b[i] = byte(random.Uint32())
	}
	return b
}

func write(t testing.TB, path string, data []byte) {
	t.Helper()
	if err := os.WriteFile(path, data, 0o600); err != nil {
		t.Fatal(err)
	}
}

// use reads and writes all that a server does. Whatever the file holds, it must
// come back.
func use(s *Store) error {
	var errs []error
	note := func(err error) { errs = append(errs, err) }
	_, _, err := s.Feed(contest.Query{All: true})
	note(err)
	_, err = s.WalkFeed(func(contest.Category) error { return nil }, func(contest.Record) error { return nil })
	note(err)
	_, err = contest.New(s).AllWinners()
	note(err)
	_, err = s.Counts()
	note(err)
	_, err = s.Spans()
	note(err)
	_, err = s.Sessions()
	note(err)
	_, err = s.Stats()
	note(err)
	note(contest.New(s).Each(func(contest.Submission) bool { return true }))
	note(contest.EachEvent(s, 0, func(contest.Event) bool { return true }))
	_, err = s.WriteTo(&bytes.Buffer{})
	note(err)
	_, err = s.Check()
	note(err)
	if !s.options.ReadOnly {
		ctx := context.Background()
		_, _, err = contest.New(s).Submit(ctx, sample(9000), contest.Once{Key: "k"}, nil)
		note(err)
		_, err = contest.New(s).SetStatus(ctx, "1007-aaaaaa", contest.Hidden, 2)
		note(err)
		_, err = contest.New(s).Delete(ctx, "1014-aaaaaa")
		note(err)
		_, err = contest.New(s).TrimEvents(ctx, time.Now().Add(time.Hour), 3)
		note(err)
		note(contest.New(s).TrimAnswers(ctx, 0))
		note(contest.New(s).TrimSessions(ctx, time.Now(), 1))
		_, err = s.Repair(ctx)
		note(err)
	}
	return errors.Join(errs...)
}

// open opens a damaged file in both ways and uses what opens. It reports
// whether it opened.
func tryDamaged(t *testing.T, what string, damaged []byte) (opened bool) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "podium.db")
	for _, readOnly := range []bool{true, false} {
		write(t, path, damaged)
		s, err := Open(path, Options{ReadOnly: readOnly, CompactFree: -1, NoSync: true})
		if err != nil {
			if !errors.Is(err, ErrDamaged) && !errors.Is(err, ErrNotAStore) {
				t.Errorf("%s: opening says %v", what, err)
			}
			release, err := Hold(path)
			if err != nil {
				t.Fatalf("%s: a failed opening keeps the file: %v", what, err)
			}
			release()
			continue
		}
		opened = true
		if err := use(s); err != nil && len(damaged) > 0 {
			t.Errorf("%s: a file that was opened: %v", what, err)
		}
		if err := s.Close(); err != nil {
			t.Errorf("%s: close: %v", what, err)
		}
	}
	return opened
}

// salvaged salvages a damaged file and holds the result to being sound.
func trySalvage(t *testing.T, what string, damaged []byte) Salvaged {
	t.Helper()
	dir := t.TempDir()
	path, fresh := filepath.Join(dir, "podium.db"), filepath.Join(dir, "fresh.db")
	write(t, path, damaged)
	done, err := Salvage(t.Context(), path, fresh)
	if errors.Is(err, ErrNotAStore) {
		return Salvaged{Lost: []string{err.Error()}}
	}
	if err != nil {
		t.Errorf("%s: salvage: %v", what, err)
		return done
	}
	s, err := Open(fresh, Options{ReadOnly: true})
	if err != nil {
		t.Errorf("%s: open what was salvaged: %v", what, err)
		return done
	}
	if found, err := s.Check(); err != nil || len(found) > 0 {
		t.Errorf("%s: what was salvaged has faults: %v %v", what, found, err)
	}
	if err := s.Close(); err != nil {
		t.Error(err)
	}
	return done
}

func TestEveryPageMayBeNoise(t *testing.T) {
	path, all := aSmallFile(t)
	sound, m := bytesOf(t, path)
	random := rand.New(rand.NewPCG(1, 2))
	refused, unhurt := 0, 0
	for n := range m.pages * uint64(*damages) {
		id := n % m.pages
		what := fmt.Sprintf("round %d, page %d", n/m.pages, id)
		damaged := bytes.Clone(sound)
		copy(damaged[int64(id)*m.pageSize:], noise(random, int(m.pageSize)))
		if !tryDamaged(t, what, damaged) {
			refused++
		}
		done := trySalvage(t, what, damaged)
		if done.Submissions < all-20 { // what fits one page, and its neighbours
			t.Errorf("%s: only %d of %d submissions came out: %v", what, done.Submissions, all, done.Lost)
		}
		if done.Submissions == all && done.Partial == 0 {
			unhurt++
		} else if len(done.Lost) == 0 || done.Whole {
			t.Errorf("%s: %d of %d came out and nothing is said to be lost", what, done.Submissions, all)
		}
	}
	t.Logf("%d pages: %d refused, %d without a loss of submissions", m.pages, refused, unhurt)
	if refused < 10 || unhurt < 10 { // both happen
		t.Errorf("%d pages: %d refused, %d without a loss of submissions", m.pages, refused, unhurt)
	}
}

func TestRandomDamageIsSurvived(t *testing.T) {
	path, _ := aSmallFile(t)
	sound, _ := bytesOf(t, path)
	seed := *damageSeed
	if seed == 0 {
		seed = uint64(time.Now().UnixNano())
	}
	t.Logf("seed %d", seed)
	random := rand.New(rand.NewPCG(seed, 0))
	for i := range 60 * *damages {
		damaged := bytes.Clone(sound)
		what := fmt.Sprintf("seed %d, number %d", seed, i)
		switch i % 3 {
		case 0: // a few bytes anywhere
			for range 1 + random.IntN(20) {
				damaged[random.IntN(len(damaged))] = byte(random.Uint32())
			}
		case 1: // cut off
			damaged = damaged[:random.IntN(len(damaged))]
		case 2: // a run of bytes across pages
			from := random.IntN(len(damaged))
			copy(damaged[from:], noise(random, random.IntN(5*4096)))
		}
		// Bytes within a record may change what it says: what opens is used, but
		// may have faults.
		dir := t.TempDir()
		at := filepath.Join(dir, "podium.db")
		write(t, at, damaged)
		if s, err := Open(at, Options{CompactFree: -1, NoSync: true}); err == nil {
			_ = use(s)
			if err := s.Close(); err != nil {
				t.Errorf("%s: close: %v", what, err)
			}
		} else if !errors.Is(err, ErrDamaged) && !errors.Is(err, ErrNotAStore) {
			t.Errorf("%s: %v", what, err)
		}
		if len(damaged) > 0 {
			trySalvage(t, what, damaged)
		}
	}
}

// aPage returns the first page of a kind with at least n elements.
func aPage(t *testing.T, data []byte, kind uint16, n int) (id uint64, page []byte) {
	t.Helper()
	m, _ := readMeta(bytes.NewReader(data))
	w := newWalker(newPageFile(bytes.NewReader(data), int64(len(data)), m))
	w.hole = func(_ string, err error) { t.Fatal(err) }
	w.tree("", m.root, bounds{}, 0)
	for id := uint64(2); id < m.pages; id++ {
		if p, err := w.file.head(id, kind); err == nil && w.seen[id] && p.count >= n {
			return id, data[int64(id)*m.pageSize:]
		}
	}
	t.Fatalf("there is no page of kind %d", kind)
	return 0, nil
}

func TestPagesThatLeadInCirclesAreFound(t *testing.T) {
	path, _ := aSmallFile(t)
	sound, m := bytesOf(t, path)
	most := binary.NativeEndian.AppendUint32(nil, 0xFFFFFFFF)
	for what, hurt := range map[string]func(data []byte){
		"a branch leads to itself": func(data []byte) {
			id, page := aPage(t, data, branchPage, 2)
			binary.NativeEndian.PutUint64(page[headBytes+8:], id)
		},
		"a branch leads to the first page": func(data []byte) {
			_, page := aPage(t, data, branchPage, 2)
			binary.NativeEndian.PutUint64(page[headBytes+8:], m.root)
		},
		"two children are one": func(data []byte) {
			_, page := aPage(t, data, branchPage, 2)
			copy(page[headBytes+8:headBytes+16], page[headBytes+elementBytes+8:])
		},
		"a leaf flows over everything": func(data []byte) { _, page := aPage(t, data, leafPage, 2); copy(page[12:], most) },
		"a leaf flows over the next":   func(data []byte) { _, page := aPage(t, data, leafPage, 2); page[12]++ },
		"a branch flows over":          func(data []byte) { _, page := aPage(t, data, branchPage, 2); copy(page[12:], most) },
		"the free list flows over":     func(data []byte) { copy(data[int64(m.freelist)*m.pageSize+12:], most) },
		"the free list frees the root": func(data []byte) {
			binary.NativeEndian.PutUint64(data[int64(m.freelist)*m.pageSize+headBytes:], m.root)
		},
		"the free list is without end": func(data []byte) {
			copy(data[int64(m.freelist)*m.pageSize+10:], []byte{0xFF, 0xFF})
			copy(data[int64(m.freelist)*m.pageSize+headBytes:], bytes.Repeat([]byte{0xFF}, 8))
		},
		"a key of great length": func(data []byte) { _, page := aPage(t, data, leafPage, 2); copy(page[headBytes+8:], most) },
		"a submission is a part of the file": func(data []byte) {
			data[int64(submissionsLeaf(t, data))*m.pageSize+headBytes] |= 1
		},
	} {
		damaged := bytes.Clone(sound)
		hurt(damaged)
		if tryDamaged(t, what, damaged) {
			t.Errorf("%s: it was opened", what)
		}
		trySalvage(t, what, damaged)
	}
}

func TestOtherThingsInThePlaceOfTheFileAreRefused(t *testing.T) {
	path, _ := aSmallFile(t)
	sound, m := bytesOf(t, path)
	headless := bytes.Clone(sound)
	copy(headless, make([]byte, 2*m.pageSize))
	if tryDamaged(t, "both meta pages are zero", headless) {
		t.Error("a file without meta pages was opened")
	}
	if done := trySalvage(t, "both meta pages are zero", headless); done.Submissions < 70 || done.Whole {
		t.Errorf("%+v", done)
	}
	for what, content := range map[string]string{"text": strings.Repeat("not a database\n", 4000), "a byte": "x"} {
		if tryDamaged(t, what, []byte(content)) {
			t.Errorf("%s was opened", what)
		}
	}
	folder := t.TempDir()
	for _, readOnly := range []bool{true, false} {
		if _, err := Open(folder, Options{ReadOnly: readOnly}); !errors.Is(err, ErrNotAStore) {
			t.Errorf("a folder: %v", err)
		}
	}
}

// underneath opens a file that a running store has open too, to damage it.
func underneath(t *testing.T, path string) *os.File {
	t.Helper()
	f, err := os.OpenFile(path, os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := f.Close(); err != nil {
			t.Error(err)
		}
	})
	return f
}

// A server's file is damaged while it runs: requests that meet it fail, and
// the others and the end do not.
func TestDamageUnderARunningStoreIsAnError(t *testing.T) {
	path, _ := aSmallFile(t)
	sound, m := bytesOf(t, path)
	random := rand.New(rand.NewPCG(3, 4))
	met := 0
	for id := range m.pages {
		at := filepath.Join(t.TempDir(), "podium.db")
		write(t, at, sound)
		s, err := Open(at, Options{CompactFree: -1, NoSync: true})
		if err != nil {
			t.Fatal(err)
		}
		f := underneath(t, at)
		if id == 1 { // both meta pages
			_, err = f.WriteAt(noise(random, int(m.pageSize)), 0)
		}
		if _, writeErr := f.WriteAt(noise(random, int(m.pageSize)), int64(id)*m.pageSize); err != nil || writeErr != nil {
			t.Fatal(err, writeErr)
		}
		ended := make(chan struct{})
		go func() {
			defer close(ended)
			for range 2 {
				if err := use(s); errors.Is(err, ErrDamaged) {
					met++
				}
			}
			_ = s.Close()
		}()
		select {
		case <-ended:
		case <-time.After(20 * time.Second):
			stacks := make([]byte, 1<<16)
			t.Fatalf("page %d: the store hangs\n%s", id, stacks[:runtime.Stack(stacks, true)])
		}
		release, err := Hold(at)
		if err != nil {
			t.Fatalf("page %d: the file stays locked: %v", id, err)
		}
		release()
	}
	if met < 20 {
		t.Errorf("only %d uses met the damage", met)
	}
}

// bbolt takes the other meta page where one is damaged, which leads to what was before
// the last change: nobody may be shown that, and nothing be written over what came since.
func TestAMetaPageDamagedUnderARunningStoreNeverTakesItBack(t *testing.T) {
	path, _ := aSmallFile(t)
	s, err := Open(path, Options{CompactFree: -1, NoSync: true})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	change := func() error {
		_, err := contest.New(s).SetStatus(t.Context(), "1007-aaaaaa", contest.Hidden, 2)
		return err
	}
	if err := change(); err != nil {
		t.Fatal(err)
	}
	before, _ := os.ReadFile(path)
	newest, older := readMetas(bytes.NewReader(before))[0], int64(4096)
	if newest.txid%2 == 1 {
		older = 0
	}
	f := underneath(t, path)
	damage := func(at int64) {
		t.Helper()
		if _, err := f.WriteAt(make([]byte, 100), at); err != nil {
			t.Fatal(err)
		}
	}

	damage(older) // the one of the last change is there: nothing is amiss, and a change writes it anew
	if err := errors.Join(use(s), change()); err != nil {
		t.Fatal(err)
	}
	sound, _ := os.ReadFile(path)
	if metas := readMetas(bytes.NewReader(sound)); len(metas) != 2 || metas[0].txid <= newest.txid {
		t.Fatalf("meta pages after a change: %+v", metas)
	} else if damage(4096 * int64(metas[0].txid%2)); !errors.Is(use(s), ErrDamaged) || !errors.Is(change(), ErrDamaged) {
		t.Error("what was before the last change was read, or written to")
	}
	if err := s.Close(); err != nil {
		t.Error(err)
	}
	if after, _ := os.ReadFile(path); !bytes.Equal(after[8192:], sound[8192:]) {
		t.Error("something was written")
	}
}

// Whoever goes through all by portions comes to an end, whatever order a page holds them in.
func TestKeysOutOfOrderUnderARunningStoreAreAnError(t *testing.T) {
	path, _ := aSmallFile(t)
	s, err := Open(path, Options{CompactFree: -1, NoSync: true})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	list, err := s.Page("", 60)
	if err != nil || len(list) < 50 {
		t.Fatal(len(list), err)
	}
	one, before := list[40].ID, []byte("0"+list[40].ID[1:])
	data, _ := os.ReadFile(path)
	f := underneath(t, path)
	if _, err := f.WriteAt(bytes.ReplaceAll(data, []byte(one), before), 0); err != nil {
		t.Fatal(err)
	}
	after := ""
	for range 200 {
		list, err := s.Page(after, 1)
		if errors.Is(err, ErrDamaged) {
			return
		}
		if err != nil || len(list) == 0 {
			t.Fatalf("after %q: %v, %v", after, list, err)
		}
		after = list[0].ID
	}
	t.Error("it has no end")
}

func TestAFileThatIsCutOffUnderARunningStoreIsAnError(t *testing.T) {
	path, _ := aSmallFile(t)
	s, err := Open(path, Options{CompactFree: -1, NoSync: true})
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Truncate(path, 3*4096); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if err := use(s); !errors.Is(err, ErrDamaged) {
			t.Errorf("got %v", err)
		}
	}
	_ = s.Close()
}

func TestMendingKeepsTheDamagedFileAndWhatIsWhole(t *testing.T) {
	path, all := aSmallFile(t)
	sound, m := bytesOf(t, path)
	random := rand.New(rand.NewPCG(5, 6))
	aside := filepath.Join(filepath.Dir(path), "backups", "aside.db")

	// The list of free pages is made again, and nothing is lost.
	damaged := bytes.Clone(sound)
	copy(damaged[int64(m.freelist)*m.pageSize:], noise(random, int(m.pageSize)))
	write(t, path, damaged)
	done, err := Mend(t.Context(), path, aside, false)
	if err != nil || !done.Whole || done.Submissions != all {
		t.Fatalf("%+v %v", done, err)
	}
	if kept, err := os.ReadFile(aside); err != nil || !bytes.Equal(kept, damaged) {
		t.Errorf("the damaged file was not kept: %v", err)
	}
	s, err := Open(path, Options{})
	if err != nil {
		t.Fatal(err)
	}
	if value, err := s.Setting("password"); err != nil || string(value) != "hash" {
		t.Errorf("the password is %q, %v", value, err)
	}
	mustBeSound(t, s)
	if _, err := Mend(t.Context(), path, aside+"2", true); !errors.Is(err, ErrLocked) {
		t.Errorf("an open file was mended: %v", err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}

	// A leaf of submissions is gone: only whoever accepts that gets the rest.
	id := submissionsLeaf(t, sound)
	damaged = bytes.Clone(sound)
	copy(damaged[int64(id)*m.pageSize:], noise(random, int(m.pageSize)))
	write(t, path, damaged)
	if done, err = Mend(t.Context(), path, aside+"3", false); !errors.Is(err, ErrDamaged) || done.Whole || len(done.Lost) == 0 {
		t.Fatalf("%+v %v", done, err)
	}
	if now, err := os.ReadFile(path); err != nil || !bytes.Equal(now, damaged) {
		t.Error("the file was changed")
	}
	if done, err = Mend(t.Context(), path, aside+"3", true); err != nil || done.Submissions >= all && done.Partial == 0 {
		t.Fatalf("%+v %v", done, err)
	}
}

// submissionsLeaf is the page of some submissions' records.
func submissionsLeaf(t *testing.T, data []byte) uint64 {
	t.Helper()
	m, _ := readMeta(bytes.NewReader(data))
	w := newWalker(newPageFile(bytes.NewReader(data), int64(len(data)), m))
	w.hole = func(_ string, err error) { t.Fatal(err) }
	w.tree("", m.root, bounds{}, 0)
	for id := uint64(2); id < m.pages; id++ {
		p, err := w.file.read(id, leafPage)
		if err != nil || !w.seen[id] || p.count == 0 {
			continue
		}
		if e, err := p.element(0); err == nil {
			if _, err := decodeSubmission(e.value); err == nil {
				return id
			}
		}
	}
	t.Fatal("there is no leaf of submissions")
	return 0
}
