package main

import (
	"bytes"
	"crypto/sha1"
	"encoding/base64"
	"net/http"
	"strconv"
	"strings"
	"time"
)

// request serves the HTTP request that b begins with and returns its size, or 0 where
// more of it has to arrive.
func (l *loop) request(c *conn, b []byte) int {
	head, rest, whole := bytes.Cut(b, []byte("\r\n\r\n"))
	if !whole {
		return 0
	}
	size := len(head) + 4
	line, _, _ := bytes.Cut(head, []byte("\r\n"))
	s := l.polls[after(line, "sid=", "& ")]
	switch {
	case bytes.Contains(line, []byte("transport=websocket")):
		l.upgrade(c, s, head)
	case bytes.HasPrefix(line, []byte("POST")):
		n, _ := strconv.Atoi(after(head, "Content-Length: ", "\r"))
		if len(rest) < n {
			return 0
		}
		size += n
		l.respond("ok")
		if s != nil {
			l.posted(s, string(rest[:n]))
		}
	case s == nil:
		l.sessions++
		s = &session{id: strconv.Itoa(l.sessions)}
		l.polls[s.id] = s
		l.joined.Add(1)
		l.respond(open(s.id, `"websocket"`))
	default:
		s.poll, c.session = c, s
		if len(s.packets) > 0 {
			s.poll = nil
			l.respond(strings.Join(s.packets, "\x1e"))
			s.packets = nil
		}
	}
	return size
}

// after is what stands behind a name in b, up to one of the bytes in end.
func after(b []byte, name, end string) string {
	_, value, _ := bytes.Cut(b, []byte(name))
	if i := bytes.IndexAny(value, end); i >= 0 {
		value = value[:i]
	}
	return string(value)
}

func open(id, upgrades string) string {
	return `0{"sid":"` + id + `","upgrades":[` + upgrades + `],"pingInterval":25000,"pingTimeout":20000,"maxPayload":1000000}`
}

// respond appends an answer to what is written.
func (l *loop) respond(body string) { l.out = appendResponse(l.out, body) }

func appendResponse(b []byte, body string) []byte {
	b = append(b, "HTTP/1.1 200 OK\r\nContent-Type: text/plain; charset=UTF-8\r\nCache-Control: no-store\r\nDate: "...)
	b = time.Now().UTC().AppendFormat(b, http.TimeFormat)
	b = append(b, "\r\nContent-Length: "...)
	b = strconv.AppendInt(b, int64(len(body)), 10)
	return append(append(b, "\r\n\r\n"...), body...)
}

// posted answers what a client posted, through its poll.
func (l *loop) posted(s *session, body string) {
	for packet := range strings.SplitSeq(body, "\x1e") {
		if reply := answer(packet, s.id); reply != "" {
			s.packets = append(s.packets, reply)
		}
	}
	l.tell(s)
}

// tell answers the poll that waits with what there is.
func (l *loop) tell(s *session) {
	if s.poll == nil || len(s.packets) == 0 {
		return
	}
	c := s.poll
	s.poll = nil
	l.write(c, appendResponse(nil, strings.Join(s.packets, "\x1e")))
	s.packets = nil
}

// answer is what a packet of a client is answered with, "" for nothing. (Socket.IO
// protocol v5, "Packet encoding")
func answer(packet, id string) string {
	switch {
	case strings.HasPrefix(packet, "40"):
		return `40{"sid":"` + id + `","pid":"` + id + `"}`
	case strings.HasPrefix(packet, "42"):
		number, args, _ := strings.Cut(packet[2:], "[")
		_, args, _ = strings.Cut(args, ",")
		return "43" + number + "[" + args
	case packet == "2probe":
		return "3probe"
	}
	return ""
}

// upgrade makes c a WebSocket, of the session s where that has polled before.
func (l *loop) upgrade(c *conn, s *session, head []byte) {
	sum := sha1.Sum([]byte(after(head, "Sec-WebSocket-Key: ", "\r") + "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"))
	l.out = append(l.out, "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: "...)
	l.out = append(base64.StdEncoding.AppendEncode(l.out, sum[:]), "\r\n"...)
	if l.o.Deflate && bytes.Contains(head, []byte("permessage-deflate")) {
		c.packs = true
		l.out = append(l.out, "Sec-WebSocket-Extensions: permessage-deflate; server_no_context_takeover; client_no_context_takeover\r\n"...)
	}
	l.out = append(l.out, "\r\n"...)
	c.socket = true
	if c.session = s; s == nil {
		l.sessions++
		l.out = appendFrame(l.out, opText, []byte(open(strconv.Itoa(l.sessions), "")))
	}
}
