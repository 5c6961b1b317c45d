package command

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"time"

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
		dest = filepath.Join(c.Data, "backups", "podium-"+time.Now().UTC().Format(stamp)+".db")
	}
	var n int64
	err := writeBackup(dest, func(w io.Writer) (size int64, err error) {
		n, err = c.stream(ctx, w)
		return n, err
	})
	if err != nil {
		return err
	}
	fmt.Fprintf(out.stdout, "Backed up %d bytes to %s\n", n, dest)
	return nil
}

// writeBackup writes a copy of the data to a file, checks it, and only then
// gives it its name.
func writeBackup(dest string, write func(io.Writer) (int64, error)) error {
	if err := os.MkdirAll(filepath.Dir(dest), 0o700); err != nil {
		return fmt.Errorf("make the folder of backups: %w", err)
	}
	partial := dest + ".partial"
	f, err := os.OpenFile(partial, os.O_CREATE|os.O_TRUNC|os.O_WRONLY, 0o600)
	if err != nil {
		return fmt.Errorf("back up to %s: %w", dest, err)
	}
	_, err = write(f)
	if err == nil {
		err = f.Sync()
	}
	if err = errors.Join(err, f.Close()); err == nil {
		err = verifyBackup(partial)
	}
	if err == nil {
		err = os.Rename(partial, dest)
	}
	if err != nil {
		return errors.Join(fmt.Errorf("back up to %s: %w", dest, err), os.Remove(partial))
	}
	return nil
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
	return reading(c.Data, func(s *store.Store) (int64, error) { return s.WriteTo(w) })
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
