package outages

import (
	"bufio"
	"context"
	"fmt"
	"maps"
	"net/http"
	"os/exec"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"podium/protocol/client"
	"podium/protocol/engineio"
	"podium/test/harness"
)

// guest is somebody in the room, and what came to them.
type guest struct {
	kind string

	mu      sync.Mutex  // guards the fields below
	machine string      // where they are connected
	session string      // Engine.IO's id; "" for an event stream
	here    bool        // connected
	came    int         // how often they were connected
	anew    []beginning // of these, those that did not go on where they had been
	offsets []uint64    // of events, as they came
	cuts    []cut
}

// cut is a time in which a guest was not connected.
type cut struct {
	from, to         time.Time // to is zero until they are connected again
	machine, session string    // where they had been
}

// beginning is a session that began anew instead of going on.
type beginning struct {
	at       time.Time
	left, to string // the machine where the guest had been, and the one they came to
	last     uint64 // the offset of what they had been told last, 0 for nothing
}

// connected notes that a guest is connected.
func (g *guest) connected(recovered bool, machine, session string) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.came++; g.came > 1 && !recovered {
		b := beginning{at: time.Now(), left: g.machine, to: machine}
		if n := len(g.offsets); n > 0 {
			b.last = g.offsets[n-1]
		}
		g.anew = append(g.anew, b)
	}
	g.here, g.machine, g.session = true, machine, session
	if n := len(g.cuts); n > 0 && g.cuts[n-1].to.IsZero() {
		g.cuts[n-1].to = time.Now()
	}
}

// left notes that a guest is not connected any more.
func (g *guest) left() {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.here {
		g.here = false
		g.cuts = append(g.cuts, cut{from: time.Now(), machine: g.machine, session: g.session})
	}
}

// told notes an event by its offset: that of Socket.IO, ~tag.offset.check, in base 36,
// or of a stream, epoch.offset.
func (g *guest) told(offset string) {
	_, number, _ := strings.Cut(offset, ".")
	base := 10
	if strings.HasPrefix(offset, "~") {
		number, _, _ = strings.Cut(number, ".")
		base = 36
	}
	n, err := strconv.ParseUint(number, base, 64)
	if err != nil {
		return // no offset
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	g.offsets = append(g.offsets, n)
}

func (g *guest) isHere() bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.here
}

// audience is everybody.
type audience struct{ guests []*guest }

// seats says how many of each kind come to a room of so many.
func seats(all int) map[string]int {
	n := map[string]int{
		"Go, polling": all / 20, "Go, upgraded": all / 20, "event stream": all / 10,
		"official, websocket": all / 10, "official, default": all / 16, "official, polling": all / 25,
	}
	rest := all
	for _, k := range n {
		rest -= k
	}
	n["Go, websocket"] = rest
	return n
}

// enter has guests of all kinds come in, and waits until they are connected.
func enter(t *testing.T, url string, number int) *audience {
	t.Helper()
	a := &audience{}
	ctx, cancel := context.WithCancel(context.Background())
	var reading sync.WaitGroup
	t.Cleanup(func() {
		cancel()
		reading.Wait()
	})
	transport := new(client.Transport)
	t.Cleanup(transport.Close)
	count := seats(number)
	kinds := slices.Sorted(maps.Keys(count))
	for _, kind := range kinds {
		for range count[kind] {
			a.guests = append(a.guests, &guest{kind: kind})
		}
	}
	first := 0
	for _, kind := range kinds {
		transports, node := strings.CutPrefix(kind, "official, ")
		if node {
			a.official(t, url, transports, first, count[kind])
		}
		for i := first; i < first+count[kind] && !node; i++ {
			g, header := a.guests[i], http.Header{"X-Forwarded-For": {fmt.Sprintf("10.1.%d.%d", i>>8, i&255)}}
			if kind == "event stream" {
				reading.Go(func() { read(ctx, g, url, header) })
			} else {
				ours(t, g, url, client.Options{Header: header, Transport: transport})
			}
		}
		first += count[kind]
	}
	harness.Eventually(t, "the guests to be there", a.allHere)
	return a
}

// read reads the event stream for a guest.
func read(ctx context.Context, g *guest, url string, header http.Header) {
	at := ""
	s := harness.Stream{
		URL: url, Header: header, Ended: g.left,
		Opened: func(h http.Header) {
			at = h.Get(servedBy)
			g.connected(true, at, "")
		},
		Event: func(id, name, _ string) {
			switch name {
			case "reset": // it begins anew
				g.connected(false, at, "")
			case "server-shutdown": // is not of the log
			default:
				g.told(id)
			}
		},
	}
	s.Follow(ctx)
}

// allHere reports whether everybody is connected.
func (a *audience) allHere() bool {
	for _, g := range a.guests {
		if !g.isHere() {
			return false
		}
	}
	return true
}

// absent says who is not connected.
func (a *audience) absent() (list []string) {
	for i, g := range a.guests {
		g.mu.Lock()
		if !g.here {
			since := "the beginning"
			if n := len(g.cuts); n > 0 {
				since = g.cuts[n-1].from.Format(time.TimeOnly)
			}
			list = append(list, fmt.Sprintf("%d (%s), since %s", i, g.kind, since))
		}
		g.mu.Unlock()
	}
	return list
}

// ours is a client of this project.
func ours(t *testing.T, g *guest, url string, o client.Options) {
	t.Helper()
	switch g.kind {
	case "Go, polling":
		o.NoUpgrade = true
	case "Go, websocket":
		o.Transports = []string{client.TransportWebSocket}
	}
	s, err := client.New(url, o)
	if err != nil {
		t.Fatal(err)
	}
	s.OnConnect(func() {
		id := s.Manager().EngineID()
		g.connected(s.Recovered(), engineio.NodeOf(id), id)
	})
	s.OnDisconnect(func(client.Reason, error) { g.left() })
	s.OnAny(func(e *client.Event) {
		var offset string
		if n := len(e.Args); n > 1 && e.Args[n-1].Decode(&offset) == nil {
			g.told(offset)
		}
	})
	s.Open()
	t.Cleanup(func() { _ = s.Close() })
}

// official are clients of Node, in a process of their own.
func (a *audience) official(t *testing.T, url, transports string, first, count int) {
	t.Helper()
	cmd := exec.Command("node", "outages/guests.cjs", url, transports, strconv.Itoa(first), strconv.Itoa(count))
	in, out := harness.StartPiped(t, cmd)
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		for lines := bufio.NewScanner(out); lines.Scan(); {
			a.hear(strings.Fields(lines.Text()))
		}
	}()
	t.Cleanup(func() {
		_ = in.Close()
		<-ended
		_ = cmd.Wait()
	})
}

// hear notes what Node's clients say.
func (a *audience) hear(words []string) {
	if len(words) < 2 {
		return
	}
	n, err := strconv.Atoi(words[1])
	if err != nil || n < 0 || n >= len(a.guests) {
		return
	}
	switch g := a.guests[n]; {
	case words[0] == "c" && len(words) == 4:
		g.connected(words[2] == "1", engineio.NodeOf(words[3]), words[3])
	case words[0] == "d":
		g.left()
	case words[0] == "m" && len(words) == 3:
		g.told(words[2])
	}
}
