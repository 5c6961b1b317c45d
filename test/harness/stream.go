package harness

import (
	"bufio"
	"context"
	"net/http"
	"strconv"
	"strings"
	"time"
)

// Stream reads GET /api/events as a browser's EventSource does: it comes back with the
// last id that it saw, when the server said. Its functions, which may be nil, are called
// one after another.
type Stream struct {
	URL    string // of the server
	Header http.Header
	Opened func(answer http.Header)
	Ended  func() // of one that was opened
	Event  func(id, name, data string)
}

// Follow reads until ctx ends.
func (s *Stream) Follow(ctx context.Context) {
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	last, pause := "", time.Second
	for ctx.Err() == nil {
		if s.read(ctx, client, &last, &pause) && s.Ended != nil {
			s.Ended()
		}
		select {
		case <-ctx.Done():
		case <-time.After(pause):
		}
	}
}

// read follows one answer to its end, and reports whether it was a stream.
func (s *Stream) read(ctx context.Context, client *http.Client, last *string, pause *time.Duration) bool {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, s.URL+"/api/events", nil)
	if err != nil {
		return false
	}
	for name, values := range s.Header {
		req.Header[name] = values
	}
	if *last != "" {
		req.Header.Set("Last-Event-ID", *last)
	}
	res, err := client.Do(req)
	if err != nil {
		return false
	}
	defer res.Body.Close()
	if res.StatusCode != http.StatusOK {
		return false
	}
	if s.Opened != nil {
		s.Opened(res.Header)
	}
	id, event, data := *last, "", ""
	for lines := bufio.NewScanner(res.Body); lines.Scan(); {
		field, value, _ := strings.Cut(lines.Text(), ": ")
		switch field {
		case "id":
			id = value
		case "event":
			event = value
		case "data":
			data = value
		case "retry":
			if ms, err := strconv.Atoi(value); err == nil {
				*pause = time.Duration(ms) * time.Millisecond
			}
		case "": // the end of an event: only now its id counts
			*last = id
			if event != "" && s.Event != nil {
				s.Event(id, event, data)
			}
			event, data = "", ""
		}
	}
	return true
}
