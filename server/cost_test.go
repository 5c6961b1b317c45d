package server_test

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"podium/server/internal/cost"
)

// requestCost is what a request may cost: a commit waits for the disk.
var requestCost = cost.Limit{Base: 300 * time.Millisecond, Byte: 10 * time.Microsecond, BaseMemory: 2 << 20, ByteMemory: 256}

// costHeaders are what the server reads, and costPaths where.
var (
	costHeaders = []string{"Accept", "Accept-Encoding", "Accept-Language", "Authorization", "Cookie", "Content-Type", "Forwarded", "Idempotency-Key",
		"If-Match", "If-Modified-Since", "If-None-Match", "If-Range", "Last-Event-Id", "Origin", "Podium-Guest", "Podium-Offset", "Podium-Presenter", "Podium-Setup",
		"Range", "Referer", "Sec-Fetch-Site", "X-Forwarded-For", "X-Forwarded-Proto"}
	costPaths = []string{"/", "/admin", "/styles.css", "/api/feed", "/api/winners", "/api/mine", "/api/session", "/api/submissions", "/api/join.svg", "/categories.json",
		"/uploads/000000000000000000000000.jpg", "/socket.io/socket.io.js", "/socket.io/?EIO=4&transport=none", "/health"}
)

// costKinds are the requests that a text and a body are put into.
var costKinds = []func(text, body string) *http.Request{
	func(text, _ string) *http.Request {
		return costRequest("GET", "/api/feed", "Accept-Encoding", text, "")
	},
	func(text, _ string) *http.Request { return costRequest("GET", "/api/feed", "If-None-Match", text, "") },
	func(text, _ string) *http.Request { return costRequest("GET", "/api/session", "Cookie", text, "") },
	func(text, _ string) *http.Request {
		r := costRequest("GET", "/api/feed", "", "", "")
		r.URL.RawQuery = text
		return r
	},
	func(text, body string) *http.Request {
		return costRequest("POST", "/api/save-winners", "Content-Type", text, body)
	},
	func(text, body string) *http.Request {
		return costRequest("POST", "/api/submissions/delete-by-phone", "Content-Type", text, body)
	},
	func(text, body string) *http.Request {
		return costRequest("POST", "/api/submit", "Content-Type", "multipart/form-data; boundary=b"+text, body)
	},
}

// everyHeader asks a path with the text in every header that the server reads.
func everyHeader(path, text string) *http.Request {
	r := httptest.NewRequest("GET", path, nil)
	for _, name := range costHeaders {
		r.Header.Set(name, text)
	}
	return r
}

func costRequest(method, path, header, text, body string) *http.Request {
	r := httptest.NewRequest(method, path, strings.NewReader(body))
	if header != "" {
		r.Header.Set(header, text)
	}
	return r
}

// The server's own parsers (headers, cookies, queries, JSON, forms) and the feed do
// no more work for a request than it is long.
func FuzzCostOfARequest(f *testing.F) {
	s := newSite(f, "--limit-requests", "0", "--limit-requests-per-address", "0", "--limit-submissions", "0", "--limit-submissions-per-address", "0").signIn()
	cookie, _, _ := strings.Cut(s.cookie, ";")
	field := "--b\r\nContent-Disposition: form-data; name=\"category\"\r\n\r\nbest\r\n"
	for kind, seed := range map[byte][2]string{
		0: {strings.Repeat("*,", 8000)},
		1: {strings.Repeat(`W/"a",`, 2500)},
		2: {strings.Repeat("podium_session=x; ", 900)},
		3: {"limit=1&" + strings.Repeat("limit=2&", 2000)},
		4: {"application/json", `{"winners":` + strings.Repeat("[", 20_000)},
		5: {"application/json", `{"phone":"` + strings.Repeat(`\u0030`, 20_000) + `"}`},
		6: {"", field + strings.Repeat("--b\r\nContent-Disposition: form-data; name=x;;;;"+strings.Repeat("name=", 200)+"\r\n\r\n", 20) + "--b--\r\n"},
	} {
		f.Add(kind, seed[0], seed[1])
	}
	f.Add(byte(6), "", field+"--b\r\nContent-Disposition: form-data; name=\"photo\"; filename=\"a.jpg\"\r\n\r\n\xff\xd8"+strings.Repeat("\xff\xc4\x00\x13\x00", 4000)+"\r\n--b--\r\n")
	f.Add(byte(6), "", field+"--b\r\nContent-Disposition: form-data; name=\"caption\"\r\n\r\n"+strings.Repeat("<", 2000)+"\r\n--b--\r\n")
	f.Fuzz(func(t *testing.T, kind byte, text, body string) {
		if len(text) > 16<<10 || len(body) > 128<<10 {
			return // net/http and the fuzzer bound them
		}
		request := costKinds[int(kind)%len(costKinds)]
		requestCost.Check(t, len(text)+len(body), func() {
			r := request(text, body)
			if r.Method == "POST" {
				r.Header.Set("Cookie", cookie)
			}
			s.server.Handler().ServeHTTP(httptest.NewRecorder(), r)
		})
	})
}

// FuzzCostOfAHeader is the same for every header on every kind of path: net/http bounds
// them all together, so each is as long as all may be.
func FuzzCostOfAHeader(f *testing.F) {
	s := newSite(f, "--limit-requests", "0", "--limit-requests-per-address", "0", "--trusted-proxies", "192.0.2.0/24")
	for _, part := range []string{"*,", ",", ";", "=", "; ", " ", "a;q=0.1,", "de-x-a,", "bytes=0-0,", "0-0,", `W/"a",`, `"`, "podium_session=x; ", "podium_language=de; ", "127.0.0.1,", "[::1]:1,", "2001:db8::1,",
		"for=\"", "\\", "%41", ".", "-", "Bearer ", "http://a/", "\x00", "é"} {
		f.Add("", part, "", uint16(8<<10))
	}
	f.Fuzz(func(t *testing.T, before, again, after string, times uint16) {
		text := before + strings.Repeat(again, min(int(times), 16<<10/max(1, len(again)))) + after
		if len(text) > 16<<10 {
			return // net/http bounds them
		}
		for _, path := range costPaths {
			t.Log(path)
			requestCost.Check(t, len(text)*len(costHeaders), func() {
				s.server.Handler().ServeHTTP(httptest.NewRecorder(), everyHeader(path, text))
			})
		}
	})
}
