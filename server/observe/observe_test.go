package observe

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"runtime/metrics"
	"syscall"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// Old dashboards and Fly's checks read these fields.
func TestTheHealthOfAServerThatStartsHasEveryField(t *testing.T) {
	began := time.Date(2026, 11, 30, 20, 0, 0, 0, time.FixedZone("", 3600))
	data, err := json.Marshal(Alive(began.Add(90*time.Second), began))
	if err != nil {
		t.Fatal(err)
	}
	var body struct {
		Status, Timestamp       string
		Uptime                  float64
		Memory                  map[string]uint64
		Categories, Submissions *int
		Winners                 []categoryCount
	}
	if err := json.Unmarshal(data, &body); err != nil {
		t.Fatal(err)
	}
	if body.Status != "healthy" || body.Timestamp != "2026-11-30T19:01:30Z" || body.Uptime != 90 {
		t.Errorf("%s", data)
	}
	if body.Categories == nil || body.Submissions == nil || body.Winners == nil {
		t.Errorf("%s", data)
	}
	for _, field := range []string{"rss", "heapTotal", "heapUsed", "external"} {
		if _, ok := body.Memory[field]; !ok {
			t.Errorf("memory lacks %s: %s", field, data)
		}
	}
	if body.Memory["rss"] == 0 || body.Memory["heapUsed"] == 0 {
		t.Errorf("%s", data)
	}
}

func TestTheChartsHoldAnHour(t *testing.T) {
	var h history
	if h.peak() != 0 || h.lastHour(0) != 0 || h.series()["end"] != int64(0) {
		t.Error("an empty history is not empty")
	}
	h.points = []point{{connections: 2, submissions: 1}, {connections: 7, submissions: 3}, {connections: 5}}
	h.end = time.UnixMilli(1700)
	if h.peak() != 7 || h.lastHour(0) != 4 || h.lastHour(2) != 6 {
		t.Errorf("peak %d, %d submissions", h.peak(), h.lastHour(0))
	}
	series := h.series()
	if fmt.Sprint(series["connections"]) != "[2 7 5]" || series["end"] != int64(1700) || series["step"] != 10.0 {
		t.Errorf("%v", series)
	}
	for name, column := range series {
		if list, ok := column.([]any); ok && len(list) != 3 {
			t.Errorf("%s has %d points", name, len(list))
		}
	}
	if time.Duration(historyLength)*historyStep != time.Hour {
		t.Errorf("%d points of %s", historyLength, historyStep)
	}
}

func TestAFullDiskIsTold(t *testing.T) {
	for err, want := range map[error]bool{
		nil: false, os.ErrNotExist: false, syscall.ENOSPC: true,
		fmt.Errorf("write: %w", &os.PathError{Op: "write", Path: "x", Err: syscall.ENOSPC}): true,
		fmt.Errorf("commit: %s", syscall.ENOSPC.Error()):                                    true,
	} {
		if isFull(err) != want {
			t.Errorf("%v: %v", err, !want)
		}
	}
	if free, total := diskSpace(t.TempDir()); free == 0 || free > total {
		t.Errorf("%d of %d", free, total)
	}
	if free, _ := diskSpace("/does/not/exist"); free < fullBelow {
		t.Error("a disk that does not say counts as full")
	}
}

func TestTheSizeOfAFolderIsThatOfItsFiles(t *testing.T) {
	dir := t.TempDir()
	for name, size := range map[string]int{"a.jpg": 100, "b.jpg": 23} {
		if err := os.WriteFile(filepath.Join(dir, name), make([]byte, size), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Mkdir(filepath.Join(dir, "folder"), 0o700); err != nil {
		t.Fatal(err)
	}
	if n := folderBytes(dir); n != 123 {
		t.Errorf("%d bytes", n)
	}
	if n := folderBytes(filepath.Join(dir, "missing")); n != 0 {
		t.Errorf("%d bytes in a folder that is not there", n)
	}
}

func TestInstrumentsTellWhatTheyMeasured(t *testing.T) {
	in := NewInstruments()
	in.Delivered(time.Millisecond)
	in.Ponged(20 * time.Millisecond)
	in.Committed(time.Millisecond)
	in.Uploaded("local-primary")
	in.Disconnected("transport close")
	registry := prometheus.NewPedanticRegistry()
	for _, c := range in.collectors() {
		registry.MustRegister(c)
	}
	families, err := registry.Gather()
	if err != nil {
		t.Fatal(err)
	}
	counts := map[string]float64{}
	for _, family := range families {
		for _, m := range family.GetMetric() {
			counts[family.GetName()] += float64(m.GetHistogram().GetSampleCount()) + m.GetCounter().GetValue()
		}
	}
	for _, name := range []string{"delivery_seconds", "ping_round_trip_seconds", "store_commit_seconds", "uploads_total", "disconnections_total"} {
		if counts["podium_"+name] != 1 {
			t.Errorf("%s: %v", name, counts["podium_"+name])
		}
	}
}

func TestErrorsAreCountedByWhoseFaultTheyAre(t *testing.T) {
	var ob Observer
	for _, status := range []int{200, 302, 400, 404, 429, 500, 503} {
		ob.Failed(status)
	}
	if ob.failed[0].Load() != 3 || ob.failed[1].Load() != 2 {
		t.Errorf("%d of clients, %d of the server", ob.failed[0].Load(), ob.failed[1].Load())
	}
}

// Strangers ask for /health as often as they like: that must not stop everything else.
func TestReadingTheMemoryDoesNotStopTheWorld(t *testing.T) {
	stops := func() (n uint64) {
		sample := []metrics.Sample{{Name: "/sched/pauses/total/other:seconds"}}
		metrics.Read(sample)
		for _, count := range sample[0].Value.Float64Histogram().Counts {
			n += count
		}
		return n
	}
	const times = 100
	before := stops()
	for range times {
		memory()
	}
	if n := stops() - before; n >= times {
		t.Errorf("the world was stopped %d times for %d readings", n, times)
	}
}
