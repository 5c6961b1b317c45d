package abuse

import (
	"cmp"
	"errors"
	"flag"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"text/tabwriter"
	"time"

	"podium/test/harness"
)

// strangerTimes is by how much the attacks of strangers are multiplied.
var strangerTimes = flag.Int("times", 0, "make the attacks of TestAStrangerChangesNothingForTheRoom that many times as large as they were when they stopped the evening; 0 leaves it out")

// profileDir is where profiles of what is attacked go.
var profileDir = flag.String("profiles", "", "write a profile of the server's processor time during each stranger's attack into that folder")

// stranger is an attack that once stopped the evening, at the cost with which it did.
// The server has its defaults, and where the machine allows no more than 256 MB.
type stranger struct {
	name string
	cost string // that one anonymous client had, of which the run makes a multiple
	// flags are beside the defaults.
	flags []string
	// disk returns the data folder, for those that need a disk of their own. May be nil.
	disk func(t *testing.T) string
	// before fills the data folder before the server starts. May be nil.
	before func(t *testing.T, data string, times int)
	// prepare is done before the room is watched. May be nil.
	prepare func(t *testing.T, s *target, times int)
	// attack goes on until over is closed, and returns how often it did what it does.
	attack func(s *target, times int, over <-chan struct{}) int
	// meanwhile is what honest people try besides, also before, and returns what came of
	// it. May be nil.
	meanwhile func(t *testing.T, s *target) string
}

const (
	// strangerFor is how long an attack goes on, and quietFor how long the room is
	// watched before.
	strangerFor = 6 * time.Second
	quietFor    = 4 * time.Second
)

// strangerRow is what is printed of one.
type strangerRow struct {
	stranger
	done     int
	felt     felt
	resident int64 // most memory of the process, in bytes
	group    int64 // most of its control group; 0 where there is none
	outcome  string
}

// TestAStrangerChangesNothingForTheRoom has one stranger after the other attack a
// server of its own, which a room of guests uses meanwhile.
func TestAStrangerChangesNothingForTheRoom(t *testing.T) {
	if *strangerTimes == 0 {
		t.Skip("it takes minutes: make abuse")
	}
	var rows []strangerRow
	for _, a := range strangers {
		t.Run(a.name, func(t *testing.T) { rows = append(rows, a.try(t, *strangerTimes)) })
	}
	printStrangers(rows, *strangerTimes)
}

// try makes the attack while a room is watched. As in attack.try, where guests seem to
// be hurt they are watched while another server of this machine is attacked, because the
// attacker shares the machine's processors with the server.
func (a stranger) try(t *testing.T, times int) (r strangerRow) {
	for n := range tries {
		var err error
		r, err = a.once(t, times, n > 0)
		if err == nil && !r.felt.hurt() || t.Failed() {
			return r
		}
		if n == tries-1 {
			t.Errorf("%s took guests %s (p99), and %s %s: %v", r.felt.what, r.felt.p99, r.felt.usual, cmp.Or(r.felt.withoutName, "without"), err)
		}
	}
	return r
}

// serve starts a server for the attack, in a control group where there can be one.
func (a stranger) serve(t *testing.T, times int) (*target, *harness.MemoryGroup) {
	t.Helper()
	data := t.TempDir()
	if a.disk != nil {
		data = a.disk(t)
	}
	if a.before != nil {
		a.before(t, data, times)
	}
	group, err := harness.NewMemoryGroup(t, harness.SmallMachine)
	if err != nil {
		t.Log("the server's memory is not limited:", err)
	}
	s := startIn(t, data, group, a.flags...)
	if a.prepare != nil {
		a.prepare(t, s, times)
	}
	return s, group
}

// once makes the attack once. With aside, what is usual is what the room feels while the
// same is done to another server.
func (a stranger) once(t *testing.T, times int, aside bool) (r strangerRow, err error) {
	s, group := a.serve(t, times)
	defer s.kill()
	s.get("/api/feed?limit=20") // the first reader waits until the feed is made, which is no part of what is usual
	people := fill(t, s)
	usual := people.during(func() {
		a.others(t, s)
		time.Sleep(quietFor) // that is how long it measures
	})
	if aside {
		other, _ := a.serve(t, times)
		other.get("/api/feed?limit=20")
		during := people.during(func() { a.run(t, other, s, times) })
		other.kill()
		for what, took := range during {
			if p99(took) > p99(usual[what]) {
				usual[what] = took
			}
		}
		time.Sleep(time.Second) // a moment for the machine, whose sockets are closing
	}
	r.stranger = a
	during := people.during(func() { r.done, r.outcome = a.run(t, s, s, times) })
	r.felt = worst(during, usual)
	for what, took := range during {
		t.Logf("%s: p99 %s of %d, and %s", what, p99(took).Round(100*time.Microsecond), len(took), p99(usual[what]).Round(100*time.Microsecond))
	}
	if aside {
		r.felt.withoutName = "aside"
	}
	parked := s.pollIsParked()
	err = errors.Join(people.leave(), parked)
	r.resident = s.peak()
	if group != nil {
		r.group = group.Peak()
	}
	t.Logf("done %d times, %d MB resident, %d MB in the group: %s", r.done, r.resident>>20, r.group>>20, r.outcome)
	return r, err
}

// others has honest people do on s what they do meanwhile.
func (a stranger) others(t *testing.T, s *target) string {
	if a.meanwhile == nil {
		return ""
	}
	return a.meanwhile(t, s)
}

// run attacks s from another address than the room's, which is on honest, and hangs up.
func (a stranger) run(t *testing.T, s, honest *target, times int) (done int, outcome string) {
	from := *s
	from.source, from.lines = net.IPv4(127, 66, 0, 1), &lines{}
	over := make(chan struct{})
	var all sync.WaitGroup
	all.Go(func() { done = a.attack(&from, times, over) })
	all.Go(func() { outcome = a.others(t, honest) })
	if *profileDir != "" && s == honest {
		all.Go(func() { s.profile(filepath.Join(*profileDir, a.name)) })
	}
	time.Sleep(strangerFor) // that is how long it goes on
	close(over)
	if a.meanwhile == nil { // what honest people have begun is still under attack
		from.lines.hangUp()
	}
	all.Wait()
	from.lines.hangUp()
	return done, outcome
}

// profile writes where the server's processor time goes while it is attacked.
func (s *target) profile(path string) {
	text := s.get(fmt.Sprintf("/debug/pprof/profile?seconds=%d", int(strangerFor.Seconds())-1))
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		s.t.Error(err)
	}
}

// pollIsParked reports whether a client of long-polling is still served: it is told of an
// event by a poll that waited.
func (s *target) pollIsParked() error {
	sid, c, err := s.handshake()
	if err != nil {
		return fmt.Errorf("long-polling afterwards: %w", err)
	}
	defer c.Close()
	poll := "GET /socket.io/?EIO=4&transport=polling&sid=" + sid + " HTTP/1.1\r\nHost: x\r\n\r\n"
	if err := c.post(sid, "40"); err != nil {
		return err
	}
	for {
		if err := c.write(poll); err != nil {
			return err
		}
		body, err := c.answer()
		if err != nil {
			return fmt.Errorf("a poll afterwards: %w", err)
		}
		if strings.Contains(body, "winnersUpdated") { // the room's admin goes on
			return nil
		}
	}
}

// peak is the most memory that the process had, in bytes.
func (s *target) peak() int64 {
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", s.cmd.Process.Pid))
	if err != nil {
		return 0
	}
	_, rest, _ := strings.Cut(string(status), "VmHWM:")
	rest, _, _ = strings.Cut(rest, "kB")
	n, _ := strconv.ParseInt(strings.TrimSpace(rest), 10, 64) // 0 says that it isn't known
	return n << 10
}

// every begins once so many times a second until over is closed, at most hands of them at
// the same time, and returns how often.
func every(perSecond, hands int, over <-chan struct{}, once func(n int)) (begun int) {
	const beat = 10 * time.Millisecond
	tick := time.NewTicker(beat)
	defer tick.Stop()
	free := make(chan struct{}, hands)
	for began := time.Now(); ; {
		select {
		case <-over:
			return begun
		case <-tick.C:
		}
		for due := int(float64(perSecond) * time.Since(began).Seconds()); begun < due; {
			select {
			case free <- struct{}{}:
				n := begun
				go func() {
					defer func() { <-free }()
					once(n)
				}()
			case <-over:
				return begun
			}
			begun++
		}
	}
}

func printStrangers(rows []strangerRow, times int) {
	w := tabwriter.NewWriter(os.Stdout, 0, 0, 2, ' ', 0)
	fmt.Fprintf(w, "one stranger, %d times\tas it was found\tdone\tguests felt most: p99\twithout\tresident MB\tgroup MB\t\n", times)
	for _, r := range rows {
		group := "not limited here"
		if r.group > 0 {
			group = fmt.Sprintf("%d of %d", r.group>>20, harness.SmallMachine>>20)
		}
		fmt.Fprintf(w, "%s\t%s\t%d\t%s %s of %d\t%s %s\t%d\t%s\t%s\n", r.name, r.cost, r.done, r.felt.what, r.felt.p99.Round(100*time.Microsecond), r.felt.times,
			r.felt.usual.Round(100*time.Microsecond), r.felt.withoutName, r.resident>>20, group, r.outcome)
	}
	w.Flush()
	fmt.Println("resident: with the database, which is mapped; group: what the limit counts, with the system's cache of files, which it takes back before the limit is reached")
}
