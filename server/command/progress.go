package command

import (
	"fmt"
	"io"
	"os"
	"sync"
	"time"

	"golang.org/x/term"
)

// working shows on a terminal that something goes on, and for how long, until
// done is called. Into files and pipes it writes nothing.
func (o output) working(what string) (done func()) {
	if f, ok := o.stderr.(*os.File); !ok || !term.IsTerminal(int(f.Fd())) {
		return func() {}
	}
	return showProgress(o.stderr, what)
}

// progressStep is the time between two signs of life.
const progressStep = time.Second

// showProgress writes a line over and over, and wipes it when done is called,
// which may be more than once.
func showProgress(w io.Writer, what string) (done func()) {
	stop, ended := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(ended)
		tick := time.NewTicker(progressStep)
		defer tick.Stop()
		for began := time.Now(); ; {
			select {
			case <-tick.C:
				fmt.Fprintf(w, "\r%s … %.0f s", what, time.Since(began).Seconds())
			case <-stop:
				fmt.Fprint(w, "\r\x1b[K")
				return
			}
		}
	}()
	return sync.OnceFunc(func() {
		close(stop)
		<-ended
	})
}
