package server

import (
	"net/url"
	"slices"

	"podium/contest"
)

// beginSetup makes the code of the first-run page, where nobody has set anything
// up yet. Pages of one's own have no such page.
func (s *Server) beginSetup() error {
	if s.settings.Static != "" {
		return nil
	}
	fresh, err := s.fresh()
	if err != nil {
		return err
	}
	if !fresh {
		return s.admin.EndSetup()
	}
	s.setup, err = s.admin.MakeSetup()
	return err
}

// fresh reports whether the contest is as a new one.
func (s *Server) fresh() (bool, error) {
	evening, _, err := s.contest.Evening()
	if err != nil {
		return false, err
	}
	evening.Logo = "" // the first thing that the page sends
	counts, err := s.contest.Counts()
	if err != nil {
		return false, err
	}
	categories, err := s.contest.Categories()
	return evening == contest.Evening{} && counts.Total() == 0 && slices.Equal(categories, contest.DefaultCategories()), err
}

// SetupPath is the path of the first-run page with its code, "" where the event
// is set up.
func (s *Server) SetupPath() string {
	if s.setup == "" {
		return ""
	}
	return "/setup?" + url.Values{"code": {s.setup}}.Encode()
}
