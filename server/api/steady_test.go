package api

import (
	"net/http"
	"net/http/httptest"
	"testing"
	"time"
)

// deadlines is a ResponseWriter that counts how often a deadline was set.
type deadlines struct {
	*httptest.ResponseRecorder
	set int
}

func (d *deadlines) SetWriteDeadline(at time.Time) error {
	if left := time.Until(at); left < steadyTime/2 || left > steadyTime {
		return http.ErrNotSupported
	}
	d.set++
	return nil
}

func TestEachPartOfTheAlbumHasItsTime(t *testing.T) {
	to := &deadlines{ResponseRecorder: httptest.NewRecorder()}
	w := &steadyWriter{ResponseWriter: to, control: http.NewResponseController(to)}
	for _, size := range []int{1, steadyBytes - 1, 3 * steadyBytes, 5} {
		if n, err := w.Write(make([]byte, size)); n != size || err != nil {
			t.Fatal(n, err)
		}
	}
	if to.set != 5 || to.Body.Len() != 4*steadyBytes+5 {
		t.Errorf("%d parts of %d bytes", to.set, to.Body.Len())
	}
}
