package client

import (
	"math"
	"testing"
	"time"
)

func TestBackoff(t *testing.T) {
	for name, tc := range map[string]struct {
		first, max time.Duration
		factor     float64
		low, high  []time.Duration // of each delay in turn
	}{
		"exact": {time.Second, 5 * time.Second, -1,
			[]time.Duration{1e9, 2e9, 4e9, 5e9, 5e9}, []time.Duration{1e9, 2e9, 4e9, 5e9, 5e9}},
		"spread": {100 * time.Millisecond, 10 * time.Second, 0.2,
			[]time.Duration{80e6, 160e6, 320e6}, []time.Duration{120e6, 240e6, 480e6}},
		"no more than the bound": {time.Second, time.Second, 1,
			[]time.Duration{0, 0}, []time.Duration{1e9, 1e9}},
		"a factor beyond 1 counts as 1": {time.Second, time.Minute, 7,
			[]time.Duration{0}, []time.Duration{2e9}},
		"a bound below the first delay": {time.Minute, time.Second, -1,
			[]time.Duration{1e9}, []time.Duration{1e9}},
	} {
		t.Run(name, func(t *testing.T) {
			o := Options{ReconnectionDelay: tc.first, ReconnectionDelayMax: tc.max, RandomizationFactor: tc.factor}
			for range 100 {
				var b backoff
				for i := range tc.low {
					if d := b.next(&o); d < tc.low[i] || d > tc.high[i] {
						t.Fatalf("delay %d is %v", i, d)
					}
				}
			}
		})
	}
	t.Run("after very many attempts", func(t *testing.T) {
		o := Options{ReconnectionDelay: math.MaxInt64 / 3, ReconnectionDelayMax: math.MaxInt64, RandomizationFactor: -1}
		var b backoff
		last := time.Duration(0)
		for range 200 {
			d := b.next(&o)
			if d < last {
				t.Fatalf("%v comes after %v", d, last)
			}
			last = d
		}
	})
}

func TestReadsURLs(t *testing.T) {
	for rawURL, want := range map[string][2]string{
		"http://localhost":                {"http://localhost/socket.io/", ""},
		"http://localhost/":               {"http://localhost/socket.io/", "/"},
		"https://localhost:8443/chat":     {"https://localhost:8443/socket.io/", "/chat"},
		"ws://localhost:80/chat/room":     {"ws://localhost:80/socket.io/", "/chat/room"},
		"wss://localhost":                 {"wss://localhost/socket.io/", ""},
		"http://[::1]":                    {"http://[::1]/socket.io/", ""},
		"http://[::1]:8080/chat":          {"http://[::1]:8080/socket.io/", "/chat"},
		"http://localhost/chat?a=b&c=d":   {"http://localhost/socket.io/?a=b&c=d", "/chat"},
		"http://user:secret@localhost/#x": {"http://user:secret@localhost/socket.io/", "/"},
		"http://localhost/caf%C3%A9":      {"http://localhost/socket.io/", "/café"},
	} {
		o := Options{}.withDefaults()
		if address, path, err := o.target(rawURL); err != nil || address != want[0] || path != want[1] {
			t.Errorf("%s is %q and %q, %v", rawURL, address, path, err)
		}
	}
	for _, rawURL := range []string{"", "localhost:3000", "//localhost:3000", "/chat", "ftp://localhost", "http://", "http:///chat", "http://localhost:port", "\x00"} {
		if s, err := New(rawURL, Options{}); err == nil {
			t.Errorf("%q was taken", rawURL)
			_ = s.Close()
		}
	}
	if m, err := NewManager("http://localhost/chat", Options{}); err == nil {
		t.Error("a manager was made of a namespace")
		_ = m.Close()
	}
	for path, want := range map[string]string{"": "/socket.io/", "own": "/own/", "/own": "/own/", "/own/": "/own/", "/": "/"} {
		if got := (Options{Path: path}).withDefaults().Path; got != want {
			t.Errorf("path %q is %q", path, got)
		}
	}
	o := Options{Query: map[string][]string{"&a": {"&=?a"}, "b": {"1", "2"}}}.withDefaults()
	if address, _, err := o.target("http://localhost?b=0"); err != nil || address != "http://localhost/socket.io/?%26a=%26%3D%3Fa&b=1&b=2" {
		t.Errorf("query is sent as %s, %v", address, err)
	}
}
