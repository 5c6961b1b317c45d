package abuse

import (
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"
)

// TestTwoThousandPhonesBehindOneAddressAllTakePart: with the default limits,
// each reads the feed, sends an entry, and is connected when the
// winners are announced; a quarter of them by long-polling.
func TestTwoThousandPhonesBehindOneAddressAllTakePart(t *testing.T) {
	const phones, hands = 2000, 50
	s := start(t)
	began := time.Now()
	transport := &http.Transport{MaxIdleConnsPerHost: hands}
	defer transport.CloseIdleConnections()
	client := &http.Client{Transport: transport, Timeout: patience}
	next := make(chan int)
	var mu sync.Mutex // guards the two below
	var sockets []*raw
	polls := make(map[string]*raw) // by session id
	defer func() {
		for _, c := range sockets {
			c.Close()
		}
		for _, c := range polls {
			c.Close()
		}
	}()
	takePart := func(n int) error {
		for _, path := range []string{"/api/contest", "/api/feed?limit=20"} {
			res, err := client.Get(s.url + path)
			if err != nil {
				return err
			}
			_, _ = io.Copy(io.Discard, res.Body)
			res.Body.Close()
			if res.StatusCode != http.StatusOK {
				return fmt.Errorf("phone %d: %s: %s", n, path, res.Status)
			}
		}
		body := fmt.Sprintf("--x\r\nContent-Disposition: form-data; name=\"category\"\r\n\r\nbest\r\n--x\r\nContent-Disposition: form-data; name=\"caption\"\r\n\r\nphone %d\r\n--x--\r\n", n)
		res, err := client.Post(s.url+"/api/submit", "multipart/form-data; boundary=x", strings.NewReader(body))
		if err != nil {
			return err
		}
		res.Body.Close()
		if res.StatusCode != http.StatusOK {
			return fmt.Errorf("phone %d: submit: %s", n, res.Status)
		}
		return nil
	}
	connect := func(n int) error {
		if n%4 != 0 {
			c, err := s.joined()
			if err != nil {
				return fmt.Errorf("phone %d: %w", n, err)
			}
			mu.Lock()
			defer mu.Unlock()
			sockets = append(sockets, c)
			return nil
		}
		sid, c, err := s.handshake()
		if err != nil {
			return fmt.Errorf("phone %d: %w", n, err)
		}
		if err := c.post(sid, "40"); err != nil {
			return fmt.Errorf("phone %d: %w", n, err)
		}
		mu.Lock()
		defer mu.Unlock()
		polls[sid] = c
		return nil
	}
	for _, do := range []func(int) error{takePart, connect} {
		var wait sync.WaitGroup
		for range hands {
			wait.Go(func() {
				for n := range next {
					if err := do(n); err != nil {
						t.Error(err)
					}
				}
			})
		}
		for n := range phones {
			next <- n
		}
		close(next)
		wait.Wait()
		next = make(chan int)
		if t.Failed() {
			return
		}
	}
	if got := s.metric("podium_submissions{status=\"approved\"}"); got != phones {
		t.Errorf("%v submissions were stored", got)
	}
	connected := s.metric(`podium_limit_held{limit="connections"}`)
	if connected != phones {
		t.Errorf("%v phones are connected", connected)
	}
	took := time.Since(began)
	for sid, c := range polls { // the answer to CONNECT, and then the next poll waits
		for range 2 {
			if err := c.write("GET /socket.io/?EIO=4&transport=polling&sid=" + sid + " HTTP/1.1\r\nHost: x\r\n\r\n"); err != nil {
				t.Fatal(err)
			}
		}
		if _, err := c.answer(); err != nil {
			t.Fatal(err)
		}
	}
	s.announce()
	told := 0
	for _, c := range sockets {
		if c.await(`42["winnersUpdated"`) == nil {
			told++
		}
	}
	for _, c := range polls {
		if body, err := c.answer(); err == nil && strings.Contains(body, "winnersUpdated") {
			told++
		}
	}
	fmt.Printf("%d phones behind one address: %d submissions, %.0f connections in %s; %d were told of the winners\n", phones, phones, connected, took.Round(time.Millisecond), told)
	if told != phones {
		t.Errorf("%d of %d were told of the winners", told, phones)
	}
	for _, limit := range []string{"requests", "submissions", "handshakes", "payloads", "sockets", "connections", "unjoined", "polls", "events"} {
		for _, scope := range []string{"address", "total"} {
			if n := s.metric(fmt.Sprintf("podium_limit_refusals_total{limit=%q,scope=%q}", limit, scope)); n != 0 {
				t.Errorf("the limit of %s (%s) refused %v times", limit, scope, n)
			}
		}
	}
}

// announce saves winners, none in particular.
func (s *target) announce() {
	s.t.Helper()
	if status := s.send("POST", "/api/save-winners", `{"winners":{"best":[]}}`); status != http.StatusOK {
		s.t.Fatalf("save winners: %d", status)
	}
}

// send is a JSON request from the browser in which an admin signed in.
func (s *target) send(method, path, body string) int {
	s.t.Helper()
	req, err := http.NewRequest(method, s.url+path, strings.NewReader(body))
	if err != nil {
		s.t.Fatal(err)
	}
	req.Header.Set("Cookie", s.jar)
	req.Header.Set("Content-Type", "application/json")
	res, err := s.client.Do(req)
	if err != nil {
		s.t.Fatal(err)
	}
	defer res.Body.Close()
	return res.StatusCode
}

func TestNetworkConnectionsOfOneAddressAreLimited(t *testing.T) {
	s := start(t, "--limit-sockets-per-address", "20", "--header-timeout", "2s")
	var held []*raw
	for range 40 {
		c, err := s.open()
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		held = append(held, c)
	}
	for _, c := range held[30:] { // some are taken by the test's own client
		if err := c.ended(); err != nil {
			t.Error(err)
		}
	}
	for _, c := range held {
		c.Close()
	}
	eventually(t, "there is room again", func() bool {
		c, err := s.open()
		if err != nil {
			return false
		}
		defer c.Close()
		_ = c.write("GET /health HTTP/1.1\r\nHost: x\r\n\r\n") // the answer tells
		_, err = c.answer()
		return err == nil
	})
	if got := s.metric(`podium_limit_refusals_total{limit="sockets",scope="address"}`); got < 20 {
		t.Errorf("%v were refused, of at least 20", got)
	}
	eventually(t, "all places are given back", func() bool { return s.metric(`podium_limit_held{limit="sockets"}`) <= 2 })
}

func TestUploadsOfOneAddressMakeRoomForEachOther(t *testing.T) {
	s := start(t, "--limit-upload-bytes-per-address", "1MiB")
	var half []*raw
	for range 4 {
		c, err := s.open()
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		head := "--x\r\nContent-Disposition: form-data; name=\"photo\"; filename=\"a.jpg\"\r\n\r\n"
		if err := c.write("POST /api/submit HTTP/1.1\r\nHost: x\r\nContent-Type: multipart/form-data; boundary=x\r\nContent-Length: 5000000\r\n\r\n" + head + strings.Repeat("x", 400_000)); err != nil {
			t.Fatal(err)
		}
		eventually(t, "it arrived", func() bool {
			return s.metric(`podium_limit_held{limit="uploads"}`) > 390_000*float64(min(2, len(half)+1))
		})
		half = append(half, c)
	}
	for i, c := range half[:2] { // 1.6 MB do not fit
		if body, err := c.answer(); err == nil || !strings.Contains(err.Error(), "503") {
			t.Errorf("upload %d goes on: %s %v", i, body, err)
		}
	}
	eventually(t, "it is counted", func() bool { return s.metric(`podium_limit_refusals_total{limit="uploads",scope="address"}`) == 2 })
	for _, c := range half {
		c.Close()
	}
	eventually(t, "nothing is held", func() bool { return s.metric(`podium_limit_held{limit="uploads"}`) == 0 })
	if err := s.submit("an honest one"); err != nil {
		t.Error(err)
	}
}

// Handshakes are let in a few at a time: none of those who are let in may keep
// others waiting.
func TestHandshakesWhoseBodyNeverArrivesKeepNobodyOut(t *testing.T) {
	s := start(t, "--body-timeout", "20s")
	for range 100 {
		c, err := s.open()
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		if err := c.write("GET /socket.io/?EIO=4&transport=polling HTTP/1.1\r\nHost: x\r\nContent-Length: 1000\r\n\r\nx"); err != nil {
			t.Fatal(err)
		}
	}
	began := time.Now()
	c, err := s.joined()
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	took := time.Since(began)
	fmt.Printf("a guest joined %s after a hundred handshakes whose body never arrives\n", took.Round(time.Millisecond))
	if took > 5*time.Second { // four at a time for a second each would be 25
		t.Errorf("it took %s", took)
	}
}
