package officialwire

import (
	"log/slog"
	"testing"
	"time"

	goredis "github.com/redis/go-redis/v9"

	"podium/protocol/internal/wiretest"
	"podium/protocol/services"
	"podium/protocol/socketio"
)

// patience bounds every wait.
const patience = 20 * time.Second

// openRedis starts a Redis, and returns what a wire needs.
func openRedis(t *testing.T) (Options, string) {
	r := services.StartRedis(t)
	client := goredis.NewClient(&goredis.Options{Addr: r.Addr, MaxRetries: -1})
	t.Cleanup(func() { _ = client.Close() })
	return Options{Client: client, Logger: slog.New(slog.DiscardHandler)}, r.URL()
}

func TestClassicBesideNode(t *testing.T) {
	o, url := openRedis(t)
	c := Classic{o}
	wiretest.Run(t, wiretest.Wire{Name: "classic", URL: url, Options: joins(c.Join), Emitter: c.Emitter(), Official: wiretest.Both})
}

func TestStreamsBesideNode(t *testing.T) {
	o, url := openRedis(t)
	s := Streams{o}
	wiretest.Run(t, wiretest.Wire{Name: "streams", URL: url, Options: joins(s.Join), Emitter: s.Emitter()})
}

func TestASharedStreamBesideNode(t *testing.T) {
	o, url := openRedis(t)
	open := func() *StreamEngine {
		e, err := OpenStream(t.Context(), o)
		if err != nil {
			t.Fatal(err)
		}
		return e
	}
	wiretest.Run(t, wiretest.Wire{Name: "streams", URL: url, Emitter: open().Emitter(), Options: func() socketio.Options {
		e := open()
		return socketio.Options{Cluster: e.Join, Recovery: e.Recovery()}
	}})
}

// joins returns options with nothing but a cluster.
func joins(join func(socketio.Member, socketio.Node) (socketio.Cluster, error)) func() socketio.Options {
	return func() socketio.Options { return socketio.Options{Cluster: join} }
}

func TestShardedBesideNode(t *testing.T) {
	for _, mode := range []Subscriptions{Dynamic, DynamicPrivate, Static} {
		t.Run(string(mode), func(t *testing.T) {
			o, url := openRedis(t)
			o.Subscriptions = mode
			s := Sharded{o}
			w := wiretest.Wire{Name: string(mode), URL: url, Options: joins(s.Join), Emitter: s.Emitter()}
			if mode != Static {
				w.Settle = func(room string) { awaitListener(t, o.Client, "socket.io#/#"+room+"#") }
			}
			wiretest.Run(t, w)
		})
	}
}

// awaitListener waits until somebody has subscribed to a channel.
func awaitListener(t *testing.T, client *goredis.Client, channel string) {
	t.Helper()
	for deadline := time.Now().Add(patience); ; time.Sleep(time.Millisecond) {
		counts, err := client.PubSubShardNumSub(t.Context(), channel).Result()
		if err != nil {
			t.Fatal(err)
		}
		if counts[channel] > 0 {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("nobody listens on %s", channel)
		}
	}
}

// question is what a Node server published as it asked all clients.
const question = "\x84\xa4type\x03\xa4data\x83\xa6packet\x82\xa4type\x02\xa4data\x92\xa1q\x05\xa9requestId\xb025084cd171f3b312\xa4opts\x83\xa5rooms\x90\xa6except\x90\xa5flags\x81\xa7timeout\xcd\x05\xdc\xa3uid\xb0abb01a28bc0fb320\xa3nsp\xa1/"

// Entries that stop a Node server for good, or that nobody can read, stop nothing here.
func TestPoisonIsPassed(t *testing.T) {
	o, _ := openRedis(t)
	client := o.Client
	heard := make(listener, 10)
	c, err := Streams{o}.Join(socketio.Member{ID: "me"}, heard)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := c.Close(); err != nil {
			t.Error(err)
		}
	})
	for _, entry := range [][]any{
		{"x", "y"},
		{"uid", "a", "nsp", "/", "type", "3"},
		{"uid", "a", "nsp", "/", "type", "three", "data", "{}"},
		{"uid", "a", "nsp", "/", "type", "3", "data", "{"},
		{"uid", "a", "nsp", "/", "type", "3", "data", "%"},
		{"uid", "a", "nsp", "/", "type", "3", "data", `{"packet":{"type":2,"data":[]},"opts":{}}`},
		{"uid", "a", "nsp", "/", "type", "4", "data", `{"opts":{"rooms":7}}`},
		{"uid", "a", "nsp", "/", "type", "99", "data", `{}`},
		{"uid", "a", "nsp", "/", "type", "1"},
		{"uid", "a", "nsp", "/", "type", "3", "data", `{"packet":{"type":2,"data":["end"]}}`},
	} {
		if err := client.XAdd(t.Context(), &goredis.XAddArgs{Stream: "socket.io", Values: entry}).Err(); err != nil {
			t.Fatal(err)
		}
	}
	for _, payload := range []string{"", "x", "{}", "\xc1", question[:20]} {
		if err := client.Publish(t.Context(), "socket.io#/#", payload).Err(); err != nil {
			t.Fatal(err)
		}
	}
	if err := client.Publish(t.Context(), "socket.io#/#", question).Err(); err != nil {
		t.Fatal(err)
	}
	seen := make(map[string]bool)
	for range 2 {
		select {
		case m := <-heard:
			seen[m.Event] = true
		case <-time.After(patience):
			t.Fatalf("heard only %v", seen)
		}
	}
	if !seen["end"] || !seen["q"] {
		t.Errorf("heard %v", seen)
	}
}

// listener is a server that only listens.
type listener chan *socketio.Message

func (l listener) Deliver(m *socketio.Message) { l <- m }

func (l listener) Left(string) {}
