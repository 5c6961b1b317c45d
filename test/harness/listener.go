package harness

import (
	"bufio"
	bigendian "encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"time"
)

// Listener is a Socket.IO client in Go, over WebSocket: cheap enough to have
// thousands of. It recovers as official clients do.
type Listener struct {
	host    string // host:port
	address string // told in X-Forwarded-For; "" for none

	Mu        sync.Mutex // guards the fields below
	conn      net.Conn
	sid, pid  string
	offset    string
	Recovered bool     // by the last connection
	Connects  int      // how often it connected
	Absence   Absence  // when nothing came, and sessions that were not taken up
	Received  []string // ids of submissions, over all connections
	Notices   int      // of a shutdown
}

// errDenied: the server answered and let nobody in.
var errDenied = errors.New("not let in")

// connect opens a connection, offers the last session and starts to read in a
// goroutine of reading, which ends with the connection.
func (l *Listener) connect(reading *sync.WaitGroup) error {
	conn, err := net.Dial("tcp", l.host)
	if err != nil {
		return err
	}
	r := bufio.NewReaderSize(conn, 512)
	if err := l.join(conn, r); err != nil {
		_ = conn.Close()
		return err
	}
	reading.Go(func() {
		defer conn.Close()
		for {
			m, err := readFrame(r)
			if err != nil {
				return
			}
			l.take(conn, m)
		}
	})
	return nil
}

// join opens the WebSocket and the namespace.
func (l *Listener) join(conn net.Conn, r *bufio.Reader) error {
	_ = conn.SetDeadline(time.Now().Add(Patience))
	forwarded := ""
	if l.address != "" {
		forwarded = "X-Forwarded-For: " + l.address + "\r\n"
	}
	_, err := fmt.Fprintf(conn, "GET /socket.io/?EIO=4&transport=websocket HTTP/1.1\r\nHost: %s\r\n%sConnection: Upgrade\r\n"+
		"Upgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n", l.host, forwarded)
	if err != nil {
		return err
	}
	res, err := http.ReadResponse(r, nil)
	if err != nil {
		return err
	}
	if res.StatusCode != http.StatusSwitchingProtocols {
		return errDenied
	}
	if open, err := readFrame(r); err != nil || open[0] != '0' {
		return errors.Join(err, errDenied)
	}
	offer := "40"
	if l.Mu.Lock(); l.pid != "" {
		b, _ := json.Marshal(map[string]string{"pid": l.pid, "offset": l.offset})
		offer += string(b)
	}
	l.Mu.Unlock()
	writeFrame(conn, offer)
	answer, err := readFrame(r)
	if err != nil || !strings.HasPrefix(answer, "40") {
		return errors.Join(err, errDenied)
	}
	var joined struct{ SID, PID, Refused string }
	if err := json.Unmarshal([]byte(answer[2:]), &joined); err != nil {
		return err
	}
	l.Mu.Lock()
	defer l.Mu.Unlock()
	l.Recovered = l.pid == joined.PID
	_, away := l.Absence.Heard()
	if l.Connects++; l.pid != "" && !l.Recovered {
		l.Absence.Refuse(Refusal{away, len(l.Received), joined.Refused})
	}
	l.conn, l.sid, l.pid = conn, joined.SID, joined.PID
	return conn.SetDeadline(time.Time{})
}

// take handles a message.
func (l *Listener) take(conn net.Conn, m string) {
	if m == "2" {
		writeFrame(conn, "3")
		return
	}
	var args []json.RawMessage
	if !strings.HasPrefix(m, "42") || json.Unmarshal([]byte(m[2:]), &args) != nil || len(args) < 2 {
		return
	}
	l.Mu.Lock()
	defer l.Mu.Unlock()
	l.Absence.Heard()
	var offset string
	if json.Unmarshal(args[len(args)-1], &offset) == nil {
		l.offset = offset
	}
	switch string(args[0]) {
	case `"newSubmission"`:
		var entry struct{ ID string }
		_ = json.Unmarshal(args[1], &entry) // an empty id is found missing
		l.Received = append(l.Received, entry.ID)
	case `"server-shutdown"`:
		l.Notices++
	}
}

// readFrame returns the next text message.
func readFrame(r *bufio.Reader) (string, error) {
	var head [10]byte
	if _, err := io.ReadFull(r, head[:2]); err != nil {
		return "", err
	}
	n := uint64(head[1])
	switch n {
	case 126:
		if _, err := io.ReadFull(r, head[2:4]); err != nil {
			return "", err
		}
		n = uint64(bigendian.BigEndian.Uint16(head[2:]))
	case 127:
		if _, err := io.ReadFull(r, head[2:10]); err != nil {
			return "", err
		}
		n = bigendian.BigEndian.Uint64(head[2:])
	}
	if head[0]&0x0f == 8 || n == 0 || n > 1<<20 {
		return "", io.EOF
	}
	body := make([]byte, n)
	_, err := io.ReadFull(r, body)
	return string(body), err
}

// writeFrame sends a text message, masked with zeros.
func writeFrame(conn net.Conn, text string) {
	b := []byte{0x81, 0x80 | byte(len(text))}
	if len(text) > 125 {
		b = bigendian.BigEndian.AppendUint16([]byte{0x81, 0x80 | 126}, uint16(len(text)))
	}
	_, _ = conn.Write(append(append(b, 0, 0, 0, 0), text...)) // whoever is gone is found by reading
}

// follow comes back whenever the connection ends, until stop is closed.
func (l *Listener) follow(stop <-chan struct{}) {
	var reading sync.WaitGroup
	for {
		if err := l.connect(&reading); err == nil {
			select {
			case <-stop: // it may have been closed before it was connected
				l.close()
			default:
			}
			reading.Wait()
		}
		if !WaitFor(30*time.Millisecond, stop) {
			return
		}
	}
}

// FollowAll has listeners come back until leave is called, which may be called
// again.
func FollowAll(all []*Listener) (leave func()) {
	stop := make(chan struct{})
	var following sync.WaitGroup
	for _, l := range all {
		following.Go(func() { l.follow(stop) })
	}
	return sync.OnceFunc(func() {
		close(stop)
		for _, l := range all {
			l.close()
		}
		following.Wait()
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

func (l *Listener) CopyOf() []string {
	l.Mu.Lock()
	defer l.Mu.Unlock()
	return slices.Clone(l.Received)
}

func (l *Listener) close() {
	l.Mu.Lock()
	defer l.Mu.Unlock()
	if l.conn != nil {
		_ = l.conn.Close()
	}
}

// Listeners makes a number of listeners, each with an address of its own.
func Listeners(host string, number int) []*Listener {
	all := make([]*Listener, number)
	address := netip.MustParseAddr("10.0.0.0")
	for i := range all {
		address = address.Next()
		all[i] = &Listener{host: host, address: address.String()}
	}
	return all
}

// ConnectAll connects all at the same moment, each again after a delay that
// grows and is different for each, and returns when they are connected, or nil
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

// CloseAll ends all connections and waits for their goroutines.
func CloseAll(all []*Listener, reading *sync.WaitGroup) {
	for _, l := range all {
		l.close()
	}
	reading.Wait()
}
