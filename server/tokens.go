package server

import (
	"context"
	"errors"
	"time"

	"podium/contest"
	"podium/store/archive"
)

// MakeToken makes a token for scripts that lasts for age (0: for ever).
func (s *Server) MakeToken(label string, age time.Duration) (string, error) {
	token, _, err := s.admin.MakeToken(label, age)
	return token, err
}

// Abandon ends a server that was made by New and never run.
func (s *Server) Abandon() error {
	ctx, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	return errors.Join(s.realtime.Shutdown(ctx), s.Close())
}

// Backup makes a backup now, where the settings say, and returns its name.
func (s *Server) Backup(ctx context.Context) (string, error) { return s.backups.Take(ctx) }

// Check looks at the data and at the pictures of this machine, and returns what
// is not in order as sentences.
func (s *Server) Check() ([]string, error) { return Check(s.file, s.settings.UploadsDir()) }

// Check looks at a store and at the folder of its pictures, and returns what is
// not in order as sentences.
func Check(s contest.File, uploads string) ([]string, error) {
	found, err := s.Check()
	if err != nil || len(found) > 0 {
		return found, err
	}
	missing, err := contest.New(s).MissingPictures(uploads)
	for _, one := range missing {
		found = append(found, one.String())
	}
	return found, err
}

// Export is what leaves the server when its data is exported.
func (s *Server) Export(anonymous bool) archive.Export {
	return archive.Export{Contest: s.contest, Uploads: s.settings.UploadsDir(), Anonymous: anonymous}
}
