package storetest

import (
	"bytes"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"maps"
	"math/rand/v2"
	"reflect"
	"slices"
	"testing"
	"time"

	"podium/contest"
)

var (
	seedFlag  = flag.Uint64("model-seed", 0, "seed of the model's random changes; 0 takes a new one")
	stepsFlag = flag.Int("model-steps", 300, "how many random changes the model makes")
)

// model is a contest in memory, written down a second time and as plainly as
// possible: what a store holds must be what it holds.
type model struct {
	categories  []contest.Category
	removed     []contest.Category // that are not there any more
	submissions map[string]contest.Submission
	arrived     []string // ids in the order of arrival
	picks       contest.Picks
	events      []event // offset i+1 is at i
	kept        int     // events from here on are kept
	version     uint64
	answers     map[string]contest.KeptAnswer
	settings    map[string]string
	sessions    map[string]int64 // when they were saved, in milliseconds
	transfers   map[string]bool
}

type event struct{ name, subject, payload string }

func newModel() *model {
	return &model{
		categories: contest.DefaultCategories(), submissions: map[string]contest.Submission{}, picks: contest.Picks{},
		answers: map[string]contest.KeptAnswer{}, settings: map[string]string{}, sessions: map[string]int64{}, transfers: map[string]bool{},
	}
}

func (m *model) announce(name, subject string, payload any) {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	_ = e.Encode(payload) // a buffer takes everything
	m.events = append(m.events, event{name, subject, string(bytes.TrimSpace(b.Bytes()))})
	m.version++
}

func (m *model) winners() contest.Picks {
	all := contest.Picks{}
	for _, c := range m.categories {
		all[c.ID] = append([]string{}, m.picks[c.ID]...)
	}
	return all
}

func (m *model) announceWinners() {
	m.announce("winnersUpdated", "", map[string]any{"winners": m.winners()})
}

func (m *model) has(category string) bool {
	return slices.ContainsFunc(m.categories, func(c contest.Category) bool { return c.ID == category })
}

// submit returns the error and the answer that a store must give.
func (m *model) submit(sub contest.Submission, once contest.Once, answer string) (string, bool, error) {
	if kept, ok := m.answers[once.Key]; ok && once.Key != "" {
		if !bytes.Equal(kept.Content, once.Content) {
			return "", false, contest.ErrIdempotencyMismatch
		}
		return string(kept.Body), true, nil
	}
	if !m.has(sub.Category) {
		return "", false, contest.ErrUnknownCategory
	}
	if _, taken := m.submissions[sub.ID]; taken {
		return "", false, contest.ErrDuplicate
	}
	if sub.Awaits {
		m.transfers[sub.ID] = true
	}
	sub.Announced, sub.Awaits = sub.Status == contest.Approved, false
	m.submissions[sub.ID] = sub
	m.arrived = append(m.arrived, sub.ID)
	if sub.Status == contest.Approved {
		m.announce("newSubmission", sub.ID, sub.Public())
	}
	if once.Key != "" {
		m.answers[once.Key] = contest.KeptAnswer{Content: once.Content, Body: []byte(answer)}
	}
	return answer, false, nil
}

func (m *model) setStatus(id string, status contest.Status, limit int) error {
	sub, ok := m.submissions[id]
	if !ok {
		return contest.ErrNotFound
	}
	if sub.Status == status {
		return nil
	}
	before, fresh, place := sub.Status, !sub.Announced, 0
	switch {
	case before == contest.Approved:
		sub.Place = slices.Index(m.picks[sub.Category], id) + 1
	case status == contest.Approved:
		place, sub.Place = sub.Place, 0
	}
	sub.Status = status
	sub.Announced = sub.Announced || status == contest.Approved
	m.submissions[id] = sub
	switch {
	case status == contest.Approved && fresh:
		m.announce("newSubmission", id, sub.Public())
	case status == contest.Approved:
		m.announce("submissionUpdated", id, sub.Public())
	case before == contest.Approved:
		m.retract([]contest.Submission{sub})
	}
	if picks := m.picks[sub.Category]; place > 0 && len(picks) < limit {
		m.pick(sub.Category, slices.Insert(slices.Clone(picks), min(place-1, len(picks)), id))
		m.announceWinners()
	}
	return nil
}

func (m *model) setStatuses(statuses map[string]contest.Status, limit int) map[string]contest.Status {
	before, place := map[string]contest.Status{}, map[string]int{}
	for id, status := range statuses {
		sub, ok := m.submissions[id]
		if !ok || sub.Status == status {
			continue
		}
		before[id], place[id] = sub.Status, sub.Place
		if sub.Status == contest.Approved {
			place[id] = slices.Index(m.picks[sub.Category], id) + 1
		}
	}
	for at := range len(m.submissions) + 1 { // by place, and then by arrival
		for _, id := range slices.Clone(m.arrived) {
			if was, ok := before[id]; ok && place[id] == at {
				_ = m.setStatus(id, statuses[id], limit) // it is there
				if sub := m.submissions[id]; was == contest.Approved {
					sub.Place = at
					m.submissions[id] = sub
				}
			}
		}
	}
	return before
}

func (m *model) move(id, category string, place, limit int) (had int, err error) {
	sub, ok := m.submissions[id]
	switch {
	case !ok:
		return 0, contest.ErrNotFound
	case !m.has(category):
		return 0, contest.ErrUnknownCategory
	case sub.Category == category:
		return 0, nil
	}
	from := sub.Category
	sub.Category = category
	if sub.Status != contest.Approved {
		had, sub.Place = sub.Place, place
		m.submissions[id] = sub
		return had, nil
	}
	m.submissions[id] = sub
	if had = slices.Index(m.picks[from], id) + 1; had > 0 {
		m.pick(from, slices.Delete(slices.Clone(m.picks[from]), had-1, had))
		m.announceWinners()
	}
	m.announce("submissionRemoved", id, contest.Removed{ID: id, Category: from})
	m.announce("submissionUpdated", id, sub.Public())
	if picks := m.picks[category]; place > 0 && len(picks) < limit {
		m.pick(category, slices.Insert(slices.Clone(picks), min(place-1, len(picks)), id))
		m.announceWinners()
	}
	return had, nil
}

func (m *model) replaceCategories(list []contest.Category) {
	m.removed = append(m.removed, m.categories...)
	m.categories = list
	m.removed = slices.DeleteFunc(m.removed, func(one contest.Category) bool { return m.has(one.ID) })
	delete(m.settings, "contest.removed")
	if len(m.removed) > 0 {
		value, _ := json.Marshal(m.removed) // ids and names
		m.settings["contest.removed"] = string(value)
	}
	m.announce("categoriesUpdated", "", map[string]any{"categories": m.categories})
}

func (m *model) retract(list []contest.Submission) {
	for i, e := range m.events {
		for _, sub := range list {
			if e.subject == sub.ID {
				m.events[i].payload = ""
			}
		}
	}
	picked := false
	for _, sub := range list {
		if i := slices.Index(m.picks[sub.Category], sub.ID); i >= 0 {
			m.pick(sub.Category, slices.Delete(slices.Clone(m.picks[sub.Category]), i, i+1))
			picked = true
		}
	}
	if picked {
		m.announceWinners()
	}
	for _, sub := range list {
		m.announce("submissionRemoved", sub.ID, struct {
			ID       string `json:"id"`
			Category string `json:"category"`
		}{sub.ID, sub.Category})
	}
}

func (m *model) pick(category string, ids []string) {
	if len(ids) == 0 {
		delete(m.picks, category)
		return
	}
	m.picks[category] = ids
}

func (m *model) delete(ids []string) (gone []string) {
	var list []contest.Submission
	gone = []string{}
	for _, id := range ids {
		sub, ok := m.submissions[id]
		if !ok {
			continue
		}
		gone = append(gone, id)
		list = append(list, sub)
		delete(m.submissions, id)
		delete(m.transfers, id)
		m.arrived = slices.DeleteFunc(m.arrived, func(x string) bool { return x == id })
		if sub.CloudID != "" {
			m.settings["removal."+sub.CloudID] = ""
		}
		maps.DeleteFunc(m.answers, func(_ string, a contest.KeptAnswer) bool { return bytes.Contains(a.Body, []byte(`"`+id+`"`)) })
	}
	m.retract(list)
	return gone
}

func (m *model) saveWinners(picks contest.Picks, limit int) (ignored []string) {
	ignored = []string{}
	for _, category := range slices.Sorted(maps.Keys(picks)) {
		var kept []string
		for _, id := range picks[category] {
			if sub, ok := m.submissions[id]; !ok || sub.Category != category || sub.Status != contest.Approved {
				ignored = append(ignored, id)
			} else if len(kept) < limit && !slices.Contains(kept, id) {
				kept = append(kept, id)
			}
		}
		m.pick(category, kept)
	}
	m.announceWinners()
	return ignored
}

func (m *model) setPicture(id string, change func(*contest.Submission)) error {
	sub, ok := m.submissions[id]
	if !ok {
		return contest.ErrNotFound
	}
	change(&sub)
	m.submissions[id] = sub
	delete(m.transfers, id)
	if sub.Status == contest.Approved {
		m.announce("submissionUpdated", id, sub.Public())
	}
	return nil
}

func (m *model) trimSessions(before int64, keep int) {
	maps.DeleteFunc(m.sessions, func(_ string, at int64) bool { return at < before })
	ids := slices.SortedFunc(maps.Keys(m.sessions), func(a, b string) int { return int(m.sessions[a] - m.sessions[b]) })
	for len(ids) > keep {
		delete(m.sessions, ids[0])
		ids = ids[1:]
	}
}

// holds compares everything that a store gives out with the model.
func (m *model) holds(t *testing.T, c *contest.Contest) {
	t.Helper()
	same := func(what string, got, want any, err error) {
		t.Helper()
		if err != nil || !reflect.DeepEqual(got, want) {
			t.Fatalf("%s: the store has\n%v (%v), the model\n%v", what, got, err, want)
		}
	}
	categories, err := c.Categories()
	same("categories", categories, m.categories, err)
	all, err := c.AllWinners()
	want := m.winners()
	maps.Copy(want, m.picks)
	same("winners", all, want, err)
	counts, err := c.Counts()
	flat, wantFlat := map[string]int{}, map[string]int{}
	for category := range counts {
		for status, n := range counts[category] {
			if n != 0 {
				flat[category+" "+string(status)] = n
			}
		}
	}
	for _, sub := range m.submissions {
		wantFlat[sub.Category+" "+string(sub.Status)]++
	}
	same("counts", flat, wantFlat, err)
	m.holdsFeed(t, c, same)
	m.holdsLog(t, c, same)
	got := map[string]contest.Submission{}
	err = c.Each(func(sub contest.Submission) bool { sub.Sequence = 0; got[sub.ID] = sub; return true })
	same("submissions", got, m.submissions, err)
	ids, n, err := c.Transfers(1000)
	same("transfers", slices.Sorted(slices.Values(ids)), slices.Sorted(maps.Keys(m.transfers)), err)
	same("number of transfers", n, len(m.transfers), err)
	names, err := c.SettingNames("", 1000)
	same("settings", names, slices.Sorted(maps.Keys(m.settings)), err)
	for name, value := range m.settings {
		got, err := c.Setting(name)
		same("setting "+name, string(got), value, err)
	}
	for key := range 20 {
		kept, found, err := c.Answer(fmt.Sprint("k", key))
		want, wanted := m.answers[fmt.Sprint("k", key)]
		same("whether there is an answer", found, wanted, err)
		same("answer", string(kept.Body)+string(kept.Content), string(want.Body)+string(want.Content), err)
	}
	sessions, err := c.Sessions()
	same("number of sessions", sessions, len(m.sessions), err)
	for id, at := range m.sessions {
		r, err := c.Session(id)
		same("session "+id, r.At.UnixMilli(), at, err)
	}
}

func (m *model) holdsFeed(t *testing.T, c *contest.Contest, same func(string, any, any, error)) {
	t.Helper()
	for _, everything := range []bool{false, true} {
		feed, version, err := c.Feed(contest.Query{All: everything})
		same("version", version, m.version, err)
		got, want := []string{}, []string{}
		for _, one := range feed {
			got = append(append(got, one.Category.ID), idsOf(one.Submissions)...)
		}
		for _, one := range m.categories {
			want = append(want, one.ID)
			for _, id := range slices.Backward(m.arrived) {
				if sub := m.submissions[id]; sub.Category == one.ID && (everything || sub.Status == contest.Approved) {
					want = append(want, id)
				}
			}
		}
		same("feed", got, want, err)
		if !everything {
			walked := []string{}
			_, err := c.WalkFeed(func(one contest.Category) error { walked = append(walked, one.ID); return nil },
				func(r contest.Record) error { sub, err := r.Decode(); walked = append(walked, sub.ID); return err })
			same("walk over the feed", walked, want, err)
		}
	}
	version, err := c.Version()
	same("version", version, m.version, err)
	if s, ok := c.Store.(interface {
		FeedState() (version, last uint64, err error)
	}); ok {
		version, last, err := s.FeedState()
		same("version with its event", []uint64{version, last}, []uint64{m.version, uint64(len(m.events))}, err)
	}
}

func (m *model) holdsLog(t *testing.T, c *contest.Contest, same func(string, any, any, error)) {
	t.Helper()
	first, last, err := c.EventRange()
	same("range of the log", []uint64{first, last}, []uint64{uint64(m.kept) + 1, uint64(len(m.events))}, err)
	got, want := []string{}, []string{}
	err = contest.EachEvent(c, 0, func(e contest.Event) bool {
		got = append(got, fmt.Sprint(e.Offset, " ", e.Name, " ", string(e.Payload)))
		return true
	})
	for i, e := range m.events[m.kept:] {
		want = append(want, fmt.Sprint(m.kept+i+1, " ", e.name, " ", e.payload))
	}
	same("log", got, want, err)
}

// random makes random changes in a store and in a model, and compares.
func random(t *testing.T, open Opener) {
	seed := *seedFlag
	if seed == 0 {
		seed = rand.Uint64()
	}
	t.Logf("seed %d (again with -model-seed=%d)", seed, seed)
	p := &player{t: t, r: rand.New(rand.NewPCG(seed, 0)), m: newModel(), c: contest.New(open())}
	defer func() { p.c.Close() }()
	for p.step = range *stepsFlag {
		if p.r.IntN(40) == 0 {
			must(t, p.c.Close())
			p.c = contest.New(open())
		}
		p.change()
		if _, shared := p.c.Store.(contest.Shared); !shared || p.step%5 == 0 { // comparing all is some fifty round trips
			p.m.holds(t, p.c)
		}
	}
	p.m.holds(t, p.c)
}

// player makes the same change in the store and in the model.
type player struct {
	t    *testing.T
	r    *rand.Rand
	m    *model
	c    *contest.Contest
	step int
}

// someone is the id of a submission, mostly of one that is there.
func (p *player) someone() string {
	if len(p.m.arrived) == 0 || p.r.IntN(10) == 0 {
		return id(p.r.IntN(p.step + 1))
	}
	return p.m.arrived[p.r.IntN(len(p.m.arrived))]
}

func (p *player) several(most int) []string {
	ids := []string{}
	for range p.r.IntN(most + 1) {
		ids = append(ids, p.someone())
	}
	return ids
}

func (p *player) status() contest.Status {
	return []contest.Status{contest.Approved, contest.Waiting, contest.Hidden}[p.r.IntN(3)]
}

// agree compares what the store returned with what the model did.
func (p *player) agree(what string, got any, err error, want any, wanted error) {
	p.t.Helper()
	if !errors.Is(err, wanted) || (err != nil) != (wanted != nil) || err == nil && !reflect.DeepEqual(got, want) {
		p.t.Fatalf("step %d, %s: the store returned %v (%v), the model %v (%v)", p.step, what, got, err, want, wanted)
	}
}

func (p *player) change() {
	ctx, t := p.t.Context(), p.t
	switch p.r.IntN(18) {
	default:
		p.submit()
	case 5, 6:
		id, status := p.someone(), p.status()
		_, err := p.c.SetStatus(ctx, id, status, 3)
		p.agree("set the status of "+id, nil, err, nil, p.m.setStatus(id, status, 3))
	case 7:
		ids := p.several(3)
		gone, err := p.c.Delete(ctx, ids...)
		p.agree(fmt.Sprint("delete ", ids), idsOf(gone), err, p.m.delete(ids), nil)
	case 8, 9:
		picks := contest.Picks{"best": p.several(4), "worst": p.several(2)}
		var ignored []string
		_, _, err := p.c.SaveWinners(ctx, picks, nil, 3, contest.Once{}, func(i []string) ([]byte, error) { ignored = i; return nil, nil })
		p.agree(fmt.Sprint("save the winners ", picks), ignored, err, p.m.saveWinners(picks, 3), nil)
	case 10:
		list := slices.Clone(contest.DefaultCategories()[:p.r.IntN(3)])
		must(t, p.c.ReplaceCategories(ctx, list))
		p.m.replaceCategories(append([]contest.Category{}, list...))
	case 11:
		id, url := p.someone(), fmt.Sprint("/uploads/", p.step, ".jpg")
		set := func(s *contest.Submission) { s.ImageURL, s.CloudID = &url, fmt.Sprint("cloud-", p.step) }
		_, err := p.c.SetPicture(ctx, id, set)
		p.agree("set the picture of "+id, nil, err, nil, p.m.setPicture(id, set))
	case 12:
		keep := 1 + p.r.IntN(30)
		n, err := p.c.TrimEvents(ctx, time.Time{}, keep)
		want := max(0, len(p.m.events)-keep-p.m.kept)
		p.m.kept += want
		p.agree("trim the log", n, err, want, nil)
	case 13:
		p.settings()
	case 14:
		p.sessions()
	case 15:
		p.imports()
	case 16:
		id, category, place := p.someone(), []string{"best", "worst", "removed"}[p.r.IntN(3)], p.r.IntN(3)
		_, had, err := p.c.Move(ctx, id, category, place, 3)
		want, wanted := p.m.move(id, category, place, 3)
		p.agree("move "+id, had, err, want, wanted)
	case 17:
		statuses := map[string]contest.Status{}
		for _, id := range p.several(3) {
			statuses[id] = p.status()
		}
		before, err := p.c.SetStatuses(ctx, statuses, 3)
		p.agree(fmt.Sprint("set the statuses ", statuses), before, err, p.m.setStatuses(statuses, 3), nil)
	}
}

func (p *player) submit() {
	sub := Entry(p.step, []string{"best", "worst"}[p.r.IntN(2)])
	if p.r.IntN(10) == 0 {
		sub.ID = p.someone()
	}
	if p.r.IntN(4) == 0 {
		sub.Status, sub.Awaits = p.status(), p.r.IntN(2) == 0
	}
	var once contest.Once
	if p.r.IntN(2) == 0 {
		once = contest.Once{Key: fmt.Sprint("k", p.r.IntN(20)), Content: []byte{byte(p.r.IntN(2))}}
	}
	answer := fmt.Sprintf(`{"id":%q}`, sub.ID)
	first, replayed, err := p.c.Submit(p.t.Context(), sub, once, []byte(answer))
	want, again, wanted := p.m.submit(sub, once, answer)
	p.agree("submit "+sub.ID, []any{string(first), replayed}, err, []any{want, again}, wanted)
}

func (p *player) settings() {
	name, value := fmt.Sprint("s", p.r.IntN(5)), fmt.Sprint(p.step)
	if p.r.IntN(3) == 0 {
		delete(p.m.settings, name)
		must(p.t, p.c.SaveSetting(name, nil))
		return
	}
	p.m.settings[name] = value
	must(p.t, p.c.SaveSetting(name, []byte(value)))
}

func (p *player) sessions() {
	if p.r.IntN(3) == 0 {
		before, keep := int64(p.step/2), 1+p.r.IntN(5)
		must(p.t, p.c.TrimSessions(p.t.Context(), time.UnixMilli(before), keep))
		p.m.trimSessions(before, keep)
		return
	}
	record := contest.SessionRecord{ID: fmt.Sprint(p.r.IntN(10)), At: time.UnixMilli(int64(p.step)), Data: []byte("data")}
	p.m.sessions[record.ID] = record.At.UnixMilli()
	must(p.t, p.c.SaveSessions(p.t.Context(), []contest.SessionRecord{record}))
}

func (p *player) imports() {
	var bulk contest.Bulk
	present := 0
	for i := range p.r.IntN(4) {
		sub := Entry(10_000+p.step*10+i, "best")
		if p.r.IntN(4) == 0 && len(p.m.arrived) > 0 && i == 0 {
			sub.ID = p.m.arrived[0]
		}
		sub.Status = p.status()
		bulk.Submissions = append(bulk.Submissions, sub)
		if _, there := p.m.submissions[sub.ID]; there {
			present++
			continue
		}
		sub.Announced = sub.Status == contest.Approved
		p.m.submissions[sub.ID] = sub
		p.m.arrived = append(p.m.arrived, sub.ID)
	}
	added, err := p.c.Import(p.t.Context(), bulk)
	p.m.version++
	p.agree("import", added, err, contest.Added{Submissions: len(bulk.Submissions) - present, Present: present}, nil)
}
