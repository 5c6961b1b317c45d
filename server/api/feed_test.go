package api

import (
	"bytes"
	"compress/gzip"
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"hash/crc32"
	"io"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"podium/contest"
	"podium/protocol/budget"
	"podium/protocol/services"
	"podium/store/bolt"
	"podium/store/postgres"
)

// feedAPI is an API with a store of its own, and no more than the feed needs.
func feedAPI(t testing.TB, memory int64, escape bool) *API {
	t.Helper()
	s, err := bolt.Open(filepath.Join(t.TempDir(), "contest.db"), bolt.Options{NoSync: true})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	return feedAPIOn(s, memory, escape)
}

func feedAPIOn(s contest.Store, memory int64, escape bool) *API {
	return &API{Options: Options{Contest: contest.New(s), FeedMemory: memory, Readers: budget.New(1<<20).Share("readers", 0),
		AddressOf: func(*http.Request) netip.Addr { return netip.Addr{} }}, text: text{escape: escape}, lists: budget.NewMeter(listedPerSecond)}
}

// add stores a submission.
func (c *API) add(t testing.TB, category string, n int, caption string) string {
	t.Helper()
	sub := contest.Submission{ID: fmt.Sprintf("%d-aaaaaa", 1_700_000_000_000+n), SubmissionID: fmt.Sprintf("sub-%d-aaaaaa", 1_700_000_000_000+n),
		Category: category, Caption: caption, StorageMethod: "none", CreatedAt: 1_700_000_000_000 + int64(n), Status: contest.Approved}
	if _, _, err := c.Contest.Submit(context.Background(), sub, contest.Once{}, nil); err != nil {
		t.Fatal(err)
	}
	return sub.ID
}

// read is what a reader gets.
func (c *API) read(t testing.TB, query, accept string) *httptest.ResponseRecorder {
	t.Helper()
	w, r := httptest.NewRecorder(), httptest.NewRequest("GET", "/api/feed"+query, nil)
	r.Header.Set("Accept-Encoding", accept)
	if err := c.getFeed(w, r); err != nil {
		t.Fatal(err)
	}
	if length := w.Header().Get("Content-Length"); length != "" && length != fmt.Sprint(w.Body.Len()) {
		t.Fatalf("%s bytes were announced, %d came", length, w.Body.Len())
	}
	return w
}

// anew is the feed as it is encoded when nothing is kept.
func (c *API) anew(t testing.TB) string {
	t.Helper()
	feed, _, err := c.Contest.Feed(contest.Query{})
	if err != nil {
		t.Fatal(err)
	}
	available, err := c.anyWinners()
	if err != nil {
		t.Fatal(err)
	}
	var parts []string
	for _, one := range feed {
		items := make([]feedItem, 0, len(one.Submissions))
		for i := range one.Submissions {
			items = append(items, c.feedItem(&one.Submissions[i]))
		}
		body, err := json.Marshal(items)
		if err != nil {
			t.Fatal(err)
		}
		for escaped, plain := range map[string]string{`\u003c`: "<", `\u003e`: ">", `\u0026`: "&"} {
			body = bytes.ReplaceAll(body, []byte(escaped), []byte(plain))
		}
		parts = append(parts, fmt.Sprintf("%q:%s", one.Category.ID, body))
	}
	return fmt.Sprintf(`{"feed":{%s},"winnersAvailable":%t}`, strings.Join(parts, ","), available)
}

func unzipped(t testing.TB, body []byte) string {
	t.Helper()
	z, err := gzip.NewReader(bytes.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	z.Multistream(false)
	plain, err := io.ReadAll(z)
	if err != nil {
		t.Fatal(err)
	}
	return string(plain)
}

// changes is how many random changes are followed: each is compared with a feed that grows with them.
var changes = flag.Int("changes", 150, "how many changes of the feed are followed")

// Whatever changes, in whatever order, what is kept of the feed and brought up to
// date is what reading it anew gives: plain, compressed, and in pages.
func TestTheFeedFollowsEveryChange(t *testing.T) {
	for _, memory := range []int64{0, 20 << 10} { // with 20 KB, most of it is not kept
		t.Run(fmt.Sprint(memory), func(t *testing.T) { followsEveryChange(t, feedAPI(t, memory, false), *changes, uint64(memory)) })
	}
}

func TestTheFeedFollowsEveryChangeOfADatabase(t *testing.T) {
	followsEveryChange(t, feedAPIOn(openDatabase(t, services.StartPostgres(t, "fsync", "off").URL()), 20<<10, false), 100, 4)
}

func openDatabase(t testing.TB, url string) *postgres.Store {
	t.Helper()
	s, err := postgres.Open(context.Background(), url, postgres.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	return s
}

// walked counts how often all of the feed is read.
type walked struct {
	*postgres.Store
	times int
}

func (w *walked) WalkFeed(category func(contest.Category) error, submission func(contest.Record) error) (uint64, error) {
	w.times++
	return w.Store.WalkFeed(category, submission)
}

// What one machine stores costs the others what changed: they do not read the
// whole feed again.
func TestAChangeByAnotherMachineIsFollowed(t *testing.T) {
	url := services.StartPostgres(t, "fsync", "off").URL()
	here := &walked{Store: openDatabase(t, url)}
	c, there := feedAPIOn(here, 0, false), feedAPIOn(openDatabase(t, url), 0, false)
	for n := range 200 {
		there.add(t, "best", n, "before")
	}
	until := func(last uint64) {
		t.Helper()
		for here.Followed() < last {
			ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
			if err := here.Follow(ctx, last-1); err != nil {
				t.Fatal(err)
			}
			cancel()
		}
	}
	until(200)
	c.read(t, "", "")
	for n := range 20 {
		there.add(t, []string{"best", "worst"}[n%2], 1000+n, "after")
		if until(uint64(201 + n)); c.read(t, "", "").Body.String() != c.anew(t) {
			t.Fatalf("after change %d it is another one", n)
		}
	}
	if here.times != 1 {
		t.Errorf("all of the feed was read %d times", here.times)
	}
}

func followsEveryChange(t *testing.T, c *API, changes int, seed uint64) {
	t.Helper()
	random, ctx := rand.New(rand.NewPCG(3, seed)), context.Background()
	var ids []string
	categories := []contest.Category{{ID: "worst", Name: "Worst"}, {ID: "best", Name: "Best"}}
	for n := range changes {
		var err error
		switch what := random.IntN(22); {
		case what < 13 || len(ids) < 5:
			ids = append(ids, c.add(t, []string{"worst", "best"}[random.IntN(2)], n, strings.Repeat("<é&", random.IntN(200))))
		case what < 15:
			_, err = c.Contest.SetStatus(ctx, ids[random.IntN(len(ids))], contest.Hidden, 2)
		case what < 17:
			_, err = c.Contest.SetStatus(ctx, ids[random.IntN(len(ids))], contest.Approved, 2)
		case what < 18:
			i := random.IntN(len(ids))
			_, err = c.Contest.Delete(ctx, ids[i])
			ids = slices.Delete(ids, i, i+1)
		case what < 19:
			_, _, err = c.Contest.SaveWinners(ctx, contest.Picks{"best": {ids[random.IntN(len(ids))]}}, nil, 2, contest.Once{}, func([]string) ([]byte, error) { return nil, nil })
		case what < 21:
			_, _, err = c.Contest.Move(ctx, ids[random.IntN(len(ids))], []string{"worst", "best"}[n%2], 1, 2)
		case n%7 == 0:
			slices.Reverse(categories)
			err = c.Contest.ReplaceCategories(ctx, categories)
		}
		if err != nil {
			t.Fatal(err)
		}
		if random.IntN(3) > 0 {
			continue // several changes at once
		}
		want := c.anew(t)
		if got := c.read(t, "", "").Body.String(); got != want {
			t.Fatalf("after change %d:\n%.2000s\nwant\n%.2000s", n, got, want)
		}
		if w := c.read(t, "", "gzip, br"); w.Header().Get("Content-Encoding") != "gzip" || unzipped(t, w.Body.Bytes()) != want {
			t.Fatalf("after change %d it is another one compressed", n)
		}
		if got := c.read(t, "?limit=1000000", "").Body.String(); got != want {
			t.Fatalf("after change %d it is another one in parts", n)
		}
	}
	if c.Readers.Open(netip.Addr{}, nil).Hold(1<<20) != nil {
		t.Error("readers that are gone are still charged")
	}
}

// A change makes one chunk anew; all others are the same in both versions.
func TestVersionsOfTheFeedShareWhatIsTheSame(t *testing.T) {
	c := feedAPI(t, 0, false)
	for n := range 1000 {
		c.add(t, "best", n, "caption")
	}
	old, err := c.currentFeed()
	if err != nil {
		t.Fatal(err)
	}
	c.add(t, "best", 1000, "one more")
	if _, err := c.Contest.Delete(context.Background(), "1700000000500-aaaaaa"); err != nil {
		t.Fatal(err)
	}
	feed, err := c.currentFeed()
	if err != nil {
		t.Fatal(err)
	}
	own := 0
	for _, k := range feed.categories[1].chunks {
		if !slices.Contains(old.categories[1].chunks, k) {
			own++
		}
	}
	if own != 2 {
		t.Errorf("%d of %d chunks are its own, want 2", own, len(feed.categories[1].chunks))
	}
}

// What is kept of the feed is bounded, however much people write.
func TestTheFeedIsKeptWithinItsMemory(t *testing.T) {
	for _, caption := range []string{strings.Repeat("<", 2000), strings.Repeat("\u0001😀", 1000)} {
		c := feedAPI(t, 256<<10, true)
		for n := range 150 {
			c.add(t, "best", n, caption)
			if n%50 == 0 {
				c.read(t, "", "gzip")
			}
		}
		w := c.read(t, "", "gzip")
		if unzipped(t, w.Body.Bytes()) != c.read(t, "", "").Body.String() {
			t.Error("it is another one compressed")
		}
		kept := 0
		for _, e := range c.feed.current.categories {
			for _, k := range e.chunks {
				if body := k.encoded.Load(); body != nil {
					kept += len(*body)
				}
				if d := k.deflated.Load(); d != nil {
					kept += len(d.stream)
				}
			}
		}
		if kept > 512<<10 {
			t.Errorf("%d bytes are kept", kept)
		}
	}
}

// What is not kept is not made either: a script's captions may have six times as much in
// JSON, and whoever reads first would wait for all of it.
func TestNothingIsEncodedOfTheFeedBeyondItsMemory(t *testing.T) {
	const entries, encoded = 300, 12 << 10
	c := feedAPI(t, 64<<10, false)
	for n := range entries {
		c.add(t, "best", n, strings.Repeat("\u0001", 2000))
	}
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	feed, err := c.currentFeed()
	runtime.ReadMemStats(&after)
	if err != nil {
		t.Fatal(err)
	}
	if took := after.TotalAlloc - before.TotalAlloc; took > 2*entries*encoded { // half of it by decoding
		t.Errorf("%d bytes were allocated for an entry", took/entries)
	}
	for _, e := range feed.categories {
		for i, k := range e.chunks {
			if _, body, err := c.load(k); err != nil || len(body) > chunkBytes+encoded {
				t.Errorf("chunk %d has %d bytes (%v)", i, len(body), err)
			}
		}
	}
	if c.read(t, "", "").Body.String() != c.anew(t) {
		t.Error("it is another feed")
	}
}

func FuzzGzipParts(f *testing.F) {
	f.Add([]byte("hello"), []byte(" world"), []byte{})
	f.Add([]byte{}, bytes.Repeat([]byte("<"), 70_000), []byte(","))
	f.Fuzz(func(t *testing.T, a, b, c []byte) {
		var out bytes.Buffer
		g := gzipStream{w: &out}
		if err := g.begin(); err != nil {
			t.Fatal(err)
		}
		for i, part := range [][]byte{a, b, c} {
			d := deflateBytes(part)
			if i == 2 && len(part) < 1<<16 {
				d = storedBytes(part)
			}
			if err := g.part(d); err != nil {
				t.Fatal(err)
			}
		}
		if err := g.end(); err != nil {
			t.Fatal(err)
		}
		whole := slices.Concat(a, b, c)
		if got := unzipped(t, out.Bytes()); got != string(whole) {
			t.Fatalf("%q, want %q", got, whole)
		}
		if g.sum != crc32.ChecksumIEEE(whole) {
			t.Fatal("the sum is another")
		}
	})
}

// BenchmarkFeedAfterAChange is what a submission makes the feed cost, beside
// reading and encoding all of it, as was done before.
func BenchmarkFeedAfterAChange(b *testing.B) {
	for _, entries := range []int{10_000, 100_000} {
		c := feedAPI(b, 0, false)
		list := make([]contest.Submission, entries)
		for n := range list {
			list[n] = contest.Submission{ID: fmt.Sprintf("%d-bbbbbb", 1_600_000_000_000+n), SubmissionID: fmt.Sprintf("sub-%d-bbbbbb", n), Category: "best",
				Caption: fmt.Sprint("a caption of an ordinary length, number ", n), StorageMethod: "none", CreatedAt: 1_600_000_000_000 + int64(n), Status: contest.Approved}
		}
		for part := range slices.Chunk(list, 5000) {
			if _, err := c.Contest.Import(context.Background(), contest.Bulk{Submissions: part}); err != nil {
				b.Fatal(err)
			}
		}
		next := 0
		change := func(b *testing.B) {
			b.StopTimer()
			c.add(b, "best", next, "one more caption")
			next++
			b.StartTimer()
		}
		b.Run(fmt.Sprintf("%d/followed", entries), func(b *testing.B) {
			if _, err := c.currentFeed(); err != nil {
				b.Fatal(err)
			}
			b.ReportAllocs()
			for range b.N {
				change(b)
				feed, err := c.currentFeed()
				if err != nil {
					b.Fatal(err)
				}
				feed.categories[1].chunks[0].deflate()
			}
		})
		b.Run(fmt.Sprintf("%d/anew", entries), func(b *testing.B) {
			for range b.N {
				change(b)
				if _, err := c.readFeed("", 0, false); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
