package backup

import (
	"os"
	"path/filepath"
	"testing"
	"time"
)

func TestCopiesPutAsideGoWhenTheyAreOld(t *testing.T) {
	data := t.TempDir()
	if err := os.MkdirAll(filepath.Join(data, "backups"), 0o700); err != nil {
		t.Fatal(err)
	}
	now := time.Date(2026, 2, 1, 12, 0, 0, 0, time.UTC)
	old, young := now.Add(-20*24*time.Hour), now.Add(-time.Hour)
	goes := []string{
		"backups/before-restore-" + old.Format(Stamp) + ".db", "backups/before-import-" + old.Format(Stamp) + ".db",
		"backups/before-repair-" + old.Format(Stamp) + ".db", "podium.db.format-1-" + old.Format("20060102-150405"),
		"podium.db.before-restore-" + old.Format(Stamp) + ".db",
	}
	stays := []string{
		"backups/before-restore-" + young.Format(Stamp) + ".db", "backups/podium-" + old.Format(Stamp) + ".db",
		"backups/before-restore-mine.db", "podium.db",
	}
	for _, name := range append(goes, stays...) {
		if err := os.WriteFile(filepath.Join(data, name), []byte("x"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if copies, err := Asides(data); err != nil || len(copies) != len(goes)+1 || !copies[0].At.Equal(old) {
		t.Errorf("%v (%v)", copies, err)
	}
	if gone, err := PruneAsides(data, now.Add(-14*24*time.Hour)); err != nil || len(gone) != len(goes) {
		t.Errorf("%v went (%v)", gone, err)
	}
	for _, name := range goes {
		if _, err := os.Stat(filepath.Join(data, name)); err == nil {
			t.Errorf("%s is still there", name)
		}
	}
	for _, name := range stays {
		if _, err := os.Stat(filepath.Join(data, name)); err != nil {
			t.Errorf("%s is gone", name)
		}
	}
	if at := Aside(data, "restore", young); at == filepath.Join(data, stays[0]) {
		t.Error("a name that is taken was given again")
	}
}
