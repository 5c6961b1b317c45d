package backup

import (
	"context"
	"testing"
	"time"
)

// Machines that back up the same store take turns: one backup an interval, by
// whoever comes first, and none where nothing changed.
func TestMachinesTakeTurns(t *testing.T) {
	s := filled(t, 1)
	dest := t.TempDir()
	now := time.Now()
	alone := func(ctx context.Context, _ string, f func(context.Context) error) error { return f(ctx) }
	machine := func() *Keeper {
		k := keeper(t, Options{Store: s, Dest: dest, Scratch: t.TempDir(), Keep: 100, Alone: alone, Now: func() time.Time { return now }})
		k.o.Every = time.Hour // turns are the test's
		return k
	}
	one, two := machine(), machine()
	turn := func(k *Keeper, want int, what string) {
		t.Helper()
		if err := k.turn(t.Context()); err != nil {
			t.Fatal(err)
		}
		all, err := List(t.Context(), k.bucket)
		if err != nil || len(all) != want {
			t.Errorf("%s: %d backups (%v), want %d", what, len(all), err, want)
		}
	}
	turn(one, 1, "the first turn")
	submit(t, s, 1)
	now = now.Add(10 * time.Minute)
	turn(two, 1, "another machine's, soon after")
	now = now.Add(50 * time.Minute)
	turn(one, 2, "an hour later")
	now = now.Add(time.Hour)
	turn(two, 2, "where nothing changed, also for who has not made the last backup")
	submit(t, s, 2)
	now = now.Add(30 * time.Minute)
	turn(one, 2, "soon after that")
	now = now.Add(30 * time.Minute)
	turn(two, 3, "of a machine that goes on when the other is dead")
}

func TestATurnThatAnotherMachineHasMakesNoBackup(t *testing.T) {
	s := filled(t, 1)
	k := keeper(t, Options{Store: s, Dest: t.TempDir(), Keep: 100, Alone: func(context.Context, string, func(context.Context) error) error { return nil }})
	if err := k.turn(t.Context()); err != nil {
		t.Fatal(err)
	}
	if all, err := List(t.Context(), k.bucket); err != nil || len(all) > 0 {
		t.Errorf("%d backups (%v)", len(all), err)
	}
}
