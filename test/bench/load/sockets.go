package main

import (
	"fmt"
	"strings"
	"time"
)

func one(value float64, lost int) outcome { return outcome{Values: []float64{value}, Lost: lost} }

func idle(r *running) (outcome, error) {
	const n = 8000
	warm, err := crowd(r, 500)
	if err != nil {
		return outcome{}, err
	}
	leave(warm)
	before := r.rss()
	clients, err := crowd(r, n)
	if err != nil {
		return outcome{}, err
	}
	defer leave(clients)
	after := r.rss()
	return one((after-before)/n, hear(r, clients)), nil
}

// hear has every client get one broadcast: whoever does not is lost.
func hear(r *running, clients []*client) (lost int) {
	if err := r.call("/broadcast?n=1&size=20"); err != nil {
		return len(clients)
	}
	return each(clients, func(c *client) int { return c.numbered(1, 20, 1) })
}

// deliveries measures the CPU time of steps that each deliver so many messages.
func deliveries(r *running, steps, messages int, step func() (lost int, err error)) (outcome, error) {
	lost, err := step() // to warm up
	if err != nil || lost > 0 {
		return outcome{Lost: lost}, err
	}
	before := r.cpu()
	for range steps {
		if lost, err = step(); err != nil || lost > 0 {
			return outcome{Lost: lost}, err
		}
	}
	return one(micros(r.cpu()-before)/float64(steps*messages), 0), nil
}

func broadcasts(burst, rounds int) func(*running) (outcome, error) {
	return func(r *running) (outcome, error) {
		const listeners = 2000
		clients, err := crowd(r, listeners)
		if err != nil {
			return outcome{}, err
		}
		defer leave(clients)
		return deliveries(r, rounds, listeners*burst, func() (int, error) {
			err := r.call(fmt.Sprintf("/broadcast?n=%d&size=100", burst))
			return each(clients, func(c *client) int { return c.numbered(burst, 100, 1) }), err
		})
	}
}

func echo(connections, inFlight, rounds int) func(*running) (outcome, error) {
	return func(r *running) (outcome, error) {
		clients, err := crowd(r, connections)
		if err != nil {
			return outcome{}, err
		}
		defer leave(clients)
		round := func(n int) int {
			return each(clients, func(c *client) int {
				out := make([]string, inFlight)
				for id := 0; id < n*inFlight; id += inFlight {
					for i := range out {
						out[i] = fmt.Sprintf(`42%d["echo","hello"]`, id+i)
					}
					if c.write(out...) != nil {
						return n*inFlight - id
					}
					for i := range out {
						if c.expect(1, fmt.Sprintf(`43%d["hello"]`, id+i)) > 0 {
							return n*inFlight - id - i
						}
					}
				}
				return 0
			})
		}
		lost := round(rounds / 4)
		before := r.cpu()
		lost += round(rounds)
		return one(micros(r.cpu()-before)/float64(connections*inFlight*rounds), lost), nil
	}
}

func connect(r *running) (outcome, error) {
	return connecting(r, 1500, func() (*client, error) { return dial(r.addr) })
}

// connectDefault has many connect at a time: the official server keeps the poll
// that an upgrade must end for up to 100 ms.
func connectDefault(r *running) (outcome, error) {
	return connecting(r, 1000, func() (*client, error) { return dialDefault(r.addr) })
}

func connecting(r *running, n int, dial func() (*client, error)) (outcome, error) {
	const atOnce = 64
	warm, err := gather(300, atOnce, func(int) (*client, error) { return dial() })
	if err != nil {
		return outcome{}, err
	}
	leave(warm)
	before := r.cpu()
	clients, err := gather(n, atOnce, func(int) (*client, error) { return dial() })
	if err != nil {
		return outcome{}, err
	}
	defer leave(clients)
	used := r.cpu() - before
	return one(micros(used)/float64(n), hear(r, clients)), nil
}

// rooms has everybody join a room, hears broadcasts to the rooms, and leaves.
func rooms(r *running) (outcome, error) {
	const sockets, rooms, targeted = 10_000, 1000, 5
	clients, err := crowd(r, sockets)
	if err != nil {
		return outcome{}, err
	}
	defer leave(clients)
	for i, c := range clients {
		c.greeting = fmt.Sprintf(`"room%d"`, i%rooms)
	}
	all := func(event string) (int, error) {
		lost := 0
		err := parallel(sockets/100, 4, func(i int) error {
			some := clients[i*100 : (i+1)*100]
			for _, c := range some {
				if err := c.write(`420["` + event + `",` + c.greeting + `]`); err != nil {
					return err
				}
			}
			for _, c := range some {
				c.wait()
				if c.expect(1, `430[`+c.greeting) > 0 {
					return errLost
				}
			}
			return nil
		})
		return lost, err
	}
	before := r.cpu()
	if lost, err := all("join"); err != nil {
		return outcome{Lost: lost}, err
	}
	if err := r.call(fmt.Sprintf("/broadcast?n=%d&size=100&rooms=%d", rooms*targeted, rooms)); err != nil {
		return outcome{}, err
	}
	lost := each(clients, func(c *client) int { return c.numbered(targeted, 100, rooms) })
	if _, err := all("leave"); err != nil {
		return outcome{Lost: lost}, err
	}
	return one(micros(r.cpu()-before)/(sockets*(2+targeted)), lost), nil
}

func binary64(r *running) (outcome, error) {
	const listeners, size = 200, 64 << 10
	clients, err := crowd(r, listeners)
	if err != nil {
		return outcome{}, err
	}
	defer leave(clients)
	return deliveries(r, 20, listeners, func() (int, error) {
		err := r.call(fmt.Sprintf("/broadcast?n=1&binary=1&size=%d", size))
		return each(clients, func(c *client) int {
			if c.expect(1, `451-["m",{`) > 0 {
				return 1
			}
			m, err := c.read()
			if err != nil || len(m) != size || c.last != 0 && digits(m) != c.last+1 {
				return 1
			}
			c.last = digits(m)
			return 0
		}), err
	})
}

// deflated offers what browsers offer.
func deflated(r *running) (outcome, error) {
	const listeners, size = 500, 4 << 10
	offer := "Sec-WebSocket-Extensions: permessage-deflate; client_max_window_bits\r\n"
	clients, err := gather(listeners, 16, func(int) (*client, error) { return dialWith(r.addr, offer) })
	if err != nil {
		return outcome{}, err
	}
	defer leave(clients)
	if clients[0].inflate == nil {
		return outcome{}, errAbsent
	}
	return deliveries(r, 15, listeners, func() (int, error) {
		err := r.call(fmt.Sprintf("/broadcast?n=1&words=1&size=%d", size))
		return each(clients, func(c *client) int { return c.numbered(1, size, 1) }), err
	})
}

// capacity is a broadcast a second to as many as the limit of open files allows.
func capacity(r *running) (outcome, error) {
	const n, seconds = 19_000, 3
	begin := r.rss()
	clients, err := crowd(r, n)
	if err != nil {
		return outcome{}, err
	}
	defer leave(clients)
	lost, most := 0, 0.0
	for range seconds {
		second := time.After(time.Second)
		lost += hear(r, clients)
		most = max(most, r.memory("VmRSS:"))
		if lost > 0 {
			break
		}
		<-second
	}
	return outcome{Values: []float64{most / 1024, (most - begin) / n}, Lost: lost}, nil
}

func recovery(r *running) (outcome, error) { return recoverAt(r, r, 5000) }

// recoverAt cuts n clients of one server off, emits what they miss, and has them come back
// at another, or the same, whose CPU and memory it measures.
func recoverAt(from, to *running, n int) (outcome, error) {
	const missed, size = 100, 100
	clients, err := crowd(from, n)
	if err != nil {
		return outcome{}, err
	}
	offers := make([]string, n)
	lost := 0
	if err := to.call(fmt.Sprintf("/broadcast?n=1&size=%d", size)); err != nil {
		return outcome{}, err
	}
	for i, c := range clients {
		_, after, found := strings.Cut(c.greeting, `"pid":"`)
		if !found {
			leave(clients)
			return outcome{}, errAbsent
		}
		pid, _, _ := strings.Cut(after, `"`)
		c.wait()
		m, err := c.next()
		if err != nil {
			lost++
			continue
		}
		c.last = number(m, size)
		parts := strings.Split(string(m), `"`)
		offers[i] = fmt.Sprintf(`{"pid":"%s","offset":"%s"}`, pid, parts[len(parts)-2])
	}
	for _, c := range clients {
		c.leave()
	}
	if err := from.empty(); err != nil {
		return outcome{}, err
	}
	if err := to.call(fmt.Sprintf("/broadcast?n=%d&size=%d", missed, size)); err != nil {
		return outcome{}, err
	}
	start := to.rss()
	to.forgetPeak()
	before := to.cpu()
	back, err := gather(n, 64, func(i int) (*client, error) {
		c, err := openWebSocket(to.addr, "", "")
		if err != nil {
			return nil, err
		}
		c.last = clients[i].last
		if err := c.comeBack(offers[i], missed, size); err != nil {
			c.leave()
			return nil, err
		}
		return c, nil
	})
	if err != nil {
		return outcome{Lost: lost}, err
	}
	defer leave(back)
	used, most := to.cpu()-before, to.memory("VmHWM:")
	lost += hear(to, back)
	return outcome{Values: []float64{micros(used) / float64(n), (most - start) / 1024}, Lost: lost}, nil
}

// comeBack joins with what the session is known by, and reads what was missed. The
// official server sends that before it answers CONNECT.
func (c *client) comeBack(offer string, missed, size int) error {
	c.wait()
	if m, err := c.read(); err != nil || m[0] != '0' {
		return fmt.Errorf("no open packet: %q (%w)", m, err)
	}
	if err := c.write("40" + offer); err != nil {
		return err
	}
	pid, _, _ := strings.Cut(offer[len(`{"pid":"`):], `"`)
	for joined, got := false, 0; !joined || got < missed; {
		m, err := c.next()
		switch {
		case err != nil:
			return errLost
		case strings.HasPrefix(string(m[:2]), "40"):
			if joined = true; !strings.Contains(string(m), pid) {
				return fmt.Errorf("the session was not recovered: %s", m)
			}
		case number(m, size) == c.last+1:
			c.last++
			got++
		default:
			return errLost
		}
	}
	return nil
}
