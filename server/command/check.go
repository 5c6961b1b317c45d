package command

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"

	"podium/store"
)

// checkCommand checks the data.
type checkCommand struct {
	Data string `env:"DATA_DIR" default:"data" placeholder:"DIR" help:"Folder of the database (${default})."`
	JSON bool   `name:"json" help:"Print what was found as a JSON array of sentences."`
}

// Help implements kong's HelpProvider.
func (*checkCommand) Help() string {
	return "Works while a server runs and while none does. The exit code is 1 where something was found.\n\nExample: podium check --data /data"
}

// Run checks the data and prints what it found.
func (c *checkCommand) Run(ctx context.Context, out output) error {
	found, err := c.find(ctx)
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
	return reading(c.Data, (*store.Store).Check)
}
