package command

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"text/tabwriter"
	"time"

	"podium/contest"
	"podium/server"
	"podium/store/backup"
	"podium/store/bolt"
)

// inspectCommand says what the data holds.
type inspectCommand struct {
	Data string `env:"DATA_DIR" default:"data" placeholder:"DIR" help:"Folder of the database (${default})."`
	JSON bool   `name:"json" help:"Print the figures as JSON."`
}

// Help implements kong's HelpProvider.
func (*inspectCommand) Help() string {
	return "Works while a server runs and while none does. Names and phone numbers are not shown.\n\nExample: podium inspect --data /data --json"
}

// inspection is what inspect tells.
type inspection struct {
	File       string               `json:"file"`
	FileBytes  int64                `json:"fileBytes"`
	UsedBytes  int64                `json:"usedBytes"`
	FreePages  int                  `json:"freePages"`
	Categories []inspectionCategory `json:"categories"`
	Epoch      string               `json:"epoch"`
	FirstEvent uint64               `json:"firstEvent"`
	LastEvent  uint64               `json:"lastEvent"`
	Sessions   int                  `json:"sessions"` // real-time ones, kept for clients that are away
	Backups    int                  `json:"backups"`  // in the folder beside the data
	Newest     []inspectionEntry    `json:"newest"`
	Aside      *inspectionAside     `json:"aside,omitempty"`  // copies from before a restore, an import, a repair or a newer format
	Damage     []string             `json:"damage,omitempty"` // what could not be read and is missing in all of this
}

// inspectionAside says which copies of earlier data are kept beside it. They may
// hold what was deleted since.
type inspectionAside struct {
	Copies int    `json:"copies"`
	Oldest string `json:"oldest"`
}

type inspectionCategory struct {
	ID       string `json:"id"`
	Approved int    `json:"approved"`
	Waiting  int    `json:"waiting"`
	Hidden   int    `json:"hidden"`
	Winners  int    `json:"winners"`
	Removed  bool   `json:"removed,omitempty"` // its submissions are kept for when it comes back
}

type inspectionEntry struct {
	ID        string `json:"id"`
	Category  string `json:"category"`
	CreatedAt string `json:"createdAt"`
	Picture   bool   `json:"picture"`
}

// newestShown is how many entries of each category are shown.
const newestShown = 3

// inspect reads the figures of a store.
func inspect(s *contest.Contest) (*inspection, error) {
	stats, err := s.Stats()
	if err != nil {
		return nil, err
	}
	first, last, err := s.EventRange()
	if err != nil {
		return nil, err
	}
	categories, err := s.Categories()
	if err != nil {
		return nil, err
	}
	counts, err := s.Counts()
	if err != nil {
		return nil, err
	}
	picks, err := s.Winners()
	if err != nil {
		return nil, err
	}
	sessions, err := s.Sessions()
	if err != nil {
		return nil, err
	}
	in := &inspection{FileBytes: stats.Bytes, UsedBytes: stats.UsedBytes, FreePages: stats.FreePages,
		Epoch: s.Epoch(), FirstEvent: first, LastEvent: last, Sessions: sessions, Categories: []inspectionCategory{}, Newest: []inspectionEntry{}}
	if file, ok := s.Store.(contest.File); ok {
		backups, err := filepath.Glob(filepath.Join(filepath.Dir(file.Path()), "backups", "podium-*.db"))
		if err != nil {
			return nil, err
		}
		asides, err := backup.Asides(filepath.Dir(file.Path()))
		if err != nil {
			return nil, err
		}
		if len(asides) > 0 {
			in.Aside = &inspectionAside{len(asides), asides[0].At.UTC().Format(time.RFC3339)}
		}
		in.File, in.Backups = file.Path(), len(backups)
	}
	add := func(id string, removed bool) {
		n := counts[id]
		in.Categories = append(in.Categories, inspectionCategory{id, n[contest.Approved], n[contest.Waiting], n[contest.Hidden], len(picks[id]), removed})
	}
	for _, c := range categories {
		add(c.ID, false)
		delete(counts, c.ID)
		list, _, err := s.Submissions(c.ID, contest.Query{All: true, Limit: newestShown})
		if err != nil {
			return nil, err
		}
		for _, sub := range list {
			in.Newest = append(in.Newest, inspectionEntry{sub.ID, sub.Category, time.UnixMilli(sub.CreatedAt).UTC().Format(time.RFC3339), sub.ImageURL != nil})
		}
	}
	for id := range counts {
		add(id, true)
	}
	return in, nil
}

// Run prints the figures.
func (c *inspectCommand) Run(ctx context.Context, out output) error {
	in, err := c.read(ctx)
	if err != nil {
		return err
	}
	if c.JSON {
		return json.NewEncoder(out.stdout).Encode(in)
	}
	return in.print(out.stdout)
}

func (c *inspectCommand) read(ctx context.Context) (*inspection, error) {
	body, err := ask(ctx, c.Data, "GET", "/inspect", "")
	if err == nil {
		defer body.Close()
		in := new(inspection)
		return in, json.NewDecoder(body).Decode(in)
	}
	if !errors.Is(err, errNoServer) {
		return nil, err
	}
	in, lost, err := readingWhole(ctx, c.Data, func(s *bolt.Store) (*inspection, error) { return inspect(contest.New(s)) })
	if lost != nil && err == nil {
		in.Damage = lost.sentences()
		in.File = filepath.Join(c.Data, server.DatabaseName)
		if info, err := os.Stat(in.File); err == nil {
			in.FileBytes = info.Size()
		}
	}
	return in, err
}

// reading runs f on the data of a folder that no server serves.
func reading[T any](data string, f func(*bolt.Store) (T, error)) (T, error) {
	s, err := bolt.Open(filepath.Join(data, server.DatabaseName), bolt.Options{ReadOnly: true})
	if err != nil {
		var none T
		return none, err
	}
	result, err := f(s)
	return result, errors.Join(err, s.Close())
}

func (in *inspection) print(w io.Writer) error {
	fmt.Fprintf(w, "%s: %d KiB, %d KiB of it used\nEvents %d to %d (epoch %s), %d real-time sessions, %d backups beside it\n\n",
		in.File, in.FileBytes>>10, in.UsedBytes>>10, in.FirstEvent, in.LastEvent, in.Epoch, in.Sessions, in.Backups)
	for _, sentence := range in.Damage {
		fmt.Fprintln(w, "✗ "+sentence)
	}
	if in.Aside != nil {
		fmt.Fprintf(w, "%d copies from before restores, imports and repairs are kept, the oldest of %s; they may hold what was deleted since\n\n", in.Aside.Copies, in.Aside.Oldest)
	}
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(t, "CATEGORY\tAPPROVED\tWAITING\tHIDDEN\tWINNERS")
	for _, c := range in.Categories {
		id := c.ID
		if c.Removed {
			id += " (removed)"
		}
		fmt.Fprintf(t, "%s\t%d\t%d\t%d\t%d\n", id, c.Approved, c.Waiting, c.Hidden, c.Winners)
	}
	fmt.Fprintln(t, "\nNEWEST\tCATEGORY\tCREATED\tPICTURE")
	for _, e := range in.Newest {
		picture := "no"
		if e.Picture {
			picture = "yes"
		}
		fmt.Fprintf(t, "%s\t%s\t%s\t%s\n", e.ID, e.Category, e.CreatedAt, picture)
	}
	return t.Flush()
}
