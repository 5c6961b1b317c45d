package abuse

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// guests is how many of the room hold a WebSocket.
const guests = 500

// room is an honest evening: guests hold WebSockets and are told of the winners, and
// some of them do again and again what guests do. How long each kind of thing takes is
// noted.
type room struct {
	t      testing.TB
	s      *target
	conns  []*raw
	over   chan struct{}
	people sync.WaitGroup

	asked atomic.Int64  // when the winners were sent, in nanoseconds since began
	told  atomic.Int64  // guests who have heard of them
	heard chan struct{} // all have
	began time.Time
	lost  atomic.Int64 // guests who were cut off

	mu    sync.Mutex // guards the two below
	times map[string][]time.Duration
	wrong error // the first thing that went wrong
}

// fill lets the guests in and begins the evening.
func fill(t testing.TB, s *target) *room {
	t.Helper()
	r := &room{t: t, s: s, over: make(chan struct{}), heard: make(chan struct{}, 1), began: time.Now(), times: map[string][]time.Duration{}}
	for range guests {
		c, err := s.joined()
		if err != nil {
			t.Fatal(err)
		}
		_ = c.SetDeadline(time.Time{})
		r.conns = append(r.conns, c)
	}
	for _, c := range r.conns {
		r.people.Go(func() { r.listen(c) })
	}
	word, err := s.joined()
	if err != nil {
		t.Fatal(err)
	}
	_ = word.SetDeadline(time.Time{})
	r.conns = append(r.conns, word)
	client := &http.Client{Timeout: patience, Transport: &http.Transport{}}
	n := 0
	r.again("a word", 10*time.Millisecond, func() error {
		n++
		name := fmt.Sprintf("/word%d,", n)
		return errors.Join(word.say("40"+name), r.answered(word, "44"+name))
	})
	r.again("the feed", 20*time.Millisecond, func() error { return read(client, s.url+"/api/feed?limit=20") })
	r.again("arriving", 20*time.Millisecond, func() error {
		c, err := s.joined()
		if err != nil {
			return err
		}
		return c.Close()
	})
	r.again("an entry", 100*time.Millisecond, func() error { return s.submit("hello") })
	r.again("", 200*time.Millisecond, r.announce) // the guests note how long it took
	return r
}

// read gets an address to its end.
func read(client *http.Client, url string) error {
	res, err := client.Get(url)
	if err != nil {
		return err
	}
	defer res.Body.Close()
	if _, err := io.Copy(io.Discard, res.Body); err != nil {
		return err
	}
	if res.StatusCode != http.StatusOK {
		return errors.New(url + ": " + res.Status)
	}
	return nil
}

// again does something until the evening is over, with a pause after each time.
func (r *room) again(what string, pause time.Duration, do func() error) {
	r.people.Go(func() {
		tick := time.NewTicker(pause)
		defer tick.Stop()
		for {
			select {
			case <-r.over:
				return
			case <-tick.C:
			}
			began := time.Now()
			if err := do(); err != nil {
				r.failed(what, err)
			}
			if what != "" {
				r.note(what, time.Since(began))
			}
		}
	})
}

func (r *room) note(what string, took time.Duration) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.times[what] = append(r.times[what], took)
}

// failed notes what went wrong before the evening was over.
func (r *room) failed(what string, err error) {
	select {
	case <-r.over:
		return
	default:
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.wrong == nil {
		r.wrong = fmt.Errorf("%s: %w", what, err)
	}
}

// answered reads until a text comes that begins with prefix, and answers pings.
func (r *room) answered(c *raw, prefix string) error {
	for {
		_, text, err := c.read()
		if err != nil {
			return err
		}
		if text == "2" {
			if err := c.say("3"); err != nil {
				return err
			}
		}
		if strings.HasPrefix(text, prefix) {
			return nil
		}
	}
}

// listen is a guest who is told of the winners.
func (r *room) listen(c *raw) {
	for {
		if err := r.answered(c, `42["winnersUpdated"`); err != nil {
			r.failed("a guest was cut off", err)
			r.lost.Add(1)
			return
		}
		r.note("the winners", time.Since(r.began)-time.Duration(r.asked.Load()))
		if r.told.Add(1) == guests-r.lost.Load() {
			select {
			case r.heard <- struct{}{}:
			default: // nobody waits any more
			}
		}
	}
}

// announce has an admin publish winners, none in particular, and waits until every guest
// has heard of them.
func (r *room) announce() error {
	select {
	case <-r.heard: // of the last time
	default:
	}
	r.told.Store(0)
	r.asked.Store(int64(time.Since(r.began)))
	req, err := http.NewRequest("POST", r.s.url+"/api/save-winners", bytes.NewReader([]byte(`{"winners":{"best":[]}}`)))
	if err != nil {
		return err
	}
	req.Header.Set("Cookie", r.s.cookie)
	req.Header.Set("Content-Type", "application/json")
	res, err := r.s.client.Do(req)
	if err != nil {
		return err
	}
	res.Body.Close()
	if res.StatusCode != http.StatusOK {
		return errors.New("an admin's change: " + res.Status)
	}
	select {
	case <-r.heard:
	case <-r.over:
	case <-time.After(patience):
		return fmt.Errorf("the winners: %d of %d guests were told", r.told.Load(), guests)
	}
	return nil
}

// during returns how long things took while f ran, by what they were.
func (r *room) during(f func()) map[string][]time.Duration {
	r.mu.Lock()
	r.times = map[string][]time.Duration{}
	r.mu.Unlock()
	f()
	r.mu.Lock()
	defer r.mu.Unlock()
	return maps.Clone(r.times)
}

// leave ends the evening, and returns what went wrong in it.
func (r *room) leave() error {
	close(r.over)
	for _, c := range r.conns {
		_ = c.Close()
	}
	r.people.Wait()
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.wrong
}

// felt is the p99 of one kind of thing, during an attack and without.
type felt struct {
	what        string
	p99, usual  time.Duration
	times       int
	withoutName string // where usual is of: "" for a calm moment
}

// hurt reports whether it is more than twice as long as usual, and long enough to say
// something.
func (f felt) hurt() bool { return f.p99 > max(2*f.usual, noise) }

// worst is what was felt most of an attack.
func worst(during, usual map[string][]time.Duration) (w felt) {
	for _, what := range slices.Sorted(maps.Keys(usual)) {
		f := felt{what: what, p99: p99(during[what]), usual: p99(usual[what]), times: len(during[what])}
		if f.times == 0 { // it was never done: it took at least as long as the attack
			f.p99 = patience
		}
		if w.what == "" || f.hurt() && !w.hurt() || f.hurt() == w.hurt() && f.p99*max(1, w.usual) > w.p99*max(1, f.usual) {
			w = f
		}
	}
	return w
}
