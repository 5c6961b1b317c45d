package engineio

import (
	"bufio"
	"bytes"
	"io"
	"math/rand/v2"
	"net/http"
	"strings"
	"testing"
)

// heads are requests as clients send them, and near misses of those.
var heads = []string{
	"GET /socket.io/?EIO=4&transport=polling&t=abc&sid=xyz HTTP/1.1\r\nHost: a.example:80\r\nAccept: */*\r\nConnection: keep-alive\r\nUser-Agent: x\r\nAccept-Encoding: gzip, deflate\r\nCookie: a=b; c=d\r\n\r\n",
	"POST /socket.io/?EIO=4&transport=polling&sid=xyz&t=1.2 HTTP/1.1\r\nHost: a\r\nContent-Type: text/plain;charset=UTF-8\r\nContent-Length: 3\r\nOrigin: http://a\r\n\r\n42x",
	"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: +3\r\n\r\n",
	"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\nContent-Length: 3\r\n\r\n",
	"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 003\r\n\r\nabc",
	"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\nContent-Length: 3\r\n\r\n",
	"GET / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\n",
	"GET / HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n",
	"GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n",
	"GET / HTTP/1.1\r\n\r\n",
	"GET / HTTP/1.1\nHost: a\n\n",
	"GET / HTTP/1.1\r\nHost: a\r\nX: 1\r\n 2\r\n\r\n",
	"GET / HTTP/1.1\r\nHost: a\r\nX : 1\r\n\r\n",
	"GET / HTTP/1.1\r\nHost: a\r\nX:\t1 \t\r\n\r\n",
	"GET / HTTP/1.1\r\nHost: a\r\nX: 1\rY: 2\r\n\r\n",
	"GET / HTTP/1.1\r\nHost: a\r\nX: \x00\r\n\r\n",
	"GET http://b/ HTTP/1.1\r\nHost: a\r\n\r\n",
	"GET //b/c HTTP/1.1\r\nHost: a\r\n\r\n",
	"GET /%zz HTTP/1.1\r\nHost: a\r\n\r\n",
	"GET / HTTP/1.0\r\nHost: a\r\n\r\n",
	"GET  / HTTP/1.1\r\nHost: a\r\n\r\n",
	"get / HTTP/1.1\r\nHost: a\r\n\r\n",
	"GET / HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\n\r\n",
	"GET / HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n",
	"GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n",
	"GET / HTTP/1.1\r\nHost: a\r\ncookie: a\r\nCOOKIE: b\r\n\r\n",
}

// FuzzDirectRequest compares what is read without net/http with what http.ReadRequest
// reads: what is taken for a request that handlers have let pass, net/http takes for
// the same request, byte for byte as long. (All others are net/http's.)
func FuzzDirectRequest(f *testing.F) {
	for i, head := range heads {
		f.Add([]byte(head), []byte(heads[(i+1)%len(heads)]))
		f.Add([]byte(head), []byte(strings.Replace(head, "t=abc", "t=def", 1)))
		f.Add([]byte(head), []byte(strings.Replace(head, "Host", "HOST", 1)))
	}
	srv := NewServer(Options{}, nil)
	f.Fuzz(func(t *testing.T, before, now []byte) { compareReaders(t, srv, before, now) })
}

// A fixed number of requests that are a little different from good ones, each beside the
// one that it was made of.
func TestRequestsThatDifferALittleAreNotTakenForEachOther(t *testing.T) {
	srv := NewServer(Options{}, nil)
	random := rand.New(rand.NewPCG(1, 2))
	pieces := []string{"\r\n", "\n", "\r", " ", "\t", ":", "\x00", "\x7f", "\xc3\xa4", "Host: b\r\n", "Content-Length: 1\r\n", "Transfer-Encoding: chunked\r\n", "Connection: close\r\n", "Cookie: a=b\r\n", "Expect: 100-continue\r\n", "t=", "&", "?", "/", "%41", "HTTP/1.0", "GET", "POST", "a", "A", "0"}
	for range 100_000 {
		before := heads[random.IntN(len(heads))]
		now := before
		for range 1 + random.IntN(3) {
			from := random.IntN(len(now) + 1)
			to := min(from+random.IntN(4), len(now))
			piece := pieces[random.IntN(len(pieces))]
			if random.IntN(3) == 0 {
				piece = ""
			}
			now = now[:from] + piece + now[to:]
		}
		compareReaders(t, srv, []byte(before), []byte(now))
	}
}

func compareReaders(t *testing.T, srv *Server, before, now []byte) {
	var scratch []byte
	first := readWhole(before)
	h, ok := srv.readHead(now, &scratch)
	if !ok {
		return
	}
	if end := bytes.Index(now, []byte("\r\n\r\n")); h.length != end+4 {
		t.Fatalf("a head of %d bytes, not %d", h.length, end+4)
	}
	second := readWhole(now)
	const peer = "192.0.2.1:1234"
	var print uint64
	var like bool
	if second != nil {
		second.RemoteAddr = peer
		print, like = srv.fingerprint(second)
	}
	taken := max(h.print+srv.printPeer(peer), 1)
	if like && print != taken {
		t.Fatalf("net/http's fingerprint of %q differs", now)
	}
	if like && h.post && h.body >= 0 && int64(h.body) != second.ContentLength {
		t.Fatalf("a body of %d bytes, net/http says %d", h.body, second.ContentLength)
	}
	if first == nil {
		return
	}
	first.RemoteAddr = peer
	approved, ok := srv.fingerprint(first)
	if !ok || approved != taken || (first.Method == http.MethodPost) != h.post {
		return
	}
	if h.post && h.body < 0 {
		return // it is given back
	}
	if second == nil {
		t.Fatalf("%q is taken for %q, and net/http refuses it", now, before)
	}
	if difference := differ(first, second); difference != "" {
		t.Fatalf("%q is taken for %q, but %s", now, before, difference)
	}
}

// readWhole is the request that net/http reads, or nil. http.ReadRequest leaves what the
// server checks of the Host to that.
func readWhole(b []byte) *http.Request {
	r, err := http.ReadRequest(bufio.NewReader(bytes.NewReader(b)))
	if err != nil || r.Host == "" {
		return nil
	}
	return r
}

// differ says in what two requests differ that matters.
func differ(a, b *http.Request) string {
	switch {
	case a.Method != b.Method:
		return "the method differs"
	case a.URL.Path != b.URL.Path || withoutTime(a.URL.RawQuery) != withoutTime(b.URL.RawQuery):
		return "the target differs"
	case a.Host != b.Host:
		return "the host differs"
	case b.Close != a.Close || b.Proto != a.Proto || len(b.TransferEncoding) != 0 || len(b.Trailer) != 0:
		return "the framing differs"
	}
	names := make(map[string]bool)
	for name := range a.Header {
		names[name] = true
	}
	for name := range b.Header {
		names[name] = true
	}
	if a.Method == http.MethodPost {
		delete(names, "Content-Length")
	}
	for name := range names {
		if strings.Join(a.Header.Values(name), "\x00") != strings.Join(b.Header.Values(name), "\x00") {
			return name + " differs"
		}
	}
	return ""
}

func withoutTime(query string) string {
	var others []string
	for part := range strings.SplitSeq(query, "&") {
		if name, _, _ := strings.Cut(part, "="); name == "t" {
			part = "t="
		}
		others = append(others, part)
	}
	return strings.Join(others, "&")
}

// Every request of the list is either read as net/http reads it, or left to that.
func TestOnlyThePlainestRequestsAreReadWithoutNetHTTP(t *testing.T) {
	srv := NewServer(Options{}, nil)
	taken := 0
	for _, head := range heads {
		var scratch []byte
		h, ok := srv.readHead([]byte(head), &scratch)
		r, err := http.ReadRequest(bufio.NewReader(strings.NewReader(head)))
		if err != nil {
			continue // it may be read, but there is none like it: see FuzzDirectRequest
		}
		r.RemoteAddr = "192.0.2.1:1"
		print, like := srv.fingerprint(r)
		if ok && like && max(h.print+srv.printPeer(r.RemoteAddr), 1) == print {
			taken++
		}
		if body, err := io.ReadAll(r.Body); ok && like && h.post && (err != nil || len(body) != h.body) {
			t.Errorf("%q has a body of %d bytes, and net/http reads %d (%v)", head, h.body, len(body), err)
		}
	}
	if taken < 3 || taken > 9 {
		t.Errorf("%d of the requests are read here", taken)
	}
}
