package harness

import (
	"time"
)

// Absence is how long nothing came to a client, and the sessions that it
// offered when it was back and that were not taken up.
type Absence struct {
	Last      time.Time // when something came last
	Longest   time.Duration
	Silences  int // longer than silence
	Refusals  []Refusal
	Explained int // refusals that belong to earlier connections
}

// Silence is a time without news that no server that is started again explains:
// the client did not come back before its own heartbeat gave up.
const Silence = 30 * time.Second

// Refusal is a session that was not taken up.
type Refusal struct {
	Away   time.Duration // since something came
	Before int           // events that had come
	Why    string        // what the server said
}

// Heard notes that something came, and returns whether anything had come before
// and how long ago.
func (a *Absence) Heard() (again bool, away time.Duration) {
	now := time.Now()
	if again = !a.Last.IsZero(); again {
		away = now.Sub(a.Last)
		a.Longest = max(a.Longest, away)
		if away > Silence {
			a.Silences++
		}
	}
	a.Last = now
	return again, away
}

func (a *Absence) Refuse(r Refusal) { a.Refusals = append(a.Refusals, r) }
