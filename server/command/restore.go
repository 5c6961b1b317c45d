package command

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"podium/server"
	"podium/store"
)

// stamp is the form of times in the names of backups; they sort by it.
const stamp = "20060102T150405Z"

// restoreCommand puts a backup in the place of the data.
type restoreCommand struct {
	Backup string    `arg:"" optional:"" default:"latest" help:"File of a backup, or latest (${default})."`
	At     time.Time `format:"2006-01-02T15:04:05Z07:00" placeholder:"TIME" help:"Take the newest backup that was made until this moment, such as 2026-01-31T20:00:00Z."`
	Data   string    `env:"DATA_DIR" default:"data" placeholder:"DIR" help:"Folder of the database (${default})."`
	Yes    bool      `short:"y" help:"Do not ask."`
}

// Help implements kong's HelpProvider.
func (*restoreCommand) Help() string {
	return "Checks the backup, says what would change, asks, keeps the present data aside, and puts the backup in its place in one step. No server may run on the data folder.\n\nExamples:\n  podium restore\n  podium restore data/backups/podium-20260131T200000Z.db --yes"
}

// Run restores.
func (c *restoreCommand) Run(ctx context.Context, out output) error {
	backup, err := c.find()
	if err != nil {
		return err
	}
	if err := verifyBackup(backup); err != nil {
		return fmt.Errorf("%s cannot be restored: %w", backup, err)
	}
	file := filepath.Join(c.Data, server.DatabaseName)
	if err := c.show(out.stdout, backup, file); err != nil {
		return err
	}
	if !c.Yes {
		fmt.Fprint(out.stdout, "Restore it? [y/N] ")
		answer, _ := bufio.NewReader(os.Stdin).ReadString('\n') // no answer is no
		if !strings.EqualFold(strings.TrimSpace(answer), "y") {
			return errors.New("nothing was changed")
		}
	}
	return c.replace(ctx, out.stdout, backup, file)
}

// find chooses the backup.
func (c *restoreCommand) find() (string, error) {
	if c.Backup != "latest" && c.At.IsZero() {
		return c.Backup, nil
	}
	dir := filepath.Join(c.Data, "backups")
	names, err := filepath.Glob(filepath.Join(dir, "*.db"))
	if err != nil {
		return "", err
	}
	type dated struct {
		path string
		at   time.Time
	}
	var list []dated
	for _, name := range names {
		info, err := os.Stat(name)
		if err == nil && (c.At.IsZero() || !info.ModTime().After(c.At)) {
			list = append(list, dated{name, info.ModTime()})
		}
	}
	if len(list) == 0 {
		return "", fmt.Errorf("there is no such backup in %s", dir)
	}
	return slices.MaxFunc(list, func(a, b dated) int { return a.at.Compare(b.at) }).path, nil
}

// show says what would change.
func (c *restoreCommand) show(w io.Writer, backup, file string) error {
	summary := func(path string) (string, error) {
		s, err := store.Open(path, store.Options{ReadOnly: true})
		if err != nil {
			return "", err
		}
		counts, err := s.Counts()
		newest := int64(0)
		if spans, e := s.Spans(); e == nil {
			for _, span := range spans {
				newest = max(newest, span.Newest)
			}
		}
		text := fmt.Sprintf("%d submissions", counts.Total())
		if newest > 0 {
			text += ", the newest of " + time.UnixMilli(newest).Format(time.RFC1123)
		}
		return text, errors.Join(err, s.Close())
	}
	then, err := summary(backup)
	if err != nil {
		return err
	}
	now, err := summary(file)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		now = "nothing"
	case errors.Is(err, store.ErrLocked):
		return err
	case err != nil:
		now = fmt.Sprintf("a file that cannot be read (%v)", err)
	}
	fmt.Fprintf(w, "Now:    %s\nBackup: %s (%s)\n", now, then, backup)
	return nil
}

// replace puts the backup in the file's place. At each step either the old or
// the new file is whole and in place.
func (c *restoreCommand) replace(ctx context.Context, w io.Writer, backup, file string) error {
	if err := os.MkdirAll(c.Data, 0o700); err != nil {
		return fmt.Errorf("make the data folder: %w", err)
	}
	fresh := file + ".restoring"
	from, err := os.Open(backup)
	if err != nil {
		return err
	}
	defer from.Close()
	if err := writeBackup(fresh, func(to io.Writer) (int64, error) { return io.Copy(to, from) }); err != nil {
		return err
	}
	// Offsets that clients hold belong to what is being replaced.
	s, err := store.Open(fresh, store.Options{})
	if err != nil {
		return err
	}
	if err := errors.Join(s.RenewEpoch(ctx), s.Close()); err != nil {
		return err
	}
	if _, err := os.Stat(file); err == nil {
		aside := filepath.Join(c.Data, "backups", "before-restore-"+time.Now().UTC().Format(stamp)+".db")
		if err := os.MkdirAll(filepath.Dir(aside), 0o700); err != nil {
			return fmt.Errorf("make the folder of backups: %w", err)
		}
		if err := os.Link(file, aside); err != nil {
			return fmt.Errorf("keep the present data aside: %w", err)
		}
		fmt.Fprintln(w, "What was there is kept in "+aside)
	}
	if err := os.Rename(fresh, file); err != nil {
		return fmt.Errorf("put the backup in place: %w", err)
	}
	fmt.Fprintln(w, "Restored "+backup)
	return nil
}
