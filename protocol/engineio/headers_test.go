package engineio_test

import (
	"errors"
	"maps"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/coder/websocket"

	"podium/protocol/engineio"
)

// ask sends a handshake and returns its answer, without the body.
func (s *server) ask(method string, header map[string]string) *http.Response {
	s.Helper()
	req, err := http.NewRequestWithContext(s.Context(), method, s.http.URL+"/engine.io/?EIO=4&transport=polling", nil)
	if err != nil {
		s.Fatal(err)
	}
	for name, value := range header {
		req.Header.Set(name, value)
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		s.Fatal(err)
	}
	res.Body.Close()
	return res
}

func TestPreflightAnswersHaveEveryOfficialHeader(t *testing.T) {
	s := serve(t, engineio.Options{CORS: &engineio.CORS{
		Origins: []string{"https://a.example"}, Methods: []string{"GET", "PUT"}, AllowedHeaders: []string{"My-Header"},
		ExposedHeaders: []string{"X-A", "X-B"}, Credentials: true, MaxAge: 123e9, PreflightStatus: 200,
	}})
	res := s.ask("OPTIONS", map[string]string{"Origin": "https://a.example"})
	want := map[string]string{
		"Access-Control-Allow-Origin": "https://a.example", "Access-Control-Allow-Methods": "GET,PUT",
		"Access-Control-Allow-Headers": "My-Header", "Access-Control-Expose-Headers": "X-A,X-B",
		"Access-Control-Allow-Credentials": "true", "Access-Control-Max-Age": "123", "Vary": "Origin", "Content-Length": "0",
	}
	for _, name := range slices.Sorted(maps.Keys(want)) {
		if got := res.Header.Get(name); got != want[name] {
			t.Errorf("%s is %q, want %q", name, got, want[name])
		}
	}
	if res.StatusCode != 200 {
		t.Errorf("status %d", res.StatusCode)
	}
}

func TestWebSocketHandshakesGetTheHeadersOfCORSAndTheirSubprotocol(t *testing.T) {
	s := serve(t, engineio.Options{CORS: &engineio.CORS{Origins: []string{"https://a.example"}}})
	c, res, err := websocket.Dial(t.Context(), s.http.URL+"/engine.io/?EIO=4&transport=websocket", &websocket.DialOptions{
		HTTPHeader: http.Header{"Origin": {"https://a.example"}}, Subprotocols: []string{"first", "second"},
	})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = c.CloseNow() }()
	if got := res.Header.Get("Access-Control-Allow-Origin"); got != "https://a.example" || c.Subprotocol() != "first" {
		t.Errorf("origin %q, subprotocol %q", got, c.Subprotocol())
	}
}

func TestTheCookieOfTheSessionComesFirst(t *testing.T) {
	s := serve(t, engineio.Options{
		Cookie:         &http.Cookie{Name: "io", HttpOnly: true},
		InitialHeaders: func(h http.Header, _ *http.Request) { h.Add("Set-Cookie", "mine=1") },
	})
	cookies := s.ask("GET", nil).Header["Set-Cookie"]
	if len(cookies) != 2 || cookies[0] != "io="+s.last().session.ID()+"; Path=/; HttpOnly; SameSite=Lax" || cookies[1] != "mine=1" {
		t.Errorf("cookies %q", cookies)
	}
}

func TestInternetExplorerIsToldToLeaveAnswersAlone(t *testing.T) {
	s := serve(t, engineio.Options{})
	for agent, want := range map[string]string{
		"Mozilla/4.0 (compatible;MSIE 8.0; Windows NT 6.1)": "0", "Mozilla/5.0 (Windows NT 6.3; Trident/7.0; rv:11.0)": "0", "curl": "",
	} {
		if got := s.ask("GET", map[string]string{"User-Agent": agent}).Header.Get("X-XSS-Protection"); got != want {
			t.Errorf("%s got %q", agent, got)
		}
	}
}

func TestPollsAreCompressedUnlessTheirMessagesMayNotBe(t *testing.T) {
	s := serve(t, engineio.Options{HTTPCompression: 10})
	for _, c := range []struct {
		messages []*engineio.Message
		want     string
	}{
		{[]*engineio.Message{engineio.Text([]byte("short"))}, ""},
		{[]*engineio.Message{engineio.Text([]byte("long enough, that is"))}, "gzip"},
		{[]*engineio.Message{engineio.Text([]byte("long enough, that is")).Uncompressed()}, ""},
		{[]*engineio.Message{engineio.Text([]byte("long enough, that is")).Uncompressed(), engineio.Text([]byte("x"))}, "gzip"},
	} {
		q := s.open()
		if err := s.last().session.Send(c.messages...); err != nil {
			t.Fatal(err)
		}
		req, err := http.NewRequestWithContext(t.Context(), "GET", s.http.URL+"/engine.io/?"+q, nil)
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set("Accept-Encoding", "gzip, deflate")
		res, err := http.DefaultTransport.RoundTrip(req)
		if err != nil {
			t.Fatal(err)
		}
		res.Body.Close()
		if got := res.Header.Get("Content-Encoding"); got != c.want || strings.Contains(res.Header.Get("Vary"), "Accept-Encoding") != (c.want != "") {
			t.Errorf("%d messages: encoding %q, want %q", len(c.messages), got, c.want)
		}
	}
}

func TestScriptsAreForProtocol3AndForPagesOfAllowedOrigins(t *testing.T) {
	handshake := func(s *server, query string, header map[string]string) (int, string) {
		req := httptest.NewRequest("GET", "http://here.example/engine.io/?transport=polling&"+query, nil)
		for name, value := range header {
			req.Header.Set(name, value)
		}
		w := httptest.NewRecorder()
		s.engine.ServeHTTP(w, req)
		return w.Code, w.Body.String()
	}
	narrow := serve(t, engineio.Options{AllowEIO3: true, CORS: &engineio.CORS{Origins: []string{"https://friend.example"}}})
	for _, c := range []struct {
		query  string
		header map[string]string
		want   int
	}{
		{"EIO=3&j=0", map[string]string{"Referer": "http://here.example/page?x=1"}, 200},
		{"EIO=3&j=0", map[string]string{"Referer": "https://friend.example/page"}, 200},
		{"EIO=3&j=0", map[string]string{"Origin": "https://friend.example"}, 200},
		{"EIO=3&j=0", map[string]string{"Sec-Fetch-Site": "same-origin"}, 200},
		{"EIO=3&j=0", map[string]string{"Referer": "https://foe.example/here.example", "Sec-Fetch-Site": "cross-site"}, 403},
		{"EIO=3&j=0", map[string]string{"Referer": "https://friend.example.foe.example/"}, 403},
		{"EIO=3&j=0", map[string]string{"Origin": "null"}, 403},
		{"EIO=3&j=0", map[string]string{"Sec-Fetch-Site": "cross-site"}, 403},
		{"EIO=3&j=0", nil, 403},
		{"EIO=3", nil, 200},
		{"EIO=4&j=0", map[string]string{"Referer": "http://here.example/"}, 400},
		{"EIO=4", nil, 200},
	} {
		if status, body := handshake(narrow, c.query, c.header); status != c.want || status != 200 && strings.Contains(body, "sid") {
			t.Errorf("%s %v: %d %s, want %d", c.query, c.header, status, body, c.want)
		}
	}
	for name, wide := range map[string]*engineio.CORS{"none": nil, "all": {Origins: []string{"*"}}} {
		s := serve(t, engineio.Options{AllowEIO3: true, CORS: wide})
		if status, body := handshake(s, "EIO=3&j=0", map[string]string{"Referer": "https://foe.example/"}); status != 200 || !strings.HasPrefix(body, "___eio[0]") {
			t.Errorf("policy %s: %d %s", name, status, body)
		}
	}
}

func TestAPageOfAnotherOriginReadsNoSessionAsAScript(t *testing.T) {
	s := serve(t, engineio.Options{AllowEIO3: true, CORS: &engineio.CORS{}})
	_, body := s.do("GET", "EIO=3&transport=polling", "")
	sid := strings.Split(body, `"`)[3]
	for _, version := range []string{"3", "4"} {
		if status, body := s.do("GET", "EIO="+version+"&transport=polling&j=0&sid="+sid, ""); status < 400 || strings.Contains(body, "___eio") {
			t.Errorf("protocol %s: %d %s", version, status, body)
		}
	}
}

func TestTheObserverIsToldOfRefusedRequests(t *testing.T) {
	refused := make(chan *engineio.Error, 1)
	s := serve(t, engineio.Options{
		AllowRequest: func(r *http.Request) error {
			if r.URL.Query().Has("deny") {
				return engineio.ErrForbidden
			}
			return nil
		},
		Observer: engineio.Observer{Refused: func(_ *http.Request, e *engineio.Error) { refused <- e }},
	})
	for query, want := range map[string]*engineio.Error{
		"EIO=4&transport=tobi": engineio.ErrUnknownTransport, "EIO=4&transport=polling&sid=x": engineio.ErrUnknownSession,
		"EIO=3&transport=polling": engineio.ErrUnsupportedProtocol, "EIO=4&transport=polling&deny": engineio.ErrForbidden,
	} {
		s.do("GET", query, "")
		if got := <-refused; got != want {
			t.Errorf("%s: told of %v", query, got)
		}
	}
}

func TestARefusalNamesWhatItsCodeDoesNotTell(t *testing.T) {
	refused := make(chan *engineio.Error, 1)
	s := serve(t, engineio.Options{
		AllowEIO3: true,
		CORS:      &engineio.CORS{Origins: []string{"https://good.example"}},
		NewID:     func(*http.Request) (string, error) { return "", errors.New("no") },
		Observer:  engineio.Observer{Refused: func(_ *http.Request, e *engineio.Error) { refused <- e }},
	})
	for query, want := range map[string]engineio.Error{
		"EIO=4&transport=websocket":     {Code: 3, Message: "Bad request", Name: engineio.NameTransportMismatch},
		"EIO=4&transport=polling":       {Code: 3, Message: "Bad request", Name: engineio.NameIDGeneration},
		"EIO=3&transport=polling&j=1":   {Code: 4, Message: "Forbidden", Name: engineio.NameInvalidOrigin},
		"EIO=4&transport=polling&sid=x": {Code: 1, Message: "Session ID unknown"},
	} {
		_, body := s.do("GET", query, "")
		if got := <-refused; *got != want {
			t.Errorf("%s: told of %+v", query, got)
		}
		if strings.Contains(body, "_") {
			t.Errorf("%s: the client is told %s", query, body)
		}
	}
}

func TestACookieMayHaveNoPath(t *testing.T) {
	s := serve(t, engineio.Options{Cookie: &http.Cookie{Name: "io"}, CookieWithoutPath: true})
	if got := s.ask("GET", nil).Header.Get("Set-Cookie"); !strings.HasPrefix(got, "io=") || strings.Contains(got, "Path") {
		t.Errorf("Set-Cookie: %s", got)
	}
}

func TestSeveralCookiesStaySeveralInTheAnswerOfAWebSocket(t *testing.T) {
	s := serve(t, engineio.Options{InitialHeaders: func(h http.Header, _ *http.Request) {
		h.Add("Set-Cookie", "a=1")
		h.Add("Set-Cookie", "b=2")
	}})
	c, res, err := websocket.Dial(t.Context(), s.http.URL+"/?EIO=4&transport=websocket", nil)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = c.CloseNow() }()
	if got := res.Header["Set-Cookie"]; len(got) != 2 {
		t.Errorf("Set-Cookie: %q", got)
	}
}

func TestTheHeartbeatOfEitherProtocolIsObserved(t *testing.T) {
	for protocol, beat := range map[string]string{"3": "1:2", "4": "3"} {
		t.Run(protocol, func(t *testing.T) {
			beats := make(chan string, 10)
			s := serve(t, engineio.Options{
				AllowEIO3: true, PingInterval: 50 * time.Millisecond, ParkAfter: -1,
				Observer: engineio.Observer{Heartbeat: func(s *engineio.Session) { beats <- s.ID() }},
			})
			_, body := s.do("GET", "EIO="+protocol+"&transport=polling", "")
			_, after, _ := strings.Cut(body, `"sid":"`)
			sid, _, _ := strings.Cut(after, `"`)
			q := "EIO=" + protocol + "&transport=polling&sid=" + sid
			if protocol == "4" {
				s.do("GET", q, "") // until the ping
			}
			s.do("POST", q, beat)
			select {
			case got := <-beats:
				if got != sid {
					t.Errorf("of session %q, want %q", got, sid)
				}
			case <-time.After(10 * time.Second):
				t.Error("not observed")
			}
		})
	}
}
