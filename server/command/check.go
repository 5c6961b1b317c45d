package command

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"podium/server"
	"podium/store/bolt"
)

// checkCommand checks the data.
type checkCommand struct {
	Data    string `env:"DATA_DIR" default:"data" placeholder:"DIR" help:"Folder of the database (${default})."`
	Uploads string `env:"UPLOADS_DIR" placeholder:"DIR" help:"Folder of pictures (uploads in the data folder)."`
	JSON    bool   `name:"json" help:"Print what was found as a JSON array of sentences."`
	Repair  bool   `help:"Put right what follows from the submissions themselves, without guessing. No server may run; a copy of the data is kept first."`
	Compact bool   `help:"Write the file anew without the room that deleted data left. No server may run."`
}

// Help implements kong's HelpProvider.
func (*checkCommand) Help() string {
	return "Works while a server runs and while none does. The exit code is 1 where something was found.\n\nExamples:\n  podium check --data /data\n  podium check --repair"
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
		if found == nil {
			found = []string{}
		}
		if err := json.NewEncoder(out.stdout).Encode(found); err != nil {
			return err
		}
	} else {
		for _, sentence := range found {
			fmt.Fprintln(out.stdout, "✗ "+sentence)
		}
	}
	if len(found) > 0 {
		return fmt.Errorf("%d faults were found", len(found))
	}
	if !c.JSON {
		fmt.Fprintln(out.stdout, "✓ Everything is in order.")
	}
	return nil
}

// mend repairs and compacts, where that is asked for.
func (c *checkCommand) mend(ctx context.Context, out output) error {
	file := filepath.Join(c.Data, server.DatabaseName)
	if c.Repair {
		did, err := c.repair(ctx, file)
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
	aside := filepath.Join(c.Data, "backups", "before-repair-"+time.Now().UTC().Format(stampOfCopies)+".db")
	if err := keepCopy(s, aside); err != nil {
		return nil, err
	}
	return s.Repair(ctx)
}

// stampOfCopies is the form of times in the names of copies.
const stampOfCopies = "20060102T150405Z"

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

func (c *checkCommand) find(ctx context.Context) ([]string, error) {
	body, err := ask(ctx, c.Data, "GET", "/check", "")
	if err == nil {
		defer body.Close()
		var found []string
		return found, json.NewDecoder(body).Decode(&found)
	}
	if !errors.Is(err, errNoServer) {
		return nil, err
	}
	return reading(c.Data, func(s *bolt.Store) ([]string, error) {
		return server.Check(s, server.UploadsFolder(c.Data, c.Uploads))
	})
}
