package outages

import (
	"context"
	"math/rand/v2"
	"os"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"podium/test/harness"
)

// show is a game day.
type show struct {
	t        *testing.T
	site     *site
	audience *audience
	causes   windows
	spells   []*spell
	cutFor   time.Duration // how long a machine is cut off, at least
	pause    time.Duration // between two faults
}

// Whatever fails, nothing that was acknowledged is lost, everybody is told of everything
// once and in order, and nobody is refused while the database is there.
func TestTheContestOutlivesWhatItRunsOn(t *testing.T) {
	harness.NeedClients(t, "socket.io-client")
	s := &show{t: t, cutFor: 2 * time.Second, pause: 300 * time.Millisecond}
	guests, submitters, lasts := 60, 4, time.Duration(0)
	if v := os.Getenv("PODIUM_OUTAGES"); v != "" {
		var err error
		if lasts, err = time.ParseDuration(v); err != nil {
			t.Fatalf("PODIUM_OUTAGES: %v", err)
		}
		guests, submitters, s.cutFor, s.pause = 1000, 8, 4*time.Second, time.Second
	}
	s.site = open(t, lasts > 0)
	log := followLog(t, s.site.database.URL())
	s.audience = enter(t, s.site.balancer.url, guests)
	harness.Eventually(t, "the log to be read", func() bool { _, last := log.soFar(); return last >= s.head() })
	_, before := log.soFar()
	w := begin(t, s.site.balancer.url, submitters, 2*time.Second)
	began := time.Now()
	s.spell("nothing", func(*show, *spell) { some(3 * s.pause) })
	for round := 0; round == 0 || time.Since(began) < lasts; round++ {
		list := faults()
		rand.Shuffle(len(list), func(i, j int) { list[i], list[j] = list[j], list[i] })
		for _, f := range list {
			if (f.brief || lasts > 0) && (round == 0 || time.Since(began) < lasts) {
				s.spell(f.name, f.do)
			}
		}
	}
	w.end()
	settle(t, s.audience, log, s.head)

	var v verdict
	events, _ := log.soFar()
	deliveries := v.judgeGuests(s.audience.guests, events, before)
	stored := v.judgeSubmissions(t, s.site.database.URL(), w.accepted)
	pictures := v.judgePictures(s.site.balancer.url, w.accepted, 100)
	rows := table(s.spells, s.causes, s.site.balancer, s.audience, w.accepted)
	for _, r := range rows {
		v.Refused += len(r.refused)
		v.Strangers += r.strangers
	}
	v.Holes = log.holes
	_, requests := s.site.balancer.soFar()
	t.Logf("%d guests, %s: %d requests, %d submissions acknowledged (%d stored), %d pictures asked for, %d events, %d deliveries",
		guests, time.Since(began).Round(time.Second), requests, len(w.accepted), stored, pictures, len(events), deliveries)
	tell(t, rows)
	t.Logf("%+v", v)
	if v != (verdict{}) {
		t.Errorf("that is not what is wanted: %+v", v)
	}
	if len(w.accepted) == 0 || deliveries == 0 {
		t.Error("nothing happened")
	}
}

// spell has one fault come and go, and waits until all is well again.
func (s *show) spell(name string, do func(*show, *spell)) {
	s.t.Helper()
	p := &spell{name: name, began: time.Now()}
	s.spells = append(s.spells, p)
	do(s, p)
	s.site.whole()
	harness.Eventually(s.t, "all guests to be back", s.audience.allHere)
	some(s.pause)
	p.end = time.Now()
}

// head is the last offset that the log has.
func (s *show) head() (last uint64) {
	s.t.Helper()
	conn, err := pgx.Connect(s.t.Context(), s.site.database.URL())
	if err != nil {
		s.t.Fatal(err)
	}
	defer conn.Close(context.WithoutCancel(s.t.Context()))
	if err := conn.QueryRow(s.t.Context(), `select last from podium.head`).Scan(&last); err != nil {
		s.t.Fatal(err)
	}
	return last
}
