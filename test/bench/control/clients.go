package control

import (
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"net/http"
	"os"
	"runtime/debug"
	"strings"
	"sync"
	"syscall"
	"time"
)

// ClientOptions are the flags of every program of clients.
type ClientOptions struct {
	Server  string // address of the Socket.IO server
	Control string // address of its control endpoints
	Count   int    // of clients
}

// ParseClients reads the flags.
func ParseClients() ClientOptions {
	var o ClientOptions
	flag.StringVar(&o.Server, "server", "127.0.0.1:3000", "address of the Socket.IO server")
	flag.StringVar(&o.Control, "control", "127.0.0.1:3001", "address of its control endpoints")
	flag.IntVar(&o.Count, "count", 10_000, "how many clients")
	flag.Parse()
	return o
}

// Clients are what a program of clients measures.
type Clients struct {
	// Open connects a client over WebSocket, and returns what asks for an echo.
	Open func() (echo func(int) error, err error)
	// Received counts the events m that came, to all clients.
	Received func() int64
}

// Measure connects the clients, 50 at a time; has 64 of them ask 200 times each; and has the
// server broadcast 20 events. It returns JSON: KB resident a client, and the process's CPU in
// µs of a connection, of a round trip and of a received event.
func Measure(o ClientOptions, c Clients) (string, error) {
	const hands, asked, asks, events = 50, 64, 200, 20
	debug.FreeOSMemory()
	before, spent := resident(), cpu()
	echoes := make([]func(int) error, o.Count)
	if err := atOnce(o.Count, hands, func(i int) (err error) {
		echoes[i], err = c.Open()
		return err
	}); err != nil {
		return "", fmt.Errorf("connect: %w", err)
	}
	connect := (cpu() - spent) / float64(o.Count)
	debug.FreeOSMemory()
	memory := float64(resident()-before) / 1024 / float64(o.Count)
	spent = cpu()
	if err := atOnce(asked, asked, func(i int) error {
		for n := range asks {
			if err := echoes[i](n); err != nil {
				return err
			}
		}
		return nil
	}); err != nil {
		return "", fmt.Errorf("ask: %w", err)
	}
	trip := (cpu() - spent) / (asked * asks)
	spent = cpu()
	res, err := http.Get(fmt.Sprintf("http://%s/broadcast?n=%d&size=64", o.Control, events))
	if err != nil {
		return "", err
	}
	_ = res.Body.Close()
	want := int64(events * o.Count)
	for end := time.Now().Add(time.Minute); c.Received() < want; time.Sleep(10 * time.Millisecond) {
		if time.Now().After(end) {
			return "", fmt.Errorf("%d of %d events came", c.Received(), want)
		}
	}
	event := (cpu() - spent) / float64(want)
	out, err := json.Marshal(map[string]float64{"kb": memory, "connect": connect, "trip": trip, "event": event})
	return string(out), err
}

// atOnce calls f for 0 … n-1, on so many goroutines.
func atOnce(n, hands int, f func(int) error) error {
	next := make(chan int)
	failed := make([]error, hands)
	var work sync.WaitGroup
	for h := range hands {
		work.Go(func() {
			for i := range next {
				if failed[h] == nil {
					failed[h] = f(i)
				}
			}
		})
	}
	for i := range n {
		next <- i
	}
	close(next)
	work.Wait()
	return errors.Join(failed...)
}

// cpu is what the process has used, in µs.
func cpu() float64 {
	var u syscall.Rusage
	_ = syscall.Getrusage(syscall.RUSAGE_SELF, &u) // cannot fail
	return float64(u.Utime.Sec+u.Stime.Sec)*1e6 + float64(u.Utime.Usec+u.Stime.Usec)
}

// resident is the process's resident memory, in bytes.
func resident() int64 {
	text, err := os.ReadFile("/proc/self/statm")
	if err != nil {
		return 0
	}
	var total, pages int64
	_, _ = fmt.Sscan(strings.TrimSpace(string(text)), &total, &pages)
	return pages * int64(os.Getpagesize())
}
