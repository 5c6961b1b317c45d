package engineio

import "time"

// Protocol 4: the server pings, PingInterval after the handshake or the last
// pong, and the client has PingTimeout to answer. Protocol 3: the client pings,
// and the server waits for PingInterval and PingTimeout together.
// (Engine.IO protocol v4 and v3, "Heartbeat")

// beginHeartbeat sets the timer of a session that has just opened.
func (s *Session) beginHeartbeat() {
	o := &s.server.opts
	if s.Protocol() == 3 {
		s.setTimer(time.Now().Add(o.PingInterval + o.PingTimeout))
		return
	}
	s.setTimer(time.Now().Add(jitter(o.PingInterval)))
}

// setTimer sets the timer for the heartbeat's sake. A closing session keeps the one
// that ends it, and one that has ended needs none.
func (s *Session) setTimer(at time.Time) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.state != closing && s.state != closed {
		s.server.wheel.set(s, at)
	}
}

// closeBy is when a closing session ends whose client fetches nothing: after
// Options.CloseTimeout, or when the heartbeat would have ended it, if that is sooner.
// s.mu must be held.
func (s *Session) closeBy() time.Time {
	o := &s.server.opts
	timeout := time.Now().Add(o.CloseTimeout)
	due := s.timer.due.Load()
	if due == 0 {
		return timeout // there was no heartbeat yet
	}
	silent := s.server.wheel.at(due)
	if s.Protocol() != 3 && s.pingSent.Load() == 0 {
		silent = silent.Add(o.PingTimeout) // what is due is the ping
	}
	if s.silent = silent.Before(timeout); s.silent {
		return silent
	}
	return timeout
}

// onTimer is called by the wheel: a ping is due, or its answer did not come, or
// a closing session was not fetched in time.
func (s *Session) onTimer() {
	s.mu.Lock()
	if s.server.wheel.holds(s) {
		s.mu.Unlock()
		return // since the timer fired, it was set for something else
	}
	reason := ReasonPingTimeout
	switch {
	case s.state == closing || s.state == closed:
		reason = ReasonForcedClose
		if s.silent && s.closing == ReasonForcedClose {
			s.closing = ReasonPingTimeout
		}
	case s.resumed != nil && s.Protocol() == 3:
		s.server.wheel.set(s, time.Now().Add(s.server.opts.PingInterval+s.server.opts.PingTimeout))
		s.mu.Unlock()
		return
	case s.resumed != nil, s.Protocol() != 3 && s.pingSent.Load() == 0:
		reason = "" // a client that is not read is asked again: it waits for pings
		s.awaitPong()
	}
	s.mu.Unlock()
	if reason != "" {
		s.end(reason, nil)
		return
	}
	if c := s.webSocket.Load(); c != nil {
		_ = c.Send(packetsPing) // a broken connection reports itself
		return
	}
	_ = s.enqueue([]*Message{packetsPing}) // a session that has just ended needs no ping
}

// awaitPong begins the time to answer a ping. s.mu must be held.
func (s *Session) awaitPong() {
	s.refreshed.Store(false)
	now := time.Now()
	// The time to answer counts from when the ping was due, so that a turn of the
	// wheel adds nothing; unless the whole process was held up.
	from := s.server.wheel.at(s.timer.due.Load())
	if now.Sub(from) > s.server.opts.PingTimeout/2 {
		from = now
	}
	s.server.wheel.set(s, from.Add(s.server.opts.PingTimeout))
	s.pingSent.Store(s.server.wheel.now()) // not before the time to answer is set: expired takes no lock
}

// timerGrain is what the timers of clients that run JavaScript may be early by.
const timerGrain = time.Millisecond

// expired reports whether the answer to a ping is overdue, or in protocol 3 the
// ping. It is as precise as the clocks of clients, where the wheel is late by up
// to a tick. A session that is paused is not.
func (s *Session) expired() bool {
	if s.Protocol() != 3 && s.pingSent.Load() == 0 || s.paused() {
		return false
	}
	return s.server.wheel.now()+int64(timerGrain) >= s.timer.due.Load()
}

func (s *Session) paused() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.resumed != nil
}

// Overdue returns for how long the client has owed a pong, or in protocol 3 a
// ping beyond the interval; 0 where it owes none. It says so before the session
// ends, which is after PingTimeout.
func (s *Session) Overdue() time.Duration {
	since := s.pingSent.Load()
	if s.Protocol() == 3 {
		since = s.timer.due.Load() - int64(s.server.opts.PingTimeout)
	}
	if since == 0 {
		return 0
	}
	return max(0, time.Duration(s.server.wheel.now()-since))
}

// onPong takes the answer to a ping.
func (s *Session) onPong() {
	sent := s.pingSent.Swap(0)
	if sent == 0 {
		return
	}
	rtt := time.Duration(s.server.wheel.now() - sent)
	s.rtt.Store(int64(rtt))
	s.setTimer(time.Now().Add(jitter(s.server.opts.PingInterval)))
	if f := s.server.opts.Observer.Pong; f != nil {
		f(s, rtt)
	}
	s.noteHeartbeat()
}

func (s *Session) noteHeartbeat() {
	if f := s.server.opts.Observer.Heartbeat; f != nil {
		f(s)
	}
}

// onPing answers a client's ping, in protocol 3.
func (s *Session) onPing() {
	o := &s.server.opts
	s.setTimer(time.Now().Add(o.PingInterval + o.PingTimeout))
	defer s.noteHeartbeat()
	if c := s.webSocket.Load(); c != nil {
		_ = c.Send(packetsPong) // a broken connection reports itself
		return
	}
	_ = s.enqueue([]*Message{packetsPong}) // a session that has just ended needs no pong
}

// heard notes that a client that owes a pong sent something else: it is alive,
// and gets PingTimeout once more, but not for ever.
func (s *Session) heard() {
	if s.pingSent.Load() != 0 && s.refreshed.CompareAndSwap(false, true) {
		s.setTimer(time.Now().Add(s.server.opts.PingTimeout))
	}
}

// idleBurst is how much of Options.MaxIdlePackets may come at once.
const idleBurst = 10 * time.Second

// allowsIdle counts a packet that is no message, and reports whether the client
// keeps to Options.MaxIdlePackets. (The generic cell rate algorithm, ITU-T I.371)
func (s *Session) allowsIdle() bool {
	perSecond := s.server.opts.MaxIdlePackets
	if perSecond <= 0 {
		return true
	}
	now := s.server.wheel.now()
	due := max(s.idleDue.Load(), now) + int64(float64(time.Second)/perSecond)
	if due > now+int64(idleBurst) {
		return false
	}
	s.idleDue.Store(due) // one transport is in charge: nobody else counts
	return true
}
