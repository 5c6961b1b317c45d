package client_test

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"testing"

	"podium/protocol/client"
	"podium/protocol/socketio/msgpack"
)

// FuzzServer has a server answer the first poll after the handshake with anything. The
// client takes it or gives the connection up; it neither panics nor hangs, and Close ends
// everything of it.
func FuzzServer(f *testing.F) {
	for _, seed := range []string{
		`40{"sid":"a"}`, "40{\"sid\":\"a\",\"pid\":\"p\"}\x1e42[\"e\",1,\"offset\"]", `44{"message":"no","data":{"a":1}}`, `44"text"`, `40`, `0{"sid":"again"}`,
		"40{\"sid\":\"a\"}\x1e451-[\"e\",{\"_placeholder\":true,\"num\":0}]\x1ebAQ==", "40{\"sid\":\"a\"}\x1e41", "40{\"sid\":\"a\"}\x1e420[\"e\"]\x1e430[1]",
		"40{\"sid\":\"a\"}\x1e1", "2\x1e6\x1e3\x1e5", "b", "4", "", "\x1e", "bhKR0eXBlAKRkYXRhkaFl", `1:0`, `2:40`, `10:42["e","ä"]`, "\x00\x02\xff40", "\x01\x05\xff\x0451-",
	} {
		f.Add(seed, false, false)
		f.Add(seed, true, false)
	}
	f.Add("bhKR0eXBlAKNuc3ChL6RkYXRhgaNzaWShYQ==", false, true)
	f.Fuzz(func(t *testing.T, answer string, eio3, packed bool) {
		taken := make(chan struct{}, 1)
		polls := 0 // the client's polls come one after another
		hs := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			switch {
			case r.Method == http.MethodPost:
				fmt.Fprint(w, "ok")
			case r.URL.Query().Get("sid") == "":
				open := `0{"sid":"s","upgrades":[],"pingInterval":25000,"pingTimeout":20000}`
				if eio3 {
					open = fmt.Sprintf("%d:%s", len(open), open)
				}
				fmt.Fprint(w, open)
			case polls == 0:
				polls++
				fmt.Fprint(w, answer)
			default:
				taken <- struct{}{}
				<-r.Context().Done()
			}
		}))
		defer hs.Close()
		o := fast()
		o.EIO3, o.NoReconnection, o.Transports = eio3, true, []string{client.TransportPolling}
		if packed {
			o.Parser = msgpack.Parser{}
		}
		lost := make(chan struct{}, 1)
		o.Trace = &client.Trace{Closed: func(client.Reason, error) { lost <- struct{}{} }}
		s, err := client.New(hs.URL, o)
		if err != nil {
			t.Fatal(err)
		}
		s.OnAny(func(e *client.Event) { _ = e.Ack(e.Args.Any()...) })
		ctx, cancel := context.WithTimeout(t.Context(), wait)
		defer cancel()
		s.Open()
		select {
		case <-taken:
		case <-lost:
		case <-ctx.Done():
			t.Error("neither taken nor given up")
		}
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
}
