package command

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"time"

	"podium/contest"
	"podium/store/bolt"
)

// tailCommand prints the event log as it grows.
type tailCommand struct {
	Data  string `env:"DATA_DIR" default:"data" placeholder:"DIR" help:"Folder of the database (${default})."`
	Since string `placeholder:"OFFSET|TIME" help:"Begin after this offset, or with the events of this long ago (10m) or of this moment (2026-01-31T20:00:00Z); without it, with what comes."`
	JSON  bool   `name:"json" help:"Print each event as a line of JSON."`
}

// Help implements kong's HelpProvider.
func (*tailCommand) Help() string {
	return "Follows a running server until it is interrupted; without one, prints what the log holds.\n\nExamples:\n  podium tail --since 10m\n  podium tail --since 0 --json"
}

// tailed is an event as tail prints it.
type tailed struct {
	Offset  uint64          `json:"offset"`
	At      int64           `json:"at"`
	Name    string          `json:"name"`
	Payload json.RawMessage `json:"payload,omitempty"`
}

// Run prints events.
func (c *tailCommand) Run(ctx context.Context, out output) error {
	since, err := c.since()
	if err != nil {
		return err
	}
	body, err := ask(ctx, c.Data, "GET", "/tail?since="+url.QueryEscape(since), "")
	if errors.Is(err, errNoServer) {
		_, err := reading(c.Data, func(s *bolt.Store) (struct{}, error) {
			_, err := tailOnce(s, since, func(e tailed) error { return c.print(out.stdout, e) })
			return struct{}{}, err
		})
		return err
	}
	if err != nil {
		return err
	}
	defer body.Close()
	lines := bufio.NewScanner(body)
	lines.Buffer(nil, 16<<20)
	for lines.Scan() {
		var e tailed
		if err := json.Unmarshal(lines.Bytes(), &e); err != nil {
			return fmt.Errorf("read the running server's answer: %w", err)
		}
		if err := c.print(out.stdout, e); err != nil {
			return err
		}
	}
	if ctx.Err() != nil {
		return nil
	}
	return lines.Err()
}

// since is what the server is asked for: an offset, "@" and a time in
// milliseconds, or nothing.
func (c *tailCommand) since() (string, error) {
	if c.Since == "" {
		return "", nil
	}
	if _, err := strconv.ParseUint(c.Since, 10, 64); err == nil {
		return c.Since, nil
	}
	if d, err := time.ParseDuration(c.Since); err == nil {
		return fmt.Sprint("@", time.Now().Add(-d).UnixMilli()), nil
	}
	if t, err := time.Parse(time.RFC3339, c.Since); err == nil {
		return fmt.Sprint("@", t.UnixMilli()), nil
	}
	return "", fmt.Errorf("--since %q is not an offset, a duration such as 10m or a time such as 2026-01-31T20:00:00Z", c.Since)
}

func (c *tailCommand) print(w io.Writer, e tailed) error {
	if c.JSON {
		return json.NewEncoder(w).Encode(e)
	}
	_, err := fmt.Fprintf(w, "%d  %s  %s  %s\n", e.Offset, time.UnixMilli(e.At).Format(time.RFC3339), e.Name, e.Payload)
	return err
}

// tailOnce gives every event after since, and returns the offset of the last.
func tailOnce(s contest.Store, since string, give func(tailed) error) (after uint64, err error) {
	_, last, err := s.EventRange()
	if err != nil {
		return 0, err
	}
	var from int64
	switch {
	case since == "":
		after = last
	case since[0] == '@':
		if from, err = strconv.ParseInt(since[1:], 10, 64); err != nil {
			return 0, fmt.Errorf("read the time to begin with: %w", err)
		}
	default:
		if after, err = strconv.ParseUint(since, 10, 64); err != nil {
			return 0, fmt.Errorf("read the offset to begin after: %w", err)
		}
	}
	var failed error
	err = contest.EachEvent(s, after, func(e contest.Event) bool {
		after = e.Offset
		if e.At >= from {
			failed = give(tailed{e.Offset, e.At, e.Name, e.Payload})
		}
		return failed == nil
	})
	return after, errors.Join(err, failed)
}

// tailStep is how often the log is looked at for tail.
const tailStep = 200 * time.Millisecond

// serveTail streams the log to a command until it or the server goes away.
func serveTail(ctx context.Context, s contest.Store, w http.ResponseWriter, r *http.Request) {
	control := http.NewResponseController(w)
	encoder := json.NewEncoder(w)
	give := func(e tailed) error { return encoder.Encode(e) }
	w.WriteHeader(http.StatusOK)
	tick := time.NewTicker(tailStep)
	defer tick.Stop()
	since := r.URL.Query().Get("since")
	for {
		after, err := tailOnce(s, since, give)
		if err != nil || control.Flush() != nil {
			return
		}
		since = strconv.FormatUint(after, 10)
		select {
		case <-tick.C:
		case <-r.Context().Done():
			return
		case <-ctx.Done():
			return
		}
	}
}
