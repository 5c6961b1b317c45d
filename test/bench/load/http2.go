package main

import (
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"
)

// poller2 is a Socket.IO client over long-polling by HTTP/2, on a connection of its own.
type poller2 struct {
	http  *http.Client
	url   string
	polls chan polled // the answer of the poll that waits
}

type polled struct {
	body string
	err  error
}

// dialPolling2 opens a session, joins the main namespace, and polls.
func dialPolling2(addr string) (*poller2, error) {
	p := &poller2{
		http:  &http.Client{Transport: &http.Transport{TLSClientConfig: clientTLS(), ForceAttemptHTTP2: true}},
		url:   "https://" + strings.TrimPrefix(addr, overTLS) + "/socket.io/?EIO=4&transport=polling",
		polls: make(chan polled, 1),
	}
	open, err := p.ask(http.MethodGet, "")
	if err != nil {
		return nil, err
	}
	_, after, _ := strings.Cut(open, `"sid":"`)
	sid, _, found := strings.Cut(after, `"`)
	if !found {
		return nil, fmt.Errorf("no session in %q", open)
	}
	p.url += "&sid=" + sid
	for _, step := range []struct{ method, body, want string }{{http.MethodPost, "40", "ok"}, {http.MethodGet, "", "40"}} {
		said, err := p.ask(step.method, step.body)
		if err != nil {
			return nil, err
		}
		if !strings.HasPrefix(said, step.want) {
			return nil, fmt.Errorf("joining was answered with %q", said)
		}
	}
	go func() {
		body, err := p.ask(http.MethodGet, "")
		p.polls <- polled{body, err}
	}()
	return p, nil
}

// ask sends a request. errAbsent: it was answered by an older protocol.
func (p *poller2) ask(method, body string) (string, error) {
	req, err := http.NewRequest(method, p.url, strings.NewReader(body))
	if err != nil {
		return "", err
	}
	res, err := p.http.Do(req)
	if err != nil {
		return "", err
	}
	defer res.Body.Close()
	if res.ProtoMajor != 2 {
		return "", errAbsent
	}
	said, err := io.ReadAll(res.Body)
	if err == nil && res.StatusCode != http.StatusOK {
		err = fmt.Errorf("%s: %.100s", res.Status, said)
	}
	return string(said), err
}

func (p *poller2) wait() {}

func (p *poller2) leave() { p.http.CloseIdleConnections() }

// heard reports whether the poll brings a broadcast of so many bytes.
func (p *poller2) heard(size int) bool {
	select {
	case got := <-p.polls:
		return got.err == nil && number([]byte(got.body), size) > 0
	case <-time.After(patience):
		return false
	}
}

func idlePolling2(r *running) (outcome, error) {
	const n, size = 2000, 20
	crowd := func(n int) ([]*poller2, error) {
		return gather(n, 16, func(int) (*poller2, error) { return dialPolling2(r.addr) })
	}
	warm, err := crowd(300) // they stay: their polls wait
	if err != nil {
		return outcome{}, err
	}
	defer leave(warm)
	time.Sleep(time.Second)
	before := r.rss()
	clients, err := crowd(n)
	if err != nil {
		return outcome{}, err
	}
	defer leave(clients)
	time.Sleep(time.Second) // what settles after a while is given that while
	after := r.rss()
	err = r.call(fmt.Sprintf("/broadcast?n=1&size=%d", size))
	return one((after-before)/n, each(clients, func(p *poller2) int {
		if p.heard(size) {
			return 0
		}
		return 1
	})), err
}
