package officialwire

import (
	"context"
	"fmt"
	"testing"
	"time"

	"podium/protocol/internal/nodewire"
	"podium/protocol/services"
	"podium/protocol/socketio"

	"github.com/jackc/pgx/v5/pgxpool"
)

// patient is how long a test waits for what has to come.
const patient = 20 * time.Second

// listener is a server that only listens.
type listener struct {
	heard chan *socketio.Message
	left  chan string
}

func newListener() listener {
	return listener{make(chan *socketio.Message, 1000), make(chan string, 10)}
}

func (l listener) Deliver(m *socketio.Message) { l.heard <- m }
func (l listener) Left(id string)              { l.left <- id }

func (l listener) next(t *testing.T) *socketio.Message {
	t.Helper()
	select {
	case m := <-l.heard:
		return m
	case <-time.After(patient):
		t.Fatal("nothing was heard")
		return nil
	}
}

func join(t *testing.T, o Options, id string) (socketio.Cluster, listener) {
	t.Helper()
	heard := newListener()
	c, err := Postgres{o}.Join(socketio.Member{ID: id}, heard)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() }) // the database may be gone
	return c, heard
}

func event(name string) *socketio.Message {
	return &socketio.Message{Kind: socketio.MessageEvent, Namespace: "/", Event: name}
}

// PostgreSQL takes equal notifications of one transaction for one.
func TestEqualMessagesArriveEachOnce(t *testing.T) {
	o, _ := openPostgres(t)
	one, _ := join(t, o, "one")
	_, heard := join(t, o, "two")
	const n = 200
	failed := make(chan error, n)
	for range n {
		go func() { failed <- one.Send(t.Context(), event("same")) }()
	}
	for range n {
		if err := <-failed; err != nil {
			t.Fatal(err)
		}
		heard.next(t)
	}
	if err := one.Send(t.Context(), event("end")); err != nil {
		t.Fatal(err)
	}
	if m := heard.next(t); m.Event != "end" {
		t.Errorf("%s came more than %d times", m.Event, n)
	}
}

func TestServersFindEachOtherAgainAfterTheDatabaseWasAway(t *testing.T) {
	db := services.StartPostgres(t)
	pool, err := pgxpool.New(t.Context(), db.URL())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(pool.Close)
	o := Options{Pool: pool}
	one, _ := join(t, o, "one")
	_, heard := join(t, o, "two")
	db.Kill()
	db.Start()
	for deadline := time.Now().Add(patient); ; {
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		err := one.Send(ctx, event("again"))
		cancel()
		select {
		case m := <-heard.heard:
			if m.Event != "again" {
				t.Errorf("heard %s", m.Event)
			}
			return
		case <-time.After(20 * time.Millisecond):
		}
		if time.Now().After(deadline) {
			t.Fatalf("nothing is heard; the last error is %v", err)
		}
	}
}

func TestASilentServerIsGone(t *testing.T) {
	o, _ := openPostgres(t)
	o.HeartbeatInterval, o.HeartbeatTimeout = 50*time.Millisecond, 200*time.Millisecond
	one, heard := join(t, o, "one")
	w := newWriter(o.withDefaults(), "killed")
	if err := w.signal(t.Context(), nodewire.KindHeartbeat, "/"); err != nil {
		t.Fatal(err)
	}
	select {
	case id := <-heard.left:
		if id != "killed" {
			t.Errorf("%s left", id)
		}
	case <-time.After(patient):
		t.Fatal("it is still there")
	}
	if members, err := one.Members(t.Context(), "/"); err != nil || len(members) != 0 {
		t.Errorf("members are %v, %v", members, err)
	}
}

// What cannot be read stops nothing.
func TestPoisonIsPassed(t *testing.T) {
	o, _ := openPostgres(t)
	_, heard := join(t, o, "one")
	for _, payload := range []string{
		"", "x", "{", "{}", `{"type":3}`, `{"type":"three","uid":"a"}`, `{"type":3,"uid":"a","data":{"packet":{"type":2,"data":[]}}}`,
		`{"type":3,"uid":"a","attachmentId":"99"}`, `{"type":3,"uid":"a","attachmentId":{}}`, `{"type":3,"uid":"a","attachmentId":99}`,
		`{"type":99,"uid":"a","data":{}}`, `{"type":3,"uid":"a","data":{"packet":{"type":2,"data":["end"]}}}`,
	} {
		if _, err := o.Pool.Exec(t.Context(), `select pg_notify($1, $2)`, "socket.io#/", payload); err != nil {
			t.Fatal(err)
		}
	}
	if m := heard.next(t); m.Event != "end" {
		t.Errorf("heard %+v", m)
	}
}

func TestANamespaceThatNoChannelCanHaveIsRefused(t *testing.T) {
	o := Options{Pool: new(pgxpool.Pool), Namespaces: []string{fmt.Sprintf("/%060d", 0)}}
	if _, err := (Postgres{o}).Join(socketio.Member{ID: "one"}, newListener()); err == nil {
		t.Error("it was let in")
	}
	if _, err := (Postgres{}).Join(socketio.Member{ID: "one"}, newListener()); err == nil {
		t.Error("without a pool it was let in")
	}
}
