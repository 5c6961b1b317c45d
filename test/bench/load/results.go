package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"runtime"
	"slices"
	"strings"
	"time"
)

// results is what results.json holds: the last measurement of every row.
type results struct {
	Rows map[string]result `json:"rows"`
}

// result is the measurement of a row.
type result struct {
	At      time.Time            `json:"at"`
	Machine string               `json:"machine"`
	Load    string               `json:"load"` // load average before
	Peers   map[string][]outcome `json:"peers"`
}

// newResult keeps of the result before the peers that are not measured again.
func newResult(before result, names []string) result {
	busy, _ := os.ReadFile("/proc/loadavg")
	kernel, _ := exec.Command("uname", "-r").Output()
	res := result{
		At:      time.Now().UTC().Truncate(time.Second),
		Machine: fmt.Sprintf("%d CPUs shared by server and load, Linux %s, %s", runtime.NumCPU(), strings.TrimSpace(string(kernel)), runtime.Version()),
		Load:    fmt.Sprintf("%.4s", busy),
		Peers:   make(map[string][]outcome),
	}
	for name, all := range before.Peers {
		if names != nil && !slices.Contains(names, name) {
			res.Peers[name] = all
		}
	}
	return res
}

func readResults(name string) (results, error) {
	r := results{Rows: make(map[string]result)}
	raw, err := os.ReadFile(name)
	if errors.Is(err, fs.ErrNotExist) {
		return r, nil
	}
	if err != nil {
		return r, err
	}
	if err := json.Unmarshal(raw, &r); err != nil {
		return r, fmt.Errorf("read %s: %w", name, err)
	}
	return r, nil
}

// write writes results.json, and RESULTS.md and the README's table from it.
func (all results) write() error {
	raw, err := json.MarshalIndent(all, "", " ")
	if err != nil {
		return err
	}
	if err := os.WriteFile("results.json", append(raw, '\n'), 0o644); err != nil {
		return err
	}
	if err := os.WriteFile("RESULTS.md", []byte(all.table()), 0o644); err != nil {
		return err
	}
	return all.writeReadme("../../README.md")
}

// String is the outcome as it is printed while the benchmark runs.
func (o outcome) String() string {
	switch {
	case o.Absent != "":
		return o.Absent
	case o.Failed != "":
		return "failed: " + o.Failed
	case o.Lost > 0:
		return fmt.Sprintf("lost %d messages", o.Lost)
	}
	var b strings.Builder
	for _, v := range o.Values {
		b.WriteString(short(v) + "  ")
	}
	return b.String() + "lost 0 " + o.Note
}

// table is RESULTS.md.
func (all results) table() string {
	var b strings.Builder
	b.WriteString(`# Results

Written by ` + "`make bench`" + ` from results.json. Medians of the rounds, the lowest and highest in brackets, and the ratio
to Node; lower is better in every row. Every message was checked, complete and in order: no number stands beside a
server that lost one. µs are CPU time of the server's process, user and system. "Aim" is the ratio to Node that Podium
is to stay below. "limit" is an epoll loop that writes the same bytes to the same connections and does nothing else: no
session, no heartbeat, no bound, nobody but itself on its processor. In the rows submit and feed, Node is a small server that saves as the contest's old one did, and Podium
is the whole product, as it is in the row latency.

`)
	all.figures(&b, peers, func(row row) bool { return row.nodes == nil })
	b.WriteString(`
## Several servers as one

Several processes on one Redis, or PostgreSQL, that the row starts. The column node is the official server with
@socket.io/redis-streams-adapter, node-classic with @socket.io/redis-adapter; podium is its own engine on Redis,
podium-streams speaks the streams adapter's wire, podium-postgres is its own engine on PostgreSQL, where a commit is
synced. An event is acknowledged when the engine has taken it: Podium's Emit returns then, and of Node it is the answer to
the command by which its adapter publishes, for which Node's own emit does not wait. By the clock an event takes the time
until all 20,000 of each node are acknowledged, divided by their number. Processes, engine and load share the machine.

`)
	all.figures(&b, clusterPeers, func(row row) bool { return row.nodes != nil })
	b.WriteString("\n## When and where\n\n| row | at (UTC) | rounds | load average before | machine |\n|---|---|---|---|---|\n")
	for _, row := range rows {
		if res, ok := all.Rows[row.name]; ok {
			fmt.Fprintf(&b, "| %s | %s | %d | %s | %s |\n", row.name, res.At.Format(time.DateTime), len(res.Peers["podium"]), res.Load, res.Machine)
		}
	}
	b.WriteString(all.limits())
	b.WriteString(all.notes())
	return b.String()
}

// figures writes the table of some rows, which are about these peers.
func (all results) figures(b *strings.Builder, about []peer, wanted func(row) bool) {
	b.WriteString("| row | |")
	for _, p := range about {
		fmt.Fprintf(b, " %s |", p.name)
	}
	b.WriteString(" podium ÷ limit | aim |\n|---|---|" + strings.Repeat("---|", len(about)) + "---|---|\n")
	for _, row := range rows {
		if !wanted(row) {
			continue
		}
		res, ok := all.Rows[row.name]
		for i, f := range row.figures {
			fmt.Fprintf(b, "| %s | %s |", row.name, f.what)
			for _, p := range about {
				if !ok {
					b.WriteString(" not measured |")
					continue
				}
				if p.name == limit && !row.limit {
					b.WriteString(" n/a |")
					continue
				}
				fmt.Fprintf(b, " %s |", cell(res.Peers[p.name], res.Peers[about[0].name], i))
			}
			fmt.Fprintf(b, " %s | %s |\n", distance(res, i), verdict(res, i, f.aim))
		}
	}
}

// notes are what was found beside the figures.
func (all results) notes() string {
	var b strings.Builder
	for _, row := range rows {
		for _, p := range row.servers() {
			for _, o := range all.Rows[row.name].Peers[p.name] {
				if text := o.Note + o.Failed; text != "" {
					fmt.Fprintf(&b, "- %s, %s: %s\n", row.name, p.name, text)
				}
			}
		}
	}
	if res, ok := all.Rows["capacity"]; ok {
		if mb, kb := median(res.Peers["podium"], 0), median(res.Peers["podium"], 1); kb > 0 {
			fmt.Fprintf(&b, "- capacity: at these figures %d connections of Podium's would fill 256 MB.\n", int(19_000+(256-mb)*1024/kb)/1000*1000)
		}
	}
	if b.Len() == 0 {
		return ""
	}
	return "\n## Notes\n\n" + b.String()
}

// cell is one field of the table.
func cell(all, base []outcome, i int) string {
	switch bad := problem(all); {
	case len(all) == 0:
		return "not measured"
	case bad != "":
		return bad
	}
	values := sorted(all, i)
	if len(values) == 0 {
		return "not measured"
	}
	text := floor(all) + short(values[len(values)/2])
	if len(values) > 1 {
		text += fmt.Sprintf(" [%s–%s]", short(values[0]), short(values[len(values)-1]))
	}
	if node := median(base, i); node > 0 {
		text += fmt.Sprintf(" ×%.2f", values[len(values)/2]/node)
	}
	return text
}

// floor says that the figures are the least that they can be.
func floor(all []outcome) string {
	if slices.ContainsFunc(all, func(o outcome) bool { return o.AtLeast }) {
		return "≥ "
	}
	return ""
}

// problem says why there is no figure, or nothing.
func problem(all []outcome) string {
	lost := 0
	for _, o := range all {
		switch {
		case o.Absent != "":
			return o.Absent
		case o.Failed != "":
			return "failed (see notes)"
		}
		lost += o.Lost
	}
	if lost > 0 {
		return fmt.Sprintf("lost %d messages", lost)
	}
	return ""
}

// distance compares Podium with the limit.
func distance(res result, i int) string {
	least, ours := median(res.Peers[limit], i), median(res.Peers["podium"], i)
	if least <= 0 || ours <= 0 {
		return ""
	}
	return fmt.Sprintf("×%.2f", ours/least)
}

// verdict compares Podium with the aim.
func verdict(res result, i int, aim float64) string {
	node, ours := median(res.Peers["node"], i), median(res.Peers["podium"], i)
	switch {
	case aim == 0:
		return ""
	case node == 0 || ours == 0:
		return fmt.Sprintf("≤ %.2f", aim)
	case ours <= aim*node:
		return fmt.Sprintf("≤ %.2f: met", aim)
	}
	return fmt.Sprintf("≤ %.2f: missed", aim)
}

func sorted(all []outcome, i int) []float64 {
	var values []float64
	for _, o := range all {
		if i < len(o.Values) {
			values = append(values, o.Values[i])
		}
	}
	slices.Sort(values)
	return values
}

// median is 0 where there is none.
func median(all []outcome, i int) float64 {
	if values := sorted(all, i); len(values) > 0 && problem(all) == "" {
		return values[len(values)/2]
	}
	return 0
}

// short writes a figure with three digits that matter.
func short(v float64) string {
	switch {
	case v >= 100:
		return fmt.Sprintf("%.0f", v)
	case v >= 10:
		return fmt.Sprintf("%.1f", v)
	}
	return fmt.Sprintf("%.2f", v)
}

// writeReadme rewrites the table in the README, between its two comments.
func (all results) writeReadme(name string) error {
	const begin, end = "<!-- bench: written by make bench -->\n", "<!-- /bench -->"
	raw, err := os.ReadFile(name)
	if err != nil {
		return err
	}
	head, rest, found := strings.Cut(string(raw), begin)
	_, tail, closed := strings.Cut(rest, end)
	if !found || !closed {
		return nil // the README has no place for it
	}
	var b strings.Builder
	b.WriteString("| lower is better; µs are CPU time | Node | Bun | Podium | Podium : Node |\n|---|---|---|---|---|\n")
	for _, row := range rows {
		res, ok := all.Rows[row.name]
		for i, f := range row.figures {
			node, ours := median(res.Peers["node"], i), median(res.Peers["podium"], i)
			if !ok || ours == 0 || f.short == "" {
				continue
			}
			ratio := "–"
			if node > 0 {
				ratio = fmt.Sprintf("%.2f", ours/node)
			}
			fmt.Fprintf(&b, "| %s | %s | %s | %s | %s |\n", f.short, plain(res.Peers["node"], i), plain(res.Peers["bun"], i), short(ours), ratio)
		}
	}
	return os.WriteFile(name, []byte(head+begin+b.String()+end+tail), 0o644)
}

func plain(all []outcome, i int) string {
	if v := median(all, i); v > 0 {
		return floor(all) + short(v)
	}
	if bad := problem(all); bad != "" {
		return bad
	}
	return "–"
}
