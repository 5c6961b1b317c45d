package postgres

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"podium/protocol/services"
	"podium/protocol/socketio/clustertest"
)

func TestCluster(t *testing.T) {
	clustertest.Run(t, func(t *testing.T) clustertest.Setup { return setup(t, false) })
}

func setup(t *testing.T, poll bool) clustertest.Setup {
	p := services.StartPostgres(t, "max_connections", "300", "shared_buffers", "16MB")
	keep := 1 << 20
	at := func(t testing.TB, address string) clustertest.Engine {
		ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
		defer cancel()
		e, err := Open(ctx, Options{URL: strings.Replace(p.URL(), p.Addr(), address, 1), MaxEntries: keep, Poll: poll})
		if err != nil {
			t.Fatal(err)
		}
		return clustertest.Engine{Join: e.Join, Recovery: e.Recovery(), Close: e.Close}
	}
	return clustertest.Setup{
		Open:    func(t testing.TB) clustertest.Engine { return at(t, p.Addr()) },
		OpenAt:  at,
		Address: p.Addr(),
		Kill:    p.Kill, Start: p.Start, Pause: p.Pause, Resume: p.Resume,
		Keep:    func(entries int) { keep = entries },
		LoseAll: func() { do(t, p, `drop schema socketio cascade`) },
		Refuse: func(on bool) {
			p.SetSystem("default_transaction_read_only", fmt.Sprint(on))
		},
		LoseTail: func(entries int) {
			do(t, p, fmt.Sprintf(`update socketio.head set last = last - %d;
				delete from socketio.events where off > (select last from socketio.head)`, entries))
			p.Kill()
			p.Start()
		},
		Poison: func() {
			do(t, p, `with h as (update socketio.head set last = last + 1 returning last)
				insert into socketio.events (off, at, data) select last, 0, 'x' from h`)
		},
	}
}

// do runs statements on a connection of their own.
func do(t testing.TB, p *services.Postgres, statements string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	conn, err := pgx.Connect(ctx, p.URL())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(ctx)
	if _, err := conn.Exec(ctx, statements, pgx.QueryExecModeSimpleProtocol); err != nil {
		t.Fatal(err)
	}
}
