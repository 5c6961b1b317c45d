package command

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"math"
	"os"
	"path/filepath"
	"strings"
	"time"

	"podium/server"
	"podium/store/backup"
	"podium/store/bolt"
	"podium/store/postgres"
	"podium/store/uploads"
)

// backupCommand writes a copy of the data.
type backupCommand struct {
	Dest     string `arg:"" optional:"" help:"File to write, or a bucket's URL such as s3://name?region=… (a new backup where --backups says)."`
	Data     string `env:"DATA_DIR" default:"data" placeholder:"DIR" help:"Folder of the database (${default})."`
	Database string `env:"DATABASE_URL" placeholder:"URL" help:"PostgreSQL database that keeps the contest in place of a file in the data folder."`
	Uploads  string `env:"UPLOADS,UPLOADS_DIR" placeholder:"DIR|URL" help:"Folder of the pictures (uploads in the data folder), or their bucket."`
	Backups  string `env:"BACKUPS_DIR" placeholder:"DIR|URL" help:"Folder or bucket of the backups (backups in the data folder)."`
	JSON     bool   `name:"json" help:"Print the backup's name as JSON."`
}

// Help implements kong's HelpProvider.
func (*backupCommand) Help() string {
	return "Works while a server runs and while none does. The copy is opened and checked before it counts. Pictures go along, each once; in the data folder they take no further room. Those in a bucket stay there. A backup of a database is a file like every other, with everything but the pictures, and podium restore puts it into a database or a data folder.\n\nExamples:\n  podium backup\n  podium backup --data /data /mnt/stick/contest.db\n  podium backup --database postgres://user:password@host/name contest.db"
}

// Run writes the copy.
func (c *backupCommand) Run(ctx context.Context, out output) error {
	done := out.working("Backing up")
	defer done()
	if c.Dest != "" && !strings.Contains(c.Dest, "://") {
		var n int64
		err := writeBackup(c.Dest, func(w io.Writer) (size int64, err error) {
			n, err = c.stream(ctx, w)
			return n, err
		})
		if err != nil {
			return err
		}
		done()
		return c.tell(out, c.Dest, fmt.Sprintf("Backed up %d bytes to %s", n, c.Dest))
	}
	name, err := c.take(ctx)
	if err != nil {
		return err
	}
	done()
	return c.tell(out, name, "Backed up as "+name)
}

// tell says how the backup is called, and what is not in it.
func (c *backupCommand) tell(out output, name, sentence string) error {
	if c.JSON {
		return json.NewEncoder(out.stdout).Encode(map[string]string{"backup": name})
	}
	fmt.Fprintln(out.stdout, sentence)
	if uploads.IsBucket(c.Uploads) {
		fmt.Fprintln(out.stdout, "The pictures stay in their bucket; podium export takes them along")
	}
	return nil
}

// take makes a backup in a destination: by the running server in its own, and
// otherwise here.
func (c *backupCommand) take(ctx context.Context) (name string, err error) {
	settings := server.Settings{Data: c.Data, Uploads: c.Uploads, Backups: cmp.Or(c.Dest, c.Backups)}
	// What was there stays: only the server, which knows the settings, removes.
	options := backup.Options{Dest: settings.BackupsDest(), Scratch: c.Data, Keep: math.MaxInt, Now: time.Now, Logger: slog.New(slog.DiscardHandler)}
	if c.Database != "" {
		if err := os.MkdirAll(c.Data, 0o700); err != nil {
			return "", fmt.Errorf("make the data folder: %w", err)
		}
		return withDatabase(ctx, c.Database, func(s *postgres.Store) (string, error) {
			options.Store = backup.Database(s, c.Data)
			return takeOne(ctx, options)
		})
	}
	if c.Dest == "" {
		body, err := ask(ctx, c.Data, "POST", "/backup", "")
		if err == nil {
			defer body.Close()
			return name, json.NewDecoder(body).Decode(&name)
		}
		if !errors.Is(err, errNoServer) {
			return "", err
		}
	}
	return reading(c.Data, func(s *bolt.Store) (string, error) {
		options.Store, options.Uploads = s, settings.UploadsDir()
		return takeOne(ctx, options)
	})
}

// takeOne makes one backup.
func takeOne(ctx context.Context, options backup.Options) (string, error) {
	k, err := backup.New(ctx, options)
	if err != nil {
		return "", err
	}
	name, err := k.Take(ctx)
	return name, errors.Join(err, k.Close())
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
		err = backup.Verify(partial)
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
	if c.Database != "" {
		return withDatabase(ctx, c.Database, func(s *postgres.Store) (int64, error) {
			return backup.Database(s, filepath.Dir(c.Dest)).WriteTo(w)
		})
	}
	body, err := ask(ctx, c.Data, "GET", "/backup", "")
	if err == nil {
		defer body.Close()
		return io.Copy(w, body)
	}
	if !errors.Is(err, errNoServer) {
		return 0, err
	}
	return reading(c.Data, func(s *bolt.Store) (int64, error) { return s.WriteTo(w) })
}
