package command

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"podium/contest"
	"podium/server"
	"podium/server/pictures"
	"podium/store/backup"
	"podium/store/bolt"
	"podium/store/postgres"
	"podium/store/uploads"
)

// checkCommand checks the data.
type checkCommand struct {
	Data     string `env:"DATA_DIR" default:"data" placeholder:"DIR" help:"Folder of the database (${default})."`
	Database string `env:"DATABASE_URL" placeholder:"URL" help:"PostgreSQL database that keeps the contest in place of a file in the data folder."`
	Uploads  string `env:"UPLOADS,UPLOADS_DIR" placeholder:"DIR|URL" help:"Folder of the pictures (uploads in the data folder), or their bucket."`
	JSON     bool   `name:"json" help:"Print the faults that were found as a JSON array of sentences."`
	Repair   bool   `help:"Put right what follows from the submissions themselves, without guessing; of a damaged file, keep what can still be read. No server may run; a copy of the data is kept first."`
	Compact  bool   `help:"Write the file anew without the room that deleted data left. No server may run."`
}

// Help implements kong's HelpProvider.
func (*checkCommand) Help() string {
	return "Works while a server runs and while none does. The exit code is 1 where a fault was found. Pictures that an import said were missing are listed, and are not faults. With a bucket as --uploads, what it holds is compared with the submissions both ways; --repair removes what belongs to none.\n\nExamples:\n  podium check --data /data\n  podium check --repair"
}

// Run checks the data and prints what it found.
func (c *checkCommand) Run(ctx context.Context, out output) error {
	if err := c.mend(ctx, out); err != nil {
		return err
	}
	done := out.working("Checking")
	found, err := c.find(ctx)
	done()
	if err != nil {
		return err
	}
	if c.JSON {
		if found.Faults == nil {
			found.Faults = []string{}
		}
		if err := json.NewEncoder(out.stdout).Encode(found.Faults); err != nil {
			return err
		}
	} else {
		for _, sentence := range found.Known {
			fmt.Fprintln(out.stdout, "· "+sentence)
		}
		for _, sentence := range found.Faults {
			fmt.Fprintln(out.stdout, "✗ "+sentence)
		}
	}
	if len(found.Faults) > 0 {
		return fmt.Errorf("%d faults were found", len(found.Faults))
	}
	if !c.JSON {
		fmt.Fprintln(out.stdout, "✓ Everything is in order.")
	}
	return nil
}

// mend repairs and compacts, where that is asked for.
func (c *checkCommand) mend(ctx context.Context, out output) error {
	file := filepath.Join(c.Data, server.DatabaseName)
	if c.Repair && c.Database != "" {
		did, err := withDatabase(ctx, c.Database, func(s *postgres.Store) ([]string, error) { return c.tidyBucket(ctx, contest.New(s)) })
		for _, sentence := range did {
			fmt.Fprintln(out.stderr, "Repaired: "+sentence)
		}
		return err
	}
	if c.Repair {
		did, err := c.repair(ctx, file)
		if errors.Is(err, bolt.ErrDamaged) {
			did, err = c.salvage(ctx, file)
		}
		for _, sentence := range did {
			fmt.Fprintln(out.stderr, "Repaired: "+sentence)
		}
		if err != nil {
			return err
		}
	}
	if c.Compact {
		done, err := bolt.Compact(file, bolt.Options{})
		if err != nil {
			return err
		}
		fmt.Fprintf(out.stderr, "Compacted: the file had %d KiB and has %d KiB.\n", done.Before>>10, done.After>>10)
	}
	return nil
}

// repair keeps a copy of the data and repairs it.
func (c *checkCommand) repair(ctx context.Context, file string) (did []string, err error) {
	if _, err := os.Stat(file); err != nil {
		return nil, fmt.Errorf("there is no data to repair: %w", err)
	}
	s, err := bolt.Open(file, bolt.Options{})
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, s.Close()) }()
	if err := keepCopy(s, backup.Aside(c.Data, "repair", time.Now())); err != nil {
		return nil, err
	}
	if did, err = s.Repair(ctx); err != nil {
		return did, err
	}
	tidied, err := c.tidyBucket(ctx, contest.New(s))
	return append(did, tidied...), err
}

// tidyBucket removes from the bucket, where there is one, what no submission has.
func (c *checkCommand) tidyBucket(ctx context.Context, of *contest.Contest) (did []string, err error) {
	place, err := uploads.Open(ctx, c.Data, c.Uploads)
	if err != nil || place.Bucket == nil {
		return nil, err
	}
	n, err := pictures.RemoveLeftOver(ctx, of, place.Bucket, time.Now().Add(-pictures.LeftOverAge))
	if n > 0 {
		did = append(did, fmt.Sprintf("%d files in the bucket belonged to no submission and are removed.", n))
	}
	if err != nil {
		err = fmt.Errorf("remove what is left over in the bucket %s: %w", place.Bucket, err)
	}
	return did, errors.Join(err, place.Close())
}

// salvage puts what can be read of a damaged file in its place.
func (c *checkCommand) salvage(ctx context.Context, file string) (did []string, err error) {
	done, err := bolt.Mend(ctx, file, backup.Aside(c.Data, "repair", time.Now()), true)
	if err != nil {
		return nil, err
	}
	did = append(did, fmt.Sprintf("The data file was damaged and was made anew with the %d submissions that could be read; it is kept in %s.", done.Submissions, done.Kept))
	for _, sentence := range done.Lost {
		did = append(did, "Lost: "+sentence)
	}
	return did, nil
}

// keepCopy writes a copy as it is, faults and all.
func keepCopy(s *bolt.Store, path string) error {
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return fmt.Errorf("make the folder of backups: %w", err)
	}
	f, err := os.OpenFile(path, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
	if err != nil {
		return fmt.Errorf("keep a copy first: %w", err)
	}
	_, err = s.WriteTo(f)
	if err = errors.Join(err, f.Sync(), f.Close()); err != nil {
		return fmt.Errorf("keep a copy first: %w", err)
	}
	return nil
}

func (c *checkCommand) find(ctx context.Context) (found server.Findings, err error) {
	body, err := ask(ctx, c.Data, "GET", "/check", "")
	if err == nil {
		defer body.Close()
		return found, json.NewDecoder(body).Decode(&found)
	}
	if !errors.Is(err, errNoServer) {
		return found, err
	}
	place, err := uploads.Open(ctx, c.Data, c.Uploads)
	if err != nil {
		return found, err
	}
	defer place.Close()
	if c.Database != "" {
		return withDatabase(ctx, c.Database, func(s *postgres.Store) (server.Findings, error) {
			return server.Check(ctx, contest.New(s), place)
		})
	}
	found, lost, err := readingWhole(ctx, c.Data, func(s *bolt.Store) (server.Findings, error) {
		return server.Check(ctx, contest.New(s), place)
	})
	if lost != nil {
		found.Faults = append(lost.sentences(), found.Faults...)
	}
	return found, err
}
