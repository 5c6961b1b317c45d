package storetest

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"podium/contest"
)

func newContest(t *testing.T, open Opener) {
	c := start(t, open)
	categories, err := c.Categories()
	must(t, err)
	if !slices.Equal(categories, contest.DefaultCategories()) {
		t.Errorf("categories %v", categories)
	}
	first, last, err := c.EventRange()
	if first != 1 || last != 0 || err != nil || c.Epoch() == "" {
		t.Errorf("the log of epoch %q is %d to %d (%v)", c.Epoch(), first, last, err)
	}
	if winners, err := c.Winners(); err != nil || len(winners) != 2 || winners["best"] == nil {
		t.Errorf("winners %v (%v)", winners, err)
	}
	if _, err := c.Submission("x"); !errors.Is(err, contest.ErrNotFound) {
		t.Errorf("a submission that is not there: %v", err)
	}
	submit(t, c, Entry(1, "best"))
	submit(t, c, Entry(2, "worst"))
	if found, err := c.Named(id(1), "x", id(2)); err != nil || len(found) != 2 || found[id(2)].Category != "worst" {
		t.Errorf("named %v (%v)", found, err)
	}
	if found, err := c.Named(); err != nil || len(found) != 0 {
		t.Errorf("named none: %v (%v)", found, err)
	}
	if stats, err := c.Stats(); err != nil || stats.Failures != 0 {
		t.Errorf("stats %+v (%v)", stats, err)
	}
}

func oneChange(t *testing.T, open Opener) {
	c := contest.New(open())
	submit(t, c, Entry(1, "best"))
	if _, _, err := c.Submit(t.Context(), Entry(2, "nope"), contest.Once{}, nil); !errors.Is(err, contest.ErrUnknownCategory) {
		t.Errorf("unknown category: %v", err)
	}
	if _, _, err := c.Submit(t.Context(), Entry(1, "best"), contest.Once{}, nil); !errors.Is(err, contest.ErrDuplicate) {
		t.Errorf("duplicate: %v", err)
	}
	epoch := c.Epoch()
	must(t, c.Close())
	c = start(t, open)
	names, payloads := log(t, c)
	want := `{"id":"1-aaaaaa","category":"best","caption":"caption <&> 1","imageUrl":null,"createdAt":1,"artist":"Anonymous Artist"}`
	if !slices.Equal(names, []string{contest.EventNewSubmission}) || payloads[0] != want {
		t.Errorf("log after reopening: %v %v", names, payloads)
	}
	if c.Epoch() != epoch {
		t.Errorf("epoch changed from %q to %q", epoch, c.Epoch())
	}
	sub, err := c.Submission("1-aaaaaa")
	must(t, err)
	wanted := Entry(1, "best")
	wanted.Announced, wanted.Sequence = true, sub.Sequence
	if !reflect.DeepEqual(sub, wanted) {
		t.Errorf("stored %+v, want %+v", sub, wanted)
	}
}

func failedChange(t *testing.T, open Opener) {
	c := start(t, open)
	submit(t, c, Entry(1, "best"))
	version, err := c.Version()
	must(t, err)
	for name, fail := range map[string]func(){"an error": func() {}, "a panic": func() { panic("on purpose") }} {
		err := c.Update(t.Context(), "fail", func(tx contest.Tx) error {
			sub := Entry(2, "best")
			err := errors.Join(tx.Insert(&sub), tx.Count("best", contest.Approved, 1), tx.Append("x", "", []byte("{}")),
				tx.SetSetting("s", []byte("v")), tx.SetPicks("best", []string{"1-aaaaaa"}))
			if _, e := tx.Submissions("2-aaaaaa"); e != nil { // what it wrote is sent to a store that keeps it back
				err = errors.Join(err, e)
			}
			fail()
			return errors.Join(err, errors.New("on purpose"))
		})
		if err == nil || !strings.Contains(err.Error(), "on purpose") {
			t.Errorf("%s: %v", name, err)
		}
	}
	setting, err := c.Setting("s")
	must(t, err)
	counts, err := c.Counts()
	must(t, err)
	winners, err := c.Winners()
	must(t, err)
	names, _ := log(t, c)
	if after, _ := c.Version(); setting != nil || counts.Total() != 1 || len(winners["best"]) != 0 || len(names) != 1 || after != version {
		t.Errorf("left behind: setting %q, %v, %v, events %v, version %d after %d", setting, counts, winners, names, after, version)
	}
	submit(t, c, Entry(3, "best"))
	if first, last, err := c.EventRange(); first != 1 || last != 2 || err != nil {
		t.Errorf("the log is %d to %d (%v): a failed change left a gap", first, last, err)
	}
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	if _, _, err := c.Submit(ended, Entry(4, "best"), contest.Once{}, nil); !errors.Is(err, context.Canceled) {
		t.Errorf("with a context that has ended: %v", err)
	}
}

func feedPages(t *testing.T, open Opener) {
	c := start(t, open)
	for n := 1; n <= 5; n++ {
		submit(t, c, Entry(n, "best"))
		submit(t, c, Entry(n+10, "worst"))
	}
	for _, one := range []struct {
		q    contest.Query
		want []int
		more bool
	}{
		{contest.Query{Limit: 2}, []int{5, 4}, true},
		{contest.Query{Limit: 5}, []int{5, 4, 3, 2, 1}, false},
		{contest.Query{Before: id(4)}, []int{3, 2, 1}, false},
		{contest.Query{Before: id(4), Limit: 1}, []int{3}, true},
		{contest.Query{Before: id(14), Limit: 1}, []int{4}, true}, // of another category: what came before it
		{contest.Query{Since: 4}, []int{5}, false},
	} {
		list, more, err := c.Submissions("best", one.q)
		want := []string{}
		for _, n := range one.want {
			want = append(want, id(n))
		}
		if err != nil || more != one.more || !slices.Equal(idsOf(list), want) {
			t.Errorf("%+v gives %v, more %v (%v), want %v", one.q, idsOf(list), more, err, want)
		}
	}
	if _, _, err := c.Submissions("best", contest.Query{Before: "x"}); !errors.Is(err, contest.ErrNotFound) {
		t.Errorf("before nothing: %v", err)
	}
	if list, more, err := c.Submissions("nope", contest.Query{}); len(list) != 0 || more || err != nil {
		t.Errorf("of no category: %v %v %v", list, more, err)
	}
	spans, err := c.Spans()
	if want := (map[string]contest.Span{"best": {Oldest: 1, Newest: 5}, "worst": {Oldest: 11, Newest: 15}}); err != nil || !reflect.DeepEqual(spans, want) {
		t.Errorf("spans %v (%v)", spans, err)
	}
}

func categoriesKeep(t *testing.T, open Opener) {
	c := start(t, open)
	submit(t, c, Entry(1, "best"))
	worst, best := contest.Category{ID: "worst", Name: "Worst"}, contest.Category{ID: "best", Name: "Best"}
	must(t, c.ReplaceCategories(t.Context(), []contest.Category{worst}))
	if feed, _, err := c.Feed(contest.Query{}); err != nil || len(feed) != 1 || feed[0].Category != worst {
		t.Errorf("feed %v (%v)", feed, err)
	}
	if _, _, err := c.Submit(t.Context(), Entry(2, "best"), contest.Once{}, nil); !errors.Is(err, contest.ErrUnknownCategory) {
		t.Errorf("a removed category still takes submissions: %v", err)
	}
	must(t, c.ReplaceCategories(t.Context(), []contest.Category{best, worst}))
	feed, version, err := c.Feed(contest.Query{})
	if err != nil || len(feed) != 2 || len(feed[0].Submissions) != 1 || version == 0 {
		t.Errorf("the category came back with %v at version %d (%v)", feed, version, err)
	}
	submit(t, c, Entry(2, "best"))
	for _, list := range [][]contest.Category{{best, best}, {{ID: "a b", Name: "x"}}, {{ID: "", Name: "x"}}, {{ID: "x"}}, {{ID: "x", Name: strings.Repeat("x", 201)}}} {
		if err := c.ReplaceCategories(t.Context(), list); !errors.Is(err, contest.ErrInvalid) {
			t.Errorf("%v: %v", list, err)
		}
	}
	must(t, c.ReplaceCategories(t.Context(), nil))
	if list, err := c.Categories(); err != nil || len(list) != 0 {
		t.Errorf("no categories are %v (%v)", list, err)
	}
	if _, payloads := log(t, c); payloads[len(payloads)-1] != `{"categories":[]}` {
		t.Errorf("announced as %s", payloads[len(payloads)-1])
	}
}

func winnersKeep(t *testing.T, open Opener) {
	c := start(t, open)
	for n := 1; n <= 4; n++ {
		submit(t, c, Entry(n, "best"))
	}
	submit(t, c, Entry(5, "worst"))
	var ignored []string
	save := func(picks contest.Picks) {
		t.Helper()
		_, _, err := c.SaveWinners(t.Context(), picks, nil, 2, contest.Once{}, func(i []string) ([]byte, error) { ignored = i; return nil, nil })
		must(t, err)
	}
	save(contest.Picks{"best": {id(3), "nobody", id(3), id(5), id(1), id(2)}})
	if want := []string{"nobody", id(5)}; !slices.Equal(ignored, want) {
		t.Errorf("ignored %v, want %v", ignored, want)
	}
	save(contest.Picks{"worst": {id(5)}})
	winners, err := c.Winners()
	if want := (contest.Picks{"best": {id(3), id(1)}, "worst": {id(5)}}); err != nil || !reflect.DeepEqual(winners, want) {
		t.Errorf("winners %v (%v), want %v", winners, err, want)
	}
	_, err = c.SetStatus(t.Context(), id(3), contest.Hidden, 2)
	must(t, err)
	_, payloads := log(t, c)
	if want := `{"winners":{"best":["1-aaaaaa"],"worst":["5-aaaaaa"]}}`; payloads[len(payloads)-2] != want {
		t.Errorf("announced %s, want %s", payloads[len(payloads)-2], want)
	}
	save(contest.Picks{"best": {}})
	if all, err := c.AllWinners(); err != nil || len(all["best"]) != 0 || len(all["worst"]) != 1 {
		t.Errorf("all winners %v (%v)", all, err)
	}
	must(t, c.ReplaceCategories(t.Context(), []contest.Category{{ID: "best", Name: "Best"}}))
	if w, err := c.Winners(); err != nil || len(w) != 1 {
		t.Errorf("winners with a removed category: %v (%v)", w, err)
	}
	if all, err := c.AllWinners(); err != nil || len(all["worst"]) != 1 {
		t.Errorf("all winners with a removed category: %v (%v)", all, err)
	}
}

func repeated(t *testing.T, open Opener) {
	c := start(t, open)
	once := contest.Once{Key: "k", Content: []byte("one")}
	if _, found, err := c.Answered(once); found || err != nil {
		t.Errorf("answered before: %v %v", found, err)
	}
	first, replayed, err := c.Submit(t.Context(), Entry(1, "best"), once, []byte("answer"))
	if string(first) != "answer" || replayed || err != nil {
		t.Errorf("first: %q %v %v", first, replayed, err)
	}
	first, replayed, err = c.Submit(t.Context(), Entry(2, "best"), once, []byte("another"))
	if string(first) != "answer" || !replayed || err != nil {
		t.Errorf("again: %q %v %v", first, replayed, err)
	}
	if body, found, err := c.Answered(once); string(body) != "answer" || !found || err != nil {
		t.Errorf("asked for: %q %v %v", body, found, err)
	}
	other := contest.Once{Key: "k", Content: []byte("two")}
	if _, _, err := c.Submit(t.Context(), Entry(3, "best"), other, nil); !errors.Is(err, contest.ErrIdempotencyMismatch) {
		t.Errorf("other content: %v", err)
	}
	if _, _, err := c.Answered(other); !errors.Is(err, contest.ErrIdempotencyMismatch) {
		t.Errorf("other content asked for: %v", err)
	}
	if list, _, _ := c.Submissions("best", contest.Query{}); len(list) != 1 {
		t.Errorf("%d submissions", len(list))
	}
	must(t, c.TrimAnswers(t.Context(), time.Hour))
	if _, found, err := c.Answered(once); !found || err != nil {
		t.Errorf("within the age: %v %v", found, err)
	}
	must(t, c.TrimAnswers(t.Context(), -time.Hour))
	if _, found, err := c.Answered(once); found || err != nil {
		t.Errorf("after a trim: %v %v", found, err)
	}

	// At the same time: one of them is stored, and all get its answer.
	answers := make([]string, 8)
	var wg sync.WaitGroup
	for n := range answers {
		wg.Go(func() {
			body, _, err := c.Submit(context.Background(), Entry(100+n, "worst"), contest.Once{Key: "same"}, fmt.Append(nil, n))
			if err != nil {
				t.Error(err)
			}
			answers[n] = string(body)
		})
	}
	wg.Wait()
	if list, _, _ := c.Submissions("worst", contest.Query{}); len(list) != 1 || len(slices.Compact(answers)) != 1 {
		t.Errorf("%d submissions, answers %v", len(list), answers)
	}
}

func deleted(t *testing.T, open Opener) {
	c := start(t, open)
	for n := 1; n <= 3; n++ {
		sub := Entry(n, "best")
		sub.CloudID = fmt.Sprint("cloud-", n)
		sub.Awaits = true
		body := []byte(fmt.Sprintf(`{"entry":{"id":"%s","phone":"555"}}`, sub.ID))
		_, _, err := c.Submit(t.Context(), sub, contest.Once{Key: fmt.Sprint("k", n)}, body)
		must(t, err)
	}
	_, _, err := c.SaveWinners(t.Context(), contest.Picks{"best": {id(2)}}, nil, 1, contest.Once{}, func([]string) ([]byte, error) { return nil, nil })
	must(t, err)
	gone, err := c.Delete(t.Context(), id(2), "nobody", id(1), id(2))
	if err != nil || !slices.Equal(idsOf(gone), []string{id(2), id(1)}) {
		t.Errorf("deleted %v (%v)", idsOf(gone), err)
	}
	names, payloads := log(t, c)
	wantNames := []string{"newSubmission", "newSubmission", "newSubmission", "winnersUpdated", "winnersUpdated", "submissionRemoved", "submissionRemoved"}
	if !slices.Equal(names, wantNames) || payloads[0] != "" || payloads[1] != "" || payloads[2] == "" {
		t.Errorf("the log is %v %v", names, payloads)
	}
	if payloads[4] != `{"winners":{"best":[],"worst":[]}}` || payloads[5] != `{"id":"2-aaaaaa","category":"best"}` {
		t.Errorf("announced %v", payloads[4:])
	}
	for n, want := range map[string]bool{"k1": false, "k2": false, "k3": true} {
		if _, found, err := c.Answer(n); found != want || err != nil {
			t.Errorf("the answer %s: %v %v", n, found, err)
		}
	}
	removals, err := c.Removals(10)
	if err != nil || !slices.Equal(removals, []string{"cloud-1", "cloud-2"}) {
		t.Errorf("removals %v (%v)", removals, err)
	}
	if ids, all, err := c.Transfers(10); !slices.Equal(ids, []string{id(3)}) || all != 1 || err != nil {
		t.Errorf("transfers %v of %d (%v)", ids, all, err)
	}
	must(t, c.RemovalDone("cloud-1"))
	must(t, c.RemovalDone("cloud-1"))
	if removals, _ := c.Removals(10); !slices.Equal(removals, []string{"cloud-2"}) {
		t.Errorf("removals %v", removals)
	}
	if gone, err := c.Delete(t.Context(), "nobody"); len(gone) != 0 || err != nil {
		t.Errorf("deleted nobody: %v (%v)", gone, err)
	}
	if ids, err := c.ByPhone("+49 (170) 3"); err != nil || !slices.Equal(ids, []string{id(3)}) {
		t.Errorf("by phone: %v (%v)", ids, err)
	}
	if _, err := c.ByPhone("none"); !errors.Is(err, contest.ErrInvalid) {
		t.Errorf("by no phone: %v", err)
	}
}

// Many are deleted in portions, with one event for all, and a deletion that
// broke off is finished.
func manyDeleted(t *testing.T, open Opener) {
	c := start(t, open)
	const many = 300
	var bulk contest.Bulk
	for n := range many {
		sub := Entry(1000+n, "best")
		sub.Phone = []string{"0170 1234567", "+49 (0)170 12 34 567", "0049170/1234567"}[n%3]
		bulk.Submissions = append(bulk.Submissions, sub)
	}
	_, err := c.Import(t.Context(), bulk)
	must(t, err)
	stays := Entry(1, "best")
	stays.Phone = "+43 170 1234567"
	submit(t, c, stays)
	last := Entry(2, "best")
	last.Phone = "170 1234567"
	_, _, err = c.Submit(t.Context(), last, contest.Once{Key: "k"}, []byte(`{"entry":{"id":"`+last.ID+`","phone":"170 1234567"}}`))
	must(t, err)
	ids, err := c.ByPhone("0170/1234567")
	if err != nil || len(ids) != many+1 {
		t.Fatalf("%d have the number (%v)", len(ids), err)
	}
	_, before, err := c.EventRange()
	must(t, err)
	ended, end := context.WithCancel(t.Context())
	end()
	if gone, err := c.Delete(ended, ids...); len(gone) != 0 || !errors.Is(err, context.Canceled) {
		t.Errorf("an ended context deletes %d (%v)", len(gone), err)
	}
	gone, err := c.Delete(t.Context(), ids...)
	if err != nil || len(gone) != len(ids) {
		t.Fatalf("%d were deleted (%v)", len(gone), err)
	}
	told, err := c.Events(before, 10)
	if err != nil || len(told) != 1 || told[0].Name != contest.EventSubmissionsRemoved || !strings.Contains(string(told[0].Payload), `"count":301,"ids":["`) {
		t.Errorf("told by %d events (%v)", len(told), err)
	}
	names, payloads := log(t, c)
	for i, name := range names {
		if name == contest.EventNewSubmission && strings.Contains(payloads[i], last.ID) {
			t.Error("the log goes on telling of the last")
		}
	}
	if _, found, err := c.Answer("k"); found || err != nil {
		t.Errorf("an answer that names the last is kept (%v)", err)
	}
	if counts, err := c.Counts(); err != nil || counts.Total() != 1 {
		t.Errorf("%v are left (%v)", counts, err)
	}
	// What a crash leaves is the note of it.
	must(t, c.SaveSetting("deletion.broken", []byte(`["`+stays.ID+`","nobody"]`)))
	gone, err = c.FinishDeletions(t.Context())
	if err != nil || len(gone) != 1 || gone[0].ID != stays.ID {
		t.Errorf("finished with %v (%v)", idsOf(gone), err)
	}
	if notes, err := c.SettingNames("deletion.", 10); err != nil || len(notes) != 0 {
		t.Errorf("notes are left: %v (%v)", notes, err)
	}
}

func moderation(t *testing.T, open Opener) {
	c := start(t, open)
	sub := Entry(1, "best")
	sub.Status = contest.Waiting
	submit(t, c, sub)
	set := func(status contest.Status) contest.Submission {
		t.Helper()
		sub, err := c.SetStatus(t.Context(), id(1), status, 2)
		must(t, err)
		return sub
	}
	visible := func(want int, event string) {
		t.Helper()
		list, _, err := c.Submissions("best", contest.Query{})
		must(t, err)
		names, _ := log(t, c)
		if last := append([]string{""}, names...)[len(names)]; len(list) != want || last != event {
			t.Errorf("%d in the feed and the last event is %q, want %d and %q", len(list), last, want, event)
		}
	}
	visible(0, "")
	set(contest.Approved)
	visible(1, "newSubmission")
	set(contest.Hidden)
	visible(0, "submissionRemoved")
	if sub := set(contest.Approved); sub.Status != contest.Approved || !sub.Announced {
		t.Errorf("returned %+v", sub)
	}
	visible(1, "submissionUpdated")
	before, _ := log(t, c)
	set(contest.Approved)
	if after, _ := log(t, c); len(after) != len(before) {
		t.Error("a status that it had already was announced")
	}
	if _, err := c.SetStatus(t.Context(), "nobody", contest.Hidden, 2); !errors.Is(err, contest.ErrNotFound) {
		t.Errorf("nobody: %v", err)
	}
	counts, err := c.Counts()
	if err != nil || counts["best"][contest.Approved] != 1 || counts.Total() != 1 {
		t.Errorf("counts %v (%v)", counts, err)
	}
	if all, _, _ := c.Submissions("best", contest.Query{All: true}); len(all) != 1 {
		t.Errorf("admins see %d", len(all))
	}
}

func transfers(t *testing.T, open Opener) {
	c := start(t, open)
	for n := 1; n <= 3; n++ {
		sub := Entry(n, "best")
		sub.Awaits = n < 3
		submit(t, c, sub)
	}
	if ids, all, err := c.Transfers(1); !slices.Equal(ids, []string{id(1)}) || all != 2 || err != nil {
		t.Errorf("transfers %v of %d (%v)", ids, all, err)
	}
	url := "https://pictures.example/1.jpg"
	sub, err := c.SetPicture(t.Context(), id(1), func(s *contest.Submission) {
		s.ImageURL, s.CloudID, s.Files = &url, "cloud-1", nil
		s.Images = []contest.Image{{URL: url, Width: 3, Height: 4}}
	})
	if err != nil || *sub.ImageURL != url {
		t.Errorf("%+v (%v)", sub, err)
	}
	stored, err := c.Submission(id(1))
	if err != nil || !reflect.DeepEqual(stored, sub) {
		t.Errorf("stored %+v (%v), want %+v", stored, err, sub)
	}
	names, payloads := log(t, c)
	var public contest.Public
	if err := json.Unmarshal([]byte(payloads[3]), &public); err != nil || names[3] != "submissionUpdated" || public.ImageURL == nil || *public.ImageURL != url {
		t.Errorf("announced %s %s (%v)", names[3], payloads[3], err)
	}
	if ids, all, _ := c.Transfers(10); !slices.Equal(ids, []string{id(2)}) || all != 1 {
		t.Errorf("transfers %v of %d", ids, all)
	}
}

func trimmed(t *testing.T, open Opener) {
	c := start(t, open)
	for n := 1; n <= 10; n++ {
		submit(t, c, Entry(n, "best"))
	}
	if n, err := c.TrimEvents(t.Context(), time.Time{}, 4); n != 6 || err != nil {
		t.Errorf("trimmed %d (%v)", n, err)
	}
	if first, last, err := c.EventRange(); first != 7 || last != 10 || err != nil {
		t.Errorf("kept %d to %d (%v)", first, last, err)
	}
	list, err := c.Events(0, 2)
	if err != nil || len(list) != 2 || list[0].Offset != 7 || list[1].Offset != 8 || list[0].At == 0 {
		t.Errorf("events %v (%v)", list, err)
	}
	if n, err := c.TrimEvents(t.Context(), time.Now().Add(time.Hour), 0); n != 4 || err != nil {
		t.Errorf("trimmed %d (%v)", n, err)
	}
	if first, last, _ := c.EventRange(); first != 11 || last != 10 {
		t.Errorf("an empty log is %d to %d", first, last)
	}
	submit(t, c, Entry(11, "best"))
	if first, last, _ := c.EventRange(); first != 11 || last != 11 {
		t.Errorf("then the log is %d to %d", first, last)
	}
}

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

func pages(t *testing.T, open Opener) {
	c := start(t, open)
	var bulk contest.Bulk
	var want []string
	for n := 1; n <= 600; n++ {
		bulk.Submissions = append(bulk.Submissions, Entry(n, "best"))
		want = append(want, id(n))
	}
	_, err := c.Import(t.Context(), bulk)
	must(t, err)
	slices.Sort(want)
	var seen []string
	must(t, c.Each(func(sub contest.Submission) bool { seen = append(seen, sub.ID); return true }))
	if !slices.Equal(seen, want) {
		t.Errorf("%d seen in another order or number than %d", len(seen), len(want))
	}
	// f may use the store, and what it deletes is not in its way.
	seen = nil
	must(t, c.Each(func(sub contest.Submission) bool {
		if len(seen) == 0 {
			_, err := c.Delete(t.Context(), want[1], want[400])
			must(t, err)
		}
		seen = append(seen, sub.ID)
		return len(seen) < 500
	}))
	if len(seen) != 500 || slices.Contains(seen, want[400]) {
		t.Errorf("%d seen, among them one that was deleted: %v", len(seen), slices.Contains(seen, want[400]))
	}
}

func imported(t *testing.T, open Opener) {
	c := start(t, open)
	submit(t, c, Entry(1, "best"))
	waiting := Entry(3, "other")
	waiting.Status = contest.Waiting
	bulk := contest.Bulk{
		Categories:  []contest.Category{{ID: "other", Name: "Other"}, {ID: "best", Name: "Best"}},
		Submissions: []contest.Submission{Entry(1, "best"), Entry(2, "other"), waiting, Entry(4, "other")},
		Picks:       contest.Picks{"other": {id(4), id(3), id(1)}}, Source: "s",
	}
	before, _ := c.Version()
	added, err := c.Import(t.Context(), bulk)
	if err != nil || added.Submissions != 3 || added.Present != 1 || added.Known || !slices.Equal(added.Ignored, []string{id(3), id(1)}) {
		t.Errorf("added %+v (%v)", added, err)
	}
	if after, _ := c.Version(); after == before {
		t.Error("what was read before the import still counts as fresh")
	}
	if names, _ := log(t, c); len(names) != 1 {
		t.Errorf("an import announced something: %v", names)
	}
	if list, _, _ := c.Submissions("other", contest.Query{}); !slices.Equal(idsOf(list), []string{id(4), id(2)}) {
		t.Errorf("the feed is %v", idsOf(list))
	}
	counts, _ := c.Counts()
	if counts["other"][contest.Approved] != 2 || counts["other"][contest.Waiting] != 1 {
		t.Errorf("counts %v", counts)
	}
	_, err = c.Delete(t.Context(), id(2))
	must(t, err)
	added, err = c.Import(t.Context(), bulk)
	if err != nil || !added.Known || added.Submissions != 0 || added.Present != 3 {
		t.Errorf("imported again: %+v (%v)", added, err)
	}
	for _, bad := range [][]contest.Submission{{Entry(9, "best"), Entry(9, "best")}, {{Category: "best"}}} {
		if _, err := c.Import(t.Context(), contest.Bulk{Submissions: bad}); !errors.Is(err, contest.ErrInvalid) {
			t.Errorf("%v: %v", bad, err)
		}
	}
}

func concurrent(t *testing.T, open Opener) {
	c := start(t, open)
	const writers, each = 16, 20
	var wg sync.WaitGroup
	for w := range writers {
		wg.Go(func() {
			for n := range each {
				if _, _, err := c.Submit(context.Background(), Entry(w*each+n+1, "best"), contest.Once{Key: fmt.Sprint(w, " ", n)}, []byte("a")); err != nil {
					t.Error(err)
					return
				}
			}
		})
	}
	wg.Wait()
	seen := map[string]bool{}
	var last uint64
	must(t, contest.EachEvent(c, 0, func(e contest.Event) bool {
		if e.Offset != last+1 {
			t.Errorf("offset %d after %d", e.Offset, last)
		}
		last = e.Offset
		seen[string(e.Payload)] = true
		return true
	}))
	if last != writers*each || len(seen) != writers*each {
		t.Errorf("%d events, %d different", last, len(seen))
	}
	stats, err := c.Stats()
	if err != nil || stats.Changes != writers*each || stats.Commits > stats.Changes || stats.Failures != 0 {
		t.Errorf("stats %+v (%v)", stats, err)
	}
	feed, version, err := c.Feed(contest.Query{})
	if err != nil || version != last {
		t.Errorf("version %d (%v)", version, err)
	}
	walked := 0
	walkedVersion, err := c.WalkFeed(func(contest.Category) error { return nil }, func(r contest.Record) error {
		sub, err := r.Decode()
		if want := feed[1].Submissions[walked]; err == nil && !reflect.DeepEqual(sub, want) {
			t.Errorf("walked over %+v, the feed has %+v", sub, want)
		}
		walked++
		return err
	})
	if err != nil || walked != writers*each || walkedVersion != version {
		t.Errorf("walked over %d at version %d (%v)", walked, walkedVersion, err)
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

// Counting up by reading and writing back is what goes wrong where changes run
// into each other.
func alone(t *testing.T, open Opener) {
	c := start(t, open)
	submit(t, c, Entry(0, "best"))
	const writers, each = 8, 5
	var wg sync.WaitGroup
	for w := range writers {
		wg.Go(func() {
			for range each {
				err := c.Update(context.Background(), "count", func(tx contest.Tx) error {
					v, err := tx.Setting("n")
					if err != nil {
						return err
					}
					if err := tx.SetSetting("n", append(v, '.')); err != nil {
						return err
					}
					if v, err = tx.Setting("n"); err != nil {
						return err
					}
					sub := Entry(w+1, "best")
					taken, err := tx.Taken(sub.ID)
					if err != nil {
						return err
					}
					if !taken[sub.ID] {
						if err := tx.Insert(&sub); err != nil {
							return err
						}
						if err := tx.Count("best", contest.Approved, 1); err != nil {
							return err
						}
					}
					return tx.Append("counted", "", fmt.Append(nil, len(v)))
				})
				if err != nil {
					t.Error(err)
				}
			}
		})
	}
	wg.Wait()
	v, err := c.Setting("n")
	if err != nil || len(v) != writers*each {
		t.Errorf("counted to %d (%v), want %d", len(v), err, writers*each)
	}
	_, payloads := log(t, c)
	for n, p := range payloads[1:] {
		if p != fmt.Sprint(n+1) {
			t.Errorf("event %d says %s: another order than that of the changes", n, p)
		}
	}
	if counts, _ := c.Counts(); counts.Total() != writers+1 {
		t.Errorf("counts %v", counts)
	}
}

func closed(t *testing.T, open Opener) {
	c := contest.New(open())
	must(t, c.Close())
	if err := c.SaveSetting("x", []byte("y")); !errors.Is(err, contest.ErrClosed) {
		t.Errorf("a change: %v", err)
	}
	if _, err := c.Setting("x"); !errors.Is(err, contest.ErrClosed) {
		t.Errorf("a read: %v", err)
	}
	if err := c.Close(); err != nil {
		t.Errorf("closed again: %v", err)
	}
}
