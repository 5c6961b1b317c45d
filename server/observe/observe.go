// Package observe says how the server is doing: to Fly's health checks, to
// Prometheus, and to the admin's dashboard.
//
// Stats of the other rooms come in, read when somebody asks; JSON and
// Prometheus's text go out. None of it names a person: names, phone numbers,
// addresses and sessions never appear in it.
package observe

import (
	"context"
	"errors"
	"io/fs"
	"log/slog"
	"net/http"
	"os"
	"runtime/metrics"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"podium/contest"
	"podium/protocol/limits"
	"podium/server/admin"
	"podium/server/answer"
	"podium/server/pictures"
	"podium/server/realtime"
	"podium/store/backup"
)

// Options are the rooms that are observed. Every field must be set.
type Options struct {
	Contest  *contest.Contest
	Realtime *realtime.Realtime
	Admin    *admin.Admin
	Pictures *pictures.Pictures
	Backups  *backup.Keeper
	// Instruments are those that the rooms were given.
	Instruments *Instruments
	Machine     string    // its name among those that share the contest, "" where it has none
	Likeness    *Likeness // nil where it is alone
	DataDir     string
	UploadsDir  string // of the pictures on this machine
	MemoryLimit int64  // bytes that the process may use, 0 where nothing limits it
	Refusals    func() []limits.Refusals
	Level       *slog.LevelVar
	Now         func() time.Time
}

// Likeness is what machines of one contest have in common where they are set up alike:
// digests, which nobody can read anything from.
type Likeness struct {
	Version  string `json:"version"`  // of the program
	Key      string `json:"key"`      // that sessions are signed with
	Pictures string `json:"pictures"` // where they are kept
	Password string `json:"password"` // that is set for admins
}

// Observer answers for the state of the server. It is safe for concurrent use.
type Observer struct {
	o       Options
	started time.Time
	state   atomic.Int32
	failed  [2]atomic.Uint64 // answers of 4xx and 5xx
	history history
	cancel  context.CancelFunc
	work    sync.WaitGroup
}

// The states of the server.
const (
	starting int32 = iota
	ready
	stopping
)

// New begins to observe. Close ends it.
func New(o Options) *Observer {
	ob := &Observer{o: o, started: o.Now()}
	ctx, cancel := context.WithCancel(context.Background())
	ob.cancel = cancel
	ob.work.Go(func() { ob.record(ctx) })
	return ob
}

// Close ends the recording.
func (ob *Observer) Close() {
	ob.cancel()
	ob.work.Wait()
}

// Ready says that requests are served.
func (ob *Observer) Ready() { ob.state.Store(ready) }

// Stopping says that the server shuts down.
func (ob *Observer) Stopping() { ob.state.Store(stopping) }

// Failed counts an answer that was an error.
func (ob *Observer) Failed(status int) {
	if status >= 500 {
		ob.failed[1].Add(1)
	} else if status >= 400 {
		ob.failed[0].Add(1)
	}
}

// categoryCount is a row of the health's winners.
type categoryCount struct {
	Category string `json:"category"`
	Count    int    `json:"count"`
}

// Alive is the body of GET /health before anything is known of the contest.
func Alive(now, started time.Time) map[string]any {
	return map[string]any{
		"status": "healthy", "timestamp": now.UTC().Format(time.RFC3339),
		"uptime": now.Sub(started).Seconds(), "memory": memory(),
		"categories": 0, "submissions": 0, "winners": []categoryCount{},
	}
}

// NotReady is the body of a GET /ready that says no, with a sentence.
func NotReady(reason string) map[string]any {
	return map[string]any{"ready": false, "reason": reason}
}

// Health answers GET /health: the process is alive.
func (ob *Observer) Health(w http.ResponseWriter, _ *http.Request) error {
	body := Alive(ob.o.Now(), ob.started)
	// A store that cannot be read is /ready's to tell: the process lives.
	if categories, err := ob.o.Contest.Categories(); err == nil {
		body["categories"] = len(categories)
		if picks, err := ob.o.Contest.Winners(); err == nil {
			rows := make([]categoryCount, 0, len(categories))
			for _, c := range categories {
				rows = append(rows, categoryCount{c.ID, len(picks[c.ID])})
			}
			body["winners"] = rows
		}
	}
	if counts, err := ob.o.Contest.Counts(); err == nil {
		body["submissions"] = counts.Total()
	}
	if ob.o.Contest.Shared() {
		machines := ob.o.Realtime.Machines()
		body["machine"], body["machines"] = ob.o.Machine, len(machines)
		body["activeConnections"] = map[string]int{"machine": machines[0].Active, "total": realtime.Sum(machines).Active}
	}
	answer.JSON(w, http.StatusOK, body)
	return nil
}

// Readiness answers GET /ready: whether requests should be sent here.
func (ob *Observer) Readiness(w http.ResponseWriter, _ *http.Request) error {
	body, status := map[string]any{"ready": true}, http.StatusOK
	if reason := ob.unready(); reason.there() {
		body, status = NotReady(reason.sentence), http.StatusServiceUnavailable
	} else if warning := ob.warning(); warning.there() {
		body["warning"] = warning.sentence
	}
	if ob.o.Machine != "" {
		body["machine"] = ob.o.Machine // which of several it is, behind one address
	}
	if ob.o.Likeness != nil {
		body["likeness"] = ob.o.Likeness
	}
	answer.JSON(w, status, body)
	return nil
}

// trouble is something that is wrong: a code for pages that say it in another
// language, and a sentence. The zero trouble is none.
type trouble struct{ code, sentence string }

func (t trouble) there() bool { return t.sentence != "" }

// unready says why no requests should be sent here, or "".
func (ob *Observer) unready() trouble {
	switch ob.state.Load() {
	case starting:
		return trouble{"starting", "The server is starting."}
	case stopping:
		return trouble{"stopping", "The server is shutting down."}
	}
	if !ob.o.Contest.Shared() { // of a database one question is enough, which Stats asks
		if _, err := ob.o.Contest.Categories(); err != nil {
			return trouble{"unreadable", "The contest's data cannot be read."}
		}
	}
	if f := ob.o.Realtime.Stats(); f.Status == realtime.Unavailable {
		return trouble{f.Code, f.Warning}
	}
	return trouble{}
}

// fullBelow is the free space, in bytes, below which a warning is given.
const fullBelow = 64 << 20

// warning says what an operator should do something about.
func (ob *Observer) warning() trouble {
	if stats, err := ob.o.Contest.Stats(); err == nil && errors.Is(stats.LastError, contest.ErrFull) || err == nil && isFull(stats.LastError) {
		return trouble{"full", "The disk is full: nothing new can be stored. Readers are served."}
	}
	if free, _ := diskSpace(ob.o.DataDir); free < fullBelow {
		return trouble{"nearlyFull", "The disk is nearly full: soon nothing new can be stored."}
	}
	return trouble{}
}

func isFull(err error) bool {
	return err != nil && (errors.Is(err, syscall.ENOSPC) || strings.Contains(err.Error(), syscall.ENOSPC.Error()))
}

// Metrics answers GET /api/metrics.
func (ob *Observer) Metrics(w http.ResponseWriter, _ *http.Request) error {
	counts, err := ob.o.Contest.Counts()
	if err != nil {
		return err
	}
	spans, err := ob.o.Contest.Spans()
	if err != nil {
		return err
	}
	picks, err := ob.o.Contest.Winners()
	if err != nil {
		return err
	}
	stats, err := ob.o.Contest.Stats()
	if err != nil {
		return err
	}
	type category struct {
		Count  int   `json:"count"`
		Oldest int64 `json:"oldest"`
		Newest int64 `json:"newest"`
	}
	byCategory := make(map[string]category)
	for id, statuses := range counts {
		n := 0
		for _, k := range statuses {
			n += k
		}
		byCategory[id] = category{n, spans[id].Oldest, spans[id].Newest}
	}
	backups := ob.o.Backups.Stats()
	winners := 0
	for _, ids := range picks {
		winners += len(ids)
	}
	answer.JSON(w, http.StatusOK, map[string]any{
		"timestamp": ob.o.Now().UTC().Format(time.RFC3339), "uptime": ob.o.Now().Sub(ob.started).Seconds(), "memory": memory(),
		"submissions": map[string]any{"total": counts.Total(), "byCategory": byCategory},
		"winners":     map[string]any{"total": winners, "byCategory": picks},
		"dataFile":    map[string]any{"size": stats.Bytes, "used": stats.UsedBytes},
		"persistence": map[string]any{
			"commits": stats.Commits, "changes": stats.Changes, "failures": stats.Failures,
			"backups": backups.Count, "lastBackup": moment(backups.Last), "backupFailures": backups.Failures,
		},
	})
	return nil
}

// moment is a time in milliseconds since the epoch, or null for none.
func moment(t time.Time) any {
	if t.IsZero() {
		return nil
	}
	return t.UnixMilli()
}

// memory are the process's bytes, by the names that old dashboards know. Anybody may ask
// for them again and again, so they are read without stopping the world.
func memory() map[string]uint64 {
	const classes = "/memory/classes/"
	samples := []metrics.Sample{{Name: classes + "heap/objects:bytes"}, {Name: classes + "heap/unused:bytes"},
		{Name: classes + "heap/free:bytes"}, {Name: classes + "heap/released:bytes"}, {Name: classes + "total:bytes"}}
	metrics.Read(samples)
	used, total := samples[0].Value.Uint64(), samples[4].Value.Uint64()
	heap := used + samples[1].Value.Uint64() + samples[2].Value.Uint64() + samples[3].Value.Uint64()
	return map[string]uint64{"rss": residentBytes(), "heapTotal": heap, "heapUsed": used, "external": total - heap}
}

// residentBytes is the memory that the process holds, or 0 where the system
// does not say.
func residentBytes() uint64 {
	data, err := os.ReadFile("/proc/self/statm")
	if err != nil {
		return 0
	}
	fields := strings.Fields(string(data))
	if len(fields) < 2 {
		return 0
	}
	pages, err := strconv.ParseUint(fields[1], 10, 64)
	if err != nil {
		return 0
	}
	return pages * uint64(os.Getpagesize())
}

// diskSpace is what is free and what there is in all where dir is, in bytes.
func diskSpace(dir string) (free, total uint64) {
	var s syscall.Statfs_t
	if err := syscall.Statfs(dir, &s); err != nil {
		return 1 << 62, 1 << 62
	}
	return s.Bavail * uint64(s.Bsize), s.Blocks * uint64(s.Bsize)
}

// folderBytes is the size of the files in a folder.
func folderBytes(dir string) int64 {
	var n int64
	entries, err := os.ReadDir(dir)
	if err != nil {
		return 0
	}
	for _, e := range entries {
		if info, err := e.Info(); err == nil && info.Mode().IsRegular() {
			n += info.Size()
		} else if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return n
		}
	}
	return n
}

// uploadsBytes is the size of the pictures on this machine.
func (ob *Observer) uploadsBytes() int64 { return folderBytes(ob.o.UploadsDir) }
