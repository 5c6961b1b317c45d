package server_test

import (
	"net/http"
	"strings"
	"testing"

	"github.com/coder/websocket"
)

// TestOriginsAreJudgedByTheCORSSetting tries pages of this site, of a friend's
// and of a stranger's with each setting: whether they may open a WebSocket, and
// whether their browser lets them read what polling answers.
func TestOriginsAreJudgedByTheCORSSetting(t *testing.T) {
	const friend, stranger = "https://friend.example", "https://stranger.example"
	for _, row := range []struct {
		name  string
		flags []string
		opens map[string]bool   // by Origin: a WebSocket is opened
		reads map[string]string // by Origin: Access-Control-Allow-Origin
	}{
		{"none", nil, map[string]bool{"": true, "own": true, friend: true, stranger: true, "null": true}, map[string]string{"": "", friend: "", stranger: ""}},
		{"everybody", []string{"--cors-origins", "*"}, map[string]bool{"": true, "own": true, stranger: true, "null": true}, map[string]string{stranger: "*"}},
		{"a friend", []string{"--cors-origins", friend}, map[string]bool{
			"": true, "own": true, friend: true, stranger: false, "null": false,
			"https://friend.example.evil": false, "http://friend.example": false, "https://friend.example:444": false, "HTTPS://FRIEND.EXAMPLE.": false,
		}, map[string]string{friend: friend, stranger: "", "null": ""}},
	} {
		t.Run(row.name, func(t *testing.T) {
			s := newSite(t, row.flags...)
			for origin, want := range row.opens {
				header := http.Header{}
				if origin == "own" {
					header.Set("Origin", s.url)
				} else if origin != "" {
					header.Set("Origin", origin)
				}
				c, _, err := websocket.Dial(t.Context(), s.url+"/socket.io/?EIO=4&transport=websocket", &websocket.DialOptions{HTTPHeader: header, HTTPClient: s.http})
				if err == nil {
					_ = c.CloseNow()
				}
				if (err == nil) != want {
					t.Errorf("a WebSocket from %q: %v, want opened %v", origin, err, want)
				}
			}
			for origin, want := range row.reads {
				_, g := s.handshake("Origin", origin)
				if got := g.header.Get("Access-Control-Allow-Origin"); got != want {
					t.Errorf("polling from %q may be read by %q, want %q", origin, got, want)
				}
				if g.header.Get("Access-Control-Allow-Credentials") != "" {
					t.Error("cookies are let through")
				}
			}
		})
	}
}

// TestAdminAnswersAreForNoOtherOrigin: whatever the CORS setting says, it is
// about Socket.IO alone.
func TestAdminAnswersAreForNoOtherOrigin(t *testing.T) {
	s := newSite(t, "--cors-origins", "*").signIn()
	for _, route := range adminRoutes {
		g := s.do(route[0], route[1], "{}", "Origin", "https://stranger.example", "Sec-Fetch-Site", "cross-site")
		if g.header.Get("Access-Control-Allow-Origin") != "" {
			t.Errorf("%v may be read by others", route)
		}
		if route[0] != "GET" && g.status != http.StatusForbidden {
			t.Errorf("%v from another site: %d", route, g.status)
		}
	}
}

// TestAdminAnswersAreKeptNowhere: a shared computer or proxy must not show them
// to the next person.
func TestAdminAnswersAreKeptNowhere(t *testing.T) {
	s := newSite(t).signIn()
	for _, route := range adminRoutes {
		if route[0] != "GET" {
			continue
		}
		for _, who := range []*site{s, s.visitor()} {
			if g := who.do("GET", route[1], nil); !strings.Contains(g.header.Get("Cache-Control"), "no-store") {
				t.Errorf("%s (%d): Cache-Control %q", route[1], g.status, g.header.Get("Cache-Control"))
			}
		}
	}
}

// TestCredentialsThatBrowsersSendByThemselvesAreNoToken: a page can make a
// browser send Basic credentials, and the cookie along with them.
func TestCredentialsThatBrowsersSendByThemselvesAreNoToken(t *testing.T) {
	s := newSite(t).signIn()
	for _, value := range []string{"Basic YTpi", "Negotiate x", "bearer", "Bearer"} {
		s.do("POST", "/api/settings", `{"moderation":true}`, "Authorization", value, "Sec-Fetch-Site", "same-site").is(403)
	}
	s.do("POST", "/api/settings", `{"moderation":true}`, "Authorization", "Bearer guess", "Sec-Fetch-Site", "same-site").is(401)
}

// TestAHeaderForFlysProxyHoldsNothingFromOutside: what a client puts into its
// session id must not steer the proxy elsewhere.
func TestAHeaderForFlysProxyHoldsNothingFromOutside(t *testing.T) {
	s := newSite(t, "--node-id", "mine")
	at := "/socket.io/?EIO=4&transport=polling&sid="
	if g := s.do("GET", at+"other~abc", nil); !strings.HasPrefix(g.header.Get("Fly-Replay"), "instance=other") {
		t.Errorf("another machine's session: %d %q", g.status, g.header.Get("Fly-Replay"))
	}
	for _, sid := range []string{"x;app=bank~abc", "x,region=fra~abc", "x%0d%0aSet-Cookie:a~abc", "%20~abc", "~abc"} {
		if g := s.do("GET", at+sid, nil); g.header.Get("Fly-Replay") != "" {
			t.Errorf("%s: Fly-Replay %q", sid, g.header.Get("Fly-Replay"))
		}
	}
}
