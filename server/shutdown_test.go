package server_test

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"podium/server"
	"podium/store/bolt"
)

// TestAStopLosesNothing stops a server while a submission is being sent and an
// event stream is open: the submission is answered and stored, the stream is
// told, and a backup of the last state is made.
func TestAStopLosesNothing(t *testing.T) {
	set := settings(t, "--host", "127.0.0.1", "--port", "0")
	s, err := server.New(set, slog.New(slog.DiscardHandler), new(slog.LevelVar))
	if err != nil {
		t.Fatal(err)
	}
	l, err := s.Listen()
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(context.Background())
	defer stop()
	done := make(chan error, 1)
	go func() { done <- s.Run(ctx, l) }()
	address := l.Addr().String()

	stream, err := http.Get("http://" + address + "/api/events")
	if err != nil {
		t.Fatal(err)
	}
	defer stream.Body.Close()

	// Half a submission, so that it is in flight when the stop begins.
	body := "--x\r\nContent-Disposition: form-data; name=\"category\"\r\n\r\nbest\r\n--x--\r\n"
	conn, err := net.Dial("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	conn.SetDeadline(time.Now().Add(20 * time.Second))
	fmt.Fprintf(conn, "POST /api/submit HTTP/1.1\r\nHost: x\r\nContent-Type: multipart/form-data; boundary=x\r\nContent-Length: %d\r\nExpect: 100-continue\r\n\r\n", len(body))
	reader := bufio.NewReader(conn)
	// The server asks for the body once the handler reads it.
	if line, err := reader.ReadString('\n'); err != nil || !strings.Contains(line, "100") {
		t.Fatal(line, err)
	}
	reader.ReadString('\n')

	began := time.Now()
	stop()
	// Readiness is gone as soon as the stop has begun; new connections are
	// refused a moment later.
	for {
		if c, err := net.Dial("tcp", address); err != nil {
			break
		} else {
			c.Close()
		}
		if time.Since(began) > 10*time.Second {
			t.Fatal("the server still takes connections")
		}
	}
	if _, err := io.WriteString(conn, body); err != nil {
		t.Fatal(err)
	}
	answer, err := http.ReadResponse(reader, nil)
	if err != nil {
		t.Fatal(err)
	}
	text, _ := io.ReadAll(answer.Body)
	answer.Body.Close()
	if answer.StatusCode != 200 {
		t.Fatalf("%d %s", answer.StatusCode, text)
	}
	if _, err := io.ReadAll(stream.Body); err != nil {
		t.Logf("the stream ended with %v", err)
	}
	if err := <-done; err != nil {
		t.Fatal(err)
	}
	if took := time.Since(began); took > 5*time.Second {
		t.Errorf("the stop took %v", took)
	}
	http.DefaultClient.CloseIdleConnections()

	backups, _ := filepath.Glob(filepath.Join(set.Data, "backups", "podium-*.db"))
	if len(backups) != 1 {
		t.Fatalf("%d backups", len(backups))
	}
	kept, err := bolt.Open(backups[0], bolt.Options{ReadOnly: true})
	if err != nil {
		t.Fatal(err)
	}
	defer kept.Close()
	if counts, err := kept.Counts(); err != nil || counts.Total() != 1 {
		t.Fatalf("%v %v", counts, err)
	}
}
