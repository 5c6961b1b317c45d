package main

import (
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"slices"
	"sync"
	"sync/atomic"
	"time"
)

// weight measures what the program takes by being there: its size as it is deployed,
// the time until it is ready, and its memory before and after an evening. The contest's
// old server is a script: what Node weighs is not counted for it.
func weight(r *running) (out outcome, err error) {
	size, build := 0.0, 0.0
	if r.peer == "podium" {
		if size, build, err = firstBuild(); err != nil {
			return out, err
		}
	}
	const starts = 5
	var until []float64
	for range starts {
		begin := time.Now()
		if err := r.startContest(0); err != nil {
			return out, err
		}
		until = append(until, float64(time.Since(begin).Microseconds())/1000)
		if len(until) < starts {
			r.stop()
			_ = os.RemoveAll(r.folder)
		}
	}
	defer os.RemoveAll(r.folder)
	defer r.stop()
	time.Sleep(time.Second)
	rest := r.memory("VmRSS:") / 1024
	if err := r.evening(); err != nil {
		return out, err
	}
	slices.Sort(until)
	out.Values = []float64{size, build, until[starts/2], rest, r.memory("VmRSS:") / 1024}
	return out, nil
}

// firstBuild builds the program as it is deployed with nothing in the cache, and returns
// its size in MB and the seconds of CPU that took.
func firstBuild() (size, seconds float64, err error) {
	dir, err := os.MkdirTemp("", "podium-bench-")
	if err != nil {
		return 0, 0, err
	}
	defer os.RemoveAll(dir)
	cmd := exec.Command("go", "build", "-trimpath", "-ldflags=-s -w", "-o", dir+"/podium", ".")
	cmd.Dir = "../.."
	cmd.Env = append(os.Environ(), "GOCACHE="+dir+"/cache", "CGO_ENABLED=0")
	if said, err := cmd.CombinedOutput(); err != nil {
		return 0, 0, fmt.Errorf("build: %w: %.200s", err, said)
	}
	info, err := os.Stat(dir + "/podium")
	if err != nil {
		return 0, 0, err
	}
	used := cmd.ProcessState.UserTime() + cmd.ProcessState.SystemTime()
	return float64(info.Size()) / 1e6, used.Seconds(), nil
}

// evening is 2,000 submissions with a photo and 300 phones that load the feed ten times.
func (r *running) evening() error {
	const photos, phones, loads = 2000, 300, 10
	photo := picture()
	if err := parallel(photos, 16, func(i int) error { return r.post(fmt.Sprintf("Photo %d", i), photo) }); err != nil {
		return err
	}
	return parallel(phones*loads, 16, func(int) error { _, _, err := r.feed(""); return err })
}

// rush measures phones that load the feed while photos arrive: 1,000 of them load it one
// after another, as fast as the server lets 64 at a time, and 50 photos a second arrive.
func rush(r *running) (outcome, error) {
	const entries, phones, atOnce, rate = 10_000, 1000, 64, 50
	var out outcome
	if err := r.startContest(entries); err != nil {
		return out, err
	}
	defer r.stop()
	if err := r.post("warm", nil); err != nil {
		return out, err
	}
	var photos sync.WaitGroup
	var refused atomic.Int64
	over := make(chan struct{})
	photos.Go(func() {
		tick := time.NewTicker(time.Second / rate)
		defer tick.Stop()
		for i := 0; ; i++ {
			select {
			case <-over:
				return
			case <-tick.C:
				photos.Go(func() {
					if r.post(fmt.Sprintf("New %d", i), nil) != nil {
						refused.Add(1)
					}
				})
			}
		}
	})
	took := make([]float64, phones)
	before := r.cpu()
	err := parallel(phones, atOnce, func(i int) error {
		begin := time.Now()
		err := r.feedOfAPhone()
		took[i] = float64(time.Since(begin).Microseconds()) / 1000
		return err
	})
	used := r.cpu() - before
	close(over)
	photos.Wait()
	slices.Sort(took)
	out.Lost = int(refused.Load())
	out.Values = []float64{micros(used) / phones, took[phones/2], took[phones*99/100]}
	return out, err
}

// feedOfAPhone gets the feed as a browser does: compressed, where the server does that.
func (r *running) feedOfAPhone() error {
	req, err := http.NewRequest(http.MethodGet, "http://"+r.addr+"/api/feed", nil)
	if err != nil {
		return err
	}
	req.Header.Set("Accept-Encoding", "gzip")
	res, err := web.Do(req)
	if err != nil {
		return err
	}
	defer res.Body.Close()
	n, err := io.Copy(io.Discard, res.Body)
	if err == nil && (res.StatusCode != http.StatusOK || n == 0) {
		err = fmt.Errorf("the feed was answered with %s and %d bytes", res.Status, n)
	}
	return err
}
