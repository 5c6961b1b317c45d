package postgres

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/jackc/pgx/v5"

	"podium/contest"
)

// writes is what changes write, kept back until all of it is sent at once, by
// key: what was written last counts. Changes read through it.
type writes struct {
	submissions map[string]*stored
	inserted    []string // ids, in the order of arrival
	counts      map[group]int
	transfers   map[string]bool // ids; false where one ended
	categories  []contest.Category
	picks       map[string][]string
	events      []event
	scrubbed    []string
	touches     int // of the version, besides those of events
	answers     map[string]contest.KeptAnswer
	forgotten   []string          // submissions whose answers go
	settings    map[string][]byte // nil: forgotten
	sessions    map[string]contest.SessionRecord
	trims       []trim
}

// stored is what becomes of a submission.
type stored struct {
	sub    *contest.Submission // nil where it is deleted
	there  bool                // the database has one of that id
	insert bool
	turn   int // where inserted has it for the last time
}

type group struct {
	category string
	status   contest.Status
}

type event struct {
	name, subject string
	payload       *string // nil where it was scrubbed at once
}

// trim is a statement that takes off what is old. It returns nothing.
type trim struct {
	sql  string
	args []any
}

func newWrites() *writes {
	return &writes{
		submissions: make(map[string]*stored), counts: make(map[group]int), transfers: make(map[string]bool),
		picks: make(map[string][]string), answers: make(map[string]contest.KeptAnswer),
		settings: make(map[string][]byte), sessions: make(map[string]contest.SessionRecord),
	}
}

// add puts what a change wrote behind what those before it wrote.
func (w *writes) add(later *writes) {
	for _, id := range later.scrubbed {
		w.scrub(id)
	}
	for _, id := range later.forgotten {
		w.forget(id)
	}
	for id, now := range later.submissions {
		if before := w.submissions[id]; before != nil {
			now.there = before.there
			now.insert = now.insert || before.insert && now.sub != nil
		}
		w.submissions[id] = now
	}
	for _, id := range later.inserted {
		w.submissions[id].turn = len(w.inserted)
		w.inserted = append(w.inserted, id)
	}
	for of, n := range later.counts {
		w.counts[of] += n
	}
	maps.Copy(w.transfers, later.transfers)
	if later.categories != nil {
		w.categories = later.categories
	}
	maps.Copy(w.picks, later.picks)
	w.events = append(w.events, later.events...)
	w.touches += later.touches
	maps.Copy(w.answers, later.answers)
	maps.Copy(w.settings, later.settings)
	maps.Copy(w.sessions, later.sessions)
	w.trims = append(w.trims, later.trims...)
}

func (w *writes) scrub(subject string) {
	for i := range w.events {
		if w.events[i].subject == subject {
			w.events[i].payload = nil
		}
	}
	w.scrubbed = append(w.scrubbed, subject)
}

func (w *writes) forget(subject string) {
	maps.DeleteFunc(w.answers, func(_ string, a contest.KeptAnswer) bool { return a.Subject == subject })
	w.forgotten = append(w.forgotten, subject)
}

// headless reports whether nothing was written that other changes could read:
// then the order among changes does not matter.
func (w *writes) headless() bool {
	return len(w.submissions)+len(w.counts)+len(w.transfers)+len(w.picks)+len(w.events)+len(w.scrubbed)+
		len(w.answers)+len(w.forgotten)+len(w.settings)+w.touches == 0 && w.categories == nil
}

func (w *writes) empty() bool { return w.headless() && len(w.sessions)+len(w.trims) == 0 }

// queue puts the statements into a batch, in the order of locks that doc.go
// names. categories is the version that changes took the categories to have,
// or -1; blind says that nothing was read, so that what is new must be new.
// head is called with the log's last offset and the version afterwards.
func (w *writes) queue(b *pgx.Batch, blind bool, categories int64, head func(last, version uint64)) error {
	if err := w.queueInserts(b); err != nil {
		return err
	}
	if blind {
		w.queueAnswers(b, "")
	}
	if !w.headless() {
		if err := w.queueHead(b, categories, head); err != nil {
			return err
		}
	}
	if len(w.forgotten) > 0 {
		b.Queue(`delete from podium.answers where subject = any($1)`, w.forgotten)
	}
	if !blind {
		w.queueAnswers(b, ` on conflict (key) do update set at = excluded.at, subject = excluded.subject, content = excluded.content, body = excluded.body`)
	}
	if err := w.queueSubmissions(b); err != nil {
		return err
	}
	w.queueSettings(b)
	w.queueTransfers(b)
	w.queuePicks(b)
	w.queueSessions(b)
	for _, t := range w.trims {
		b.Queue(t.sql, t.args...)
	}
	w.queueEvents(b)
	return nil
}

// queueInserts adds the submissions whose ids are new. Their places come from
// the order of the rows.
func (w *writes) queueInserts(b *pgx.Batch) error {
	var again []string
	var columns [4][]string
	var created []int64
	for i, id := range w.inserted {
		one := w.submissions[id]
		if one.sub == nil || !one.insert || one.turn != i {
			continue
		}
		if one.there {
			again = append(again, id)
		}
		data, err := encode(one.sub)
		if err != nil {
			return err
		}
		for i, v := range []string{id, one.sub.Category, string(one.sub.Status), data} {
			columns[i] = append(columns[i], v)
		}
		created = append(created, one.sub.CreatedAt)
	}
	if len(again) > 0 {
		b.Queue(`delete from podium.submissions where id = any($1)`, again)
	}
	if len(created) > 0 {
		b.Queue(`insert into podium.submissions (id, category, status, data, created_at)
			select id, category, status, data, created_at
			from unnest($1::text[], $2::text[], $3::text[], $4::text[], $5::bigint[]) with ordinality u(id, category, status, data, created_at, n) order by n`,
			columns[0], columns[1], columns[2], columns[3], created)
	}
	return nil
}

func encode(sub *contest.Submission) (string, error) {
	data, err := json.Marshal(sub)
	if err != nil {
		return "", fmt.Errorf("encode submission: %w", err)
	}
	return string(data), nil
}

func (w *writes) queueAnswers(b *pgx.Batch, conflict string) {
	if len(w.answers) == 0 {
		return
	}
	keys := slices.Sorted(maps.Keys(w.answers))
	subjects, contents, bodies := make([]string, len(keys)), make([][]byte, len(keys)), make([][]byte, len(keys))
	for i, key := range keys {
		a := w.answers[key]
		subjects[i], contents[i], bodies[i] = a.Subject, notNull(a.Content), notNull(a.Body)
	}
	b.Queue(`insert into podium.answers (key, at, subject, content, body)
		select key, `+milliseconds+`, subject, content, body from unnest($1::text[], $2::text[], $3::bytea[], $4::bytea[]) u(key, subject, content, body)`+conflict,
		keys, subjects, contents, bodies)
}

// milliseconds is the time by the database's clock.
const milliseconds = `(extract(epoch from clock_timestamp()) * 1000)::bigint`

func notNull(data []byte) []byte {
	if data == nil {
		return []byte{}
	}
	return data
}

// queueHead takes the counter up, which holds the head until the commit.
func (w *writes) queueHead(b *pgx.Batch, categories int64, head func(last, version uint64)) error {
	var list *string
	if w.categories != nil {
		data, err := json.Marshal(w.categories)
		if err != nil {
			return fmt.Errorf("encode the categories: %w", err)
		}
		text := string(data)
		list = &text
	}
	b.Queue(`update podium.head set last = last + $1, version = version + $2,
		stale = case when $3::bigint >= 0 and categories_version <> $3::bigint then 1 else 0 end,
		categories = coalesce($4::text, categories), categories_version = categories_version + case when $4::text is null then 0 else 1 end
		returning last, version`, int64(len(w.events)), int64(len(w.events)+w.touches), categories, list).QueryRow(func(row pgx.Row) error {
		var last, version uint64
		if err := row.Scan(&last, &version); err != nil {
			return err
		}
		head(last, version)
		return nil
	})
	return nil
}

// queueSubmissions changes and removes submissions that are there, and counts.
func (w *writes) queueSubmissions(b *pgx.Batch) error {
	var gone []string
	for _, id := range slices.Sorted(maps.Keys(w.submissions)) {
		one := w.submissions[id]
		switch {
		case one.sub == nil && one.there:
			gone = append(gone, id)
		case one.sub != nil && !one.insert:
			data, err := encode(one.sub)
			if err != nil {
				return err
			}
			b.Queue(`update podium.submissions set category = $2, status = $3, data = $4 where id = $1`, id, one.sub.Category, string(one.sub.Status), data)
		}
	}
	if len(gone) > 0 {
		b.Queue(`delete from podium.submissions where id = any($1)`, gone)
	}
	if len(w.counts) == 0 {
		return nil
	}
	var categories, statuses []string
	var deltas []int64
	for of, n := range w.counts {
		categories, statuses, deltas = append(categories, of.category), append(statuses, string(of.status)), append(deltas, int64(n))
	}
	b.Queue(`insert into podium.counts as c (category, status, n) select * from unnest($1::text[], $2::text[], $3::bigint[])
		on conflict (category, status) do update set n = c.n + excluded.n`, categories, statuses, deltas)
	return nil
}

func (w *writes) queueSettings(b *pgx.Batch) {
	var names, values, gone [][]byte
	for name, value := range w.settings {
		if value == nil {
			gone = append(gone, []byte(name))
			continue
		}
		names, values = append(names, []byte(name)), append(values, value)
	}
	if len(gone) > 0 {
		b.Queue(`delete from podium.settings where name = any($1)`, gone)
	}
	if len(names) > 0 {
		b.Queue(`insert into podium.settings (name, value) select * from unnest($1::bytea[], $2::bytea[])
			on conflict (name) do update set value = excluded.value`, names, values)
	}
}

func (w *writes) queueTransfers(b *pgx.Batch) {
	var begun, ended []string
	for id, awaits := range w.transfers {
		if awaits {
			begun = append(begun, id)
		} else {
			ended = append(ended, id)
		}
	}
	if len(ended) > 0 {
		b.Queue(`delete from podium.transfers where id = any($1)`, ended)
	}
	if len(begun) > 0 {
		b.Queue(`insert into podium.transfers (id) select unnest($1::text[]) on conflict do nothing`, begun)
	}
}

func (w *writes) queuePicks(b *pgx.Batch) {
	for _, category := range slices.Sorted(maps.Keys(w.picks)) {
		if ids := w.picks[category]; len(ids) == 0 {
			b.Queue(`delete from podium.winners where category = $1`, category)
		} else {
			b.Queue(`insert into podium.winners (category, ids) values ($1, $2) on conflict (category) do update set ids = excluded.ids`, category, ids)
		}
	}
}

func (w *writes) queueSessions(b *pgx.Batch) {
	if len(w.sessions) == 0 {
		return
	}
	ids := slices.Sorted(maps.Keys(w.sessions)) // machines that save the same ones lock them in one order
	ats, datas := make([]int64, len(ids)), make([][]byte, len(ids))
	for i, id := range ids {
		ats[i], datas[i] = w.sessions[id].At.UnixMilli(), notNull(w.sessions[id].Data)
	}
	b.Queue(`insert into podium.sessions (id, at, data) select * from unnest($1::text[], $2::bigint[], $3::bytea[])
		on conflict (id) do update set at = excluded.at, data = excluded.data`, ids, ats, datas)
}

// queueEvents empties and appends events. The head's counter was taken up
// before, so it says where the new ones end.
func (w *writes) queueEvents(b *pgx.Batch) {
	if len(w.scrubbed) > 0 {
		b.Queue(`update podium.events set payload = null where subject = any($1) and subject <> ''`, w.scrubbed)
	}
	if len(w.events) > 0 {
		names, subjects, payloads := make([]string, len(w.events)), make([]string, len(w.events)), make([]*string, len(w.events))
		for i, e := range w.events {
			names[i], subjects[i], payloads[i] = e.name, e.subject, e.payload
		}
		b.Queue(`insert into podium.events (off, at, name, subject, payload)
			select h.last - $1 + u.n, `+milliseconds+`, u.name, u.subject, u.payload
			from podium.head h, unnest($2::text[], $3::text[], $4::text[]) with ordinality u(name, subject, payload, n)`,
			int64(len(w.events)), names, subjects, payloads)
	}
	if len(w.events)+w.touches > 0 {
		b.Queue(`select pg_notify('podium', '')`)
	}
}

// trimSessions are the statements that take off sessions.
func trimSessions(before time.Time, keep int) []trim {
	return []trim{
		{`delete from podium.sessions where at < $1`, []any{before.UnixMilli()}},
		{`delete from podium.sessions where id in (select id from podium.sessions order by at desc offset $1)`, []any{keep}},
	}
}
