package gameday

import (
	"context"
	"encoding/json"
	"fmt"
	"regexp"
	"sync"
	"testing"
	"time"

	goredis "github.com/redis/go-redis/v9"

	"podium/protocol/postgres"
	"podium/protocol/redis"
	"podium/protocol/socketio"
)

// chronicle is the log as it was written: what clients should have got.
type chronicle struct {
	mu     sync.Mutex // guards events
	events []written
}

// written is an event of the log.
type written struct {
	name string // server and number
	room string
}

func (c *chronicle) add(w written) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.events = append(c.events, w)
}

func (c *chronicle) all() []written {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.events[:len(c.events):len(c.events)]
}

// record reads a log from its beginning until the test ends.
func record(t *testing.T, read func(ctx context.Context, c *chronicle) error, end func() error) *chronicle {
	t.Helper()
	c := new(chronicle)
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		if err := read(ctx, c); ctx.Err() == nil {
			t.Errorf("read the log: %v", err)
		}
	}()
	t.Cleanup(func() {
		cancel()
		<-ended
		_ = end() // a connection less
	})
	return c
}

func followRedis(t *testing.T, url string) *chronicle {
	t.Helper()
	e, err := redis.Open(t.Context(), redis.Options{URL: url})
	if err != nil {
		t.Fatal(err)
	}
	return record(t, follower(e), e.Close)
}

func followPostgres(t *testing.T, url string) *chronicle {
	t.Helper()
	e, err := postgres.Open(t.Context(), postgres.Options{URL: url})
	if err != nil {
		t.Fatal(err)
	}
	return record(t, follower(e), e.Close)
}

func follower(log socketio.Follower) func(ctx context.Context, c *chronicle) error {
	return func(ctx context.Context, c *chronicle) error {
		for after := uint64(0); ctx.Err() == nil; {
			entries, _, err := log.Follow(ctx, after, 256)
			if err != nil {
				return err
			}
			for _, e := range entries {
				if e.Offset != after+1 {
					return fmt.Errorf("entry %d comes after %d", e.Offset, after)
				}
				after = e.Offset
				if e.Kind != socketio.KindEvent || e.Event != "m" {
					continue
				}
				var event struct {
					Node string
					N    int
				}
				if err := json.Unmarshal(e.Args[0], &event); err != nil {
					return err
				}
				w := written{name: fmt.Sprintf("%s/%d", event.Node, event.N)}
				if len(e.Rooms) > 0 {
					w.room = e.Rooms[0]
				}
				c.add(w)
			}
		}
		return ctx.Err()
	}
}

// What the official adapter writes into its stream for an event of this test.
var (
	streamEvent = regexp.MustCompile(`"m",\{"node":"([^"]+)","n":(\d+)`)
	streamRoom  = regexp.MustCompile(`"rooms":\["room"\]`)
)

func followStreams(t *testing.T, addr string) *chronicle {
	t.Helper()
	client := goredis.NewClient(&goredis.Options{Addr: addr})
	return record(t, func(ctx context.Context, c *chronicle) error {
		for after := "0-0"; ctx.Err() == nil; {
			streams, err := client.XRead(ctx, &goredis.XReadArgs{Streams: []string{"socket.io", after}, Count: 256, Block: time.Second}).Result()
			if err != nil && err != goredis.Nil {
				return err
			}
			for _, s := range streams {
				for _, m := range s.Messages {
					after = m.ID
					data, _ := m.Values["data"].(string)
					found := streamEvent.FindStringSubmatch(data)
					if found == nil {
						continue
					}
					w := written{name: found[1] + "/" + found[2]}
					if streamRoom.MatchString(data) {
						w.room = "room"
					}
					c.add(w)
				}
			}
		}
		return ctx.Err()
	}, client.Close)
}
