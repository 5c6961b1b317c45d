package engineio

import "net/http"

// Polls: those that wait, and what answers them.

// await begins a poll, and reports whether it did.
func (l *pollLoop) await(d *direct, print uint64) bool {
	s := d.session
	if s.expired() || !l.server.parking.enter() {
		return false
	}
	ready, ok := s.beginDirect(d, print)
	if !ok {
		l.server.parking.leave()
		return false
	}
	d.state = directWaits
	if ready {
		l.answer(d)
		return true
	}
	if f := l.server.opts.AllowPoll; f != nil {
		if d.poll.counted = f(s); !d.poll.counted && s.withdraw(d) {
			l.server.parking.leave()
			d.state = directRests
			return false
		}
	}
	l.lookAfter(d) // epoll has said so once, with the request
	return true
}

// lookAfter ends a poll whose client has left, and has not sent its next request before.
func (l *pollLoop) lookAfter(d *direct) {
	if !d.shut {
		return
	}
	if left, _ := d.peek(); left {
		l.gone(d)
	}
}

// gone handles that the client of a poll went away. What is queued stays.
func (l *pollLoop) gone(d *direct) {
	s := d.session
	s.mu.Lock()
	st, ok := s.state, s.poll == &d.poll
	if ok {
		s.poll = nil
		if st == closed {
			s.queue.drop()
		}
	}
	s.mu.Unlock()
	l.drop(d)
	if !ok {
		return
	}
	defer l.server.parking.leave()
	s.endPoll(&d.poll)
	if st == polling || st == closing {
		s.end(ReasonTransportError, errCancelled)
	}
}

// answer answers d's poll with what is queued.
func (l *pollLoop) answer(d *direct) {
	s := d.session
	b, a, st, late, ok := s.directTake(d)
	if !ok {
		return
	}
	s.endPoll(&d.poll)
	switch {
	case late:
		b.drop()
		l.refuse(d, a.header.Value(), http.StatusBadRequest)
		l.server.parking.leave()
		return
	case b.kept != nil || b.bytes > maxDirectAnswer || l.server.down.Load():
		l.spill(d, a, b, st)
		return
	}
	l.write(d, l.compose(s, a, b.packets), func(err error) {
		s.answered(st, b.packets, err)
		l.server.parking.leave()
	})
}

// compose makes an answer of packets, in l.out, or where it is compressed anew.
func (l *pollLoop) compose(s *Session, a approved, packets []*Message) []byte {
	body, binary := s.codec.appendPayload(l.body[:0], packets, s.textPolls)
	l.body = body
	if n := l.server.opts.HTTPCompression; n >= 0 && len(body) >= n && a.encoding != "" {
		h := handWritten{header: parseHeaderLines(a.header.Value())}
		_ = s.writePayload(&h, a.encoding, &query{}, packets) // it is memory that is written to
		return append(h.head(false), h.body...)
	}
	l.server.stats.pollOut.Add(uint64(len(body)))
	contentType := contentTypeText
	if binary {
		contentType = contentTypeBinary
	}
	l.out = appendAnswer(l.out[:0], a.header.Value(), contentType[0], body, l.date)
	return l.out
}

// spill answers a poll that is large, or the last, with a goroutine that may wait for
// the client.
func (l *pollLoop) spill(d *direct, a approved, b backlog, st state) {
	l.forget(d)
	l.leaving.Go(func() {
		defer l.server.parking.leave()
		s := d.session
		pk := &parked{session: s, home: d.home, header: parseHeaderLines(a.header.Value()), encoding: a.encoding, last: l.server.down.Load()}
		var err error
		if pk.conn, err = d.connection(); err == nil {
			err = pk.write(&b)
		}
		s.endAnswer(&b)
		s.answered(st, b.packets, err)
		if pk.conn == nil {
			return
		}
		if err != nil || pk.last {
			_ = pk.conn.Close()
			return
		}
		l.server.handback.give(d.home, pk.conn, nil)
	})
}
