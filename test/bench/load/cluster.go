package main

import (
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"golang.org/x/sys/unix"
)

// clusterPeers are the servers that can be several that act as one. The ratios refer to
// Node with its adapter over Redis Streams.
var clusterPeers = []peer{
	{name: "node", command: []string{"node", "node/server.mjs"}, cluster: "redis-streams"},
	{name: "node-classic", command: []string{"node", "node/server.mjs"}, cluster: "redis-classic"},
	{name: "podium", command: []string{"bin/podium"}, cluster: "redis"},
	{name: "podium-streams", command: []string{"bin/podium"}, cluster: "redis-streams"},
	{name: "podium-postgres", command: []string{"bin/podium"}, cluster: "postgres"},
}

const (
	emitters  = 64  // at once, at a node
	eventSize = 240 // bytes of an event's argument
)

// cluster is several nodes on one engine, with clients that check what comes.
type cluster struct {
	engine    *engine
	nodes     []*running
	listeners []*client
	next      int // the number of the next event
}

// startCluster starts so many nodes of a peer, and an engine for them.
func startCluster(p peer, nodes int, flags ...string) (*cluster, error) {
	e, err := startEngine(p.cluster)
	if err != nil {
		return nil, err
	}
	c := &cluster{engine: e}
	flags = append([]string{"--cluster", p.cluster + "://" + e.address}, flags...)
	for i := range nodes {
		node, err := start(peer{name: fmt.Sprintf("%s-%d", p.name, i+1), command: p.command}, flags...)
		if err != nil {
			c.stop()
			return nil, err
		}
		c.nodes = append(c.nodes, node)
	}
	return c, nil
}

func (c *cluster) stop() {
	leave(c.listeners)
	for _, node := range c.nodes {
		node.stop()
	}
	c.engine.stop()
}

// listen has a client at each of these nodes. It returns when they hear what the cluster's
// first node emits: the official adapter begins to read at some moment after the start, and
// what was emitted before does not come.
func (c *cluster) listen(nodes ...*running) error {
	for _, node := range nodes {
		l, err := dial(node.addr)
		if err != nil {
			return err
		}
		c.listeners = append(c.listeners, l)
	}
	heard := make([]bool, len(c.listeners))
	for begin := time.Now(); slices.Contains(heard, false); {
		if time.Since(begin) > 20*time.Second {
			return errors.New("the nodes do not hear each other")
		}
		if err := c.mark(); err != nil {
			return err
		}
		for i, l := range c.listeners {
			if !heard[i] {
				_ = l.conn.SetReadDeadline(time.Now().Add(250 * time.Millisecond))
				_, err := l.next()
				heard[i] = err == nil
			}
		}
	}
	if err := c.mark(); err != nil {
		return err
	}
	for _, l := range c.listeners {
		l.wait()
		for m, err := l.next(); number(m, eventSize) != c.next-1; m, err = l.next() {
			if err != nil {
				return err
			}
		}
	}
	return nil
}

// mark emits one event at the first node.
func (c *cluster) mark() error {
	c.next++
	return c.nodes[0].emit(1, c.next-1, 1, 0)
}

// emit has the node emit n events, numbered from first on, so many at once, each followed
// by a pause. It returns when all are acknowledged.
func (r *running) emit(n, first, atOnce int, pause time.Duration) error {
	return r.call(fmt.Sprintf("/emits?n=%d&first=%d&emitters=%d&pause=%d&size=%d", n, first, atOnce, pause.Milliseconds(), eventSize))
}

// emit has each of these nodes emit n events. It returns how long it took until all were
// acknowledged, when they have also come to all listeners.
func (c *cluster) emit(n int, nodes []*running) (took time.Duration, err error) {
	first := c.next
	c.next += n * len(nodes)
	var heard, emitted sync.WaitGroup
	faults := make([]error, len(c.listeners)+len(nodes))
	for i, l := range c.listeners {
		heard.Go(func() { faults[i] = l.complete(first, n, len(nodes), emitters, nil) })
	}
	begin := time.Now()
	for i, node := range nodes {
		emitted.Go(func() { faults[len(c.listeners)+i] = node.emit(n, first+i*n, emitters, 0) })
	}
	emitted.Wait()
	took = time.Since(begin)
	heard.Wait()
	return took, errors.Join(faults...)
}

// complete reads what so many nodes emit, n events each, numbered from first on: all of
// them, once, those of each emitter in their order. heard, where there is one, is called
// with each.
func (c *client) complete(first, n, nodes, emitters int, heard func(m []byte)) error {
	next := make([]int, nodes*emitters) // by node and emitter
	for i := range next {
		next[i] = i/emitters*n + i%emitters
	}
	for got := range n * nodes {
		if got%100 == 0 { // how long a thousand take depends on the engine
			c.wait()
		}
		m, err := c.next()
		if err != nil {
			return fmt.Errorf("%w: %d of %d came: %w", errLost, got, n*nodes, err)
		}
		if heard != nil {
			heard(m)
		}
		i := number(m, eventSize) - first
		if i < 0 || i >= n*nodes {
			return fmt.Errorf("%w: %.40q came", errLost, m)
		}
		from := i/n*emitters + i%n%emitters
		if next[from] != i {
			return fmt.Errorf("%w: event %d came in place of %d", errLost, i, next[from])
		}
		next[from] += emitters
	}
	return nil
}

// cost is what an event takes.
type cost struct {
	wall   float64 // µs until it is acknowledged, with many at once
	nodes  float64 // CPU µs of the nodes that were watched
	engine float64 // CPU µs
	bytes  float64 // that Redis reads and writes
}

// cost emits at some nodes and watches some.
func (c *cluster) cost(emitting, watched []*running) (cost, error) {
	const warm, n = 4000, 20_000
	if _, err := c.emit(warm, emitting); err != nil {
		return cost{}, err
	}
	used := func() (total time.Duration) {
		for _, node := range watched {
			total += node.cpu()
		}
		return total
	}
	bytes, err := c.engine.traffic()
	if err != nil {
		return cost{}, err
	}
	nodes, engine := used(), c.engine.cpu()
	took, err := c.emit(n, emitting)
	if err != nil {
		return cost{}, err
	}
	events := float64(n * len(emitting))
	spent := cost{wall: micros(took) / events, nodes: micros(used()-nodes) / events, engine: micros(c.engine.cpu()-engine) / events}
	after, err := c.engine.traffic()
	spent.bytes = (after - bytes) / events
	return spent, err
}

// clusterEmits has one node emit, and then two, while another has a client that listens.
func clusterEmits(p peer) (outcome, error) {
	var out outcome
	var engine []float64
	for n := 1; n <= 2; n++ {
		spent, err := func() (cost, error) {
			c, err := startCluster(p, n+1)
			if err != nil {
				return cost{}, err
			}
			defer c.stop()
			if err := c.listen(c.nodes[n]); err != nil {
				return cost{}, err
			}
			return c.cost(c.nodes[:n], c.nodes[:n])
		}()
		if err != nil {
			return out, err
		}
		out.Values = append(out.Values, spent.wall, spent.nodes)
		engine = append(engine, spent.engine)
	}
	out.Values = append(out.Values, engine...)
	return out, nil
}

// clusterGrowth has one of 1 to 4 nodes emit, with a client at each that listens.
func clusterGrowth(p peer) (outcome, error) {
	var out outcome
	var bytes []float64
	for n := 1; n <= 4; n++ {
		spent, err := func() (cost, error) {
			c, err := startCluster(p, n)
			if err != nil {
				return cost{}, err
			}
			defer c.stop()
			if err := c.listen(c.nodes...); err != nil {
				return cost{}, err
			}
			return c.cost(c.nodes[:1], c.nodes)
		}()
		if err != nil {
			return out, err
		}
		out.Values = append(out.Values, spent.nodes+spent.engine)
		if spent.bytes > 0 {
			bytes = append(bytes, spent.bytes)
		}
	}
	out.Values = append(out.Values, bytes...)
	return out, nil
}

// clusterLatency emits at one node, one event at a time, for a client at another.
func clusterLatency(p peer) (outcome, error) {
	const n, pause = 1500, 5 * time.Millisecond
	c, err := startCluster(p, 2)
	if err != nil {
		return outcome{}, err
	}
	defer c.stop()
	if err := c.listen(c.nodes[1]); err != nil {
		return outcome{}, err
	}
	first := c.next
	emitted := make(chan error, 1)
	go func() { emitted <- c.nodes[0].emit(n, first, 1, pause) }()
	took := make([]float64, 0, n)
	err = c.listeners[0].complete(first, n, 1, 1, func(m []byte) { took = append(took, age(m)) })
	if err := errors.Join(<-emitted, err); err != nil {
		return outcome{}, err
	}
	slices.Sort(took)
	return outcome{Values: []float64{took[n/2], took[n*99/100]}}, nil
}

// age is how many ms ago the event m was emitted: behind its number it has the µs of the
// machine's monotonic clock, in ten digits.
func age(m []byte) float64 {
	const wrap = 10_000_000_000
	var now unix.Timespec
	if err := unix.ClockGettime(unix.CLOCK_MONOTONIC, &now); err != nil || number(m, eventSize) < 0 {
		return 0 // of what is no event, which complete reports
	}
	sent := int64(digits(m[len(`42["m","`)+10:]))
	return float64((now.Nano()/1000-sent+wrap)%wrap) / 1000
}

// clusterRecovery has all clients of one node come back at another.
func clusterRecovery(p peer) (outcome, error) {
	if p.cluster == "redis-classic" {
		return outcome{}, errAbsent
	}
	c, err := startCluster(p, 2, "--recovery")
	if err != nil {
		return outcome{}, err
	}
	defer c.stop()
	if err := c.listen(c.nodes[1]); err != nil {
		return outcome{}, err
	}
	c.listeners[0].leave()
	return recoverAt(c.nodes[1], c.nodes[0], 1000)
}
