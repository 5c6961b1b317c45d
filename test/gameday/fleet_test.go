package gameday

import (
	"bufio"
	"fmt"
	"io"
	"os/exec"
	"strconv"
	"strings"
	"sync"
	"testing"

	"podium/test/harness"
)

// fleet is a process with official clients.
type fleet struct {
	in    io.WriteCloser
	ended chan struct{}

	mu      sync.Mutex // guards the fields below
	clients []heard
	refused map[string]int // why sessions began anew
	moves   int            // -1 until it is told
}

// heard is what one client got.
type heard struct {
	events   []string // names of events, in the order they came
	inRoom   bool     // it was there once
	sessions int      // those that began anew
	returns  int      // those that were recovered

	connections []connection
}

// connection is where a client connected.
type connection struct {
	events    int // that it had by then
	url       string
	recovered bool
}

func launchFleet(t *testing.T, count int, urls []string) *fleet {
	t.Helper()
	needNode(t, "socket.io-client")
	cmd := exec.Command("node", append([]string{"fleet.cjs", strconv.Itoa(count)}, urls...)...)
	in, out := harness.StartPiped(t, cmd)
	f := &fleet{in: in, ended: make(chan struct{}), clients: make([]heard, count), refused: make(map[string]int), moves: -1}
	go func() {
		defer close(f.ended)
		names := make(map[string]string)
		for lines := bufio.NewScanner(out); lines.Scan(); {
			f.take(lines.Text(), names)
		}
		_ = cmd.Wait() // it ends when it is told to
	}()
	t.Cleanup(func() {
		f.tell("end")
		<-f.ended
	})
	return f
}

func (f *fleet) tell(what string) { _, _ = fmt.Fprintln(f.in, what) } // it may have ended

// take notes a line. names has each event's name once.
func (f *fleet) take(line string, names map[string]string) {
	words := strings.Fields(line)
	if len(words) < 2 || words[0] == "c" && len(words) < 5 {
		return
	}
	n, _ := strconv.Atoi(words[1])
	f.mu.Lock()
	defer f.mu.Unlock()
	switch words[0] {
	case "c":
		c := &f.clients[n]
		c.connections = append(c.connections, connection{len(c.events), words[len(words)-1], words[2] == "1"})
		if words[2] == "1" {
			f.clients[n].returns++
		} else {
			f.clients[n].sessions++
			f.refused[words[3]]++
		}
	case "j":
		f.clients[n].inRoom = true
	case "m":
		name, ok := names[words[2]]
		if !ok {
			name = strings.Clone(words[2])
			names[name] = name
		}
		f.clients[n].events = append(f.clients[n].events, name)
	case "moves":
		f.moves = n
	}
}

// between are the connections that a client made after one event and before another.
func (h *heard) between(first, second int) (made []connection) {
	for _, c := range h.connections {
		if c.events > first && c.events <= second {
			made = append(made, c)
		}
	}
	return made
}

// with calls read while nothing changes.
func (f *fleet) with(read func()) {
	f.mu.Lock()
	defer f.mu.Unlock()
	read()
}
