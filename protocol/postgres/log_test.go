package postgres

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"podium/protocol/internal/logentry"
	"podium/protocol/services"
	"podium/protocol/socketio"
)

func openWith(t *testing.T, o Options) *Engine {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
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
			Namespace: "/", Event: "e", Rooms: []string{"r", "\x00\xff"}, Except: []string{"x", ""}, From: "me",
			Args: []json.RawMessage{json.RawMessage(fmt.Sprintf(`{ "n" : %d }`, i))}, Attachments: [][]byte{{0, 255}},
		})
	}
	return list
}

// TestTheLog shares one database, each part with a schema of its own.
func TestTheLog(t *testing.T) {
	p := services.StartPostgres(t, "shared_buffers", "16MB")
	for name, test := range map[string]func(t *testing.T, p *services.Postgres, o Options){
		"AppendedEntriesAreReadAsTheyWere":                  readAsTheyWere,
		"ManyMayMakeTheTablesAtOnce":                        madeAtOnce,
		"AnUnansweredBatchIsDecided":                        unanswered,
		"ASchemaThatIsGoneIsAnotherEpoch":                   schemaGone,
		"AReaderBehindTheTrimIsToldWhatIsKept":              behindTheTrim,
		"AnEventIsPartOfItsTransaction":                     partOfATransaction,
		"ATransactionThatHoldsTheLogMakesAppendsFailInTime": heldUp,
		"OffsetsHaveNoGapsAndAreInOrderWhoeverEmits":        noGaps,
		"WhatIsNotifiedArrivesSoonerThanItWouldBeLookedFor": func(t *testing.T, _ *services.Postgres, o Options) { soon(t, o) },
		"NobodyIsNotifiedAndTheCountersAreRead":             func(t *testing.T, _ *services.Postgres, o Options) { o.Poll = true; soon(t, o) },
	} {
		t.Run(name, func(t *testing.T) {
			test(t, p, Options{URL: p.URL(), Schema: `the "schema" of '` + name[:12]})
		})
	}
}

func readAsTheyWere(t *testing.T, _ *services.Postgres, o Options) {
	e := openWith(t, o)
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
	must(t, e.exec(t.Context(), `with h as (update {s}.head set last = last + 1 returning last)
		insert into {s}.events (off, at, data) select last, 0, 'x' from h`))
	got, _, err = e.Follow(t.Context(), 2, 10)
	must(t, err)
	if len(got) != 2 || got[0].Offset != 3 || got[1].Kind != logentry.Unreadable {
		t.Errorf("followed %+v", got)
	}
}

func madeAtOnce(t *testing.T, _ *services.Postgres, o Options) {
	var work sync.WaitGroup
	keys := make([]string, 8)
	for i := range keys {
		work.Go(func() {
			ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
			defer cancel()
			e, err := Open(ctx, o)
			if err != nil {
				t.Error(err)
				return
			}
			keys[i] = string(e.secret)
			_ = e.Close()
		})
	}
	work.Wait()
	for _, k := range keys {
		if k == "" || k != keys[0] {
			t.Error("they do not have one key")
		}
	}
}

func unanswered(t *testing.T, _ *services.Postgres, o Options) {
	e := openWith(t, o)
	epoch := e.known().Epoch
	data := [][]byte{logentry.Encode(&events(1)[0])}
	want, _, err := e.try(t.Context(), "one", epoch, data)
	must(t, err)
	lost := errors.New("the answer got lost")
	if got, err := e.resolve(t.Context(), "one", lost); err != nil || got != want {
		t.Errorf("a batch that is committed: %+v, %v; want %+v", got, err, want)
	}
	if _, err := e.resolve(t.Context(), "two", lost); !errors.Is(err, lost) || errors.Is(err, socketio.ErrOutcome) {
		t.Errorf("a batch that is not: %v", err)
	}
	if _, _, err := e.try(t.Context(), "two", epoch, data); err == nil {
		t.Error("a batch that was given up was committed later")
	}
	if _, at, err := e.Read(t.Context(), 0, 0); err != nil || at.Last != 1 {
		t.Errorf("%+v, %v", at, err)
	}
}

func schemaGone(t *testing.T, _ *services.Postgres, o Options) {
	e := openWith(t, o)
	must(t, e.Append(t.Context(), events(1)))
	before := e.known().Epoch
	must(t, e.exec(t.Context(), `drop schema {s} cascade`))
	if err := e.Append(t.Context(), events(1)); !errors.Is(err, socketio.ErrEpoch) {
		t.Fatal(err)
	}
	_, at, err := e.Read(t.Context(), 0, 0)
	must(t, err)
	if at.Epoch == before || at.Last != 0 {
		t.Errorf("%+v", at)
	}
	must(t, e.Append(t.Context(), events(1)))
	if other := openWith(t, o); string(other.secret) != string(e.secret) {
		t.Error("a server that comes later has another key than those that are there")
	}
}

func behindTheTrim(t *testing.T, _ *services.Postgres, o Options) {
	o.MaxEntries = 10
	e := openWith(t, o)
	for range 10 {
		must(t, e.Append(t.Context(), events(10)))
	}
	got, at, err := e.Follow(t.Context(), 5, 10)
	must(t, err)
	if at.First < 50 || len(got) != 10 || got[0].Offset != at.First {
		t.Errorf("%d entries from %d at %+v", len(got), got[0].Offset, at)
	}
}

func partOfATransaction(t *testing.T, p *services.Postgres, o Options) {
	e := openWith(t, o)
	conn, err := pgx.Connect(t.Context(), p.URL())
	must(t, err)
	defer conn.Close(context.Background())
	back := errors.New("rolled back")
	for _, want := range []error{back, nil} {
		err := pgx.BeginFunc(t.Context(), conn, func(tx pgx.Tx) error {
			must(t, e.Emit(t.Context(), tx, Target{Rooms: []string{"r"}}, "e", 1, []byte{2}))
			_, err := tx.Exec(t.Context(), e.sql(`select {s}.emit('sql', '[{"b": 1}, null]', rooms => '{r,s}', excluded => '{x}', nsp => '/n')`))
			must(t, err)
			return want
		})
		if !errors.Is(err, want) {
			t.Fatal(err)
		}
	}
	got, at, err := e.Read(t.Context(), 0, 10)
	must(t, err)
	if at.Last != 2 || len(got) != 2 {
		t.Fatalf("%+v at %+v", got, at)
	}
	if got[0].Event != "e" || string(got[0].Args[0]) != "1" || len(got[0].Attachments) != 1 || got[0].Namespace != "/" {
		t.Errorf("%+v", got[0])
	}
	want := socketio.Entry{
		Offset: 2, At: got[1].At, Namespace: "/n", Rooms: []string{"r", "s"}, Except: []string{"x"}, Event: "sql",
		Args: []json.RawMessage{json.RawMessage(`{"b": 1}`), json.RawMessage(`null`)},
	}
	if !reflect.DeepEqual(got[1], want) {
		t.Errorf("%+v, want %+v", got[1], want)
	}
	for _, call := range []string{`{s}.emit('connect')`, `{s}.emit('e', '{}')`, `{s}.emit(null)`} {
		if err := e.exec(t.Context(), `select `+call); codeOf(err) != "22023" {
			t.Errorf("%s: %v", call, err)
		}
	}
}

func heldUp(t *testing.T, p *services.Postgres, o Options) {
	e := openWith(t, o)
	conn, err := pgx.Connect(t.Context(), p.URL())
	must(t, err)
	defer conn.Close(context.Background())
	tx, err := conn.Begin(t.Context())
	must(t, err)
	must(t, e.Emit(t.Context(), tx, Target{}, "e"))
	ctx, cancel := context.WithTimeout(t.Context(), time.Second)
	defer cancel()
	if err := e.Append(ctx, events(1)); err == nil || errors.Is(err, socketio.ErrEpoch) {
		t.Errorf("an append to a log that is held: %v", err)
	}
	must(t, tx.Commit(t.Context()))
	batch := events(1)
	must(t, e.Append(t.Context(), batch))
	if _, at, err := e.Read(t.Context(), 0, 0); err != nil || at.Last != 2 || batch[0].Offset != 2 {
		t.Errorf("%+v, %v", at, err)
	}
}

func noGaps(t *testing.T, p *services.Postgres, o Options) {
	const writers, each = 3, 20
	follower := openWith(t, o)
	var work sync.WaitGroup
	for range writers {
		e := openWith(t, o)
		work.Go(func() {
			for i := range each {
				var err error
				if i%2 == 0 {
					err = e.Append(context.Background(), events(2))
				} else {
					err = e.exec(context.Background(), `select {s}.emit('e'), {s}.emit('e')`)
				}
				if err != nil {
					t.Error(err)
				}
			}
		})
	}
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	last := uint64(0)
	for last < writers*each*2 {
		got, _, err := follower.Follow(ctx, last, 7)
		must(t, err)
		for _, entry := range got {
			if entry.Offset != last+1 {
				t.Fatalf("offset %d behind %d", entry.Offset, last)
			}
			last = entry.Offset
		}
	}
	work.Wait()
}

// soon has a follower wait for what others append, without the look that it takes each
// second by itself counting.
func soon(t *testing.T, o Options) {
	e, other := openWith(t, o), openWith(t, o)
	best := time.Hour
	for i := range uint64(6) { // listening begins some time after opening
		_, _, err := e.Follow(t.Context(), i, 10)
		must(t, err)
		rung := make(chan time.Time, 1)
		go func() {
			got, _, err := e.Follow(context.Background(), i, 10)
			for err == nil && len(got) == 0 {
				got, _, err = e.Follow(context.Background(), i, 10)
			}
			rung <- time.Now()
		}()
		must(t, other.Append(t.Context(), events(1)))
		appended := time.Now()
		best = min(best, (<-rung).Sub(appended))
	}
	if best > followFor/2 {
		t.Errorf("it came %s after it was appended at best", best)
	}
}

func TestAddressesWithoutPasswordsInErrors(t *testing.T) {
	for _, url := range []string{"", "localhost", "http://localhost", "postgres://u:secret@a:x/y", "postgres://u:secret@a/y?sslmode=secret"} {
		if _, err := Open(t.Context(), Options{URL: url}); err == nil || strings.Contains(err.Error(), "secret") {
			t.Errorf("%q: %v", url, err)
		}
	}
	if _, err := Open(t.Context(), Options{URL: "postgres://localhost/x", Schema: strings.Repeat("x", 64)}); err == nil {
		t.Error("a name that PostgreSQL would cut was taken")
	}
}

func TestAnErrorOfOpeningNamesThePackageOnce(t *testing.T) {
	_, err := Open(t.Context(), Options{URL: "postgres://127.0.0.1:1/x"}) // where nobody listens
	if err == nil || strings.Count(err.Error(), "postgres: ") != 1 {
		t.Error(err)
	}
}
