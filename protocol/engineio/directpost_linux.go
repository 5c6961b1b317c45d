package engineio

import (
	"net/http"
	"slices"
)

// POSTs, which a goroutine handles where that may take its time.

// post handles a POST, and reports whether it was let in.
func (l *pollLoop) post(d *direct, print uint64, body []byte) bool {
	s := d.session
	if int64(len(body)) > l.server.opts.MaxPayload || s.expired() || !l.begin() {
		return false
	}
	inline, ok := s.beginDirectPost(print, body)
	if f := l.server.opts.AllowPost; ok && f != nil && !f(s) { // asked last, since it may count
		s.endPost()
		ok = false
	}
	if !ok {
		l.posts.Done()
		return false
	}
	if inline {
		defer l.posts.Done()
		l.answerPost(d, s.directPost(body, func() {}))
		return true
	}
	d.state = directPosts
	body = slices.Clone(body)
	go func() {
		defer l.posts.Done()
		d.posted.Store(int32(s.directPost(body, func() { s.awaitResume(func() {}) })))
		l.push(d)
	}()
	return true
}

// answerPost answers a POST.
func (l *pollLoop) answerPost(d *direct, status int) {
	header := d.session.postHeader()
	if status != http.StatusOK {
		l.refuse(d, header, status)
		return
	}
	l.out = appendAnswer(l.out[:0], header, contentTypeHTML[0], answerOK, l.date)
	l.write(d, l.out, func(error) {})
}
