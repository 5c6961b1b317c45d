package socketio

import (
	"errors"
	"time"

	"podium/protocol/budget"
)

// Why a connection is closed whose packet's attachments did not all come.
var (
	errUnfinished = errors.New("socketio: attachments took too long to arrive")
	errNoMemory   = errors.New("socketio: no memory for attachments, or events that wait for handlers")
)

// defaultAttachmentTime is the engine's default of BodyTimeout.
const defaultAttachmentTime = 30 * time.Second

// unfinished is a packet of which attachments are missing.
type unfinished struct {
	charge *budget.Charge
	timer  *time.Timer // ends the connection; nil where there is no limit
}

// keepPart charges n more bytes of a packet that waits for its attachments, and
// begins the time in which they have to come with the first of them.
func (c *client) keepPart(n int) error {
	u := c.part.Load()
	if u == nil {
		u = &unfinished{charge: c.conn.Charge(func() {
			c.server.workers.start(func() { c.fail(errNoMemory) })
		})}
		d := c.server.opts.Engine.BodyTimeout
		if d == 0 {
			d = defaultAttachmentTime
		}
		if d > 0 {
			u.timer = time.AfterFunc(d, func() { c.fail(errUnfinished) })
		}
		c.part.Store(u)
		if c.ended() {
			c.dropPart()
			return nil
		}
	}
	u.charge.Progress(int64(n))
	if u.charge.Hold(int64(n)) != nil {
		return errNoMemory
	}
	return nil
}

// dropPart ends what keepPart began: the packet is whole, or nobody waits for it.
func (c *client) dropPart() {
	if u := c.part.Swap(nil); u != nil {
		if u.timer != nil {
			u.timer.Stop()
		}
		u.charge.Close()
	}
}
