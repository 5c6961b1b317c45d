package server

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"time"

	"podium/contest"
	"podium/store/backup"
	"podium/store/bolt"
	"podium/store/postgres"
)

// openStore opens the data. A damaged file is made again from what can be read
// of it where nothing is missing that people sent or admins chose, so that the
// contest goes on; otherwise somebody has to choose between that and a backup.
func openStore(data string, options bolt.Options) (*bolt.Store, error) {
	path := filepath.Join(data, DatabaseName)
	s, err := bolt.Open(path, options)
	if !errors.Is(err, bolt.ErrDamaged) {
		return s, err
	}
	options.Logger.Error("the data file is damaged", "error", err)
	done, mendErr := bolt.Mend(context.Background(), path, backup.Aside(data, "repair", time.Now()), false)
	for _, sentence := range done.Lost {
		options.Logger.Error("lost from the damaged data file", "what", sentence)
	}
	if errors.Is(mendErr, bolt.ErrDamaged) {
		return nil, fmt.Errorf("%w.\n%d submissions can still be read, and something is lost", err, done.Submissions)
	}
	if mendErr != nil {
		return nil, errors.Join(err, mendErr)
	}
	options.Logger.Error("the data file was made again from what could be read: no submission, winner or setting is missing",
		"submissions", done.Submissions, "kept", done.Kept)
	return bolt.Open(path, options)
}

// OpenTimeout is how long opening a database may take, with making its tables.
const OpenTimeout = 30 * time.Second

// openContest opens the store that the settings name.
func (s *Settings) openContest(log *slog.Logger, now func() time.Time, committed func(contest.Commit)) (contest.Store, error) {
	if s.Database == "" {
		return openStore(s.Data, bolt.Options{Logger: log, Now: now, OnCommit: committed})
	}
	if err := os.MkdirAll(s.Data, 0o700); err != nil {
		return nil, fmt.Errorf("make the data folder: %w", err)
	}
	ctx, cancel := context.WithTimeout(context.Background(), OpenTimeout)
	defer cancel()
	return postgres.Open(ctx, s.Database, postgres.Options{Logger: log, Now: now, OnCommit: committed})
}

// backupSource returns what is backed up of a store.
func (s *Settings) backupSource(db contest.Store) backup.Source {
	if database, ok := db.(*postgres.Store); ok {
		return backup.Database(database, s.Data)
	}
	return db.(contest.File)
}

// pruneAsides removes copies that were put aside, at the start and once an hour,
// when they are as old as the oldest backup that is kept.
func (s *Server) pruneAsides(ctx context.Context, log *slog.Logger) {
	age := time.Duration(max(1, s.settings.BackupKeepDays)) * 24 * time.Hour
	tick := time.NewTicker(time.Hour)
	defer tick.Stop()
	for {
		gone, err := backup.PruneAsides(s.settings.Data, time.Now().Add(-age))
		if err != nil {
			log.Warn("copies put aside could not be removed", "error", err)
		}
		for _, one := range gone {
			log.Info("a copy from before a restore, an import or a repair was removed", "file", one.Path)
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return
		}
	}
}
