package postgres

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"podium/contest"
)

// errMustRead ends a change that was run blind and asks for something that is
// not known: it runs again in a transaction that reads.
var errMustRead = errors.New("the change must read")

// tx is a transaction as a change sees it. What it writes is kept back in own;
// before are the writes of the changes before it in the batch.
type tx struct {
	ctx  context.Context
	conn *pgx.Conn // in a transaction that holds the head; nil where the change runs blind
	now  time.Time

	before, own *writes

	// What a blind change takes the categories to be.
	known *categories
	// believed: it asked for them, so that the commit must check.
	believed bool
	// wrote: it sent a statement by itself, which only a rollback takes back.
	wrote bool
}

// categories are the categories with their version.
type categories struct {
	version int64
	list    []contest.Category
}

var _ contest.Tx = (*tx)(nil)

// layers are the writes that the change sees, the latest first.
func (t *tx) layers() [2]*writes { return [2]*writes{t.own, t.before} }

func (t *tx) blind() bool { return t.conn == nil }

// Now is when the change is made, by this machine's clock.
func (t *tx) Now() time.Time { return t.now }

// Categories implements contest.Tx.
func (t *tx) Categories() ([]contest.Category, error) {
	for _, w := range t.layers() {
		if w.categories != nil {
			return w.categories, nil
		}
	}
	if t.blind() {
		if t.known == nil {
			return nil, errMustRead
		}
		t.believed = true
		return t.known.list, nil
	}
	var text string
	if err := t.conn.QueryRow(t.ctx, `select categories from podium.head`).Scan(&text); err != nil {
		return nil, err
	}
	return readCategories(text)
}

// SetCategories implements contest.Tx.
func (t *tx) SetCategories(list []contest.Category) error {
	if list == nil {
		list = []contest.Category{}
	}
	t.own.categories = list
	return nil
}

// written returns what the batch has of a submission.
func (t *tx) written(id string) *stored {
	for _, w := range t.layers() {
		if one := w.submissions[id]; one != nil {
			return one
		}
	}
	return nil
}

// Taken implements contest.Tx. A blind change takes an id for free: if it is
// not, the insert fails.
func (t *tx) Taken(ids ...string) (map[string]bool, error) {
	taken := make(map[string]bool)
	var ask []string
	for _, id := range ids {
		if one := t.written(id); one == nil {
			ask = append(ask, id)
		} else if one.sub != nil {
			taken[id] = true
		}
	}
	if t.blind() {
		if len(ids) > 1 {
			return nil, errMustRead
		}
		return taken, nil
	}
	if len(ask) == 0 {
		return taken, nil
	}
	rows, err := t.conn.Query(t.ctx, `select id from podium.submissions where id = any($1)`, ask)
	if err != nil {
		return nil, err
	}
	found, err := pgx.CollectRows(rows, pgx.RowTo[string])
	for _, id := range found {
		taken[id] = true
	}
	return taken, err
}

// Submissions implements contest.Tx.
func (t *tx) Submissions(ids ...string) (map[string]contest.Submission, error) {
	found := make(map[string]contest.Submission, len(ids))
	var ask []string
	for _, id := range ids {
		if one := t.written(id); one == nil {
			ask = append(ask, id)
		} else if one.sub != nil {
			found[id] = *one.sub
		}
	}
	if len(ask) == 0 {
		return found, nil
	}
	if t.blind() {
		return nil, errMustRead
	}
	rows, err := t.conn.Query(t.ctx, `select `+record+` from podium.submissions s where id = any($1)`, ask)
	if err != nil {
		return nil, err
	}
	list, err := readRecords(rows)
	for _, sub := range list {
		found[sub.ID] = sub
	}
	return found, err
}

// Insert implements contest.Tx.
func (t *tx) Insert(list ...*contest.Submission) error {
	for _, sub := range list {
		one := &stored{sub: copyOf(sub), insert: true}
		if before := t.own.submissions[sub.ID]; before != nil {
			one.there = before.there
		}
		t.own.submissions[sub.ID] = one
		t.own.inserted = append(t.own.inserted, sub.ID)
	}
	return nil
}

func copyOf(sub *contest.Submission) *contest.Submission {
	own := *sub
	return &own
}

// Replace implements contest.Tx.
func (t *tx) Replace(sub, _ *contest.Submission) error {
	one := &stored{sub: copyOf(sub), there: true}
	if before := t.own.submissions[sub.ID]; before != nil {
		one.there, one.insert = before.there, before.insert
	}
	t.own.submissions[sub.ID] = one
	return nil
}

// Delete implements contest.Tx.
func (t *tx) Delete(sub *contest.Submission) error {
	one := &stored{there: true}
	if before := t.own.submissions[sub.ID]; before != nil {
		one.there = before.there
	}
	t.own.submissions[sub.ID] = one
	t.own.transfers[sub.ID] = false
	return nil
}

// Count implements contest.Tx.
func (t *tx) Count(category string, status contest.Status, delta int) error {
	t.own.counts[group{category, status}] += delta
	return nil
}

// AddTransfer implements contest.Tx.
func (t *tx) AddTransfer(id string) error { t.own.transfers[id] = true; return nil }

// EndTransfer implements contest.Tx.
func (t *tx) EndTransfer(id string) error { t.own.transfers[id] = false; return nil }

// Picks implements contest.Tx.
func (t *tx) Picks() (contest.Picks, error) {
	if t.blind() {
		return nil, errMustRead
	}
	rows, err := t.conn.Query(t.ctx, `select category, ids from podium.winners`)
	if err != nil {
		return nil, err
	}
	picks := make(contest.Picks)
	var category string
	var ids []string
	if _, err := pgx.ForEachRow(rows, []any{&category, &ids}, func() error {
		picks[category] = append([]string{}, ids...)
		return nil
	}); err != nil {
		return nil, err
	}
	for _, w := range []*writes{t.before, t.own} {
		for category, ids := range w.picks {
			if delete(picks, category); len(ids) > 0 {
				picks[category] = append([]string{}, ids...)
			}
		}
	}
	return picks, nil
}

// SetPicks implements contest.Tx.
func (t *tx) SetPicks(category string, ids []string) error {
	t.own.picks[category] = append([]string{}, ids...)
	return nil
}

// Append implements contest.Tx.
func (t *tx) Append(name, subject string, payload []byte) error {
	text := string(payload)
	t.own.events = append(t.own.events, event{name, subject, &text})
	return nil
}

// Scrub implements contest.Tx.
func (t *tx) Scrub(subjects ...string) error {
	for _, id := range subjects {
		t.own.scrub(id)
	}
	return nil
}

// Touch implements contest.Tx.
func (t *tx) Touch() error { t.own.touches++; return nil }

// TrimEvents implements contest.Tx. It sends its statement at once, since it
// returns how many there were.
func (t *tx) TrimEvents(before time.Time, keep, limit int) (int, error) {
	if t.blind() {
		return 0, errMustRead
	}
	t.wrote = true
	done, err := t.conn.Exec(t.ctx, `delete from podium.events using (
			select greatest(case when $2::bigint > 0 then last - $2 else 0 end,
				coalesce((select min(off) - 1 from podium.events where at >= $1), last)) off,
				(select min(off) from podium.events) + $3::bigint beyond
			from podium.head) bound
		where events.off <= bound.off and events.off < bound.beyond`, before.UnixMilli(), int64(keep), int64(limit))
	return int(done.RowsAffected()), err
}

// Answer implements contest.Tx. A blind change takes a key for unused: if it is
// not, keeping the answer fails.
func (t *tx) Answer(key string) (contest.KeptAnswer, bool, error) {
	for _, w := range t.layers() {
		if a, found := w.answers[key]; found {
			return a, true, nil
		}
	}
	if t.blind() {
		return contest.KeptAnswer{}, false, nil
	}
	a, found, err := readAnswer(t.ctx, t.conn, key)
	for _, w := range t.layers() {
		for _, subject := range w.forgotten {
			found = found && a.Subject != subject
		}
	}
	return a, found, err
}

// KeepAnswer implements contest.Tx.
func (t *tx) KeepAnswer(key string, answer contest.KeptAnswer) error {
	t.own.answers[key] = answer
	return nil
}

// ForgetAnswers implements contest.Tx, for all at once.
func (t *tx) ForgetAnswers(_ string, _ int, ids map[string]bool) (string, error) {
	for id := range ids {
		t.own.forget(id)
	}
	return "", nil
}

// TrimAnswers implements contest.Tx.
func (t *tx) TrimAnswers(before, after time.Time) error {
	t.own.trims = append(t.own.trims, trim{`delete from podium.answers where at < $1 or at > $2`, []any{before.UnixMilli(), after.UnixMilli()}})
	return nil
}

// Setting implements contest.Tx.
func (t *tx) Setting(name string) ([]byte, error) {
	for _, w := range t.layers() {
		if value, written := w.settings[name]; written {
			return value, nil
		}
	}
	if t.blind() {
		return nil, errMustRead
	}
	return readSetting(t.ctx, t.conn, name)
}

// SetSetting implements contest.Tx.
func (t *tx) SetSetting(name string, value []byte) error {
	if value != nil {
		value = append([]byte{}, value...)
	}
	t.own.settings[name] = value
	return nil
}

// SaveSessions implements contest.Tx.
func (t *tx) SaveSessions(records []contest.SessionRecord) error {
	for _, r := range records {
		t.own.sessions[r.ID] = r
	}
	return nil
}

// TrimSessions implements contest.Tx.
func (t *tx) TrimSessions(before time.Time, keep int) error {
	t.own.trims = append(t.own.trims, trimSessions(before, keep)...)
	return nil
}

// beginAlone begins a transaction that is alone among all machines until it
// ends.
func beginAlone(ctx context.Context, conn *pgx.Conn) error {
	var b pgx.Batch
	b.Queue(`begin`)
	queueTimeouts(&b)
	b.Queue(`select from podium.head for update`)
	if err := conn.SendBatch(ctx, &b).Close(); err != nil {
		return fmt.Errorf("begin a transaction: %w", err)
	}
	return nil
}

// queueTimeouts bounds what the transaction may wait for, in the transaction
// alone: poolers hand the session to others.
func queueTimeouts(b *pgx.Batch) {
	b.Queue(`select set_config('lock_timeout', '4s', true), set_config('statement_timeout', '8s', true),
		set_config('idle_in_transaction_session_timeout', '10s', true)`)
}
