package server_test

import (
	"net/http"
	"net/http/httptest"
	"runtime"
	"strings"
	"testing"
	"time"
)

// What a request may cost: a base, and so much for each of its bytes. They are
// generous, since machines differ and a commit waits for the disk: what they catch is
// work that grows faster than the request.
const (
	costBase      = 300 * time.Millisecond
	costByte      = 10 * time.Microsecond
	costAlloc     = 2 << 20
	costAllocByte = 256
	costAttempts  = 3 // the cheapest counts: the machine may be busy
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
		2: {strings.Repeat("podium=x; ", 1500)},
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
		var took time.Duration
		var allocated uint64
		for range costAttempts {
			r := request(text, body)
			if r.Method == "POST" {
				r.Header.Set("Cookie", cookie)
			}
			var before, after runtime.MemStats
			runtime.ReadMemStats(&before)
			began := time.Now()
			s.server.Handler().ServeHTTP(httptest.NewRecorder(), r)
			took = time.Since(began)
			runtime.ReadMemStats(&after)
			allocated = after.TotalAlloc - before.TotalAlloc
			size := len(text) + len(body)
			if took <= costBase+time.Duration(size)*costByte && allocated <= costAlloc+uint64(size)*costAllocByte {
				return
			}
		}
		t.Fatalf("%d bytes took %v and %d bytes of memory", len(text)+len(body), took, allocated)
	})
}
