package main

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"time"
)

// The rows whose names begin with limit- measure what others cannot go below as
// they are built: net/http under a poll, the disk under a submission.

// startBare starts a program that is nothing but net/http, in podium's place.
func startBare(p peer, _ ...string) (*running, error) {
	if p.name != "podium" {
		return nil, errAbsent
	}
	r := &running{peer: "bare", addr: freeAddress(), control: freeAddress()}
	if err := r.run("bin/bare", "--listen", r.addr, "--control", r.control); err != nil {
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
	var done atomic.Int64
	err = parallel(files, atOnce, func(i int) error {
		done.Add(1)
		path := filepath.Join(dir, fmt.Sprintf("%d.jpg", i))
		if err := writeSynced(path+".new", data); err != nil {
			return err
		}
		return errors.Join(os.Rename(path+".new", path), names.sync())
	})
	return one(float64(time.Since(begin).Microseconds())/1000/float64(done.Load()), 0), err
}

func writeSynced(path string, data []byte) error {
	f, err := os.Create(path)
	if err != nil {
		return err
	}
	_, err = f.Write(data)
	return errors.Join(err, f.Sync(), f.Close())
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
		err := syncFolder(s.dir)
		s.mu.Lock()
		s.running, s.done = false, all
		s.changed.Broadcast()
		if err != nil {
			return err
		}
	}
	return nil
}

func syncFolder(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}
