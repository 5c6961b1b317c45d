// Command load drives the peers of the benchmark, one at a time and interleaved
// over several rounds, counts and checks what arrives, and writes RESULTS.md. It
// is run in test/bench; see the Makefile's bench target.
package main

import (
	"errors"
	"flag"
	"fmt"
	"os"
	"slices"
	"strings"
	"time"
)

func main() {
	only := flag.String("row", "", "run these rows alone, separated by commas; the others keep their results")
	rounds := flag.Int("rounds", 5, "rounds, interleaved over the peers")
	names := flag.String("peers", "", "peers to run, separated by commas; the others keep their results")
	resume := flag.Bool("resume", false, "leave out rows that were measured in the last hour")
	budget := flag.Duration("budget", 0, "begin no row after this time; 0 means no limit")
	render := flag.Bool("render", false, "measure nothing, write the tables anew")
	flag.Parse()
	if err := bench(*only, *names, *rounds, *resume, *render, *budget); err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

func bench(only, names string, rounds int, resume, render bool, budget time.Duration) error {
	all, err := readResults("results.json")
	if err != nil {
		return err
	}
	if render {
		return all.write()
	}
	if i := slices.IndexFunc(split(only), func(name string) bool {
		return !slices.ContainsFunc(rows, func(r row) bool { return r.name == name })
	}); i >= 0 {
		return fmt.Errorf("there is no row %q", split(only)[i])
	}
	// Data is removed at the end only: ext4 without a journal looks at each inode
	// that was freed in the last minutes before it gives one to a new file, so that
	// what one program left would slow down the next.
	scratch, err := os.MkdirTemp("", "podium-bench-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(scratch)
	if err := os.Setenv("TMPDIR", scratch); err != nil {
		return err
	}
	begin := time.Now()
	for _, row := range rows {
		switch {
		case only != "" && !slices.Contains(split(only), row.name):
			continue
		case resume && time.Since(all.Rows[row.name].At) < time.Hour:
			fmt.Printf("%s was measured at %s\n", row.name, all.Rows[row.name].At.Format(time.TimeOnly))
			continue
		case budget > 0 && time.Since(begin) > budget:
			fmt.Printf("%s is left out: no time\n", row.name)
			continue
		}
		all.Rows[row.name] = row.measure(all.Rows[row.name], split(names), rounds)
		if err := all.write(); err != nil {
			return err
		}
	}
	fmt.Printf("took %s\n", time.Since(begin).Round(time.Second))
	return nil
}

func split(list string) []string {
	if list == "" {
		return nil
	}
	return strings.Split(list, ",")
}

// measure runs the row's rounds. A peer that fails or loses messages is not
// asked again: the table says so, and that takes time enough once.
func (row row) measure(before result, names []string, rounds int) result {
	res := newResult(before, names)
	if row.rounds > 0 {
		rounds = min(rounds, row.rounds)
	}
	out := make(map[string]bool)
	for round := range rounds {
		for _, p := range row.servers() {
			if names != nil && !slices.Contains(names, p.name) || out[p.name] || p.name == limit && !row.limit {
				continue
			}
			begin := time.Now()
			o, err := row.once(p)
			switch {
			case errors.Is(err, errAbsent):
				o.Absent = "n/a"
			case err != nil && !errors.Is(err, errLost):
				o.Failed = err.Error()
			}
			out[p.name] = o.Lost > 0 || err != nil
			res.Peers[p.name] = append(res.Peers[p.name], o)
			fmt.Printf("%-17s %d %-15s %s (%.1f s)\n", row.name, round+1, p.name, o, time.Since(begin).Seconds())
		}
	}
	return res
}

// outcome starts the peer, measures, and stops it.
func (row row) outcome(p peer) (outcome, error) {
	if row.nodes != nil {
		return row.nodes(p)
	}
	begin := start
	if row.start != nil {
		begin = row.start
	}
	r, err := begin(p, row.flags...)
	if err != nil {
		return outcome{}, err
	}
	defer r.stop()
	return row.run(r)
}

// once measures the peer once: where messages were lost there are no values.
func (row row) once(p peer) (outcome, error) {
	o, err := row.outcome(p)
	if errors.Is(err, errLost) && o.Lost == 0 {
		o.Lost, o.Note = 1, err.Error()
	}
	if o.Lost > 0 {
		o.Values = nil
	}
	return o, err
}
