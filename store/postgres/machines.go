package postgres

import (
	"context"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"podium/contest"
)

// Report implements [contest.Shared]: each machine has a row, and whose row is old
// is gone. The table is not logged: after a crash of the database all say again
// what they said.
func (s *Store) Report(ctx context.Context, id string, report []byte) (others []contest.Machine, err error) {
	err = s.readUntil(ctx, "tell other machines", func(ctx context.Context, conn *pgxpool.Conn) error {
		if report == nil {
			_, err := conn.Exec(ctx, `delete from podium.machines where id = $1`, id)
			return err
		}
		rows, err := conn.Query(ctx, `with own as (
				insert into podium.machines (id, at, report) values ($1, clock_timestamp(), $2)
				on conflict (id) do update set at = excluded.at, report = excluded.report
			), old as (delete from podium.machines where id <> $1 and at < clock_timestamp() - interval '1 hour')
			select id, extract(epoch from clock_timestamp() - at)::float8, report from podium.machines
			where id <> $1 and at > clock_timestamp() - make_interval(secs => $3)`, id, string(report), contest.MachineAge.Seconds())
		if err != nil {
			return err
		}
		others = nil
		var one contest.Machine
		var age float64
		var text string
		_, err = pgx.ForEachRow(rows, []any{&one.ID, &age, &text}, func() error {
			one.Age, one.Report = time.Duration(age*float64(time.Second)), []byte(text)
			others = append(others, one)
			return nil
		})
		if err != nil {
			return fmt.Errorf("read what other machines say: %w", err)
		}
		return nil
	})
	return others, err
}
