package postgres

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"podium/protocol/services"
	"podium/protocol/socketio/clustertest"
)

// engineOf is an engine for one server.
func engineOf(t testing.TB, o Options) clustertest.Engine {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	e, err := Open(ctx, o)
	if err != nil {
		t.Fatal(err)
	}
	return clustertest.Engine{Join: e.Join, Recovery: e.Recovery(), Close: e.Close}
}

// Each transaction has another connection, and nobody is notified.
func TestBehindAPooler(t *testing.T) {
	p := services.StartPostgres(t, "shared_buffers", "16MB")
	b := services.StartPgBouncer(t, p)
	tests := 0
	clustertest.Run(t, func(*testing.T) clustertest.Setup {
		tests++
		o := Options{URL: strings.Replace(p.URL(), p.Addr(), b.Addr, 1), Schema: fmt.Sprint("pooled", tests)}
		return clustertest.Setup{Open: func(t testing.TB) clustertest.Engine { return engineOf(t, o) }}
	}, "Order", "JoinThenEmit", "JoinIsKeptThroughACrash", "FetchWithADeadNode")
}

// A standby that has all is promoted. The URL names both.
func TestAFailover(t *testing.T) {
	clustertest.Run(t, func(t *testing.T) clustertest.Setup {
		p := services.StartPostgres(t, "shared_buffers", "16MB")
		standby := p.StartStandby(t, "shared_buffers", "16MB")
		p.SetSystem("synchronous_standby_names", "*")
		url := strings.Replace(p.URL(), p.Addr(), p.Addr()+","+standby.Addr(), 1)
		return clustertest.Setup{
			Open: func(t testing.TB) clustertest.Engine { return engineOf(t, Options{URL: url}) },
			FailOver: func() {
				p.Kill()
				standby.Promote()
			},
		}
	}, "EngineFailsOver")
}

// The disk is full: what a server says that cannot write.
func TestAFullDisk(t *testing.T) {
	clustertest.Run(t, func(t *testing.T) clustertest.Setup {
		p := services.StartPostgres(t, "shared_buffers", "16MB")
		return clustertest.Setup{
			Open: func(t testing.TB) clustertest.Engine { return engineOf(t, Options{URL: p.URL()}) },
			Refuse: func(on bool) {
				do(t, p, `create or replace function full_disk() returns trigger language plpgsql as
					$$ begin raise exception 'could not extend file' using errcode = 'disk_full'; end $$`)
				do(t, p, fmt.Sprintf(`drop trigger if exists disk on socketio.events;
					do $$ begin if %t then create trigger disk before insert on socketio.events execute function full_disk(); end if; end $$`, on))
			},
		}
	}, "EngineRefuses")
}
