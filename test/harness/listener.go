package harness

import (
	"context"
	"log/slog"
	"net/http"
	"net/netip"
	"slices"
	"sync"
	"time"

	"podium/protocol/client"
)

// Listener is a Socket.IO client in Go, over WebSocket: cheap enough to have
// thousands of. It recovers as official clients do.
type Listener struct {
	socket    *client.Socket
	transport *client.Transport // shared by all that were made together

	Mu        sync.Mutex    // guards the fields below
	gone      chan struct{} // closed when the connection ends; nil where there is none
	Recovered bool          // by the last connection
	Connects  int           // how often it connected
	Absence   Absence       // when nothing came, and sessions that were not taken up
	Received  []string      // ids of submissions, over all connections
	Notices   int           // of a shutdown
}

// Listeners makes a number of listeners, each with an address of its own, which it tells
// in X-Forwarded-For. CloseAll ends them.
func Listeners(host string, number int) []*Listener {
	all := make([]*Listener, number)
	transport := new(client.Transport)
	address := netip.MustParseAddr("10.0.0.0")
	for i := range all {
		address = address.Next()
		all[i] = &Listener{transport: transport}
		all[i].make("http://"+host, address.String())
	}
	return all
}

// make makes the socket, which does not connect yet.
func (l *Listener) make(url, address string) {
	s, err := client.New(url, client.Options{
		Transport: l.transport, Transports: []string{client.TransportWebSocket}, NoReconnection: true, Timeout: Patience,
		Header: http.Header{"X-Forwarded-For": {address}}, Logger: slog.New(slog.DiscardHandler),
	})
	if err != nil {
		panic(err) // the address is one of this program's own
	}
	l.socket = s
	s.OnAny(l.take)
	s.OnDisconnect(func(client.Reason, error) {
		l.Mu.Lock()
		defer l.Mu.Unlock()
		if l.gone != nil {
			close(l.gone)
			l.gone = nil
		}
	})
}

// connect opens a connection and offers the last session. Something of reading ends with
// the connection.
func (l *Listener) connect(reading *sync.WaitGroup) error {
	gone := make(chan struct{})
	l.Mu.Lock()
	l.gone = gone
	l.Mu.Unlock()
	ctx, cancel := context.WithTimeout(context.Background(), Patience)
	defer cancel()
	if err := l.socket.Connect(ctx); err != nil {
		return err
	}
	reading.Go(func() { <-gone })
	l.Mu.Lock()
	defer l.Mu.Unlock()
	l.Recovered = l.socket.Recovered()
	again, away := l.Absence.Heard()
	if l.Connects++; again && !l.Recovered {
		l.Absence.Refuse(Refusal{Away: away, Before: len(l.Received)})
	}
	return nil
}

// take handles an event.
func (l *Listener) take(e *client.Event) {
	l.Mu.Lock()
	defer l.Mu.Unlock()
	l.Absence.Heard()
	switch e.Name {
	case "newSubmission":
		var entry struct{ ID string }
		_ = e.Args.Decode(&entry) // an empty id is found missing
		l.Received = append(l.Received, entry.ID)
	case "server-shutdown":
		l.Notices++
	}
}

// follow comes back whenever the connection ends, until stop is closed.
func (l *Listener) follow(stop <-chan struct{}) {
	var reading sync.WaitGroup
	for {
		if err := l.connect(&reading); err == nil {
			reading.Wait()
		}
		if !WaitFor(30*time.Millisecond, stop) {
			return
		}
	}
}

// FollowAll has listeners come back until leave is called, which ends them and may be
// called again.
func FollowAll(all []*Listener) (leave func()) {
	stop := make(chan struct{})
	var following sync.WaitGroup
	for _, l := range all {
		following.Go(func() { l.follow(stop) })
	}
	return sync.OnceFunc(func() {
		close(stop)
		CloseAll(all, &following)
	})
}

// Connections is how often it connected.
func (l *Listener) Connections() int {
	l.Mu.Lock()
	defer l.Mu.Unlock()
	return l.Connects
}

// Has reports whether a submission has arrived.
func (l *Listener) Has(id string) bool {
	l.Mu.Lock()
	defer l.Mu.Unlock()
	return slices.Contains(l.Received, id)
}

// CopyOf returns the ids of the submissions that have arrived.
func (l *Listener) CopyOf() []string {
	l.Mu.Lock()
	defer l.Mu.Unlock()
	return slices.Clone(l.Received)
}

// ConnectAll connects all at the same moment, each again after a delay that
// grows and is different for each, and returns when they are connected, or the last error
// where that took too long.
func ConnectAll(all []*Listener, reading *sync.WaitGroup, within time.Duration) (took time.Duration, tries int, err error) {
	began := time.Now()
	gate := make(chan struct{})
	var connecting sync.WaitGroup
	var mu sync.Mutex // guards tries and err
	for i, l := range all {
		connecting.Go(func() {
			<-gate
			delay := 100 * time.Millisecond
			for {
				e := l.connect(reading)
				mu.Lock()
				tries++
				if e != nil && time.Since(began) > within {
					err = e
				}
				mu.Unlock()
				if e == nil || time.Since(began) > within {
					return
				}
				// Half to one and a half of the delay, by the listener's number.
				time.Sleep(delay/2 + delay*time.Duration(i%97)/97)
				delay = min(2*delay, 3*time.Second)
			}
		})
	}
	close(gate)
	connecting.Wait()
	return time.Since(began), tries, err
}

// CloseAll ends listeners for good, and waits for what still reads.
func CloseAll(all []*Listener, reading *sync.WaitGroup) {
	var closing sync.WaitGroup
	for _, l := range all {
		l.socket.Manager().Reset() // without a word: others may look at what the server does then
		closing.Go(func() { _ = l.socket.Close() })
	}
	closing.Wait()
	reading.Wait()
	if len(all) > 0 {
		all[0].transport.Close()
	}
}
