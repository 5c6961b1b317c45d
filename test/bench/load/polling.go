package main

import (
	"fmt"
	"time"
)

// pollers connects n clients over long-polling whose polls wait.
func pollers(r *running, n int) ([]*poller, error) {
	all, err := gather(n, 16, func(int) (*poller, error) { return dialPolling(r.addr) })
	if err != nil {
		return nil, err
	}
	for _, p := range all {
		if err := p.arm(); err != nil {
			leave(all)
			return nil, err
		}
	}
	return all, nil
}

func idlePolling(r *running) (outcome, error) {
	const n, size = 4000, 20
	warm, err := pollers(r, 500)
	if err != nil {
		return outcome{}, err
	}
	leave(warm)
	before := r.rss()
	clients, err := pollers(r, n)
	if err != nil {
		return outcome{}, err
	}
	defer leave(clients)
	time.Sleep(time.Second) // what settles after a while is given that while
	after := r.rss()
	err = r.call(fmt.Sprintf("/broadcast?n=1&size=%d", size))
	return one((after-before)/n, each(clients, func(p *poller) int { return p.numbered(1, size) })), err
}

func broadcastPolling(r *running) (outcome, error) {
	const listeners, size = 1000, 100
	clients, err := pollers(r, listeners)
	if err != nil {
		return outcome{}, err
	}
	defer leave(clients)
	return deliveries(r, 50, listeners, func() (int, error) {
		err := r.call(fmt.Sprintf("/broadcast?n=1&size=%d", size))
		return each(clients, func(p *poller) int { return p.numbered(1, size) }), err
	})
}

// echoPolling posts an event while a poll waits, which brings the acknowledgement.
func echoPolling(r *running) (outcome, error) {
	const connections, rounds = 64, 60
	clients, err := pollers(r, connections)
	if err != nil {
		return outcome{}, err
	}
	defer leave(clients)
	for _, p := range clients {
		if err := p.second(); err != nil {
			return outcome{}, err
		}
	}
	round := func(n int) int {
		return each(clients, func(p *poller) int {
			for id := range n {
				if p.arm() != nil || p.post(fmt.Sprintf(`42%d["echo","hello"]`, id)) != nil {
					return n - id
				}
				m, err := p.next()
				if err != nil || string(m) != fmt.Sprintf(`43%d["hello"]`, id) {
					return n - id
				}
			}
			return 0
		})
	}
	lost := round(rounds / 3)
	before := r.cpu()
	lost += round(rounds)
	return one(micros(r.cpu()-before)/(connections*rounds), lost), nil
}
