package storetest

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"podium/contest"
)

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
	anew := contest.Once{Key: "k", Content: []byte("two"), Earlier: []byte("one")}
	if body, found, err := c.Answered(anew); string(body) != "answer" || !found || err != nil {
		t.Errorf("asked for by what stands for it now: %q %v %v", body, found, err)
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
