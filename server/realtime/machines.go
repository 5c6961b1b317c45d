package realtime

import (
	"context"
	"encoding/json"
	"slices"
	"strings"
	"sync"
	"time"

	"podium/contest"
)

// reportEvery is how often a machine tells the others how it does, and so about
// how old what it knows of them is.
const reportEvery = 2 * time.Second

// Counts are the figures that are summed over machines.
type Counts struct {
	Active       int    `json:"active"` // connections
	WebSocket    int    `json:"websocket"`
	Polling      int    `json:"polling"`
	Streams      int    `json:"sse"`
	Unhealthy    int    `json:"unhealthy"`
	Total        uint64 `json:"total"` // connections ever
	Delivered    uint64 `json:"delivered"`
	Recovered    uint64 `json:"recovered"`
	PingTimeouts uint64 `json:"pingTimeouts"`
}

func (c *Counts) add(other Counts) {
	c.Active += other.Active
	c.WebSocket += other.WebSocket
	c.Polling += other.Polling
	c.Streams += other.Streams
	c.Unhealthy += other.Unhealthy
	c.Total += other.Total
	c.Delivered += other.Delivered
	c.Recovered += other.Recovered
	c.PingTimeouts += other.PingTimeouts
}

// Machine is how one of the machines that serve the contest does.
type Machine struct {
	Name    string `json:"name"`    // "" where it has none
	Started int64  `json:"started"` // ms since the Unix epoch
	Self    bool   `json:"self"`    // the one that says so
	Counts
}

// machines are the other machines that serve the contest.
type machines struct {
	mu     sync.Mutex // guards others
	others []heardOf
}

// heardOf is another machine, and when it said what it says, by this one's clock.
type heardOf struct {
	Machine
	at time.Time
}

// report tells the other machines how this one does, and learns how they do,
// until ctx ends. A database that is away makes them gone in a while.
func (rt *Realtime) report(ctx context.Context, shared contest.Shared) {
	ticker := time.NewTicker(reportEvery)
	defer ticker.Stop()
	for {
		rt.exchange(ctx, shared)
		select {
		case <-ctx.Done():
			over, cancel := context.WithTimeout(context.WithoutCancel(ctx), time.Second)
			defer cancel()
			_, _ = shared.Report(over, rt.process, nil) // else they notice by themselves
			return
		case <-ticker.C:
		}
	}
}

// exchange tells and learns once.
func (rt *Realtime) exchange(ctx context.Context, shared contest.Shared) {
	report, err := json.Marshal(rt.self())
	var said []contest.Machine
	if err == nil {
		said, err = shared.Report(ctx, rt.process, report)
	}
	if err != nil {
		if ctx.Err() == nil {
			rt.o.Logger.Debug("other machines were not told how this one does", "error", err)
		}
		return
	}
	others := make([]heardOf, 0, len(said))
	for _, one := range said {
		var m Machine
		if json.Unmarshal(one.Report, &m) == nil { // else of a version that says it otherwise
			m.Self = false
			others = append(others, heardOf{m, time.Now().Add(-one.Age)})
		}
	}
	rt.machines.mu.Lock()
	defer rt.machines.mu.Unlock()
	rt.machines.others = others
}

// self is how this machine does.
func (rt *Realtime) self() Machine {
	return Machine{Name: rt.o.NodeID, Started: rt.started.UnixMilli(), Self: true, Counts: rt.counts()}
}

// Machines are those that serve the contest, this one first and the others by
// their names. One that died is left out within [contest.MachineAge]; nobody waits for it.
func (rt *Realtime) Machines() []Machine {
	list := []Machine{rt.self()}
	rt.machines.mu.Lock()
	for _, other := range rt.machines.others {
		if time.Since(other.at) < contest.MachineAge {
			list = append(list, other.Machine)
		}
	}
	rt.machines.mu.Unlock()
	slices.SortFunc(list[1:], func(a, b Machine) int { return strings.Compare(a.Name, b.Name) })
	return list
}

// Sum adds up how machines do.
func Sum(list []Machine) (all Counts) {
	for i := range list {
		all.add(list[i].Counts)
	}
	return all
}
