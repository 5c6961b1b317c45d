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
	log      *logFollower
	work     *work
	before   uint64 // the end of the log when work began
	began    time.Time
	causes   windows
	spells   []*spell
	away     int           // guests who were not back in time after a fault
	patience time.Duration // with what must be well again
	cutFor   time.Duration // how long a machine is cut off, at least
	pause    time.Duration // between two faults
}

// Whatever fails, nothing that was acknowledged is lost, everybody is told of everything
// once and in order, and nobody is refused while the database is there.
func TestTheContestOutlivesWhatItRunsOn(t *testing.T) {
	harness.NeedClients(t, "socket.io-client")
	s := &show{t: t, cutFor: 2 * time.Second, pause: 300 * time.Millisecond, patience: harness.Patience}
	guests, submitters, lasts := 60, 4, time.Duration(0)
	if v := os.Getenv("PODIUM_OUTAGES"); v != "" {
		var err error
		if lasts, err = time.ParseDuration(v); err != nil {
			t.Fatalf("PODIUM_OUTAGES: %v", err)
		}
		guests, submitters, s.cutFor, s.pause, s.patience = 1000, 8, 4*time.Second, time.Second, 2*time.Minute
	}
	s.site = open(t, lasts > 0, s.patience)
	s.log = followLog(t, s.site.database.URL())
	s.audience = enter(t, s.site.balancer.url, guests)
	harness.Eventually(t, "the log to be read", func() bool { _, last := s.log.soFar(); return last >= s.head() })
	_, s.before = s.log.soFar()
	s.work = begin(t, s.site.balancer.url, submitters, 2*time.Second)
	s.began = time.Now()
	defer s.report() // also of a day that ended too soon
	s.play(lasts)
	s.work.end()
	settle(t, s.audience, s.log, s.head)
}

// play has faults come and go, each at least once.
func (s *show) play(lasts time.Duration) {
	s.t.Helper()
	s.spell("nothing", func(*show, *spell) { some(3 * s.pause) })
	for round := 0; round == 0 || time.Since(s.began) < lasts; round++ {
		list := faults()
		rand.Shuffle(len(list), func(i, j int) { list[i], list[j] = list[j], list[i] })
		for _, f := range list {
			if (f.brief || lasts > 0) && (round == 0 || time.Since(s.began) < lasts) {
				s.spell(f.name, f.do)
			}
		}
	}
}

// report judges, and tells what happened.
func (s *show) report() {
	t := s.t
	t.Helper()
	s.work.end()
	v := verdict{Away: s.away}
	events, _ := s.log.soFar()
	deliveries := v.judgeGuests(t, s.audience.guests, events, s.log.hiddenSoFar(), s.before)
	accepted := s.work.accepted
	stored := v.judgeSubmissions(t, s.site.database.URL(), accepted)
	pictures := v.judgePictures(s.site.balancer.url, accepted, 100)
	rows := table(s.spells, s.causes, s.site.balancer, s.audience, accepted)
	for _, r := range rows {
		v.Refused += len(r.refused)
		v.Strangers += r.strangers
	}
	v.Holes = s.log.holes
	_, requests := s.site.balancer.soFar()
	t.Logf("%d guests, %s: %d requests, %d submissions acknowledged (%d stored), %d pictures asked for, %d events, %d deliveries",
		len(s.audience.guests), time.Since(s.began).Round(time.Second), requests, len(accepted), stored, pictures, len(events), deliveries)
	tell(t, rows)
	tellAnew(t, s.spells, s.audience.guests)
	t.Logf("%+v", v)
	if v != (verdict{}) {
		t.Errorf("that is not what is wanted: %+v", v)
	}
	if len(accepted) == 0 || deliveries == 0 {
		t.Error("nothing happened")
	}
}

// spell has one fault come and go, and waits until all is well again.
func (s *show) spell(name string, do func(*show, *spell)) {
	s.t.Helper()
	p := &spell{name: name, began: time.Now()}
	s.spells = append(s.spells, p)
	defer func() { p.end = time.Now() }()
	do(s, p)
	s.site.whole()
	for deadline := time.Now().Add(s.patience); !s.audience.allHere() && time.Now().Before(deadline); {
		time.Sleep(20 * time.Millisecond) // between two looks
	}
	for _, one := range s.audience.absent() {
		s.away++
		s.t.Logf("after %s a guest is not back: %s", name, one)
	}
	some(s.pause)
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
