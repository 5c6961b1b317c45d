package server

import (
	"context"
	"fmt"
	"time"

	"podium/contest"
	"podium/server/pictures"
	"podium/store/uploads"
)

// Findings are what a check found, as sentences.
type Findings struct {
	Faults []string `json:"faults"`
	// Known are things that are missing and were told of before: pictures that
	// were not there when their submissions were imported.
	Known []string `json:"known"`
}

// Check looks at the data and at the pictures.
func (s *Server) Check(ctx context.Context) (Findings, error) {
	return Check(ctx, s.contest, s.uploads)
}

// Check looks at what keeps a contest, where that is a file, and at where its
// pictures are.
func Check(ctx context.Context, c *contest.Contest, place *uploads.Place) (f Findings, err error) {
	if file, ok := c.Store.(contest.File); ok {
		if f.Faults, err = file.Check(); err != nil || len(f.Faults) > 0 {
			return f, err
		}
	}
	names, err := place.Within(ctx).Names()
	if err != nil {
		return f, err
	}
	missing, err := c.MissingPictures(func(name string) bool { _, there := names[name]; return there })
	for _, one := range missing {
		if one.Known {
			f.Known = append(f.Known, one.String())
		} else {
			f.Faults = append(f.Faults, one.String())
		}
	}
	if err != nil || place.Bucket == nil {
		return f, err
	}
	over, err := pictures.LeftOver(c, names, time.Now())
	if len(over) > 0 {
		f.Faults = append(f.Faults, fmt.Sprintf("%d files in the bucket %s belong to no submission, such as %s; podium check --repair removes them.", len(over), place.Bucket, over[0]))
	}
	return f, err
}
