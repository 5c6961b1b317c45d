package test

import (
	"bufio"
	"fmt"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// stormEvents is what each client missed.
const stormEvents = 50

// Clients that were connected to a server that was killed come back to a fresh
// one all at the same moment. All are let in and recovered, each gets what it
// missed once and in order, /ready is answered throughout, and the memory does
// not grow beyond what the connections need.
func TestAReconnectionStormRecoversEverybody(t *testing.T) {
	number := 1000
	if *long {
		number = 10_000
	}
	p := start(t, "--trusted-proxies", "127.0.0.1")
	all := listeners("127.0.0.1:"+p.port, number)
	var reading sync.WaitGroup
	t.Cleanup(func() { closeAll(all, &reading) })
	if _, _, err := connectAll(all, &reading, 3*patience); err != nil {
		t.Fatal(err)
	}
	p.submit("the last that they see")
	p.signal(syscall.SIGKILL)
	reading.Wait()
	p.run()
	p.wait()
	for i := range stormEvents {
		p.submit(fmt.Sprint("missed ", i))
	}
	p.signal(syscall.SIGKILL) // what they missed is only on the disk now
	p.run()
	p.wait()
	before := p.memory(t, "VmRSS")

	watched := p.startWatch()
	took, tries, err := connectAll(all, &reading, 3*patience)
	if err != nil {
		t.Fatal(err)
	}
	stored := p.storedIDs()
	for _, l := range all {
		eventually(t, "what was missed", func() bool { return len(l.copyOf()) >= len(stored) })
		l.isWhole(t, stored)
	}
	answers := watched()
	peak := p.memory(t, "VmHWM")
	t.Logf("figures: storm: %d clients back after %v, %d tries, %d missed events each; memory %d MiB before, %d MiB at most; %v",
		number, took.Round(time.Millisecond), tries, stormEvents, before>>20, peak>>20, answers)
	if answers.Failed > 0 || answers.Count == 0 {
		t.Errorf("/ready: %v", answers)
	}
	// A connection that is being accepted holds a goroutine and net/http's buffers,
	// some 20 KiB. What it missed would be 15 KiB more if it were not shared.
	if limit := before + 64<<20 + int64(number)*(24<<10); peak > limit {
		t.Errorf("the memory grew from %d to %d bytes, above %d", before, peak, limit)
	}
}

// memory is a figure of the process's memory, in bytes, where the system tells.
func (p *program) memory(t *testing.T, name string) int64 {
	t.Helper()
	file, err := os.Open(fmt.Sprintf("/proc/%d/status", p.cmd.Process.Pid))
	if err != nil {
		t.Skip("this system does not tell how much memory a process has")
	}
	defer file.Close()
	for lines := bufio.NewScanner(file); lines.Scan(); {
		words := strings.Fields(lines.Text())
		if len(words) == 3 && words[0] == name+":" {
			kib, err := strconv.ParseInt(words[1], 10, 64)
			if err != nil {
				t.Fatal(err)
			}
			return kib << 10
		}
	}
	t.Fatalf("no %s", name)
	return 0
}

// A client that missed more than the limits allow is told so, gets the newest
// events, and finds everything in the feed.
func TestAClientThatMissedTooMuchRebuildsFromTheFeed(t *testing.T) {
	needClients(t, "socket.io-client")
	const limit, missed = 20, 50
	p := start(t, "--recovery-messages", strconv.Itoa(limit), "--cleanup-interval", "100ms")
	for _, transports := range []string{"default", "polling", "websocket"} {
		t.Run(transports, func(t *testing.T) {
			wire := startProxy(t, "127.0.0.1:"+p.port)
			c := listen(t, "socket.io-client", wire.url(), transports)
			first := c.next("connect", "")
			wire.reset(true)
			var ids []string
			for i := range missed {
				ids = append(ids, p.submit(fmt.Sprint(transports, i)))
			}
			p.signal(syscall.SIGKILL)
			p.run()
			p.wait()
			wire.back()
			if back := c.next("connect", ""); back.Recovered || back.ID == first.ID {
				t.Fatalf("came back as %+v", back)
			}
			newest := ids[missed-limit:]
			for i, want := range newest {
				if got := c.nextSubmission(); got != want {
					t.Fatalf("event %d is %s, want %s", i, got, want)
				}
			}
			if stored := p.storedIDs(); !slices.Equal(stored[len(stored)-missed:], ids) {
				t.Error("the feed is not what was submitted")
			}
		})
	}
}
