package abuse

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/coder/websocket"
)

// bystander is a guest whose phone must not notice an attack: it is connected
// over WebSocket, answers pings, and measures round trips over that and of
// requests for the feed.
type bystander struct {
	t      testing.TB
	s      *target
	conn   *websocket.Conn
	client *http.Client
	stop   context.CancelFunc
	ended  chan struct{}
	count  atomic.Int64    // of times, for those who wait for some
	times  []time.Duration // owned by run until ended is closed
	err    error           // likewise
}

// watch lets a bystander measure until it is asked for figures.
func (s *target) watch(t testing.TB) *bystander {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	conn, _, err := websocket.Dial(ctx, s.url+"/socket.io/?EIO=4&transport=websocket", nil)
	if err != nil {
		t.Fatal(err)
	}
	b := &bystander{t: t, s: s, conn: conn, client: &http.Client{Transport: &http.Transport{}}, stop: cancel, ended: make(chan struct{})}
	if err := conn.Write(ctx, websocket.MessageText, []byte("40")); err != nil {
		t.Fatal(err)
	}
	if err := b.await(ctx, "40"); err != nil {
		t.Fatal(err)
	}
	go func() {
		defer close(b.ended)
		b.run(ctx)
	}()
	return b
}

// await reads until a message of that beginning comes.
func (b *bystander) await(ctx context.Context, prefix string) error {
	for {
		_, data, err := b.conn.Read(ctx)
		if err != nil {
			return err
		}
		switch {
		case string(data) == "2":
			if err := b.conn.Write(ctx, websocket.MessageText, []byte("3")); err != nil {
				return err
			}
		case strings.HasPrefix(string(data), prefix):
			return nil
		}
	}
}

// run measures: to join a namespace that does not exist is refused at once, and
// so is an echo that every server has.
func (b *bystander) run(ctx context.Context) {
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for n := 0; ; n++ {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		began := time.Now()
		var err error
		if n%3 == 2 {
			err = b.readFeed(ctx)
		} else {
			name := fmt.Sprintf("/echo%d,", n)
			if err = b.conn.Write(ctx, websocket.MessageText, []byte("40"+name)); err == nil {
				err = b.await(ctx, "44"+name)
			}
		}
		if err != nil {
			if ctx.Err() == nil {
				b.err = err
			}
			return
		}
		b.times = append(b.times, time.Since(began))
		b.count.Add(1)
	}
}

func (b *bystander) readFeed(ctx context.Context) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, b.s.url+"/api/feed", nil)
	if err != nil {
		return err
	}
	res, err := b.client.Do(req)
	if err != nil {
		return err
	}
	defer res.Body.Close()
	if _, err := io.Copy(io.Discard, res.Body); err != nil {
		return err
	}
	if res.StatusCode != http.StatusOK {
		return fmt.Errorf("the feed: %s", res.Status)
	}
	return nil
}

// figures ends the measuring and returns the round trips. A bystander that was
// disturbed fails the test.
func (b *bystander) figures() []time.Duration {
	b.t.Helper()
	b.stop()
	<-b.ended
	_ = b.conn.CloseNow()
	b.client.CloseIdleConnections()
	if b.err != nil {
		b.t.Errorf("a bystander was disturbed: %v", b.err)
	}
	return b.times
}
