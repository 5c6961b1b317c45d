package postgres

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"podium/contest"
)

// record is a submission as it is read: its place in the order of arrival, a
// space, and its JSON.
const record = `s.seq || ' ' || s.data`

func readRecord(data []byte) (sub contest.Submission, err error) {
	sequence, document, ok := bytes.Cut(data, []byte{' '})
	if !ok {
		return sub, fmt.Errorf("damaged record of a submission")
	}
	if err := json.Unmarshal(document, &sub); err != nil {
		return sub, fmt.Errorf("damaged record of a submission: %w", err)
	}
	sub.Sequence, err = strconv.ParseUint(string(sequence), 10, 64)
	return sub, err
}

// readRecords reads rows of one record each.
func readRecords(rows pgx.Rows) ([]contest.Submission, error) {
	return pgx.CollectRows(rows, func(row pgx.CollectableRow) (contest.Submission, error) {
		var data []byte
		if err := row.Scan(&data); err != nil {
			return contest.Submission{}, err
		}
		return readRecord(data)
	})
}

func readCategories(text string) ([]contest.Category, error) {
	list := []contest.Category{}
	if err := json.Unmarshal([]byte(text), &list); err != nil {
		return nil, fmt.Errorf("read the categories: %w", err)
	}
	return list, nil
}

// Categories returns the categories in their order.
func (s *Store) Categories() (list []contest.Category, err error) {
	err = s.read("read the categories", func(ctx context.Context, conn *pgxpool.Conn) error {
		var text string
		if err := conn.QueryRow(ctx, `select categories from podium.head`).Scan(&text); err != nil {
			return err
		}
		list, err = readCategories(text)
		return err
	})
	return list, err
}

// Picks returns the winners of every category that has some, and the
// categories.
func (s *Store) Picks() (picks contest.Picks, categories []contest.Category, err error) {
	err = s.read("read the winners", func(ctx context.Context, conn *pgxpool.Conn) error {
		rows, err := conn.Query(ctx, `select h.categories, w.category, w.ids from podium.head h left join podium.winners w on true`)
		if err != nil {
			return err
		}
		picks = make(contest.Picks)
		var text string
		var category *string
		var ids []string
		if _, err := pgx.ForEachRow(rows, []any{&text, &category, &ids}, func() error {
			if category != nil {
				picks[*category] = append([]string{}, ids...)
			}
			return nil
		}); err != nil {
			return err
		}
		categories, err = readCategories(text)
		return err
	})
	return picks, categories, err
}

// Submission returns the submission of that id, or ErrNotFound.
func (s *Store) Submission(id string) (sub contest.Submission, err error) {
	err = s.read("read a submission", func(ctx context.Context, conn *pgxpool.Conn) error {
		var data []byte
		err := conn.QueryRow(ctx, `select `+record+` from podium.submissions s where id = $1`, id).Scan(&data)
		if errors.Is(err, pgx.ErrNoRows) {
			return fmt.Errorf("submission: %w", contest.ErrNotFound)
		}
		if err != nil {
			return err
		}
		sub, err = readRecord(data)
		return err
	})
	return sub, err
}

// Named returns the submissions of those ids that name one.
func (s *Store) Named(ids ...string) (found map[string]contest.Submission, err error) {
	err = s.read("read submissions", func(ctx context.Context, conn *pgxpool.Conn) error {
		rows, err := conn.Query(ctx, `select `+record+` from podium.submissions s where id = any($1)`, ids)
		if err != nil {
			return err
		}
		list, err := readRecords(rows)
		found = make(map[string]contest.Submission, len(list))
		for _, sub := range list {
			found[sub.ID] = sub
		}
		return err
	})
	return found, err
}

// beyondAny is more than any sequence.
const beyondAny = 1 << 62

// Submissions returns the submissions of a category, newest first.
func (s *Store) Submissions(category string, q contest.Query) (list []contest.Submission, more bool, err error) {
	err = s.read("read submissions", func(ctx context.Context, conn *pgxpool.Conn) error {
		var before int64 = beyondAny
		if q.Before != "" {
			err := conn.QueryRow(ctx, `select seq from podium.submissions where id = $1`, q.Before).Scan(&before)
			if errors.Is(err, pgx.ErrNoRows) {
				return fmt.Errorf("submission: %w", contest.ErrNotFound)
			}
			if err != nil {
				return err
			}
		}
		var limit *int
		if q.Limit > 0 {
			one := q.Limit + 1
			limit = &one
		}
		rows, err := conn.Query(ctx, `select `+record+` from podium.submissions s where category = $1 and seq < $2`+visible(q)+
			` and created_at > $3 order by seq desc limit $4`, category, before, since(q), limit)
		if err != nil {
			return err
		}
		if list, err = readRecords(rows); err != nil {
			return err
		}
		if more = q.Limit > 0 && len(list) > q.Limit; more {
			list = list[:q.Limit]
		}
		return nil
	})
	return list, more, err
}

// visible is the condition for what a query wants.
func visible(q contest.Query) string {
	if q.All {
		return ""
	}
	return ` and status = 'approved'`
}

func since(q contest.Query) int64 {
	if q.Since > 0 {
		return q.Since
	}
	return -beyondAny
}

// snapshot runs queries that all see the same moment.
func (s *Store) snapshot(doing string, f func(ctx context.Context, tx pgx.Tx) error) error {
	return s.read(doing, func(ctx context.Context, conn *pgxpool.Conn) error {
		return pgx.BeginTxFunc(ctx, conn, pgx.TxOptions{IsoLevel: pgx.RepeatableRead, AccessMode: pgx.ReadOnly}, func(tx pgx.Tx) error {
			return f(ctx, tx)
		})
	})
}

func readHead(ctx context.Context, tx pgx.Tx) (version uint64, categories []contest.Category, err error) {
	var text string
	if err := tx.QueryRow(ctx, `select version, categories from podium.head`).Scan(&version, &text); err != nil {
		return 0, nil, err
	}
	categories, err = readCategories(text)
	return version, categories, err
}

// Feed returns the submissions of every category.
func (s *Store) Feed(q contest.Query) (feed []contest.CategoryFeed, version uint64, err error) {
	err = s.snapshot("read the feed", func(ctx context.Context, tx pgx.Tx) error {
		feed = nil
		var categories []contest.Category
		if version, categories, err = readHead(ctx, tx); err != nil {
			return err
		}
		var limit *int
		if q.Limit > 0 {
			limit = &q.Limit
		}
		for _, c := range categories {
			rows, err := tx.Query(ctx, `select `+record+` from podium.submissions s where category = $1`+visible(q)+
				` and created_at > $2 order by seq desc limit $3`, c.ID, since(q), limit)
			if err != nil {
				return err
			}
			list, err := readRecords(rows)
			if err != nil {
				return err
			}
			feed = append(feed, contest.CategoryFeed{Category: c, Submissions: list})
		}
		return nil
	})
	return feed, version, err
}

// WalkFeed calls the functions for what Feed lists.
func (s *Store) WalkFeed(category func(contest.Category) error, submission func(contest.Record) error) (version uint64, err error) {
	var categories []contest.Category
	var lists [][][]byte
	// Nothing is called before all is read: reading may begin anew.
	err = s.snapshot("read the feed", func(ctx context.Context, tx pgx.Tx) error {
		lists = nil
		if version, categories, err = readHead(ctx, tx); err != nil {
			return err
		}
		for _, c := range categories {
			rows, err := tx.Query(ctx, `select `+record+` from podium.submissions s where category = $1 and status = 'approved' order by seq desc`, c.ID)
			if err != nil {
				return err
			}
			list, err := pgx.CollectRows(rows, pgx.RowTo[[]byte])
			if err != nil {
				return err
			}
			lists = append(lists, list)
		}
		return nil
	})
	if err != nil {
		return 0, err
	}
	for i, c := range categories {
		if err := category(c); err != nil {
			return 0, err
		}
		for _, data := range lists[i] {
			if err := submission(contest.Record{Data: data, Read: readRecord}); err != nil {
				return 0, err
			}
		}
	}
	return version, nil
}

// Page returns submissions in the order of their ids.
func (s *Store) Page(after string, limit int) (list []contest.Submission, err error) {
	err = s.read("read submissions", func(ctx context.Context, conn *pgxpool.Conn) error {
		rows, err := conn.Query(ctx, `select `+record+` from podium.submissions s where id > $1 order by id limit $2`, after, limit)
		if err != nil {
			return err
		}
		list, err = readRecords(rows)
		return err
	})
	return list, err
}

// Counts returns how many submissions there are.
func (s *Store) Counts() (counts contest.Counts, err error) {
	err = s.read("read the counts", func(ctx context.Context, conn *pgxpool.Conn) error {
		rows, err := conn.Query(ctx, `select category, status, n from podium.counts`)
		if err != nil {
			return err
		}
		counts = make(contest.Counts)
		var category, status string
		var n int
		_, err = pgx.ForEachRow(rows, []any{&category, &status, &n}, func() error {
			if counts[category] == nil {
				counts[category] = make(map[contest.Status]int)
			}
			counts[category][contest.Status(status)] = n
			return nil
		})
		return err
	})
	return counts, err
}

// Spans returns when the oldest and the newest submission of each category
// arrived.
func (s *Store) Spans() (spans map[string]contest.Span, err error) {
	err = s.read("read the spans", func(ctx context.Context, conn *pgxpool.Conn) error {
		rows, err := conn.Query(ctx, `select c.category, o.created_at, n.created_at from (select distinct category from podium.counts where n > 0) c,
			lateral (select created_at from podium.submissions where category = c.category order by seq limit 1) o,
			lateral (select created_at from podium.submissions where category = c.category order by seq desc limit 1) n`)
		if err != nil {
			return err
		}
		spans = make(map[string]contest.Span)
		var category string
		var span contest.Span
		_, err = pgx.ForEachRow(rows, []any{&category, &span.Oldest, &span.Newest}, func() error {
			spans[category] = span
			return nil
		})
		return err
	})
	return spans, err
}

// EventRange returns the offsets of the log's ends.
func (s *Store) EventRange() (first, last uint64, err error) {
	err = s.read("read the log's range", func(ctx context.Context, conn *pgxpool.Conn) error {
		return conn.QueryRow(ctx, `select coalesce((select min(off) from podium.events), last + 1), last from podium.head`).Scan(&first, &last)
	})
	return first, last, err
}

// Events returns the events after an offset.
func (s *Store) Events(after uint64, limit int) (list []contest.Event, err error) {
	if after > beyondAny {
		return nil, nil
	}
	err = s.read("read the log", func(ctx context.Context, conn *pgxpool.Conn) error {
		rows, err := conn.Query(ctx, `select off, at, name, payload from podium.events where off > $1 order by off limit $2`, int64(after), limit)
		if err != nil {
			return err
		}
		list = nil
		var e contest.Event
		_, err = pgx.ForEachRow(rows, []any{&e.Offset, &e.At, &e.Name, (*payload)(&e.Payload)}, func() error {
			list = append(list, e)
			return nil
		})
		return err
	})
	return list, err
}

// payload reads a text that may be null as bytes.
type payload []byte

// Scan implements sql.Scanner.
func (p *payload) Scan(value any) error {
	switch v := value.(type) {
	case string:
		*p = []byte(v)
	default:
		*p = nil
	}
	return nil
}

// Answer returns what is kept under an idempotency key.
func (s *Store) Answer(key string) (answer contest.KeptAnswer, found bool, err error) {
	err = s.read("look for an answer", func(ctx context.Context, conn *pgxpool.Conn) error {
		answer, found, err = readAnswer(ctx, conn, key)
		return err
	})
	return answer, found, err
}

// querier is a connection or a transaction.
type querier interface {
	Query(ctx context.Context, sql string, args ...any) (pgx.Rows, error)
	QueryRow(ctx context.Context, sql string, args ...any) pgx.Row
}

func readAnswer(ctx context.Context, q querier, key string) (answer contest.KeptAnswer, found bool, err error) {
	err = q.QueryRow(ctx, `select subject, content, body from podium.answers where key = $1`, key).Scan(&answer.Subject, &answer.Content, &answer.Body)
	if errors.Is(err, pgx.ErrNoRows) {
		return answer, false, nil
	}
	return answer, err == nil, err
}

// Setting returns what is kept under a name, or nil.
func (s *Store) Setting(name string) (value []byte, err error) {
	err = s.read("read a setting", func(ctx context.Context, conn *pgxpool.Conn) error {
		value, err = readSetting(ctx, conn, name)
		return err
	})
	return value, err
}

func readSetting(ctx context.Context, q querier, name string) (value []byte, err error) {
	err = q.QueryRow(ctx, `select value from podium.settings where name = $1`, []byte(name)).Scan(&value)
	if errors.Is(err, pgx.ErrNoRows) {
		return nil, nil
	}
	return value, err
}

// SettingNames returns the names that begin with prefix.
func (s *Store) SettingNames(prefix string, limit int) (names []string, err error) {
	err = s.read("read the settings' names", func(ctx context.Context, conn *pgxpool.Conn) error {
		rows, err := conn.Query(ctx, `select name from podium.settings where name >= $1 and substr(name, 1, $2) = $1 order by name limit $3`,
			[]byte(prefix), len(prefix), limit)
		if err != nil {
			return err
		}
		list, err := pgx.CollectRows(rows, pgx.RowTo[[]byte])
		names = nil
		for _, name := range list {
			names = append(names, string(name))
		}
		return err
	})
	return names, err
}

// Session returns the record of a real-time session, or ErrNotFound.
func (s *Store) Session(id string) (record contest.SessionRecord, err error) {
	err = s.read("read a session", func(ctx context.Context, conn *pgxpool.Conn) error {
		var at int64
		err := conn.QueryRow(ctx, `select at, data from podium.sessions where id = $1`, id).Scan(&at, &record.Data)
		if errors.Is(err, pgx.ErrNoRows) {
			return contest.ErrNotFound
		}
		record.ID, record.At = id, time.UnixMilli(at)
		return err
	})
	return record, err
}

// Sessions returns how many of these records are kept.
func (s *Store) Sessions() (n int, err error) {
	err = s.read("count the sessions", func(ctx context.Context, conn *pgxpool.Conn) error {
		return conn.QueryRow(ctx, `select count(*) from podium.sessions`).Scan(&n)
	})
	return n, err
}

// Transfers returns submissions whose pictures are to be sent to Cloudinary.
func (s *Store) Transfers(limit int) (ids []string, all int, err error) {
	err = s.read("read the transfers", func(ctx context.Context, conn *pgxpool.Conn) error {
		if err := conn.QueryRow(ctx, `select count(*) from podium.transfers`).Scan(&all); err != nil || limit == 0 {
			return err
		}
		rows, err := conn.Query(ctx, `select id from podium.transfers order by id limit $1`, limit)
		if err != nil {
			return err
		}
		ids, err = pgx.CollectRows(rows, pgx.RowTo[string])
		return err
	})
	return ids, all, err
}
