package command

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"path/filepath"
	"time"

	"podium/contest"
	"podium/server"
	"podium/server/admin"
	"podium/store/bolt"
)

// tokenCommand makes a token.
type tokenCommand struct {
	Data  string        `env:"DATA_DIR" default:"data" placeholder:"DIR" help:"Folder of the database (${default})."`
	Label string        `arg:"" help:"What the token is for; the list of sessions shows it."`
	Age   time.Duration `default:"0" placeholder:"TIME" help:"How long the token lasts; 0 is for ever."`
}

// tokenRequest is what a running server is asked for.
type tokenRequest struct {
	Label string        `json:"label"`
	Age   time.Duration `json:"age"`
}

// Help implements kong's HelpProvider.
func (*tokenCommand) Help() string {
	return "Scripts send it as \"Authorization: Bearer TOKEN\". It is shown once; the admin page ends it.\n\nExample: podium token stage-script --age 24h"
}

// Run makes the token and prints it.
func (c *tokenCommand) Run(ctx context.Context, out output) error {
	token, err := c.make(ctx)
	if err != nil {
		return err
	}
	fmt.Fprintln(out.stdout, token)
	return nil
}

func (c *tokenCommand) make(ctx context.Context) (string, error) {
	request, err := json.Marshal(tokenRequest{c.Label, c.Age})
	if err != nil {
		return "", err
	}
	body, err := ask(ctx, c.Data, "POST", "/token", string(request))
	if err == nil {
		defer body.Close()
		var made struct{ Token string }
		return made.Token, json.NewDecoder(body).Decode(&made)
	}
	if !errors.Is(err, errNoServer) {
		return "", err
	}
	s, err := bolt.Open(filepath.Join(c.Data, server.DatabaseName), bolt.Options{})
	if err != nil {
		return "", err
	}
	a, _, err := admin.New(contest.New(s), admin.Options{KeepPassword: true})
	if err != nil {
		return "", errors.Join(err, s.Close())
	}
	token, _, err := a.MakeToken(c.Label, c.Age)
	return token, errors.Join(err, s.Close())
}
