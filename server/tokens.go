package server

import (
	"context"
	"errors"
	"time"
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
