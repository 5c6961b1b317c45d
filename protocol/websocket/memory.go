package websocket

// FreeQueueBytes is how much a connection's queue may take before it is charged: what
// one takes at least is part of what a connection does. One that is written at once, as
// nearly all are, is never charged.
const FreeQueueBytes = arenaBytes + 1<<10

// chargePage is in what steps a queue that waits for its peer is charged, in bytes.
const chargePage = 4 << 10

// chargeLocked charges what the queue takes, where the peer lets it wait; mu must be
// held. Where there is no memory it ends the connection with ErrNoMemory.
func (c *Conn) chargeLocked() {
	q := c.out
	if q == nil || !c.server.charges || q.charge == nil && (q.size()+c.link.kept() <= FreeQueueBytes || !c.waiting && c.started) {
		return
	}
	want := pages(q.share() + c.link.kept())
	if want <= q.charged {
		return
	}
	if q.charge == nil {
		q.charge = c.server.opts.Charge(c.handler, func() { c.fail(ErrNoMemory) })
	}
	tight, err := q.charge.Claim(int64(want - q.charged))
	if err != nil {
		c.failLocked(ErrNoMemory)
		return
	}
	q.charged = want
	if tight {
		c.server.relief.Start(c.server.running.Go, q.charge)
	}
}

// wrote says that the peer took n bytes, and gives back what the queue takes no longer.
func (q *queue) wrote(n int) {
	q.charge.Progress(int64(n))
	if want := pages(q.counts()); want <= q.charged-4*chargePage { // not each: it may come back
		q.charge.Free(int64(q.charged - want))
		q.charged = want
	}
}

// pages rounds n up to whole pages.
func pages(n int) int { return (n + chargePage - 1) / chargePage * chargePage }
