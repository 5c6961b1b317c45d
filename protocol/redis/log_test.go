package redis

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
	"strings"
	"testing"
	"time"

	"podium/protocol/internal/logentry"
	"podium/protocol/services"
	"podium/protocol/socketio"
)

func open(t *testing.T, url string) *Engine {
	t.Helper()
	return openWith(t, Options{URL: url})
}

func openWith(t *testing.T, o Options) *Engine {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	e, err := Open(ctx, o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := e.Close(); err != nil {
			t.Error(err)
		}
	})
	return e
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func events(n int) (list []socketio.Entry) {
	for i := range n {
		list = append(list, socketio.Entry{
			Namespace: "/", Event: "e", Rooms: []string{"r"}, Except: []string{"x", ""}, From: "me",
			Args: []json.RawMessage{json.RawMessage(fmt.Sprintf(`{ "n" : %d }`, i))}, Attachments: [][]byte{{0, 255}},
		})
	}
	return list
}

func TestAppendedEntriesAreReadAsTheyWere(t *testing.T) {
	e := open(t, services.StartRedis(t).URL())
	batch := append(events(2), socketio.Entry{Kind: socketio.KindDisconnect, Close: true, Names: []string{"a"}, Uncompressed: true})
	must(t, e.Append(t.Context(), batch))
	got, at, err := e.Read(t.Context(), 1, 10)
	must(t, err)
	if !reflect.DeepEqual(got, batch[1:]) {
		t.Errorf("read %+v, appended %+v", got, batch[1:])
	}
	if at.First != 1 || at.Last != 3 || at.Epoch == "" || at.Incarnation == "" || time.Since(at.Now).Abs() > time.Minute {
		t.Errorf("position %+v", at)
	}
	got, _, err = e.Follow(t.Context(), 2, 10)
	must(t, err)
	if len(got) != 1 || got[0].Offset != 3 {
		t.Errorf("followed %+v", got)
	}
}

func TestABatchThatArrivesTwiceIsAppendedOnce(t *testing.T) {
	e := open(t, services.StartRedis(t).URL())
	must(t, e.Append(t.Context(), events(3)))
	again := events(3)
	e.seq.Store(0) // as if the answer had got lost
	must(t, e.Append(t.Context(), again))
	if _, at, err := e.Read(t.Context(), 0, 0); err != nil || at.Last != 3 || again[2].Offset != 3 {
		t.Errorf("position %+v, %v; offset %d", at, err, again[2].Offset)
	}
}

func TestALogThatIsGoneIsAnotherEpochAndTakesNothingForTheOld(t *testing.T) {
	r := services.StartRedis(t)
	e := open(t, r.URL())
	must(t, e.Append(t.Context(), events(1)))
	_, before, err := e.Read(t.Context(), 0, 0)
	must(t, err)
	for name, lose := range map[string]func(){
		"stream deleted": func() { _, err := r.Do("DEL", e.keys.log); must(t, err) },
		"all deleted":    func() { _, err := r.Do("FLUSHALL"); must(t, err) },
		"restarted":      func() { r.Kill(); r.Start() },
	} {
		lose()
		if err := e.Append(t.Context(), events(1)); !errors.Is(err, socketio.ErrEpoch) {
			t.Fatalf("%s: %v", name, err)
		}
		_, after, err := e.Read(t.Context(), 0, 0)
		must(t, err)
		if after.Epoch == before.Epoch || after.Last != 0 {
			t.Errorf("%s: %+v, before %+v", name, after, before)
		}
		must(t, e.Append(t.Context(), events(1)))
		before = after
	}
}

func TestAnAppendWaitsForARedisThatComesBack(t *testing.T) {
	r := services.StartRedis(t, "appendonly", "yes", "appendfsync", "always")
	e := open(t, r.URL())
	must(t, e.Append(t.Context(), events(1)))
	r.Kill()
	done := make(chan error, 1)
	batch := events(1)
	go func() {
		ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
		defer cancel()
		done <- e.Append(ctx, batch)
	}()
	r.Start()
	must(t, <-done)
	_, at, err := e.Read(t.Context(), 0, 0)
	must(t, err)
	if at.Last != 2 || batch[0].Offset != 0 { // another incarnation
		t.Errorf("%+v, offset %d", at, batch[0].Offset)
	}
}

func TestAReaderBehindTheTrimIsToldWhatIsKept(t *testing.T) {
	e := open(t, services.StartRedis(t, "stream-node-max-entries", "10").URL())
	e.o.MaxEntries = 10
	for range 10 {
		must(t, e.Append(t.Context(), events(10)))
	}
	got, at, err := e.Follow(t.Context(), 5, 10)
	must(t, err)
	if at.First < 50 || len(got) != 10 || got[0].Offset != at.First {
		t.Errorf("%d entries from %d at %+v", len(got), got[0].Offset, at)
	}
}

func TestWhatCannotBeReadIsPassedOver(t *testing.T) {
	r := services.StartRedis(t)
	e := open(t, r.URL())
	epoch := e.known().Epoch
	for _, poison := range []string{"", "x", "\x01\x00\x00\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01"} {
		_, err := r.Do("XADD", e.keys.log, epoch+"-*", "d", poison)
		must(t, err)
	}
	must(t, e.Append(t.Context(), events(1)))
	got, _, err := e.Follow(t.Context(), 0, 10)
	must(t, err)
	if len(got) != 4 || got[3].Event != "e" || got[0].Kind != logentry.Unreadable {
		t.Errorf("%+v", got)
	}
}

func TestAPasswordAndAFullMemoryAreToldOf(t *testing.T) {
	r := services.StartRedis(t, "requirepass", "secret", "user", "app on >word ~{podium}* ~podium* &podium* +@all")
	if _, err := Open(t.Context(), Options{URL: r.URL()}); err == nil || !strings.Contains(err.Error(), "NOAUTH") {
		t.Errorf("without a password: %v", err)
	}
	e := open(t, "redis://app:word@"+r.Addr)
	must(t, e.Append(t.Context(), events(1)))
	must(t, e.client.ConfigSet(t.Context(), "maxmemory", "1").Err())
	if err := e.Append(t.Context(), events(1)); err == nil || !strings.Contains(err.Error(), "OOM") {
		t.Errorf("with no memory left: %v", err)
	}
	must(t, e.client.ConfigSet(t.Context(), "maxmemory", "0").Err())
	must(t, e.Append(t.Context(), events(1)))
	if _, at, err := e.Read(t.Context(), 0, 0); err != nil || at.Last != 2 {
		t.Errorf("%+v, %v", at, err)
	}
}

func TestAddresses(t *testing.T) {
	for url, want := range map[string]struct {
		addrs  []string
		master string
		user   string
		tls    bool
		db     int
	}{
		"redis://localhost":  {addrs: []string{"localhost:6379"}},
		"rediss://u:p@a:1/2": {addrs: []string{"a:1"}, user: "u", tls: true, db: 2},
		"redis://a:1,b:2,c":  {addrs: []string{"a:1", "b:2", "c:6379"}},
		"redis://u:p@a:1,b:2/1?sentinel=main&pool_size=3": {addrs: []string{"a:1", "b:2"}, master: "main", user: "u", db: 1},
	} {
		o, err := parseURL(url)
		if err != nil {
			t.Errorf("%s: %v", url, err)
			continue
		}
		if !reflect.DeepEqual(o.Addrs, want.addrs) || o.MasterName != want.master || o.Username != want.user || (o.TLSConfig != nil) != want.tls || o.DB != want.db {
			t.Errorf("%s: %+v", url, o)
		}
	}
	for _, url := range []string{"", "localhost", "http://localhost", "redis://u:secret@a:x/y"} {
		if _, err := parseURL(url); err == nil || strings.Contains(err.Error(), "secret") {
			t.Errorf("%q: %v", url, err)
		}
	}
}

func TestAnErrorOfOpeningNamesThePackageOnce(t *testing.T) {
	_, err := Open(t.Context(), Options{URL: "redis://127.0.0.1:1"}) // where nobody listens
	if err == nil || strings.Count(err.Error(), "redis: ") != 1 {
		t.Error(err)
	}
}
