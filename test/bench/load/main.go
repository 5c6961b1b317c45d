// Command load drives the peers of the benchmark, one at a time and interleaved
// over several rounds, counts what arrives, and writes RESULTS.md. It is run in
// test/bench; see the Makefile's bench target.
package main

import (
	"flag"
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

// outcome is one measurement: lower is better in every row.
type outcome struct {
	value  float64
	lost   int
	failed bool // the server refused or dropped connections, or did not start
}

// row is one line of the table.
type row struct {
	name, what string
	run        func(*running) (outcome, error)
}

var rows = []row{
	{"idle", "idle WebSocket connection, KB (4,000)", idle},
	{"broadcast", "broadcasts one at a time to 2,000, CPU µs a delivery", broadcasts(1, 40)},
	{"burst", "bursts of 20 to 2,000, CPU µs a delivery", broadcasts(20, 10)},
	{"echo", "event and acknowledgement, 64 connections, CPU µs", echo(64, 1, 300)},
	{"pipeline", "the same, 16 in flight on one connection, CPU µs", echo(1, 16, 2000)},
	{"connect", "connecting, websocket only, CPU µs", connect},
}

// crowd connects n clients, some at a time.
func crowd(r *running, n int) ([]*client, error) {
	clients := make([]*client, n)
	var failed atomic.Value
	var next atomic.Int64
	var wg sync.WaitGroup
	for range 16 {
		wg.Go(func() {
			for i := next.Add(1) - 1; i < int64(n); i = next.Add(1) - 1 {
				c, err := dial(r.addr)
				if err != nil {
					failed.Store(err)
					return
				}
				clients[i] = c
			}
		})
	}
	wg.Wait()
	if err, ok := failed.Load().(error); ok {
		leave(clients)
		return nil, err
	}
	return clients, nil
}

func leave(clients []*client) {
	for _, c := range clients {
		if c != nil {
			c.conn.Close()
		}
	}
}

// each runs f for all clients at once and adds up what was lost.
func each(clients []*client, f func(*client) int) int {
	var lost atomic.Int64
	var wg sync.WaitGroup
	for _, c := range clients {
		wg.Go(func() {
			_ = c.conn.SetReadDeadline(time.Now().Add(15 * time.Second))
			lost.Add(int64(f(c)))
		})
	}
	wg.Wait()
	return int(lost.Load())
}

func idle(r *running) (outcome, error) {
	warm, err := crowd(r, 500)
	if err != nil {
		return outcome{}, err
	}
	leave(warm)
	before := r.rss()
	clients, err := crowd(r, 4000)
	if err != nil {
		return outcome{}, err
	}
	defer leave(clients)
	return outcome{value: (r.rss() - before) / 4000}, nil
}

func broadcasts(burst, rounds int) func(*running) (outcome, error) {
	return func(r *running) (outcome, error) {
		const listeners = 2000
		clients, err := crowd(r, listeners)
		if err != nil {
			return outcome{}, err
		}
		defer leave(clients)
		lost := 0
		step := func() error {
			err := r.call(fmt.Sprintf("/broadcast?n=%d&size=100", burst))
			lost += each(clients, func(c *client) int { return c.expect(burst, `42["m","x`) })
			return err
		}
		if err := step(); err != nil {
			return outcome{}, err
		}
		before := r.cpu()
		for range rounds {
			if err := step(); err != nil {
				return outcome{}, err
			}
			if lost > 0 {
				break
			}
		}
		return outcome{value: micros(r.cpu()-before) / float64(listeners*burst*rounds), lost: lost}, nil
	}
}

func echo(connections, inFlight, rounds int) func(*running) (outcome, error) {
	return func(r *running) (outcome, error) {
		clients, err := crowd(r, connections)
		if err != nil {
			return outcome{}, err
		}
		defer leave(clients)
		round := func(n int) int {
			return each(clients, func(c *client) int {
				lost, id := 0, 0
				for range n {
					out := make([]string, inFlight)
					for i := range out {
						out[i] = fmt.Sprintf(`42%d["echo","hello"]`, id+i)
					}
					if c.write(out...) != nil {
						return lost + inFlight
					}
					for range out {
						lost += c.expect(1, fmt.Sprintf(`43%d["hello"]`, id))
						id++
					}
				}
				return lost
			})
		}
		lost := round(rounds / 4)
		before := r.cpu()
		lost += round(rounds)
		return outcome{value: micros(r.cpu()-before) / float64(connections*inFlight*rounds), lost: lost}, nil
	}
}

func connect(r *running) (outcome, error) {
	const n = 2000
	warm, err := crowd(r, 300)
	if err != nil {
		return outcome{}, err
	}
	leave(warm)
	before := r.cpu()
	clients, err := crowd(r, n)
	if err != nil {
		return outcome{}, err
	}
	defer leave(clients)
	return outcome{value: micros(r.cpu()-before) / n}, nil
}

func micros(d time.Duration) float64 { return float64(d.Nanoseconds()) / 1000 }

func main() {
	only := flag.String("row", "", "run this row alone and write no results")
	rounds := flag.Int("rounds", 3, "rounds, interleaved over the peers")
	names := flag.String("peers", "node,bun,zishang2,zishang3,podium", "peers to run")
	flag.Parse()
	results := make(map[string][]outcome)
	busy, _ := os.ReadFile("/proc/loadavg")
	for round := range *rounds {
		for _, row := range rows {
			if *only != "" && row.name != *only {
				continue
			}
			for _, p := range peers {
				if !slices.Contains(strings.Split(*names, ","), p.name) {
					continue
				}
				out, err := measure(p, row)
				if err != nil {
					fmt.Fprintf(os.Stderr, "%s %s: %v\n", row.name, p.name, err)
					out.failed = true
				}
				key := row.name + " " + p.name
				results[key] = append(results[key], out)
				fmt.Printf("round %d %-10s %-9s %9.2f lost %d\n", round+1, row.name, p.name, out.value, out.lost)
			}
		}
	}
	text := table(results, *rounds, string(busy))
	fmt.Print(text)
	if *only != "" {
		return
	}
	if err := os.WriteFile("RESULTS.md", []byte(text), 0o644); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func measure(p peer, row row) (outcome, error) {
	r, err := start(p)
	if err != nil {
		return outcome{}, err
	}
	defer r.stop()
	return row.run(r)
}

// table writes medians with their spread, the ratio to Node, and losses.
func table(results map[string][]outcome, rounds int, busy string) string {
	var b strings.Builder
	kernel, _ := exec.Command("uname", "-r").Output()
	fmt.Fprintf(&b, "# Results\n\nMedians of %d rounds, lowest to highest in brackets, and the ratio to Node; lower is better.\n", rounds)
	fmt.Fprintf(&b, "%d CPUs shared by server and load, load average before the run %.4s, Linux %s, %s, %s.\n\n| row |", runtime.NumCPU(), busy,
		strings.TrimSpace(string(kernel)), runtime.Version(), time.Now().UTC().Format(time.DateOnly))
	for _, p := range peers {
		fmt.Fprintf(&b, " %s |", p.name)
	}
	b.WriteString("\n|---|" + strings.Repeat("---|", len(peers)) + "\n")
	for _, row := range rows {
		base, _, _, _ := summary(results[row.name+" node"])
		fmt.Fprintf(&b, "| %s |", row.what)
		for _, p := range peers {
			median, low, high, lost := summary(results[row.name+" "+p.name])
			switch {
			case len(results[row.name+" "+p.name]) == 0:
				b.WriteString(" not measured |")
				continue
			case slices.ContainsFunc(results[row.name+" "+p.name], func(o outcome) bool { return o.failed }):
				b.WriteString(" dropped connections |")
				continue
			case lost > 0:
				fmt.Fprintf(&b, " lost %d messages |", lost)
				continue
			}
			fmt.Fprintf(&b, " %.2f [%.2f–%.2f] ×%.2f |", median, low, high, median/base)
		}
		b.WriteString("\n")
	}
	return b.String()
}

func summary(all []outcome) (median, low, high float64, lost int) {
	if len(all) == 0 {
		return 0, 0, 0, 0
	}
	values := make([]float64, len(all))
	for i, o := range all {
		values[i] = o.value
		lost += o.lost
	}
	slices.Sort(values)
	return values[len(values)/2], values[0], values[len(values)-1], lost
}
