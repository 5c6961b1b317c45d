package abuse

import (
	"errors"
	"fmt"
	"strings"
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

// stalledUpload sends the beginning of a photo, and stops.
func stalledUpload(s *target) error {
	c, err := s.open()
	if err != nil {
		return err
	}
	defer c.Close()
	head := "POST /api/submit HTTP/1.1\r\nHost: x\r\nContent-Type: multipart/form-data; boundary=x\r\nContent-Length: 9000000\r\n\r\n" +
		"--x\r\nContent-Disposition: form-data; name=\"photo\"; filename=\"a.jpg\"\r\n\r\n"
	if err := c.write(head + strings.Repeat("x", 1_000_000)); err != nil {
		return nil // it made room for others
	}
	if err := c.dismissed(); err != nil {
		return errors.Join(errors.New("a stalled upload goes on"), err)
	}
	return nil
}
