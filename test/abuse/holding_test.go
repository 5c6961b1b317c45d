package abuse

import (
	"compress/flate"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"testing"
)

// starryPoll asks with the dearest Accept-Encoding that a header can hold.
func starryPoll(s *target) error {
	c, err := s.open()
	if err != nil {
		return err
	}
	defer c.Close()
	if err := c.write("GET /socket.io/?EIO=4&transport=polling HTTP/1.1\r\nHost: x\r\nConnection: close\r\nAccept-Encoding: " + strings.Repeat("*,", 8000) + "\r\n\r\n"); err != nil {
		return err
	}
	return c.ended()
}

// unfinishedAttachments announces many attachments, sends most of a large one, and stops.
func unfinishedAttachments(s *target) error {
	c, err := s.joined()
	if err != nil {
		return err
	}
	defer c.Close()
	places := make([]string, 16)
	for i := range places {
		places[i] = fmt.Sprintf(`{"_placeholder":true,"num":%d}`, i)
	}
	if err := c.say(`4516-["x",` + strings.Join(places, ",") + `]`); err != nil {
		return err
	}
	for range 15 {
		if c.write(frame(2, false, strings.Repeat("x", 60_000))) != nil {
			return nil // the server has had enough
		}
	}
	return nil
}

// pipelinedPolls sends polls of a session without waiting for their answers.
func pipelinedPolls(s *target) error {
	sid, c, err := s.handshake()
	if err != nil {
		return err
	}
	defer c.Close()
	poll := "GET /socket.io/?EIO=4&transport=polling&sid=" + sid + " HTTP/1.1\r\nHost: x\r\n\r\n"
	for range 20 {
		if c.write(strings.Repeat(poll, 10)) != nil {
			return nil
		}
	}
	return nil
}

// slowFeeds fills the feed with what becomes longer on its way, and leaves answers untaken.
func slowFeeds(t *testing.T, s *target, n int) {
	for range 10 {
		if err := s.submit(strings.Repeat("<", 2000)); err != nil {
			t.Error(err)
			return
		}
	}
	each(func(s *target) error {
		c, err := s.open()
		if err != nil {
			return err
		}
		defer c.Close()
		return c.write("GET /api/feed HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
	})(t, s, n)
}

// beginningOfAPhoto is a submission up to so many bytes of its photo, of 9 MB.
func beginningOfAPhoto(bytes int) string {
	return "POST /api/submit HTTP/1.1\r\nHost: x\r\nContent-Type: multipart/form-data; boundary=x\r\nContent-Length: 9000000\r\n\r\n" +
		"--x\r\nContent-Disposition: form-data; name=\"photo\"; filename=\"a.jpg\"\r\n\r\n" + strings.Repeat("x", bytes)
}

// stalledUpload sends the beginning of a photo, and stops.
func stalledUpload(s *target) error {
	c, err := s.open()
	if err != nil {
		return err
	}
	defer c.Close()
	if err := c.write(beginningOfAPhoto(1_000_000)); err != nil {
		return nil // it made room for others
	}
	if err := c.dismissed(); err != nil {
		return errors.Join(errors.New("a stalled upload goes on"), err)
	}
	return nil
}

// manyProbes opens WebSockets for the upgrade of one session, and says nothing on them.
func manyProbes(s *target) error {
	sid, c, err := s.handshake()
	if err != nil {
		return err
	}
	defer c.Close()
	for range 30 {
		probe, err := s.open()
		if err != nil {
			return err
		}
		defer probe.Close()
		if err := probe.write("GET /socket.io/?EIO=4&transport=websocket&sid=" + sid + " HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n" +
			"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"); err != nil {
			return nil // the server has had enough
		}
	}
	return c.post(sid, "40") // the session goes on
}

// samePlaceholders names one attachment in thousands of places.
func samePlaceholders(s *target) error {
	c, err := s.joined()
	if err != nil {
		return err
	}
	defer c.Close()
	text := `451-["heartbeat-pong"` + strings.Repeat(`,{"_placeholder":true,"num":0}`, 2000) + `]`
	if c.say(text) != nil || c.write(frame(opBinary, false, strings.Repeat("x", 60_000))) != nil {
		return nil // the server has had enough
	}
	_ = c.say("40/are-you-there,") // likewise
	return c.answeredOrDismissed("44/are-you-there,")
}

// deleteMany has an admin delete what a script sent under one phone number.
func deleteMany(t *testing.T, s *target, n int) {
	for range n {
		if err := s.submitForm("category", "best", "caption", "spam", "phone", "0170 1234567"); err != nil {
			t.Error(err)
			return
		}
	}
	r, err := http.NewRequest("POST", s.url+"/api/submissions/delete-by-phone", strings.NewReader(`{"phone":"+49 170 1234567"}`))
	if err != nil {
		t.Error(err)
		return
	}
	r.Header.Set("Cookie", s.cookie)
	res, err := s.client.Do(r)
	if err != nil {
		t.Error(err)
		return
	}
	defer res.Body.Close()
	if res.StatusCode != http.StatusOK {
		t.Errorf("delete: %s", res.Status)
	}
}

// scriptPoll asks for events as a foreign page's script element does.
func scriptPoll(s *target) error {
	c, err := s.open()
	if err != nil {
		return err
	}
	defer c.Close()
	if err := c.write("GET /socket.io/?EIO=4&transport=polling&j=0 HTTP/1.1\r\nHost: x\r\nReferer: http://elsewhere.example/\r\nConnection: close\r\n\r\n"); err != nil {
		return err
	}
	answer, err := io.ReadAll(c.in)
	if err == nil && strings.Contains(string(answer), "___eio[") {
		err = errors.New("a script was answered")
	}
	return err
}

// inflated is an event of nearly a megabyte in a frame of a kilobyte: values are dearer
// to read than text.
var inflated = sync.OnceValue(func() string {
	var b strings.Builder
	w, err := flate.NewWriter(&b, flate.BestCompression)
	if err != nil {
		panic(err)
	}
	_, _ = io.WriteString(w, `42["heartbeat-pong",[1`+strings.Repeat(",1", 480_000)+`]]`) // a Builder takes everything
	_ = w.Flush()                                                                         // likewise
	return frame(opText, true, strings.TrimSuffix(b.String(), "\x00\x00\xff\xff"))
})

// inflatingFrames sends a hundred of them, and goes without waiting.
func inflatingFrames(s *target) error {
	c, err := s.webSocketWith("", "Sec-WebSocket-Extensions: permessage-deflate\r\n")
	if err != nil {
		return err
	}
	defer c.Close()
	if err := c.say("40"); err != nil {
		return err
	}
	for range 10 {
		if c.write(strings.Repeat(inflated(), 10)) != nil {
			return nil // the server has had enough
		}
	}
	return nil
}
