package socketio

import (
	"context"
	"errors"
	"testing"
)

// patchyLog is a log that others append to, and that is slow or away after some reads.
type patchyLog struct {
	appendingLog
	read  int // entries
	reads int // that succeed, until it is away
}

var _ Follower = (*patchyLog)(nil)

func (l *patchyLog) Read(ctx context.Context, after uint64, limit int) ([]Entry, Position, error) {
	if l.reads == 0 {
		return nil, Position{}, errors.New("the log is away")
	}
	l.reads--
	entries, at, err := l.appendingLog.Read(ctx, after, limit)
	l.read += len(entries)
	return entries, at, err
}

func (l *patchyLog) Follow(ctx context.Context, _ uint64, _ int) ([]Entry, Position, error) {
	<-ctx.Done()
	return nil, Position{}, ctx.Err()
}

// ordersOf returns the publisher of a server that starts on a log of 20,000 entries, of
// which each hundredth is an order.
func ordersOf(t *testing.T) (*publisher, *patchyLog) {
	t.Helper()
	disk := &diskLog{epoch: "e"}
	for i := range 20_000 {
		e := numbered(i)
		if i%100 == 99 {
			e = Entry{Kind: KindJoin, Names: []string{"room"}}
		}
		disk.commit(e)
	}
	log := &patchyLog{appendingLog: appendingLog{disk}, reads: 1000}
	srv := NewServer(Options{Recovery: &Recovery{Log: log}})
	t.Cleanup(func() { _ = srv.Shutdown(context.Background()) })
	log.read = 0
	return srv.publisher, log
}

// Whoever comes to a server that has just started is followed by others: what they have
// seen already is not read for them, or a server on a long log would be read to death.
func TestOrdersAreReadBackToWhatASessionHasSeen(t *testing.T) {
	p, log := ordersOf(t)
	for _, tt := range []struct{ after, orders, read int }{{19_950, 1, 256}, {19_800, 2, 0}, {19_000, 10, 1100}} {
		had := log.read
		got, err := p.ordersAfter(uint64(tt.after))
		if err != nil || len(got) != tt.orders || log.read-had > tt.read {
			t.Errorf("after %d: %d orders, %v, and %d entries were read", tt.after, len(got), err, log.read-had)
		}
	}
}

// A log that answers a few times only, before a session has to be judged, is read to its
// beginning nevertheless.
func TestOrdersThatWereReadStay(t *testing.T) {
	p, log := ordersOf(t)
	for tries := 1; ; tries++ {
		log.reads = 20
		got, err := p.ordersAfter(1)
		if err == nil {
			if len(got) != 200 || got[0].offset != 100 || got[199].offset != 20_000 {
				t.Errorf("%d orders", len(got))
			}
			break
		}
		if tries == 20 {
			t.Fatal(err)
		}
	}
}

// Orders that were forgotten, since there were too many, are read again.
func TestForgottenOrdersAreReadAgain(t *testing.T) {
	p, _ := ordersOf(t)
	if _, err := p.ordersAfter(0); err != nil {
		t.Fatal(err)
	}
	for i := range maxOrders {
		p.orders.add(&Entry{Kind: KindLeave, Offset: uint64(20_001 + i)})
	}
	if _, all := p.orders.after(19_000); all {
		t.Fatal("nothing was forgotten")
	}
	if got, err := p.ordersAfter(19_000); err != nil || len(got) != maxOrders+10 || got[0].offset != 19_100 {
		t.Errorf("%d orders, %v", len(got), err)
	}
}
