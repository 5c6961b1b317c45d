package gameday

import (
	"os"
	"testing"
	"time"

	"podium/protocol/services"
)

// show says how long it lasts and how much of everything there is.
type show struct {
	lasts           time.Duration
	clients         int
	emitsPerSecond  int
	killsEvery      time.Duration
	settlesIn       time.Duration // how long clients may take to get all when nothing happens any more
	startsServersIn time.Duration
}

func planned(t *testing.T) show {
	s := show{
		lasts: 4 * time.Second, clients: 24, emitsPerSecond: 60, killsEvery: time.Second,
		settlesIn: 30 * time.Second, startsServersIn: 30 * time.Second,
	}
	if v := os.Getenv("PODIUM_GAMEDAY"); v != "" {
		var err error
		if s.lasts, err = time.ParseDuration(v); err != nil {
			t.Fatalf("PODIUM_GAMEDAY: %v", err)
		}
		s.clients, s.emitsPerSecond = 200, 20
		s.settlesIn = 3 * time.Minute
	}
	return s
}

func TestOfficialClientsMissNothingOnRedis(t *testing.T) {
	r := services.StartRedis(t)
	play(t, planned(t), ours(t, r.URL()), followRedis(t, r.URL())).mustBeFlawless(t)
}

func TestOfficialClientsMissNothingOnPostgres(t *testing.T) {
	p := services.StartPostgres(t)
	play(t, planned(t), ours(t, p.URL()), followPostgres(t, p.URL())).mustBeFlawless(t)
}

// What the official servers do in the same: nothing is demanded of them.
func TestOfficialServersForComparison(t *testing.T) {
	r := services.StartRedis(t)
	result := play(t, planned(t), official(t, r.URL()), followStreams(t, r.Addr))
	if result.events == 0 || result.delivered == 0 {
		t.Errorf("nothing happened: %+v", result)
	}
}
