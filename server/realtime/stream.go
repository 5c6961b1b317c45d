package realtime

import (
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"strconv"
	"strings"
	"time"

	"podium/contest"
	"podium/protocol/budget"
	"podium/server/answer"
)

const (
	// streamComment is how often a quiet event stream is sent a comment, so
	// that proxies keep it open and both ends notice when it broke.
	streamComment = 15 * time.Second
	// streamWrite is how long a write to an event stream may take.
	streamWrite = 10 * time.Second
	// streamRetry is how long readers wait on average before they come back, as
	// Socket.IO's clients do.
	streamRetry = time.Second
	// keptReadings is how many readings of the log are kept until the next publication.
	keptReadings = 8
	// streamBatch is how many events are read from the log at a time.
	streamBatch = 20
)

// Stream answers GET /api/events: Server-Sent Events over the event log, for
// pages that cannot have Socket.IO. Last-Event-ID (or ?lastEventId=) resumes,
// also after a restart. A reader that missed more than is kept is sent the
// event "reset", on which it reads the feed anew, and then the newest events.
func (rt *Realtime) Stream(w http.ResponseWriter, r *http.Request) error {
	addr := rt.o.Limits.Addresses.Of(r)
	if rt.state.Load() != running {
		sendAway(w)
		return nil
	}
	// A body that is left unread hides that the client goes away.
	if _, err := io.Copy(io.Discard, http.MaxBytesReader(w, r.Body, 1<<10)); err != nil {
		return answer.ReadError(err)
	}
	if !rt.o.Streams.Enter(addr) {
		return answer.Later(time.Second, "Too many event streams at once.").Coded("busy")
	}
	defer rt.o.Streams.Leave(addr)
	rt.streams.Add(1)
	defer rt.streams.Add(-1)

	changes := rt.changes()
	position, reset, err := rt.resume(r)
	if err != nil {
		return fmt.Errorf("begin an event stream: %w", err)
	}
	declareStream(w.Header())
	s := &stream{rt: rt, w: w, control: http.NewResponseController(w)}
	s.charge = rt.o.StreamMemory.Open(addr, func() { _ = s.control.SetWriteDeadline(time.Unix(1, 0)) }) // best effort
	defer s.charge.Close()
	w.WriteHeader(http.StatusOK)
	// The id holds also for a reader that sees no event before the stream breaks.
	s.text(fmt.Sprintf("%sid: %s.%d\n\n", retryLine(), rt.o.Contest.Epoch(), position))
	if reset {
		s.reset()
	}
	ticker := time.NewTicker(streamComment)
	defer ticker.Stop()
	for s.err == nil {
		position = s.send(position)
		s.flush()
		if rt.state.Load() != running {
			s.text("event: server-shutdown\ndata: {\"queueMessages\":true}\n\n")
			s.flush()
			return nil
		}
		select {
		case <-changes:
			changes = rt.changes()
		case <-ticker.C:
			s.text(": still here\n\n")
		case <-r.Context().Done():
			return nil
		}
	}
	return nil // the reader is gone and comes back with its last id
}

// declareStream sets the fields of a stream's answer.
func declareStream(h http.Header) {
	h.Set("Content-Type", "text/event-stream")
	h.Set("Cache-Control", "no-store")
	h.Set("X-Accel-Buffering", "no")
}

// retryLine tells a reader when to come back: those of a machine that dies come back spread
// over a second.
func retryLine() string {
	return fmt.Sprintf("retry: %d\n", (streamRetry/2 + rand.N(streamRetry)).Milliseconds())
}

// sendAway ends a stream that was asked of a server that is shutting down. A browser comes
// back from the end of a stream, with the last id that it has, and gives up for ever at a
// status of 503; a balancer may not have noticed yet that this machine is not ready any
// more.
func sendAway(w http.ResponseWriter) {
	declareStream(w.Header())
	w.Header().Set("Connection", "close") // the next request goes elsewhere
	_, _ = io.WriteString(w, retryLine()+"\n")
}

// resume finds where a stream begins.
func (rt *Realtime) resume(r *http.Request) (position uint64, reset bool, err error) {
	first, last, err := rt.o.Contest.EventRange()
	if err != nil {
		return 0, false, err
	}
	id := r.Header.Get("Last-Event-ID")
	if id == "" {
		id = r.URL.Query().Get("lastEventId")
	}
	if id == "" {
		return last, false, nil
	}
	epoch, number, _ := strings.Cut(id, ".")
	offset, err := strconv.ParseUint(number, 10, 64)
	if err != nil || epoch != rt.o.Contest.Epoch() || offset > last {
		return last, true, nil
	}
	oldest := first - 1
	if last-min(last, offset) > uint64(rt.o.MaxMissed) {
		oldest = max(oldest, last-uint64(rt.o.MaxMissed))
	}
	return max(offset, oldest), offset < oldest, nil
}

// reading is a part of the log as it was read. done is closed when it was.
type reading struct {
	done   chan struct{}
	events []contest.Event
	err    error
}

// eventsAfter reads the next events after a position. Streams that ask for the same, as
// all do that a publication wakes, share one reading: a store that is slow is not asked
// by each of them.
func (rt *Realtime) eventsAfter(position uint64) ([]contest.Event, error) {
	rt.mu.Lock()
	r, all := rt.readings[position], rt.readings
	if r != nil {
		rt.mu.Unlock()
		<-r.done
		return r.events, r.err
	}
	r = &reading{done: make(chan struct{})}
	all[position] = r
	rt.mu.Unlock()
	r.events, r.err = rt.o.Contest.Events(position, streamBatch)
	close(r.done)
	rt.mu.Lock()
	defer rt.mu.Unlock()
	if r.err != nil || len(all) > keptReadings {
		delete(all, position)
	}
	return r.events, r.err
}

// stream writes to one reader.
type stream struct {
	rt      *Realtime
	w       http.ResponseWriter
	control *http.ResponseController
	charge  *budget.Charge
	err     error // of the first write that failed
}

func (s *stream) text(text string) {
	if s.err != nil {
		return
	}
	_ = s.control.SetWriteDeadline(time.Now().Add(streamWrite)) // best effort
	var n int
	n, s.err = s.w.Write([]byte(text))
	s.rt.streamBytes.Add(uint64(n))
}

// reset tells the reader that it missed events that are not kept any more.
func (s *stream) reset() { s.text("event: reset\ndata: {}\n\n") }

func (s *stream) flush() {
	if s.err == nil {
		s.err = s.control.Flush()
	}
}

// send writes the events after a position and returns the position then.
func (s *stream) send(position uint64) uint64 {
	for {
		var batch []contest.Event
		if s.err == nil {
			batch, s.err = s.rt.eventsAfter(position)
		}
		held := int64(0)
		for _, e := range batch {
			held += 2 * int64(len(e.Payload)) // as it is kept, and as it leaves
		}
		if s.err == nil {
			s.err = s.charge.Hold(held)
		}
		for _, e := range batch {
			if e.Offset > position+1 { // what is between was taken off the log
				s.reset()
			}
			position = e.Offset
			s.event(e)
		}
		s.charge.Progress(held / 2)
		s.charge.Free(held)
		if len(batch) < streamBatch || s.err != nil {
			return position
		}
	}
}

func (s *stream) event(e contest.Event) {
	if len(e.Payload) == 0 || s.err != nil {
		return
	}
	payload, err := s.rt.o.Payload(e.Name, e.Payload)
	if err != nil {
		s.err = err
		return
	}
	s.text(fmt.Sprintf("id: %s.%d\nevent: %s\ndata: %s\n\n", s.rt.o.Contest.Epoch(), e.Offset, e.Name, payload))
}
