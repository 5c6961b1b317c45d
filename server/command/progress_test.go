package command

import (
	"bytes"
	"testing"
	"testing/synctest"
	"time"
)

func TestLongWorkShowsThatItGoesOn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var w bytes.Buffer
		done := showProgress(&w, "Importing")
		time.Sleep(2500 * time.Millisecond)
		done()
		done()
		if want := "\rImporting … 1 s\rImporting … 2 s\r\x1b[K"; w.String() != want {
			t.Errorf("%q, want %q", w.String(), want)
		}
	})
	var w bytes.Buffer
	output{stderr: &w}.working("Importing")()
	if w.Len() > 0 {
		t.Errorf("what is no terminal got %q", w.String())
	}
}
