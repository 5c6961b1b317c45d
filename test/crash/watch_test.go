package crash

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"podium/test/harness"
	"slices"
	"time"
)

// watchVariable names the server whose /ready a process of this test watches. It
// is another process, as a health check is, so that the answer does not wait for
// thousands of goroutines of clients.
const watchVariable = "PODIUM_TEST_WATCH"

// watchPause is how long the watch waits between two questions.
const watchPause = 20 * time.Millisecond

// readiness is how /ready was answered.
type readiness struct {
	Count, Failed              int
	Error                      string // of a failure
	Median, Percent99, Slowest time.Duration
}

// String is for a line of figures.
func (r readiness) String() string {
	ms := func(d time.Duration) time.Duration { return d.Round(time.Millisecond) }
	return fmt.Sprintf("/ready answered %d times, p50 %v, p99 %v, slowest %v, %d failures %s",
		r.Count, ms(r.Median), ms(r.Percent99), ms(r.Slowest), r.Failed, r.Error)
}

// startWatch asks /ready until the function that it returns is called.
func startWatch(p *harness.Program) (stop func() readiness) {
	p.T.Helper()
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), watchVariable+"="+p.URL)
	in, out := harness.StartPiped(p.T, cmd)
	ended := false
	end := func() (r readiness) {
		if ended {
			return r
		}
		ended = true
		_ = in.Close()
		if err := json.NewDecoder(out).Decode(&r); err != nil {
			p.T.Errorf("the watch said nothing: %v", err)
		}
		_ = cmd.Wait()
		return r
	}
	p.T.Cleanup(func() { end() })
	return end
}

// watchReady asks for /ready, each time on a new connection, until stdin is
// closed, and prints how it was answered.
func watchReady(url string) {
	stop := make(chan struct{})
	go func() {
		_, _ = io.Copy(io.Discard, os.Stdin)
		close(stop)
	}()
	client := &http.Client{Timeout: harness.Patience, Transport: &http.Transport{DisableKeepAlives: true}}
	var r readiness
	var took []time.Duration
	for harness.WaitFor(watchPause, stop) {
		began := time.Now()
		res, err := client.Get(url + "/ready")
		took = append(took, time.Since(began))
		if err != nil {
			r.Failed++
			r.Error = err.Error()
			continue
		}
		if _ = res.Body.Close(); res.StatusCode != http.StatusOK {
			r.Failed++
			r.Error = res.Status
		}
	}
	if r.Count = len(took); r.Count > 0 {
		slices.Sort(took)
		r.Median, r.Percent99, r.Slowest = took[r.Count/2], took[r.Count*99/100], took[r.Count-1]
	}
	_ = json.NewEncoder(os.Stdout).Encode(r) // nobody reads it where the test has ended
}
