package server

import (
	"context"
	"errors"
	"time"

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

// Album is what everybody saw, to take home, until ctx ends.
func (s *Server) Album(ctx context.Context) archive.Album {
	return archive.Album{Contest: s.contest, Uploads: s.uploads.Within(ctx)}
}

// Export is what leaves the server when its data is exported, until ctx ends.
func (s *Server) Export(ctx context.Context, anonymous bool) archive.Export {
	return archive.Export{Contest: s.contest, Uploads: s.uploads.Within(ctx), Anonymous: anonymous}
}
