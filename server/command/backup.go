package command

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"time"

	"podium/server"
	"podium/store"
)

// backupCommand writes a copy of the data.
type backupCommand struct {
	Data string `env:"DATA_DIR" default:"data" placeholder:"DIR" help:"Folder of the database (${default})."`
	Dest string `arg:"" optional:"" help:"File to write (a new one in backups/ of the data folder)."`
}

// Help implements kong's HelpProvider.
func (*backupCommand) Help() string {
	return "Works while a server runs and while none does. The copy is opened and checked before it counts.\n\nExample: podium backup --data /data /mnt/stick/contest.db"
}

// Run writes the copy.
func (c *backupCommand) Run(ctx context.Context, out output) error {
	dest := c.Dest
	if dest == "" {
		dest = filepath.Join(c.Data, "backups", "podium-"+time.Now().UTC().Format("20060102T150405Z")+".db")
	}
	if err := os.MkdirAll(filepath.Dir(dest), 0o700); err != nil {
		return fmt.Errorf("make the folder of backups: %w", err)
	}
	partial := dest + ".partial"
	n, err := c.copyTo(ctx, partial)
	if err == nil {
		err = verifyBackup(partial)
	}
	if err == nil {
		err = os.Rename(partial, dest)
	}
	if err != nil {
		return errors.Join(fmt.Errorf("back up to %s: %w", dest, err), os.Remove(partial))
	}
	fmt.Fprintf(out.stdout, "Backed up %d bytes to %s\n", n, dest)
	return nil
}

// copyTo writes the copy, by the running server or from the file itself.
func (c *backupCommand) copyTo(ctx context.Context, path string) (int64, error) {
	f, err := os.OpenFile(path, os.O_CREATE|os.O_TRUNC|os.O_WRONLY, 0o600)
	if err != nil {
		return 0, err
	}
	n, err := c.stream(ctx, f)
	if err == nil {
		err = f.Sync()
	}
	return n, errors.Join(err, f.Close())
}

func (c *backupCommand) stream(ctx context.Context, w io.Writer) (int64, error) {
	body, err := ask(ctx, c.Data, "GET", "/backup", "")
	if err == nil {
		defer body.Close()
		return io.Copy(w, body)
	}
	if !errors.Is(err, errNoServer) {
		return 0, err
	}
	s, err := store.Open(filepath.Join(c.Data, server.DatabaseName), store.Options{ReadOnly: true})
	if err != nil {
		return 0, err
	}
	n, err := s.WriteTo(w)
	return n, errors.Join(err, s.Close())
}

// verifyBackup opens a copy and checks it.
func verifyBackup(path string) error {
	s, err := store.Open(path, store.Options{ReadOnly: true})
	if err != nil {
		return fmt.Errorf("open the copy: %w", err)
	}
	found, err := s.Check()
	if err == nil && len(found) > 0 {
		err = fmt.Errorf("the copy has faults: %s", found[0])
	}
	return errors.Join(err, s.Close())
}
