package abuse

import (
	"flag"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

var (
	fuzzFor  = flag.Duration("fuzzfor", 2*time.Second, "how long random requests are sent to the running server")
	fuzzSeed = flag.Uint64("fuzzseed", 0, "seed of the random requests; 0 takes a new one")
	fuzzRace = flag.Bool("fuzzrace", false, "fuzz a server that looks for data races")
)

// requestLines are what requests are made from: every route, and some that are none.
var requestLines = []string{
	"GET /", "GET /admin", "GET /winners.html", "GET /styles.css", "GET /categories.json", "GET /api/feed?limit=2&since=1", "GET /api/feed?category=best&before=x",
	"GET /api/winners", "GET /api/contest", "GET /api/session", "GET /api/submissions", "GET /api/metrics", "GET /api/join", "GET /api/join.svg?address=0&path=/x",
	"GET /api/realtime-health", "GET /api/realtime-metrics", "GET /api/realtime-fallback", "GET /health", "GET /ready", "GET /uploads/x.jpg", "GET /uploads/../podium.db",
	"POST /api/login", "POST /api/logout", "POST /api/submit", "POST /api/categories", "POST /api/save-winners", "POST /api/submissions/x/approve",
	"DELETE /api/submissions/x", "POST /api/submissions/delete-by-phone", "POST /api/settings", "GET /api/export.csv", "GET /metrics", "GET /debug/pprof/heap",
	"GET /api/mine", "DELETE /api/mine/1-abcdef", "GET /api/reveal", "GET /api/reveal/cue", "POST /api/reveal/next", "GET /api/logo", "GET /api/logo/icon", "POST /api/logo",
	"GET /api/photos.zip", "HEAD /api/photos.zip", "GET /api/album.zip", "GET /api/setup", "POST /api/setup",
	"GET /api/events", "GET /socket.io/socket.io.js", "GET /socket.io/?EIO=4&transport=polling", "POST /socket.io/?EIO=4&transport=polling&sid=SID",
	"GET /socket.io/?EIO=4&transport=polling&sid=SID", "GET /socket.io/?EIO=3&transport=polling&j=0&b64=1", "GET /socket.io/?EIO=4&transport=websocket&sid=SID",
	"OPTIONS /socket.io/?EIO=4&transport=polling", "PUT /api/submit", "HEAD /api/feed", "GET /..%2f..%2fetc/passwd", "GET //", "GET *",
}

var headerLines = []string{
	"Content-Type: application/json", "Content-Type: multipart/form-data; boundary=x", "Content-Type: text/plain;charset=UTF-8", "Cookie: podium_session=x; podium_device=y.z",
	"Authorization: Bearer podium_x", "Authorization: Basic eDp5", "Origin: https://elsewhere.example", "Sec-Fetch-Site: cross-site", "If-None-Match: W/\"x\"", "Range: bytes=1-2,5-",
	"Accept-Encoding: gzip, zstd, br", "Idempotency-Key: k", "Last-Event-ID: e.5", "X-Forwarded-For: 1.2.3.4", "Transfer-Encoding: chunked", "Connection: close", "Expect: 100-continue",
	"Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Extensions: permessage-deflate",
	"Podium-Guest: aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa", "Podium-Setup: x", "Fly-Client-IP: ::1", "X-Forwarded-Proto: https", "Host: y", "Content-Length: -1",
}

var bodies = []string{
	"", `{"password":"x"}`, `{"categories":[{"id":"best","name":"x"}]}`, `{"winners":{"best":["1-abcdef"]}}`, `{"moderation":true}`, `[]`, `{`, "\x00\xff", `{"__proto__":1}`,
	"--x\r\nContent-Disposition: form-data; name=\"category\"\r\n\r\nbest\r\n--x\r\nContent-Disposition: form-data; name=\"caption\"\r\n\r\n<script>\r\n--x--\r\n",
	"--x\r\nContent-Disposition: form-data; name=\"photo\"; filename=\"../../x.svg\"\r\nContent-Type: image/png\r\n\r\n\x89PNG\r\n\x1a\n\x00\x00\x00\rIHDR\x00\x00\x4e\x20\x00\x00\x4e\x20\x08\x06\r\n--x\r\n" +
		"Content-Disposition: form-data; name=\"category\"\r\n\r\nbest\r\n--x--\r\n",
	"40", "41", "42[\"heartbeat-pong\"]", "2probe", "3", "40\x1e42[\"x\"]", "d=42[\"x\"]", "5\r\nhello\r\n0\r\n\r\n", "b4AAEC\x1e4x",
}

var packets = []string{
	"40", "41", "40/x,", `40{"pid":"x","offset":"y"}`, `42["heartbeat-pong",{"echo":1}]`, `421["x"]`, `431["x"]`, `451-["x",{"_placeholder":true,"num":0}]`, `461-7[{"_placeholder":true,"num":0}]`,
	`44{"message":"x"}`, "2", "3", "3probe", "2probe", "5", "6", "1", "0{}", "", "4", "42", "45-", "499999", `42["\ud800"]`, `42["disconnect"]`, `41/x,{}`, `42/x,["y"]`,
}

// adminLines are requests that an admin may make, but for those that change how
// the test itself sees the server.
var adminLines = []string{
	"GET /api/submissions", "GET /api/metrics", "GET /api/dashboard", "GET /api/sessions", "GET /api/settings", "GET /api/export.csv", "GET /api/export.zip", "GET /api/album.zip", "GET /api/reveal/prepared", "POST /api/reveal", "DELETE /api/reveal", "GET /metrics",
	"POST /api/categories", "POST /api/save-winners", "POST /api/settings", "POST /api/submissions/delete-by-phone", "POST /api/submissions/1-abcdef/approve",
	"POST /api/submissions/1-abcdef/hide", "DELETE /api/submissions/1-abcdef", "DELETE /api/sessions/x", "POST /api/password", "GET /api/log-level", "GET /debug/pprof/heap?debug=1",
}

// fitting are bodies that fit their requests, with their types: what is made of
// them gets further than what is made of nothing.
var fitting = map[string][2]string{
	"POST /api/submit": {"multipart/form-data; boundary=x", "--x\r\nContent-Disposition: form-data; name=\"category\"\r\n\r\nbest\r\n" +
		"--x\r\nContent-Disposition: form-data; name=\"caption\"\r\n\r\n<b>fuzzed</b>\r\n--x\r\nContent-Disposition: form-data; name=\"name\"\r\n\r\nx\r\n" +
		"--x\r\nContent-Disposition: form-data; name=\"photo\"; filename=\"a.gif\"\r\n\r\nGIF89a\x01\x00\x01\x00\x80\x00\x00\x00\x00\x00\xff\xff\xff,\x00\x00\x00\x00\x01\x00\x01\x00\x00\x02\x02D\x01\x00;\r\n--x--\r\n"},
	"POST /api/login":                       {"application/json", `{"password":"wrong"}`},
	"POST /api/categories":                  {"application/json", `{"categories":[{"id":"best","name":"B"},{"id":"worst","name":"<i>W</i>"}]}`},
	"POST /api/save-winners":                {"application/json", `{"winners":{"best":["1-abcdef","2-abcdef"],"worst":[]}}`},
	"POST /api/settings":                    {"application/json", `{"moderation":false}`},
	"POST /api/submissions/delete-by-phone": {"application/json", `{"phone":"12345"}`},
	"POST /api/password":                    {"application/json", `{"current":"x","password":"another password"}`},
}

// fuzzer sends what it makes up. Its source is its own.
type fuzzer struct {
	s     *target
	rand  *rand.Rand
	sent  *fuzzCounts
	token string // lets some of its requests in where admins are
}

type fuzzCounts struct{ requests, admin, answers, frames, refused atomic.Int64 }

// Whoever submits before the fuzzing leaves these; no answer to anybody but an
// admin may hold them.
const fuzzName, fuzzPhone = "Quarrelsome Zebulon", "0049 5557 13579"

func TestFuzzingTheRunningServer(t *testing.T) {
	if *fuzzRace {
		t.Setenv("GORACE", "halt_on_error=1")
	}
	s := start(t, "--header-timeout", "2s", "--body-timeout", "1s", "--upload-window", "1s", "--connect-timeout", "2s", "--heartbeat-interval", "2s", "--heartbeat-timeout", "2s",
		"--allow-eio3", "--compress-websocket", "--limit-submissions-per-address", "0", "--limit-submissions", "120", "--limit-sign-ins", "1000000")
	seed := *fuzzSeed
	if seed == 0 {
		seed = rand.Uint64()
	}
	for _, category := range []string{"best", "worst"} {
		if err := s.submitForm("category", category, "caption", "Fuzzed", "name", fuzzName, "phone", fuzzPhone); err != nil {
			t.Fatal(err)
		}
	}
	token := s.token(t)
	before, sent := s.state(), &fuzzCounts{}
	stored := s.metric(`podium_uploads_total{storage="none"}`)
	began := time.Now()
	var wait sync.WaitGroup
	for hand := range uint64(4) {
		f := &fuzzer{s: s, rand: rand.New(rand.NewPCG(seed, hand)), sent: sent, token: token}
		wait.Go(func() {
			for time.Since(began) < *fuzzFor && !t.Failed() {
				if err := f.step(); err != nil {
					t.Error(err)
				}
			}
		})
	}
	wait.Wait()
	stored = s.metric(`podium_uploads_total{storage="none"}`) - stored
	before.heap += 16<<20 + 4<<10*stored // pools, caches and the log of what was submitted
	after := s.settle(t, before, 0)
	fmt.Printf("fuzzing for %s (-fuzzseed=%d): %d requests (%d of them an admin's), %d answers, %d frames, %d connections refused, %.0f submissions; heap %.1f → %.1f MB, goroutines %.0f → %.0f\n",
		time.Since(began).Round(time.Second), seed, sent.requests.Load(), sent.admin.Load(), sent.answers.Load(), sent.frames.Load(), sent.refused.Load(), stored, (before.heap-16<<20-4<<10*stored)/1e6,
		after.heap/1e6, before.goroutines, after.goroutines)
	log := s.log.String()
	for _, bad := range []string{"panic", "DATA RACE", "level=ERROR", fuzzName, fuzzPhone} {
		if i := strings.Index(log, bad); i >= 0 {
			t.Errorf("the log holds %q: %.3000s", bad, log[max(0, i-500):])
		}
	}
	if !strings.Contains(s.get("/ready"), `"ready":true`) {
		t.Error("the server is not ready any more")
	}
}

// pick is one of list, mostly as it is.
func (f *fuzzer) pick(list []string) string {
	text := list[f.rand.IntN(len(list))]
	if f.rand.IntN(3) > 0 {
		return text
	}
	return f.mutate(text)
}

// mutate changes some bytes of text, or repeats, cuts or moves parts of it.
func (f *fuzzer) mutate(text string) string {
	b := []byte(text)
	for range 1 + f.rand.IntN(4) {
		if len(b) == 0 {
			return string(rune(f.rand.IntN(256)))
		}
		at := f.rand.IntN(len(b))
		switch f.rand.IntN(6) {
		case 0:
			b[at] = byte(f.rand.IntN(256))
		case 1:
			b = append(b[:at], b[f.rand.IntN(len(b)):]...)
		case 2:
			part := b[at:min(len(b), at+1+f.rand.IntN(8))]
			b = append(b, strings.Repeat(string(part), 1+f.rand.IntN(200))...)
		case 3:
			b = append(b[:at:at], append([]byte(packets[f.rand.IntN(len(packets))]), b[at:]...)...)
		case 4:
			b = append(b, bodies[f.rand.IntN(len(bodies))]...)
		case 5:
			b[at] ^= 1 << f.rand.IntN(8)
		}
	}
	return string(b)
}

// step makes a WebSocket, a long-polling session, or a connection for requests
// of any kind. It fails where the server answers 500 or hangs.
func (f *fuzzer) step() error {
	switch f.rand.IntN(3) {
	case 0:
		c, err := f.s.webSocketWith("", f.pick([]string{"", "Sec-WebSocket-Extensions: permessage-deflate\r\n"}))
		if err != nil {
			return nil // refused: the header was changed
		}
		defer c.Close()
		f.talk(c)
		return nil
	case 1:
		return f.poll()
	}
	return f.request()
}

// poll sends payloads of a long-polling session, and takes what comes.
func (f *fuzzer) poll() error {
	sid, c, err := f.s.handshake()
	if err != nil {
		return err
	}
	defer c.Close()
	for range 1 + f.rand.IntN(10) {
		f.sent.requests.Add(1)
		if c.post(sid, f.pick(packets)+"\x1e"+f.pick(packets)) != nil {
			f.sent.refused.Add(1)
			return nil
		}
		f.sent.answers.Add(1)
	}
	return nil
}

// request sends requests over one connection, and frames where one of them
// became a WebSocket.
func (f *fuzzer) request() error {
	sid := ""
	if f.rand.IntN(3) == 0 {
		var c *raw
		var err error
		if sid, c, err = f.s.handshake(); err == nil {
			c.Close()
		}
	}
	c, err := f.s.open()
	if err != nil {
		return err
	}
	defer c.Close()
	var said []string // over this connection, for whoever has to explain a failure
	for range 1 + f.rand.IntN(6) {
		line, admin := f.pick(requestLines), f.rand.IntN(4) == 0
		if admin {
			line = f.pick(adminLines)
			f.sent.admin.Add(1)
		}
		line = strings.ReplaceAll(line, "SID", sid)
		var b strings.Builder
		b.WriteString(line + " HTTP/1.1\r\nHost: x\r\n")
		if admin {
			b.WriteString("Authorization: Bearer " + f.token + "\r\n")
		}
		for range f.rand.IntN(4) {
			b.WriteString(f.pick(headerLines) + "\r\n")
		}
		body := f.pick(bodies)
		if fit, ok := fitting[line]; ok && f.rand.IntN(4) > 0 {
			body = f.pick([]string{fit[1]})
			b.WriteString("Content-Type: " + fit[0] + "\r\n")
		}
		if f.rand.IntN(8) > 0 {
			fmt.Fprintf(&b, "Content-Length: %d\r\n", len(body))
		}
		b.WriteString("\r\n" + body)
		said = append(said, b.String())
		f.sent.requests.Add(1)
		if c.write(b.String()) != nil {
			f.sent.refused.Add(1)
			return nil
		}
		goOn, err := f.readAnswer(c, line, admin)
		if err != nil {
			return fmt.Errorf("%w\nafter %.20000q", err, said)
		}
		if !goOn {
			return nil
		}
	}
	return nil
}

// readAnswer reads one answer and reports whether another request may follow.
func (f *fuzzer) readAnswer(c *raw, line string, admin bool) (goOn bool, err error) {
	_ = c.SetReadDeadline(time.Now().Add(100 * time.Millisecond)) // polls, streams and unfinished requests wait
	method, _, _ := strings.Cut(line, " ")
	var res *http.Response
	// An interim answer (RFC 9110, section 15.2) is followed by the request's own.
	for res == nil || res.StatusCode == http.StatusContinue {
		if res, err = http.ReadResponse(c.in, &http.Request{Method: method}); err != nil {
			return false, nil // closed, or it waits for more
		}
	}
	defer res.Body.Close()
	f.sent.answers.Add(1)
	if res.StatusCode == http.StatusInternalServerError && !strings.Contains(line, "/socket.io/") {
		body, _ := io.ReadAll(res.Body)
		return false, fmt.Errorf("%q: %s: %s", line, res.Status, body)
	}
	if res.StatusCode == http.StatusSwitchingProtocols {
		f.talk(c)
		return false, nil
	}
	body, err := io.ReadAll(res.Body)
	if text := string(body); !admin && (strings.Contains(text, fuzzName) || strings.Contains(text, fuzzPhone)) {
		return false, fmt.Errorf("%q: a name or a phone number leaves: %s", line, text)
	}
	return err == nil && !res.Close, nil
}

// talk sends frames, good and bad.
func (f *fuzzer) talk(c *raw) {
	go func() { // ends with the connection, which step closes
		for {
			_, text, err := c.read()
			if err != nil {
				return
			}
			if strings.Contains(text, fuzzName) || strings.Contains(text, fuzzPhone) {
				f.s.t.Errorf("a name or a phone number leaves: %s", text)
			}
		}
	}()
	for range 1 + f.rand.IntN(30) {
		op := byte(opText)
		if f.rand.IntN(4) == 0 {
			op = byte(f.rand.IntN(16))
		}
		text := frame(op, f.rand.IntN(10) == 0, f.pick(packets))
		if f.rand.IntN(10) == 0 {
			text = f.mutate(text)
		}
		f.sent.frames.Add(1)
		if err := c.write(text); err != nil {
			if err, ok := err.(net.Error); ok && err.Timeout() {
				f.s.t.Error("the server reads no frames any more")
			}
			return
		}
	}
}
