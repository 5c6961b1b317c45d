package server_test

import (
	"strings"
	"testing"
)

func TestAGuestFindsTheirPhotosAndTakesThemBackAndNobodyElseDoes(t *testing.T) {
	s := newSite(t).signIn()
	guest := s.visitor()
	ada, bob := strings.Repeat("a", 32), strings.Repeat("b", 32)
	send := func(secret, caption string) string {
		t.Helper()
		var body struct{ Entry entry }
		guest.submit(nil, part{"category", "", "best"}, part{"caption", "", caption}, part{"phone", "", "+44 20 7946 0958"}, part{"guest", "", secret}, part{"photo", "p.jpg", photo(t, 40, 20)}).is(200).into(&body)
		return body.Entry.ID
	}
	mine := func(secret string) string {
		t.Helper()
		var body struct {
			Photos []struct {
				Caption, Status string
				Place           int
			}
		}
		g := guest.do("GET", "/api/mine", nil, "Podium-Guest", secret).is(200).into(&body)
		if strings.Contains(g.body, "7946") || strings.Contains(g.body, secret) {
			t.Errorf("more leaves than the photos: %s", g.body)
		}
		var list []string
		for _, p := range body.Photos {
			list = append(list, p.Caption+" "+p.Status+strings.Repeat(" won", p.Place))
		}
		return strings.Join(list, ", ")
	}
	first := send(ada, "first")
	s.do("POST", "/api/save-winners", `{"winners":{"best":["`+first+`"]}}`).is(200)
	s.do("POST", "/api/settings", `{"moderation":true}`).is(200)
	second := send(ada, "second")
	send(bob, "other")
	if got := mine(ada); got != "second waiting, first approved won" {
		t.Errorf("Ada has %s", got)
	}
	guest.do("DELETE", "/api/mine/"+first, nil, "Podium-Guest", bob).is(404).sentence()
	guest.do("DELETE", "/api/mine/"+first, nil).is(401).sentence()
	guest.do("GET", "/api/mine", nil, "Podium-Guest", "short").is(401).sentence()
	guest.do("DELETE", "/api/mine/"+second, nil, "Podium-Guest", ada).is(200)
	guest.do("DELETE", "/api/mine/"+first, nil, "Podium-Guest", ada).is(200)
	guest.do("DELETE", "/api/mine/"+first, nil, "Podium-Guest", ada).is(404)
	if got := mine(ada) + mine(bob); got != "other waiting" {
		t.Errorf("left are %s", got)
	}
	if names, err := s.server.Contest().SettingNames("guest.", 10); err != nil || len(names) != 1 {
		t.Errorf("of a guest who took everything back is left %q, %v", names, err)
	}
}
