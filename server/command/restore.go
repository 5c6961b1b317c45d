package command

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	"podium/contest"
	"podium/server"
	"podium/server/admin"
	"podium/store/backup"
	"podium/store/bolt"
	"podium/store/postgres"
	"podium/store/uploads"
)

// restoreCommand puts a backup in the place of the data.
type restoreCommand struct {
	Backup   string    `arg:"" optional:"" default:"latest" help:"A backup's file or name, latest, or a bucket's URL for the latest there (${default})."`
	At       time.Time `format:"2006-01-02T15:04:05Z07:00" placeholder:"TIME" help:"Take the newest backup that was made until this moment, such as 2026-01-31T20:00:00Z."`
	Data     string    `env:"DATA_DIR" default:"data" placeholder:"DIR" help:"Folder of the database (${default})."`
	Database string    `env:"DATABASE_URL" placeholder:"URL" help:"PostgreSQL database to restore into, in place of a file in the data folder."`
	Uploads  string    `env:"UPLOADS,UPLOADS_DIR" placeholder:"DIR|URL" help:"Folder of the pictures (uploads in the data folder), or their bucket."`
	Backups  string    `env:"BACKUPS_DIR" placeholder:"DIR|URL" help:"Folder or bucket of the backups (backups in the data folder)."`
	Yes      bool      `short:"y" help:"Do not ask for confirmation."`
	JSON     bool      `name:"json" help:"Print what was done as JSON; needs --yes."`
}

// restored says what a restore did.
type restored struct {
	Backup  string  `json:"backup"`           // its name
	Before  *extent `json:"before,omitempty"` // what was there; absent where nothing was, or nothing that could be read
	Damaged bool    `json:"damaged"`          // what was there is damaged, and Before what could be read of it
	After   *extent `json:"after"`
	// Changes say what is otherwise in categories, winners and settings, a sentence each.
	Changes  []string `json:"changes"`
	Kept     string   `json:"kept,omitempty"` // where what was there is kept
	Ended    int      `json:"ended"`          // sessions and tokens of the backup, which are valid no longer
	Pictures int      `json:"pictures"`       // brought back
}

// extent is how much data a file holds.
type extent struct {
	Submissions int   `json:"submissions"`
	Newest      int64 `json:"newest,omitempty"` // ms since the epoch; 0 where there is none

	outline outline
}

// String is for people.
func (e *extent) String() string {
	text := fmt.Sprintf("%d submissions", e.Submissions)
	if e.Newest > 0 {
		text += ", the newest of " + time.UnixMilli(e.Newest).Format(time.RFC1123)
	}
	return text
}

// Help implements kong's HelpProvider.
func (*restoreCommand) Help() string {
	return "Checks the backup, says what would change in submissions, categories, winners and settings, asks, keeps the present data aside, however damaged it is, and puts the backup in its place in one step. Sessions and tokens end with it. What is kept aside goes when it is as old as --backup-keep-days of the server says. No server may run on the data folder or the database.\n\nExamples:\n  podium restore\n  podium restore --at 2026-01-31T20:00:00Z\n  podium restore s3://name?region=eu-central-1 --data /data\n  podium restore data/backups/podium-20260131T200000Z.db --yes\n  podium restore --yes --json\n  podium restore contest.db --database postgres://user:password@host/name"
}

// Run restores.
func (c *restoreCommand) Run(ctx context.Context, out output) error {
	if c.JSON && !c.Yes {
		return errors.New("--json needs --yes: a script cannot be asked")
	}
	told := out.stdout // for people
	if c.JSON {
		told = io.Discard
	}
	if err := os.MkdirAll(c.Data, 0o700); err != nil {
		return fmt.Errorf("make the data folder: %w", err)
	}
	file := filepath.Join(c.Data, server.DatabaseName)
	fresh := file + ".restoring"
	done := out.working("Fetching and checking the backup")
	name, err := c.fetch(ctx, fresh)
	done()
	if err != nil {
		return err
	}
	defer os.Remove(fresh)
	wanted, err := picturesOf(fresh)
	if err != nil {
		return err
	}
	report, err := c.show(ctx, told, name, fresh)
	if err != nil {
		return err
	}
	if !c.Yes {
		fmt.Fprint(told, "Restore it? [y/N] ")
		answer, _ := bufio.NewReader(os.Stdin).ReadString('\n') // no answer is no
		if !strings.EqualFold(strings.TrimSpace(answer), "y") {
			return errors.New("nothing was changed")
		}
	}
	if report.Kept, report.Ended, err = c.replace(ctx, fresh); err != nil {
		return err
	}
	if report.Kept != "" {
		fmt.Fprintln(told, "What was there is kept in "+report.Kept)
	}
	fmt.Fprintln(told, "Restored "+name)
	if report.Ended > 0 {
		fmt.Fprintf(told, "%d sessions and tokens of the backup ended: admins sign in anew, and scripts need new tokens\n", report.Ended)
	}
	defer out.working("Fetching pictures")()
	report.Pictures, err = c.fetchPictures(ctx, wanted)
	if report.Pictures > 0 {
		fmt.Fprintf(told, "Brought back %d pictures\n", report.Pictures)
	}
	if uploads.IsBucket(c.Uploads) && err == nil {
		fmt.Fprintln(told, "The pictures are in their bucket; podium check says whether any is missing")
	}
	if c.JSON && err == nil {
		return json.NewEncoder(out.stdout).Encode(report)
	}
	return err
}

// source is the destination of backups that is restored from.
func (c *restoreCommand) source() string {
	if strings.Contains(c.Backup, "://") {
		return c.Backup
	}
	settings := server.Settings{Data: c.Data, Backups: c.Backups}
	return settings.BackupsDest()
}

// fetch copies the chosen backup to a file beside the data, checked.
func (c *restoreCommand) fetch(ctx context.Context, to string) (name string, err error) {
	latest := c.Backup == "latest" || strings.Contains(c.Backup, "://") || !c.At.IsZero()
	if !latest {
		if info, err := os.Stat(c.Backup); err == nil && !info.IsDir() {
			from, err := os.Open(c.Backup)
			if err != nil {
				return "", err
			}
			defer from.Close()
			return c.Backup, writeBackup(to, func(w io.Writer) (int64, error) { return io.Copy(w, from) })
		}
	}
	bucket, err := backup.Open(ctx, c.source())
	if err != nil {
		return "", err
	}
	wanted := c.Backup
	if latest {
		wanted = ""
	}
	name, err = backup.Fetch(ctx, bucket, wanted, c.At, to)
	switch {
	case errors.Is(err, backup.ErrNone):
		err = fmt.Errorf("%w in %s", err, c.source())
	case err != nil && latest:
		err = fmt.Errorf("%w.\nAn older one can be taken with --at or by its name", err)
	}
	return name, errors.Join(err, bucket.Close())
}

// picturesOf are the names of the pictures that a file tells of.
func picturesOf(file string) ([]string, error) {
	s, err := bolt.Open(file, bolt.Options{ReadOnly: true})
	if err != nil {
		return nil, err
	}
	names, err := contest.New(s).Pictures()
	return names, errors.Join(err, s.Close())
}

// fetchPictures brings back the pictures of the restored data that are not
// here, where the backups have them.
func (c *restoreCommand) fetchPictures(ctx context.Context, wanted []string) (int, error) {
	bucket, err := backup.Open(ctx, c.source())
	if err != nil {
		return 0, err
	}
	place, err := uploads.Open(ctx, c.Data, c.Uploads)
	if err != nil {
		return 0, errors.Join(err, bucket.Close())
	}
	n, err := backup.FetchPictures(ctx, bucket, place.Within(ctx), wanted)
	return n, errors.Join(err, place.Close(), bucket.Close())
}

// show says what would change.
func (c *restoreCommand) show(ctx context.Context, w io.Writer, name, fresh string) (r restored, err error) {
	r.Backup, r.Changes = name, []string{}
	if r.After, err = extentOf(fresh); err != nil {
		return r, err
	}
	now, err := c.present(ctx, &r)
	if err != nil {
		return r, err
	}
	fmt.Fprintf(w, "Now:    %s\nBackup: %s (%s)\n", now, r.After, name)
	if r.Before == nil {
		return r, nil
	}
	r.Changes = append(r.Changes, r.Before.outline.changesTo(r.After.outline)...)
	for _, sentence := range r.Changes {
		fmt.Fprintln(w, "  "+sentence)
	}
	if len(r.Changes) == 0 {
		fmt.Fprintln(w, "  Categories, winners and settings stay as they are")
	}
	return r, nil
}

// present reads how much there is now into r, and says it.
func (c *restoreCommand) present(ctx context.Context, r *restored) (now string, err error) {
	if c.Database != "" {
		r.Before, err = withDatabase(ctx, c.Database, func(s *postgres.Store) (*extent, error) {
			if err := s.Served(ctx); err != nil {
				return nil, err
			}
			return extentIn(s)
		})
		if err != nil {
			return "", err
		}
		return r.Before.String(), nil
	}
	r.Before, err = extentOf(filepath.Join(c.Data, server.DatabaseName))
	switch {
	case err == nil:
		return r.Before.String(), nil
	case errors.Is(err, fs.ErrNotExist):
		r.Before = nil
		return "nothing", nil
	case errors.Is(err, bolt.ErrLocked):
		return "", err
	}
	r.Damaged = true
	if r.Before = c.remains(ctx); r.Before == nil {
		return fmt.Sprintf("a file that cannot be read (%v)", err), nil
	}
	return fmt.Sprintf("a damaged file, of which can be read: %s", r.Before), nil
}

// remains reads how much of a damaged file can still be read; nil is none of it.
func (c *restoreCommand) remains(ctx context.Context) *extent {
	dir, remove, err := scratch(c.Data)
	if err != nil {
		return nil
	}
	defer remove()
	copied := filepath.Join(dir, server.DatabaseName)
	if _, err := bolt.Salvage(ctx, filepath.Join(c.Data, server.DatabaseName), copied); err != nil {
		return nil
	}
	e, err := extentOf(copied)
	if err != nil {
		return nil
	}
	return e
}

// extentOf reads how much data a file holds. The extent is never nil.
func extentOf(path string) (*extent, error) {
	s, err := bolt.Open(path, bolt.Options{ReadOnly: true})
	if err != nil {
		return new(extent), err
	}
	e, err := extentIn(s)
	return e, errors.Join(err, s.Close())
}

// extentIn reads how much data a store holds. The extent is never nil.
func extentIn(s contest.Store) (*extent, error) {
	e := new(extent)
	counts, err := s.Counts()
	e.Submissions = counts.Total()
	if spans, failed := s.Spans(); failed == nil {
		for _, span := range spans {
			e.Newest = max(e.Newest, span.Newest)
		}
	}
	if err == nil {
		e.outline, err = outlineOf(s)
	}
	return e, err
}

// replace puts a fetched backup in the place of what there is.
func (c *restoreCommand) replace(ctx context.Context, fresh string) (kept string, ended int, err error) {
	if c.Database == "" {
		return replace(ctx, fresh, c.Data)
	}
	if ended, err = renew(ctx, fresh); err != nil {
		return "", 0, err
	}
	from, err := bolt.Open(fresh, bolt.Options{ReadOnly: true})
	if err != nil {
		return "", 0, err
	}
	kept, err = withDatabase(ctx, c.Database, func(to *postgres.Store) (string, error) {
		return replaceDatabase(ctx, to, from, c.Data, "restore")
	})
	return kept, ended, errors.Join(err, from.Close())
}

// replaceDatabase puts a contest in the place of a database's, and returns where
// it keeps what was there. before says what is done, for the name of that.
func replaceDatabase(ctx context.Context, to *postgres.Store, from contest.Whole, data, before string) (kept string, err error) {
	empty, err := to.Empty(ctx)
	if err != nil {
		return "", err
	}
	if !empty {
		kept = backup.Aside(data, before, time.Now())
		if err := bolt.Write(ctx, kept, to.All(ctx)); err != nil {
			return "", fmt.Errorf("keep the present data aside: %w", err)
		}
	}
	return kept, to.Load(ctx, from.All(ctx), !empty)
}

// replace puts a fetched backup in the file's place, and returns where it keeps
// what was there and how many sessions and tokens ended. At each step either the
// old or the new file is whole and in place, unless the old one can only be
// moved, such as a folder. What is replaced is never opened as a store: whatever
// state it is in, it does not stand in the way.
func replace(ctx context.Context, fresh, data string) (kept string, ended int, err error) {
	if ended, err = renew(ctx, fresh); err != nil {
		return "", 0, err
	}
	kept, err = putInPlace(fresh, data, "restore")
	return kept, ended, err
}

// putInPlace puts a file in the place of the data, and returns where it keeps what
// was there. before says what is done, for the name of that.
func putInPlace(fresh, data, before string) (kept string, err error) {
	file := filepath.Join(data, server.DatabaseName)
	release, err := bolt.Hold(file)
	if err != nil {
		return "", err
	}
	defer release()
	if _, err := os.Lstat(file); err == nil {
		kept = backup.Aside(data, before, time.Now())
		if kept, err = bolt.SetAside(file, kept); err != nil {
			return "", fmt.Errorf("keep the present data aside: %w", err)
		}
	}
	if err := os.Rename(fresh, file); err != nil {
		return kept, fmt.Errorf("put what is new in place: %w", err)
	}
	return kept, bolt.SyncFolder(data)
}

// renew makes a backup the beginning of something new: offsets that clients hold
// belong to what is being replaced, and sessions and tokens may have been ended
// since it was made.
func renew(ctx context.Context, fresh string) (ended int, err error) {
	s, err := bolt.Open(fresh, bolt.Options{CompactFree: -1})
	if err != nil {
		return 0, err
	}
	err = s.RenewEpoch(ctx)
	if err == nil {
		ended, err = admin.EndAll(contest.New(s))
	}
	return ended, errors.Join(err, s.Close())
}
