package crash

import (
	"bufio"
	"fmt"
	"os"
	"podium/test/harness"
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
	if *harness.Long {
		number = 10_000
	}
	p := harness.Start(t, "--trusted-proxies", "127.0.0.1")
	all := harness.Listeners("127.0.0.1:"+p.Port, number)
	var reading sync.WaitGroup
	t.Cleanup(func() { harness.CloseAll(all, &reading) })
	if _, _, err := harness.ConnectAll(all, &reading, 3*harness.Patience); err != nil {
		t.Fatal(err)
	}
	p.Submit("the last that they see")
	p.Signal(syscall.SIGKILL)
	reading.Wait()
	p.Run()
	p.Wait()
	for i := range stormEvents {
		p.Submit(fmt.Sprint("missed ", i))
	}
	p.Signal(syscall.SIGKILL) // what they missed is only on the disk now
	p.Run()
	p.Wait()
	before := memory(p, t, "VmRSS")

	watched := startWatch(p)
	took, tries, err := harness.ConnectAll(all, &reading, 3*harness.Patience)
	if err != nil {
		t.Fatal(err)
	}
	stored := p.StoredIDs()
	for _, l := range all {
		harness.Eventually(t, "what was missed", func() bool { return len(l.CopyOf()) >= len(stored) })
		isWhole(l, t, stored)
	}
	answers := watched()
	peak := memory(p, t, "VmHWM")
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
func memory(p *harness.Program, t *testing.T, name string) int64 {
	t.Helper()
	file, err := os.Open(fmt.Sprintf("/proc/%d/status", p.Cmd.Process.Pid))
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
	harness.NeedClients(t, "socket.io-client")
	const limit, missed = 20, 50
	p := harness.Start(t, "--recovery-messages", strconv.Itoa(limit), "--cleanup-interval", "100ms")
	for _, transports := range []string{"default", "polling", "websocket"} {
		t.Run(transports, func(t *testing.T) {
			wire := harness.StartProxy(t, "127.0.0.1:"+p.Port)
			c := harness.Listen(t, "socket.io-client", wire.URL(), transports)
			first := c.Next("connect", "")
			if transports == "default" {
				c.Next("upgrade", "") // cut in the middle of it the official client can fall silent
			}
			wire.Reset(true)
			var ids []string
			for i := range missed {
				ids = append(ids, p.Submit(fmt.Sprint(transports, i)))
			}
			p.Signal(syscall.SIGKILL)
			p.Run()
			p.Wait()
			wire.Back()
			if back := c.Next("connect", ""); back.Recovered || back.ID == first.ID {
				t.Fatalf("came back as %+v", back)
			}
			newest := ids[missed-limit:]
			for i, want := range newest {
				if got := c.NextSubmission(); got != want {
					t.Fatalf("event %d is %s, want %s", i, got, want)
				}
			}
			if stored := p.StoredIDs(); !slices.Equal(stored[len(stored)-missed:], ids) {
				t.Error("the feed is not what was submitted")
			}
		})
	}
}
