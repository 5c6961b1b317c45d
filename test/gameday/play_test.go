package gameday

import (
	"context"
	"fmt"
	"math/rand/v2"
	"sync"
	"testing"
	"time"
)

// result is a row of the table.
type result struct {
	events, delivered, kills, moves          int
	missing, doubled, inversions, unexpected int
	notRecovered, returns                    int
	clients                                  int
	lasted                                   time.Duration
	notes                                    []string // of the first faults, what happened around them
}

// note keeps what is known of a fault.
func (r *result) note(client int, what, name string, between []connection) {
	if len(r.notes) < 10 {
		r.notes = append(r.notes, fmt.Sprintf("client %d: %s %s, after it connected to %+v", client, what, name, between))
	}
}

func (r result) mustBeFlawless(t *testing.T) {
	t.Helper()
	if r.missing+r.doubled+r.inversions+r.unexpected+r.notRecovered > 0 {
		t.Errorf("not exactly once and in order: %+v", r)
		for _, n := range r.notes {
			t.Log(n)
		}
	}
	if r.events == 0 || r.returns == 0 || r.kills == 0 {
		t.Errorf("nothing happened: %+v", r)
	}
}

// play has clients move between three servers while these are killed, and judges.
func play(t *testing.T, s show, start launch, log *chronicle) result {
	t.Helper()
	ports := freePorts(t, 6)
	var places []*place
	var urls []string
	for i := range 3 {
		p := &place{t: t, start: start, number: i + 1, port: ports[2*i], control: ports[2*i+1], patience: s.startsServersIn}
		t.Cleanup(p.kill)
		if err := p.run(); err != nil {
			t.Fatal(err)
		}
		places, urls = append(places, p), append(urls, p.url())
	}
	f := launchFleet(t, s.clients, urls)
	eventually(t, s.settlesIn, "all clients are there", func() (all bool) {
		f.with(func() {
			all = true
			for n, c := range f.clients {
				all = all && c.sessions > 0 && (c.inRoom || n%2 == 1)
			}
		})
		return all
	})
	f.with(func() {
		for i := range f.clients { // some took more than one try to get in: that does not count
			f.clients[i].sessions, f.clients[i].returns = 0, 0
		}
		clear(f.refused)
	})
	r := result{clients: s.clients}
	began := time.Now()
	r.kills = storm(t, s, places)
	f.tell("stay")
	settle(t, s, f, log, &r)
	r.lasted = time.Since(began).Round(time.Second)
	t.Logf("| clients | time | events | deliveries | kills | moves | missing | doubled | out of order | not recovered of |")
	t.Logf("| %d | %s | %d | %d | %d | %d | %d | %d | %d | %d of %d |", r.clients, r.lasted, r.events, r.delivered, r.kills, r.moves,
		r.missing, r.doubled, r.inversions, r.notRecovered, r.notRecovered+r.returns)
	if r.notRecovered > 0 {
		t.Logf("not recovered because of: %v", f.refused)
	}
	return r
}

// storm emits and kills until the time is over, and returns how many servers it killed.
func storm(t *testing.T, s show, places []*place) (kills int) {
	ctx, cancel := context.WithTimeout(t.Context(), s.lasts)
	defer cancel()
	var work sync.WaitGroup
	for i, p := range places {
		work.Go(func() {
			tick := time.NewTicker(time.Duration(len(places)) * time.Second / time.Duration(s.emitsPerSecond))
			defer tick.Stop()
			for n := i; ; n++ {
				select {
				case <-ctx.Done():
					return
				case <-tick.C:
				}
				if room := ""; p.serves() {
					if n%3 == 0 {
						room = "room"
					}
					p.emit(t.Context(), room) // also when the time is over meanwhile
				}
			}
		})
	}
	tick := time.NewTicker(s.killsEvery)
	defer tick.Stop()
	for ctx.Err() == nil {
		select {
		case <-ctx.Done():
		case <-tick.C:
			var alive []*place
			for _, p := range places {
				if p.serves() {
					alive = append(alive, p)
				}
			}
			if len(alive) < 2 {
				continue // somebody has to be there: servers need a moment to start
			}
			kills++
			p := alive[rand.IntN(len(alive))]
			p.kill()
			work.Go(func() {
				for err := p.run(); err != nil; err = p.run() { // on a busy machine it may take longer than that
					t.Log(err)
					p.kill()
				}
			})
		}
	}
	work.Wait()
	return kills
}

// settle waits until clients get nothing more, and judges.
func settle(t *testing.T, s show, f *fleet, log *chronicle, r *result) {
	t.Helper()
	calm, last := time.Now(), -1
	end := calm.Add(s.settlesIn)
	for time.Now().Before(end) {
		*r = judge(f, log.all(), *r)
		complete := r.missing == 0 && r.moves >= 0
		if r.delivered != last {
			calm, last = time.Now(), r.delivered
		}
		if complete && time.Since(calm) > time.Second || time.Since(calm) > s.settlesIn/3 {
			return
		}
		time.Sleep(200 * time.Millisecond)
	}
}

// judge compares what the clients got with the log.
func judge(f *fleet, log []written, r result) result {
	place := make(map[string]int, len(log))
	inRoom := 0
	for i, w := range log {
		place[w.name] = i
		if w.room != "" {
			inRoom++
		}
	}
	r.events, r.delivered, r.missing, r.doubled, r.inversions, r.unexpected, r.notRecovered, r.returns = len(log), 0, 0, 0, 0, 0, 0, 0
	r.notes = nil
	f.with(func() {
		r.moves = f.moves
		for n, c := range f.clients {
			r.delivered += len(c.events)
			r.notRecovered += c.sessions
			r.returns += c.returns
			want := len(log)
			if n%2 == 1 {
				want -= inRoom
			}
			seen, last := make([]int, len(log)), -1 // which of its events it was, from 1 on
			for k, name := range c.events {
				i, ok := place[name]
				switch {
				case !ok || n%2 == 1 && log[i].room != "":
					r.unexpected++
					continue
				case seen[i] > 0:
					r.doubled++
					r.note(n, "got twice", name, c.between(seen[i]-1, k))
					continue
				case i < last:
					r.inversions++
					r.note(n, "got too late", name, c.between(max(k-1, 0), k))
				}
				seen[i], last = k+1, max(last, i)
				want--
			}
			r.missing += want
		}
	})
	return r
}

func eventually(t *testing.T, within time.Duration, what string, f func() bool) {
	t.Helper()
	for end := time.Now().Add(within); !f(); time.Sleep(20 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatal(fmt.Sprint("not in time: ", what))
		}
	}
}
