package server

import "podium/contest"

// Findings are what a check found, as sentences.
type Findings struct {
	Faults []string `json:"faults"`
	// Known are things that are missing and were told of before: pictures that
	// were not there when their submissions were imported.
	Known []string `json:"known"`
}

// Check looks at the data and at the pictures of this machine.
func (s *Server) Check() (Findings, error) { return Check(s.contest, s.settings.UploadsDir()) }

// Check looks at what keeps a contest, where that is a file, and at the folder of its pictures.
func Check(c *contest.Contest, uploads string) (f Findings, err error) {
	if file, ok := c.Store.(contest.File); ok {
		if f.Faults, err = file.Check(); err != nil || len(f.Faults) > 0 {
			return f, err
		}
	}
	missing, err := c.MissingPictures(uploads)
	for _, one := range missing {
		if one.Known {
			f.Known = append(f.Known, one.String())
		} else {
			f.Faults = append(f.Faults, one.String())
		}
	}
	return f, err
}
