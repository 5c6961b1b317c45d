// Package storetest holds every store to what package contest says of it: one
// suite of tests, and a model that replays random changes.
//
// A store's own tests call [Run] and add what only they can know, such as what
// a torn file or a broken connection leaves behind.
package storetest

import (
	"fmt"
	"testing"

	"podium/contest"
)

// Opener opens the store of one test: each call opens the same data. Stores
// that only one process may open are closed before they are opened again.
type Opener func() contest.Store

// Run runs the suite. fresh is called once a test, for data that nobody else
// has; what it needs to clean up it registers with t.
func Run(t *testing.T, fresh func(t *testing.T) Opener) {
	for _, one := range []struct {
		name string
		test func(*testing.T, Opener)
	}{
		{"ANewContestHasTheDefaults", newContest},
		{"ASubmissionAndItsEventAreOneChange", oneChange},
		{"AChangeThatFailsLeavesNothing", failedChange},
		{"AFeedIsNewestFirstInPages", feedPages},
		{"CategoriesKeepTheirSubmissions", categoriesKeep},
		{"WinnersKeepOrderAndLimitAndSayWhatTheyIgnored", winnersKeep},
		{"ARepeatedRequestGetsTheFirstAnswer", repeated},
		{"ADeletedSubmissionIsGoneFromTheLogAndTheAnswersToo", deleted},
		{"ManyAreDeletedInPortionsWithOneEventForAll", manyDeleted},
		{"Moderation", moderation},
		{"AMoveToAnotherCategoryIsToldAndHasAWayBack", moved},
		{"ManyStatusesChangeAtOnceAndBack", statusesAtOnce},
		{"WinnersPublishedInBetweenAreAConflict", publishedBetween},
		{"RemovedCategoriesComeBackWithWhatTheyHad", categoriesComeBack},
		{"APictureThatAwaitsIsATransferUntilItIsSet", transfers},
		{"TheLogIsTrimmedByAgeAndNumber", trimmed},
		{"SettingsAreKeptAndForgotten", settings},
		{"SessionsAreKeptAndTrimmed", sessions},
		{"AllSubmissionsAreReadPageByPage", pages},
		{"ImportedDataCountsOnce", imported},
		{"SubmissionsAtTheSameTimeAreAllThereInOneOrder", concurrent},
		{"OfManyWhoEnsureASettingAllGetOneValue", ensured},
		{"ChangesThatReadDoNotLoseEachOther", alone},
		{"AClosedStoreSaysSo", closed},
		{"RandomChangesAgreeWithAModel", random},
	} {
		t.Run(one.name, func(t *testing.T) { one.test(t, fresh(t)) })
	}
}

// start opens the store of a test, and closes it at the end.
func start(t *testing.T, open Opener) *contest.Contest {
	t.Helper()
	c := contest.New(open())
	t.Cleanup(func() {
		if err := c.Close(); err != nil {
			t.Error(err)
		}
	})
	return c
}

// Entry is a submission for tests, its id and text made from n.
func Entry(n int, category string) contest.Submission {
	return contest.Submission{
		ID: id(n), SubmissionID: "sub-" + id(n), Category: category,
		Caption: fmt.Sprint("caption <&> ", n), Name: "Ann", Phone: fmt.Sprint("+49 170 ", n),
		StorageMethod: "none", CreatedAt: int64(n), Status: contest.Approved,
	}
}

func id(n int) string { return fmt.Sprintf("%d-aaaaaa", n) }

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func submit(t testing.TB, c *contest.Contest, sub contest.Submission) {
	t.Helper()
	_, _, err := c.Submit(t.Context(), sub, contest.Once{}, nil)
	must(t, err)
}

func idsOf(list []contest.Submission) []string {
	ids := []string{}
	for _, sub := range list {
		ids = append(ids, sub.ID)
	}
	return ids
}

// log returns the names and payloads of all events that are kept.
func log(t testing.TB, c *contest.Contest) (names, payloads []string) {
	t.Helper()
	must(t, contest.EachEvent(c, 0, func(e contest.Event) bool {
		names, payloads = append(names, e.Name), append(payloads, string(e.Payload))
		return true
	}))
	return names, payloads
}
