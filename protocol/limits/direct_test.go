package limits_test

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"runtime"
	"testing"
	"time"

	"podium/protocol/engineio"
	"podium/protocol/limits"
)

// deaf is a receiver that does nothing.
type deaf struct{}

func (deaf) OnMessage([]byte, bool)         {}
func (deaf) OnClose(engineio.Reason, error) {}

// A POST that the engine reads itself counts like one that passes through Handler, which
// answers what is beyond the rate.
func TestPayloadsAreLimitedThatNoHandlerSees(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("polls are parked on Linux only")
	}
	l := &limits.Limits{Payloads: limits.NewRate("payloads", limits.PerSecond{Total: 0.001, TotalBurst: 3})}
	o := engineio.Options{DirectPolls: true, ParkAfter: time.Millisecond}
	l.Apply(&o)
	sessions := make(chan *engineio.Session, 1)
	srv := engineio.NewServer(o, func(s *engineio.Session) engineio.Receiver { sessions <- s; return deaf{} })
	web := httptest.NewServer(l.Handler(srv))
	defer web.Close()
	defer func() { _ = srv.Shutdown(t.Context()) }()
	conn, err := net.Dial("tcp", web.Listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	in := bufio.NewReader(conn)
	ask := func(method, query, body string) {
		fmt.Fprintf(conn, "%s /?EIO=4&transport=polling%s HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n%s", method, query, len(body), body)
	}
	answer := func() (int, string) {
		_ = conn.SetReadDeadline(time.Now().Add(10 * time.Second))
		res, err := http.ReadResponse(in, nil)
		if err != nil {
			t.Fatal(err)
		}
		body, _ := io.ReadAll(res.Body)
		return res.StatusCode, string(body)
	}
	ask("GET", "", "")
	_, opened := answer()
	var open struct{ SID string }
	if err := json.Unmarshal([]byte(opened[1:]), &open); err != nil {
		t.Fatal(err)
	}
	query, session := "&sid="+open.SID, <-sessions
	poll := func() {
		ask("GET", query, "")
		for deadline := time.Now().Add(10 * time.Second); srv.Stats().Parked == 0 && time.Now().Before(deadline); {
			runtime.Gosched()
		}
		_ = session.Send(engineio.Text([]byte("x")))
		answer()
	}
	for i, want := range []int{200, 200, 200, 429} { // the first passes through Handler, since there was none before
		poll()
		ask("POST", query, "4x")
		if got, _ := answer(); got != want {
			t.Errorf("POST %d: %d, want %d", i, got, want)
		}
	}
	if n := srv.Stats().Direct; n < 2 {
		t.Errorf("%d requests were read by the engine", n)
	}
}
