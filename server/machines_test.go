package server_test

import (
	"bufio"
	"context"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"podium/protocol/services"
)

// eventually waits until f holds.
func eventually(t testing.TB, what string, f func() bool) {
	t.Helper()
	for deadline := time.Now().Add(20 * time.Second); !f(); time.Sleep(10 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("%s does not come", what)
		}
	}
}

// listen reads the event stream of a site, and hands out its lines.
func (s *site) listen() (lines <-chan string) {
	s.t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, s.url+"/api/events", nil)
	if err != nil {
		s.t.Fatal(err)
	}
	res, err := s.http.Do(req)
	if err != nil {
		s.t.Fatal(err)
	}
	out, done := make(chan string, 1000), make(chan struct{})
	go func() {
		defer close(done)
		for read := bufio.NewScanner(res.Body); read.Scan(); {
			out <- read.Text()
		}
	}()
	s.t.Cleanup(func() {
		cancel()
		<-done
		res.Body.Close()
	})
	return out
}

// until returns the next line that begins so.
func until(t *testing.T, lines <-chan string, prefix string) string {
	t.Helper()
	timeout := time.After(20 * time.Second)
	for {
		select {
		case line := <-lines:
			if strings.HasPrefix(line, prefix) {
				return line
			}
		case <-timeout:
			t.Fatalf("no line begins with %q", prefix)
		}
	}
}

func TestTwoMachinesServeOneContest(t *testing.T) {
	pg := services.StartPostgres(t, "fsync", "off")
	one, two := newSite(t, "--database", pg.URL()), newSite(t, "--database", pg.URL())
	lines := two.visitor().listen()
	until(t, lines, "id: ")

	made := one.enter("best", "from one")
	until(t, lines, "event: newSubmission")
	if data := until(t, lines, "data: "); !strings.Contains(data, made.ID) {
		t.Errorf("machine two's guests were sent %s", data)
	}
	eventually(t, "the submission in the other machine's feed", func() bool {
		return strings.Contains(two.do("GET", "/api/feed", nil).is(200).body, made.ID)
	})

	// A phone sends again what was not answered, to whichever machine.
	key := []string{"Idempotency-Key", "again"}
	first := one.submit(key, part{"category", "", "best"}, part{"caption", "", "once"}).is(200)
	second := two.submit(key, part{"category", "", "best"}, part{"caption", "", "once"}).is(200)
	if first.body != second.body || second.header.Get("Idempotent-Replay") != "true" {
		t.Errorf("the first answer was %s, the second %s", first.body, second.body)
	}
	two.submit(key, part{"category", "", "best"}, part{"caption", "", "other"}).is(422)

	// An admin of one is an admin of the other, and not any more where that ended.
	one.signIn()
	two.cookie = one.cookie
	two.do("GET", "/api/submissions", nil).is(200)
	one.do("POST", "/api/submissions/"+made.ID+"/hide", "").is(200)
	until(t, lines, "event: submissionRemoved")
	two.do("POST", "/api/logout", "").is(200)
	one.do("GET", "/api/submissions", nil).is(401)

	// What only a file has is refused with a sentence, and the rest works.
	one.signIn()
	for _, path := range []string{"/api/dashboard", "/metrics", "/api/export.csv", "/api/export.zip"} {
		if g := one.do("GET", path, nil); g.status != 200 {
			t.Errorf("%s: %d %s", path, g.status, g.body)
		}
	}
	if g := one.do("GET", "/api/dashboard", nil); !strings.Contains(g.body, `"machine":{"name":"","shared":true}`) {
		t.Errorf("the dashboard does not say whose figures it has: %s", g.body)
	}
	if _, err := one.server.Backup(t.Context()); err == nil {
		t.Error("a database was backed up like a file")
	}
	if found, err := one.server.Check(t.Context()); err != nil || len(found.Faults) > 0 {
		t.Errorf("check: %v %v", found, err)
	}
}

// guest is in a session by long-polling at one of several machines.
type guest struct {
	at   *site
	sid  string
	came string // what came so far
}

// join connects, with what is offered of a session from before.
func (s *site) join(offer string) *guest {
	s.t.Helper()
	g := &guest{at: s}
	g.sid, _ = s.handshake()
	s.do("POST", g.address(), "40"+offer)
	return g
}

func (g *guest) address() string { return "/socket.io/?EIO=4&transport=polling&sid=" + g.sid }

// hear polls until something has come, and returns what follows it.
func (g *guest) hear(what string) string {
	g.at.t.Helper()
	eventually(g.at.t, what, func() bool {
		if !strings.Contains(g.came, what) {
			g.came += g.at.do("GET", g.address(), nil).body
		}
		return strings.Contains(g.came, what)
	})
	_, rest, _ := strings.Cut(g.came, what)
	return rest
}

// Somebody is away while the last photo that they saw is deleted, and comes back at a machine
// that was not there then: their session goes on, and they miss nothing.
func TestAGuestWhoseLastPhotoWasDeletedMissesNothing(t *testing.T) {
	pg := services.StartPostgres(t, "fsync", "off")
	one := newSite(t, "--database", pg.URL()).signIn()
	before := one.join("")
	pid, _, _ := strings.Cut(before.hear(`"pid":"`), `"`)
	seen := one.enter("best", "seen")
	offset, _, _ := strings.Cut(before.hear(seen.ID), "]")
	offset = offset[strings.LastIndex(offset, `"~`):]
	one.do("POST", before.address(), "1").is(200)

	one.do("DELETE", "/api/submissions/"+seen.ID, nil).is(200)
	missed := one.enter("best", "missed")
	two := newSite(t, "--database", pg.URL())
	after := two.join(`{"pid":"` + pid + `","offset":` + offset + `}`)
	after.hear(missed.ID)
	if !strings.Contains(after.came, `"pid":"`+pid) || strings.Contains(after.came, "refused") || !strings.Contains(after.came, "submissionRemoved") {
		t.Errorf("they came back with %s at %s, and are told\n%s", pid, offset, after.came)
	}
}

func TestAServerWhoseDatabaseIsAwaySaysSoAndGoesOnAfterwards(t *testing.T) {
	pg := services.StartPostgres(t, "fsync", "off")
	s, other := newSite(t, "--database", pg.URL()), newSite(t, "--database", pg.URL())
	s.enter("best", "before")
	s.signIn()
	other.cookie = s.cookie
	pg.Kill()
	if sentence := other.do("GET", "/api/submissions", nil).is(503).sentence(); !strings.Contains(sentence, "database") { // which it has not seen yet
		t.Errorf("to an admin it says %q", sentence)
	}
	other.visitor().do("GET", "/api/submissions", nil).is(401)
	g := s.submit(nil, part{"category", "", "best"}, part{"caption", "", "meanwhile"}).is(503)
	if sentence := g.sentence(); !strings.Contains(sentence, "database") {
		t.Errorf("it says %q", sentence)
	}
	pg.Start()
	eventually(t, "a submission", func() bool {
		return s.submit(nil, part{"category", "", "best"}, part{"caption", "", "after"}).status == 200
	})
	if body := s.do("GET", "/api/feed", nil).is(200).body; !strings.Contains(body, "before") || strings.Contains(body, "meanwhile") {
		t.Errorf("the feed is %s", body)
	}
}

// A database that is full, or takes no changes, is named as such to whoever submits;
// readers are served, and all goes on when that is over.
func TestAServerWhoseDatabaseTakesNoChangesSaysWhy(t *testing.T) {
	pg := services.StartPostgres(t, "fsync", "off")
	s := newSite(t, "--database", pg.URL())
	s.enter("best", "before")
	conn, err := pgx.Connect(t.Context(), pg.URL())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(context.Background())
	run := func(statements ...string) {
		t.Helper()
		for _, one := range statements {
			if _, err := conn.Exec(t.Context(), one); err != nil {
				t.Fatal(err)
			}
		}
	}
	for _, cause := range []struct {
		begin, end []string
		status     int
		words      string
	}{
		{[]string{`create function podium.full_disk() returns trigger language plpgsql as $$ begin raise exception 'could not extend file' using errcode = 'disk_full'; end $$`,
			`create trigger full_disk before insert on podium.submissions execute function podium.full_disk()`},
			[]string{`drop trigger full_disk on podium.submissions`}, 507, "no room"},
		{[]string{`alter database podium set default_transaction_read_only = on`,
			`select pg_terminate_backend(pid) from pg_stat_activity where application_name = 'podium'`},
			[]string{`alter database podium set default_transaction_read_only = off`}, 503, "only be read"},
	} {
		run(cause.begin...)
		eventually(t, "a refusal that says "+cause.words, func() bool { // the first may have been under way
			g := s.submit(nil, part{"category", "", "best"}, part{"caption", "", "meanwhile"})
			return g.status == cause.status && strings.Contains(g.sentence(), cause.words)
		})
		if body := s.do("GET", "/api/feed", nil).is(200).body; !strings.Contains(body, "before") || strings.Contains(body, "meanwhile") {
			t.Errorf("the feed is %s", body)
		}
		run(cause.end...)
		eventually(t, "a submission", func() bool {
			return s.submit(nil, part{"category", "", "best"}, part{"caption", "", "after"}).status == 200
		})
	}
}

// Whoever submits at one machine and reads the feed at another finds the photo
// there at once, where the page says how far the first had come.
func TestAGuestReadsTheirOwnSubmissionAtAnyMachine(t *testing.T) {
	pg := services.StartPostgres(t, "fsync", "off")
	machines := []*site{newSite(t, "--database", pg.URL()), newSite(t, "--database", pg.URL()), newSite(t, "--database", pg.URL())}
	for i := range 30 {
		at, then := machines[i%3], machines[(i+1+i%2)%3]
		var made struct {
			Entry struct{ ID string }
		}
		g := at.submit(nil, part{"category", "", "best"}, part{"caption", "", "mine"}).is(200).into(&made)
		offset := g.header.Get("Podium-Offset")
		if offset == "" {
			t.Fatal("the answer does not say how far the log goes")
		}
		if feed := then.do("GET", "/api/feed", nil, "Podium-Offset", offset).is(200); !strings.Contains(feed.body, made.Entry.ID) {
			t.Fatalf("submission %d is not in the other machine's feed", i)
		}
	}

	// An offset that does not come holds nobody up for long, and rubbish not at all.
	epoch, _, _ := strings.Cut(machines[0].submit(nil, part{"category", "", "best"}, part{"caption", "", "last"}).is(200).header.Get("Podium-Offset"), ".")
	for _, offset := range []string{epoch + ".18446744073709551615", epoch + ".-1", "other.9", "."} {
		machines[0].do("GET", "/api/feed", nil, "Podium-Offset", offset).is(200)
	}
	if alone := newSite(t).submit(nil, part{"category", "", "best"}, part{"caption", "", "x"}).is(200); alone.header.Get("Podium-Offset") != "" {
		t.Error("a machine that is alone says how far its log goes")
	}
}

// What is counted is counted over all machines, whichever answers, and a machine
// that is gone is not waited for.
func TestMachinesCountTogether(t *testing.T) {
	pg := services.StartPostgres(t, "fsync", "off")
	one, two := newSite(t, "--database", pg.URL(), "--node-id", "one"), newSite(t, "--database", pg.URL(), "--node-id", "two")
	const handshake = "/socket.io/?EIO=4&transport=polling"
	one.do("GET", handshake, nil).is(200)
	two.do("GET", handshake, nil).is(200)
	two.do("GET", handshake, nil).is(200)
	one.signIn()
	two.cookie = one.cookie
	for _, s := range []*site{one, two} {
		eventually(t, "the sum of all connections", func() bool {
			var health struct {
				ActiveConnections int
				TotalConnected    int
				Metrics           struct{ ActiveConnections, HealthyClients int }
				Machines          []struct {
					Name   string
					Active int
					Self   bool
				}
			}
			s.do("GET", "/api/realtime-health", nil).is(200).into(&health)
			return health.ActiveConnections == 3 && health.TotalConnected == 3 && health.Metrics.ActiveConnections == 3 && health.Metrics.HealthyClients == 3 &&
				len(health.Machines) == 2 && health.Machines[0].Self && !health.Machines[1].Self && health.Machines[0].Active+health.Machines[1].Active == 3
		})
	}
	var metrics struct{ Connections struct{ Active, Total int } }
	one.do("GET", "/api/realtime-metrics", nil).is(200).into(&metrics)
	if metrics.Connections.Active != 3 || metrics.Connections.Total != 3 {
		t.Errorf("connections %+v", metrics.Connections)
	}
	var health struct {
		Machine           string
		Machines          int
		ActiveConnections struct{ Machine, Total int }
	}
	one.do("GET", "/health", nil).is(200).into(&health)
	if health.Machine != "one" || health.Machines != 2 || health.ActiveConnections.Machine != 1 || health.ActiveConnections.Total != 3 {
		t.Errorf("health says %+v", health)
	}
	var dashboard struct {
		Connections struct{ Active, Polling int }
		Machines    []struct{ Name string }
	}
	one.do("GET", "/api/dashboard", nil).is(200).into(&dashboard)
	if dashboard.Connections.Active != 3 || dashboard.Connections.Polling != 3 || len(dashboard.Machines) != 2 || dashboard.Machines[1].Name != "two" {
		t.Errorf("the dashboard says %+v", dashboard)
	}
	for _, line := range []string{"podium_machines 2", "podium_connections_all_machines 3", `podium_connections{transport="polling"} 1`} {
		if g := one.do("GET", "/metrics", nil); !strings.Contains(g.body, line+"\n") {
			t.Errorf("the metrics lack %s", line)
		}
	}

	// A machine that says no more is soon gone, and one that stops at once.
	pg.Kill()
	pg.Start()
	eventually(t, "both machines after the database was away", func() bool {
		one.do("GET", "/health", nil).is(200).into(&health)
		return health.Machines == 2
	})
	if err := two.server.Abandon(); err != nil {
		t.Error(err)
	}
	eventually(t, "the machine that is left", func() bool {
		one.do("GET", "/health", nil).is(200).into(&health)
		return health.Machines == 1 && health.ActiveConnections.Total == 1
	})
	if alone := newSite(t).do("GET", "/health", nil).is(200); strings.Contains(alone.body, "machine") {
		t.Errorf("a machine that is alone speaks of others: %s", alone.body)
	}
}
