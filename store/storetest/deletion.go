package storetest

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"testing"

	"podium/contest"
)

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
