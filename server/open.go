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
	"podium/server/pictures"
	"podium/store/backup"
	"podium/store/bolt"
	"podium/store/postgres"
	"podium/store/uploads"
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

// probeTimeout is how long a start waits for a bucket to answer.
const probeTimeout = 15 * time.Second

// openUploads opens the place of the pictures. A bucket that refuses what this server
// would do with it, as one does where a key is wrong, is an error. One that is away is
// not: photos are kept here until it is back.
func (s *Server) openUploads() error {
	ctx, cancel := context.WithTimeout(context.Background(), probeTimeout)
	defer cancel()
	var err error
	if s.uploads, err = uploads.Open(ctx, s.settings.Data, s.settings.Uploads); err != nil {
		return fmt.Errorf("--uploads: %w", err)
	}
	bucket := s.uploads.Bucket
	if bucket == nil {
		return nil
	}
	err = bucket.Probe(ctx)
	if uploads.Refused(err) {
		return fmt.Errorf("--uploads names the bucket %s, which cannot be used with the keys that are set: %w", bucket, err)
	}
	if err != nil {
		s.log.Error("the bucket of --uploads does not answer: photos stay on this machine until it does", "bucket", bucket.String(), "error", err)
		return nil
	}
	mine, err := pictures.Owns(ctx, s.contest, bucket)
	if err != nil {
		s.log.Warn("find out whose pictures the bucket of --uploads holds", "error", err)
	} else if !mine {
		s.log.Warn("the bucket of --uploads holds another contest's pictures too: nothing that is left over in it is removed by itself; give each contest a folder of its own, by prefix=NAME/ in the address", "bucket", bucket.String())
	}
	return nil
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
