package outages

import (
	"math/rand/v2"
	"syscall"
	"time"

	"podium/test/harness"
)

// fault is something that fails, and is mended again.
type fault struct {
	name  string
	brief bool // it is among those of the short test
	do    func(*show, *spell)
}

func faults() []fault {
	return []fault{
		{"a machine killed", true, killMachine},
		{"the database killed", true, killDatabase},
		{"machines replaced in turn", true, replaceAll},
		{"a machine cut from the database", true, cutOff},
		{"the database answers after 2 s", false, slowDatabase},
		{"the database's disk full", true, fullDisk},
		{"a machine's clock an hour off", false, wrongClock},
		{"a machine added and removed", false, addAndRemove},
	}
}

// some waits for between one and two times d.
func some(d time.Duration) { time.Sleep(d + rand.N(d)) } // the length of a fault, at random

// anyMachine is one of them.
func (s *show) anyMachine() *machine { return s.site.machines[rand.IntN(len(s.site.machines))] }

// excuse notes that there was a cause to fail until now.
func (s *show) excuse(machine string, broken bool, from time.Time) {
	s.causes = append(s.causes, window{from: from, to: time.Now(), machine: machine, broken: broken})
}

// The machine's guests, and those whose poll was just passing through it, notice.
func killMachine(s *show, p *spell) {
	m := s.anyMachine()
	p.own = func(c cut) bool { return c.machine == m.name || s.site.balancer.passed(c.session, m.name) }
	m.end(syscall.SIGKILL)
	s.excuse(m.name, true, p.began)
	some(2 * time.Second)
	m.run()
}

func killDatabase(s *show, p *spell) {
	s.site.database.Kill()
	some(500 * time.Millisecond)
	s.site.database.Start()
	s.excuse("", false, p.began)
}

func replaceAll(s *show, _ *spell) {
	for _, m := range s.site.machines {
		m.end(syscall.SIGTERM)
		m.run()
		s.site.whole()
	}
}

// The way is gone without a word, or says so.
func cutOff(s *show, p *spell) {
	m := s.anyMachine()
	if rand.IntN(2) == 0 {
		m.way.Stall()
	} else {
		m.way.Reset(true)
	}
	some(s.cutFor)
	m.way.Flow()
	m.way.Back()
	s.excuse(m.name, false, p.began)
}

func slowDatabase(s *show, _ *spell) {
	for _, m := range s.site.machines {
		m.way.Delay(2 * time.Second)
	}
	some(5 * time.Second)
	for _, m := range s.site.machines {
		m.way.Delay(0)
	}
}

func fullDisk(s *show, p *spell) {
	if s.site.disk == nil {
		return
	}
	empty := s.site.disk.fill(s.t)
	some(2 * time.Second)
	empty()
	s.excuse("", false, p.began)
}

// The clock is set while the machine runs, it starts with it, and it is set right.
func wrongClock(s *show, _ *spell) {
	m := s.anyMachine()
	if m.clock == nil {
		return
	}
	by := time.Hour
	if rand.IntN(2) == 0 {
		by = -by
	}
	m.clock.Step(by)
	some(2 * time.Second)
	m.end(syscall.SIGTERM)
	m.run()
	some(2 * time.Second)
	m.clock.Step(-by)
	some(time.Second)
}

func addAndRemove(s *show, _ *spell) {
	one := s.site.start("m4")
	harness.Eventually(s.t, "the machine to be sent requests", func() bool { return s.site.balancer.serving(len(s.site.machines) + 1) })
	some(3 * time.Second)
	one.end(syscall.SIGTERM)
	s.site.balancer.remove(one.name)
}
