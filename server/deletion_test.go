package server_test

import (
	"errors"
	"fmt"
	"net/http"
	"path/filepath"
	"slices"
	"testing"

	"podium/contest"
	"podium/server"
	"podium/store/bolt"
)

func TestDeletingByPhoneFindsNumbersAsPeopleWriteThem(t *testing.T) {
	s := newSite(t, "--phone-country", "43")
	var bulk contest.Bulk
	for n, phone := range []string{"0664 1234567", "+43 664 1234567", "+43 (0)664/123 45 67", "+49 664 1234567", "0664 1234568"} {
		bulk.Submissions = append(bulk.Submissions, contest.Submission{ID: fmt.Sprintf("%d-aaaaaa", n+1), SubmissionID: "s", Category: "best",
			Phone: phone, StorageMethod: "none", Status: contest.Approved})
	}
	for n := range 100 {
		bulk.Submissions = append(bulk.Submissions, contest.Submission{ID: fmt.Sprintf("%d-bbbbbb", n+1), SubmissionID: "s", Category: "worst",
			Phone: "0660 7654321", StorageMethod: "none", Status: contest.Approved})
	}
	if _, err := s.server.Contest().Import(t.Context(), bulk); err != nil {
		t.Fatal(err)
	}
	s.signIn()
	for phone, want := range map[string]int{"0043 664 1234567": 3, "0660/7654321": 100, "0999": 0} {
		var answer struct{ Deleted int }
		s.do(http.MethodPost, "/api/submissions/delete-by-phone", `{"phone":"`+phone+`"}`, "Content-Type", "application/json").is(200).into(&answer)
		if answer.Deleted != want {
			t.Errorf("%s: %d were deleted, want %d", phone, answer.Deleted, want)
		}
	}
	told := map[string]int{}
	for _, name := range s.events() {
		told[name]++
	}
	if told["submissionRemoved"] != 3 || told["submissionsRemoved"] != 1 {
		t.Errorf("told by %v", told)
	}
	counts, err := s.server.Contest().Counts()
	if err != nil || counts.Total() != 2 {
		t.Errorf("%v are left (%v)", counts, err)
	}
}

func TestADeletionThatBrokeOffIsFinishedAtTheStart(t *testing.T) {
	data := t.TempDir()
	db, err := bolt.Open(filepath.Join(data, server.DatabaseName), bolt.Options{})
	if err != nil {
		t.Fatal(err)
	}
	c := contest.New(db)
	sub := contest.Submission{ID: "1-aaaaaa", SubmissionID: "s", Category: "best", StorageMethod: "none", Status: contest.Approved}
	if _, _, err := c.Submit(t.Context(), sub, contest.Once{}, nil); err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(c.SaveSetting("deletion.x", []byte(`["1-aaaaaa"]`)), db.Close()); err != nil {
		t.Fatal(err)
	}
	s := newSite(t, "--data", data)
	if counts, err := s.server.Contest().Counts(); err != nil || counts.Total() != 0 {
		t.Errorf("%v are left (%v)", counts, err)
	}
	if !slices.Contains(s.events(), "submissionsRemoved") {
		t.Errorf("the pages are told by %v", s.events())
	}
}
