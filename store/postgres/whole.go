package postgres

import (
	"context"
	"crypto/sha256"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"iter"
	"slices"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"podium/contest"
)

var _ contest.Whole = (*Store)(nil)

// errStopped: whoever ranged over All wants no more.
var errStopped = errors.New("no more is wanted")

// wholeTimeout is how long the database waits in a transaction that takes out or
// puts in everything, for whoever it is.
const wholeTimeout = `select set_config('statement_timeout', '0', true), set_config('lock_timeout', '10s', true),
	set_config('idle_in_transaction_session_timeout', '10min', true)`

// All hands out everything that the database holds; see [contest.Whole]. Other
// machines go on meanwhile.
func (s *Store) All(ctx context.Context) iter.Seq2[contest.Part, error] {
	return func(yield func(contest.Part, error) bool) {
		err := s.aside(ctx, pgx.TxOptions{IsoLevel: pgx.RepeatableRead, AccessMode: pgx.ReadOnly}, func(tx pgx.Tx) error {
			return readAll(ctx, tx, func(part contest.Part) error {
				if !yield(part, nil) {
					return errStopped
				}
				return nil
			})
		})
		if err != nil && !errors.Is(err, errStopped) {
			yield(contest.Part{}, fmt.Errorf("read all of the database: %w", explain(err)))
		}
	}
}

// aside runs a long transaction on a connection of its own.
func (s *Store) aside(ctx context.Context, options pgx.TxOptions, f func(pgx.Tx) error) error {
	conn, err := s.connect(ctx)
	if err != nil {
		return err
	}
	defer closeSoon(conn) // the transaction is over
	return pgx.BeginTxFunc(ctx, conn, options, func(tx pgx.Tx) error {
		if _, err := tx.Exec(ctx, wholeTimeout); err != nil {
			return err
		}
		return f(tx)
	})
}

func readAll(ctx context.Context, tx pgx.Tx, take func(contest.Part) error) error {
	head, err := readWholeHead(ctx, tx)
	if err != nil {
		return err
	}
	if err := take(contest.Part{Head: head}); err != nil {
		return err
	}
	r := reader{ctx, tx, take}
	var data []byte
	var e contest.LoggedEvent
	var a contest.StoredAnswer
	var name, value []byte
	var session contest.SessionRecord
	var at int64
	var id string
	for _, one := range []struct {
		sql  string
		into []any
		add  func(*contest.Part) error
	}{
		{`select ` + record + ` from podium.submissions s order by id`, []any{&data}, func(part *contest.Part) error {
			sub, err := readRecord(data)
			part.Submissions = append(part.Submissions, sub)
			return err
		}},
		{`select off, at, name, subject, payload from podium.events order by off`, []any{&e.Offset, &e.At, &e.Name, &e.Subject, (*payload)(&e.Payload)}, func(part *contest.Part) error {
			if e.Payload == nil {
				e.Subject = ""
			}
			part.Events = append(part.Events, e)
			return nil
		}},
		{`select key, at, subject, content, body from podium.answers order by key collate "C"`, []any{&a.Key, &a.At, &a.Subject, &a.Content, &a.Body}, func(part *contest.Part) error {
			own := a
			own.Content, own.Body = slices.Clone(a.Content), slices.Clone(a.Body)
			part.Answers = append(part.Answers, own)
			return nil
		}},
		{`select name, value from podium.settings order by name`, []any{&name, &value}, func(part *contest.Part) error {
			part.Settings = append(part.Settings, contest.StoredSetting{Name: string(name), Value: append([]byte{}, value...)})
			return nil
		}},
		{`select id, at, data from podium.sessions order by id collate "C"`, []any{&session.ID, &at, &data}, func(part *contest.Part) error {
			part.Sessions = append(part.Sessions, contest.SessionRecord{ID: session.ID, At: time.UnixMilli(at), Data: slices.Clone(data)})
			return nil
		}},
		{`select id from podium.transfers order by id`, []any{&id}, func(part *contest.Part) error {
			part.Transfers = append(part.Transfers, id)
			return nil
		}},
	} {
		if err := r.inParts(one.sql, one.into, one.add); err != nil {
			return err
		}
	}
	return nil
}

func readWholeHead(ctx context.Context, tx pgx.Tx) (*contest.Head, error) {
	head := &contest.Head{Picks: make(contest.Picks)}
	var text string
	if err := tx.QueryRow(ctx, `select epoch, version, last, categories from podium.head`).Scan(&head.Epoch, &head.Version, &head.LastEvent, &text); err != nil {
		return nil, err
	}
	var err error
	if head.Categories, err = readCategories(text); err != nil {
		return nil, err
	}
	rows, err := tx.Query(ctx, `select category, ids from podium.winners`)
	if err != nil {
		return nil, err
	}
	var category string
	var ids []string
	_, err = pgx.ForEachRow(rows, []any{&category, &ids}, func() error {
		head.Picks[category] = append([]string{}, ids...)
		return nil
	})
	return head, err
}

// reader reads tables in parts.
type reader struct {
	ctx  context.Context
	tx   pgx.Tx
	take func(contest.Part) error
}

// inParts reads a query's rows into what into points to, with add after each.
func (r reader) inParts(sql string, into []any, add func(*contest.Part) error) error {
	rows, err := r.tx.Query(r.ctx, sql)
	if err != nil {
		return err
	}
	var part contest.Part
	n := 0
	if _, err := pgx.ForEachRow(rows, into, func() error {
		if err := add(&part); err != nil {
			return err
		}
		if n++; n%contest.PartSize > 0 {
			return nil
		}
		full := part
		part = contest.Part{}
		return r.take(full)
	}); err != nil || n%contest.PartSize == 0 {
		return err
	}
	return r.take(part)
}

// Load puts everything that another store handed out into the database, in one
// transaction: it is all there afterwards, or nothing has changed. What was there
// goes with replace; without it a database that holds anything already is
// refused with fs.ErrExist. No machine may serve from the database: ErrServed. The
// store must have a Name that tells its own connections from theirs.
func (s *Store) Load(ctx context.Context, all iter.Seq2[contest.Part, error], replace bool) error {
	err := s.aside(ctx, pgx.TxOptions{}, func(tx pgx.Tx) error {
		if _, err := tx.Exec(ctx, `select pg_advisory_xact_lock($1)`, int64(migrationLock)); err != nil {
			return err
		}
		if _, err := tx.Exec(ctx, `select from podium.head for update`); err != nil {
			return err
		}
		if n, err := served(ctx, tx, s.serves); err != nil || n > 0 {
			return errors.Join(err, servedBy(n))
		}
		if empty, err := isEmpty(ctx, tx); err != nil || !empty && !replace {
			return errors.Join(err, fs.ErrExist)
		}
		if _, err := tx.Exec(ctx, `delete from podium.submissions; delete from podium.counts; delete from podium.winners; delete from podium.events;
			delete from podium.answers; delete from podium.settings; delete from podium.sessions; delete from podium.transfers`, pgx.QueryExecModeSimpleProtocol); err != nil {
			return err
		}
		if err := write(ctx, tx, all); err != nil {
			return err
		}
		_, err := tx.Exec(ctx, `insert into podium.counts (category, status, n) select category, status, count(*) from podium.submissions group by category, status;
			select setval(pg_get_serial_sequence('podium.submissions', 'seq'), coalesce((select max(seq) from podium.submissions), 0) + 1, false)`, pgx.QueryExecModeSimpleProtocol)
		return err
	})
	if err != nil {
		return fmt.Errorf("fill the database: %w", explain(err))
	}
	s.watch.forget()
	looking, cancel := context.WithTimeout(ctx, lookTimeout)
	defer cancel()
	return s.look(looking, s.pool)
}

// SettingsSum is a checksum of all settings: it changes when one of them does.
func (s *Store) SettingsSum() (sum [sha256.Size]byte, err error) {
	err = s.read("read the settings", func(ctx context.Context, conn *pgxpool.Conn) error {
		rows, err := conn.Query(ctx, `select name, value from podium.settings order by name`)
		if err != nil {
			return err
		}
		h := sha256.New()
		var name, value []byte
		_, err = pgx.ForEachRow(rows, []any{&name, &value}, func() error {
			for _, part := range [][]byte{name, value} {
				h.Write(binary.BigEndian.AppendUint64(nil, uint64(len(part))))
				h.Write(part)
			}
			return nil
		})
		sum = [sha256.Size]byte(h.Sum(nil))
		return err
	})
	return sum, err
}

// ErrServed: machines serve from the database.
var ErrServed = errors.New("machines serve from the database; stop them first")

func servedBy(n int) error {
	if n == 0 {
		return nil
	}
	return fmt.Errorf("%w (it has %d connections of theirs)", ErrServed, n)
}

// goneWithin is how long the connections of a machine that was stopped may take
// to be gone.
const goneWithin = 3 * time.Second

// Served returns ErrServed where machines serve from the database. It knows them
// by the names of their connections.
func (s *Store) Served(ctx context.Context) error {
	for deadline := time.Now().Add(goneWithin); ; {
		n, err := served(ctx, s.pool, s.serves)
		switch {
		case err != nil:
			return fmt.Errorf("ask who is connected to the database: %w", explain(err))
		case n == 0 || time.Now().After(deadline):
			return servedBy(n)
		}
		pause(deadline)
	}
}

func served(ctx context.Context, q querier, name string) (n int, err error) {
	err = q.QueryRow(ctx, `select count(*) from pg_stat_activity where datname = current_database() and application_name = $1`, name).Scan(&n)
	return n, err
}

// Empty reports whether nothing is there but what a new contest begins with.
func (s *Store) Empty(ctx context.Context) (bool, error) {
	empty, err := isEmpty(ctx, s.pool)
	if err != nil {
		return false, fmt.Errorf("look for a contest in the database: %w", explain(err))
	}
	return empty, nil
}

func isEmpty(ctx context.Context, q querier) (empty bool, err error) {
	err = q.QueryRow(ctx, `select last = 0 and version = 0 and categories_version = 0 and not exists (select from podium.submissions)
		and not exists (select from podium.settings) and not exists (select from podium.sessions) from podium.head`).Scan(&empty)
	return empty, err
}

// write puts the parts into tables that are empty.
func write(ctx context.Context, tx pgx.Tx, all iter.Seq2[contest.Part, error]) error {
	headed := false
	for part, err := range all {
		if err == nil && headed == (part.Head != nil) {
			err = errors.New("the data does not begin with its head, or has another in its middle")
		}
		if err != nil {
			return err
		}
		headed = true
		if err := writePart(ctx, tx, &part); err != nil {
			return err
		}
	}
	if !headed {
		return errors.New("there is no data to take over")
	}
	return nil
}

func writePart(ctx context.Context, tx pgx.Tx, part *contest.Part) error {
	if part.Head != nil {
		if err := writeHead(ctx, tx, part.Head); err != nil {
			return err
		}
	}
	for _, one := range []struct {
		table   string
		columns []string
		n       int
		row     func(i int) ([]any, error)
	}{
		{"submissions", []string{"id", "seq", "category", "status", "created_at", "data"}, len(part.Submissions), func(i int) ([]any, error) {
			sub := &part.Submissions[i]
			data, err := encode(sub)
			return []any{sub.ID, int64(sub.Sequence), sub.Category, string(sub.Status), sub.CreatedAt, data}, err
		}},
		{"events", []string{"off", "at", "name", "subject", "payload"}, len(part.Events), func(i int) ([]any, error) {
			e := &part.Events[i]
			var text *string
			if len(e.Payload) > 0 {
				own := string(e.Payload)
				text = &own
			}
			return []any{int64(e.Offset), e.At, e.Name, e.Subject, text}, nil
		}},
		{"answers", []string{"key", "at", "subject", "content", "body"}, len(part.Answers), func(i int) ([]any, error) {
			a := &part.Answers[i]
			return []any{a.Key, a.At, a.Subject, notNull(a.Content), notNull(a.Body)}, nil
		}},
		{"settings", []string{"name", "value"}, len(part.Settings), func(i int) ([]any, error) {
			return []any{[]byte(part.Settings[i].Name), notNull(part.Settings[i].Value)}, nil
		}},
		{"sessions", []string{"id", "at", "data"}, len(part.Sessions), func(i int) ([]any, error) {
			r := &part.Sessions[i]
			return []any{r.ID, r.At.UnixMilli(), notNull(r.Data)}, nil
		}},
		{"transfers", []string{"id"}, len(part.Transfers), func(i int) ([]any, error) { return []any{part.Transfers[i]}, nil }},
	} {
		if one.n == 0 {
			continue
		}
		if _, err := tx.CopyFrom(ctx, pgx.Identifier{"podium", one.table}, one.columns, pgx.CopyFromSlice(one.n, one.row)); err != nil {
			return fmt.Errorf("write the %s: %w", one.table, err)
		}
	}
	return nil
}

func writeHead(ctx context.Context, tx pgx.Tx, head *contest.Head) error {
	list, err := json.Marshal(head.Categories)
	if err != nil {
		return fmt.Errorf("encode the categories: %w", err)
	}
	if _, err := tx.Exec(ctx, `update podium.head set epoch = $1, last = $2, version = $3, categories = $4, categories_version = categories_version + 1`,
		head.Epoch, int64(head.LastEvent), int64(head.Version), string(list)); err != nil {
		return err
	}
	for category, ids := range head.Picks {
		if _, err := tx.Exec(ctx, `insert into podium.winners (category, ids) values ($1, $2)`, category, ids); err != nil {
			return err
		}
	}
	return nil
}
