package postgres_test

import (
	"bufio"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"podium/contest"
	"podium/protocol/services"
	"podium/store/bolt"
	"podium/store/postgres"
	"podium/store/storetest"
)

// proxy stands between a store and its database, and does harm.
type proxy struct {
	to       string
	listener net.Listener
	work     sync.WaitGroup

	deaf        atomic.Bool  // notifications are dropped
	dropRequest atomic.Bool  // the next request is lost, with its connection
	dropAnswer  atomic.Bool  // the next answer is
	notified    atomic.Int64 // notifications that were passed on
}

func startProxy(t *testing.T, to string) *proxy {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	p := &proxy{to: to, listener: l}
	p.work.Go(func() {
		for {
			client, err := l.Accept()
			if err != nil {
				return
			}
			p.work.Go(func() { p.serve(client) })
		}
	})
	t.Cleanup(func() {
		l.Close()
		p.work.Wait()
	})
	return p
}

func (p *proxy) serve(client net.Conn) {
	defer client.Close()
	server, err := net.Dial("tcp", p.to)
	if err != nil {
		return
	}
	defer server.Close()
	p.work.Go(func() {
		defer client.Close()
		defer server.Close()
		for p.forward(client, server) {
		}
	})
	buffer := make([]byte, 64<<10)
	for {
		n, err := client.Read(buffer)
		if err != nil || p.dropRequest.CompareAndSwap(true, false) {
			return
		}
		if _, err := server.Write(buffer[:n]); err != nil {
			return
		}
	}
}

// forward passes one message of the server on: a byte for its kind, four for
// its length.
func (p *proxy) forward(client io.Writer, server io.Reader) bool {
	head := make([]byte, 5)
	if _, err := io.ReadFull(server, head); err != nil {
		return false
	}
	body := make([]byte, binary.BigEndian.Uint32(head[1:])-4)
	if _, err := io.ReadFull(server, body); err != nil {
		return false
	}
	if p.dropAnswer.CompareAndSwap(true, false) {
		return false
	}
	if head[0] == 'A' && p.deaf.Load() {
		return true
	}
	_, err := client.Write(append(head, body...))
	if head[0] == 'A' {
		p.notified.Add(1)
	}
	return err == nil
}

func (p *proxy) url(url, addr string) string {
	return strings.Replace(url, addr, p.listener.Addr().String(), 1)
}

// dense fails where the log has a hole or tells of a submission twice.
func dense(t *testing.T, s contest.Store) (told map[string]bool) {
	t.Helper()
	told = make(map[string]bool)
	var last uint64
	if err := contest.EachEvent(s, 0, func(e contest.Event) bool {
		if e.Offset != last+1 {
			t.Errorf("offset %d comes after %d", e.Offset, last)
		}
		last = e.Offset
		if told[string(e.Payload)] {
			t.Errorf("told twice: %s", e.Payload)
		}
		told[string(e.Payload)] = true
		return true
	}); err != nil {
		t.Fatal(err)
	}
	return told
}

func TestMachinesThatStartAtTheSameTimeMakeOneContest(t *testing.T) {
	url := startServer(t).fresh(t)
	epochs := make([]string, 4)
	var wg sync.WaitGroup
	for i := range epochs {
		wg.Go(func() {
			s, err := postgres.Open(context.Background(), url, postgres.Options{})
			if err != nil {
				t.Error(err)
				return
			}
			defer s.Close()
			epochs[i] = s.Epoch()
		})
	}
	wg.Wait()
	for _, e := range epochs {
		if e == "" || e != epochs[0] {
			t.Fatalf("their epochs are %q", epochs)
		}
	}
}

func TestACommitThatIsNotAnsweredIsDecided(t *testing.T) {
	pg := startServer(t)
	p := startProxy(t, pg.Addr())
	s := open(t, p.url(pg.fresh(t), pg.Addr()))
	c := contest.New(s)
	n := 0
	for range 4 {
		for what, arm := range map[string]*atomic.Bool{"the answer": &p.dropAnswer, "the request": &p.dropRequest} {
			n++
			arm.Store(true)
			// Whatever else is on the line may take the blow for it: the flag is
			// down when somebody did.
			if _, _, err := c.Submit(t.Context(), storetest.Entry(n, "best"), contest.Once{Key: fmt.Sprint(n)}, []byte("a")); err != nil {
				t.Errorf("%s was lost: %v", what, err)
			}
			arm.Store(false)
		}
	}
	if told := dense(t, s); len(told) != n {
		t.Errorf("%d events for %d submissions", len(told), n)
	}
}

func TestChangesOfSeveralMachinesAreInOneOrder(t *testing.T) {
	url := startServer(t).fresh(t)
	machines := []*contest.Contest{contest.New(open(t, url)), contest.New(open(t, url)), contest.New(open(t, url))}
	const each = 25
	var wg sync.WaitGroup
	for m, c := range machines {
		wg.Go(func() { // blind ones
			for n := range each {
				if _, _, err := c.Submit(context.Background(), storetest.Entry(m*each+n+1, "best"), contest.Once{Key: fmt.Sprint("shared ", n)}, []byte("a")); err != nil {
					t.Error(err)
				}
			}
		})
		wg.Go(func() { // ones that read
			for range each {
				if err := c.ChangeSetting("n", func(kept []byte) ([]byte, error) { return append(kept, '.'), nil }); err != nil {
					t.Error(err)
				}
			}
		})
	}
	wg.Wait()
	// Of three that use the same key one is stored.
	if told := dense(t, machines[0]); len(told) != each {
		t.Errorf("%d events, want %d", len(told), each)
	}
	if v, err := machines[0].Setting("n"); err != nil || len(v) != each*len(machines) {
		t.Errorf("counted to %d (%v), want %d", len(v), err, each*len(machines))
	}
	counts, err := machines[1].Counts()
	if err != nil || counts.Total() != each {
		t.Errorf("counts %v (%v)", counts, err)
	}
}

func TestADatabaseThatIsKilledLosesNothingThatWasAnswered(t *testing.T) {
	pg := startServer(t)
	s := open(t, pg.fresh(t))
	c := contest.New(s)
	var answered, next atomic.Int64
	var wg sync.WaitGroup
	stop := make(chan struct{})
	stored := sync.Map{}
	for range 8 {
		wg.Go(func() {
			for {
				select {
				case <-stop:
					return
				default:
				}
				sub := storetest.Entry(int(next.Add(1)), "best")
				_, _, err := c.Submit(context.Background(), sub, contest.Once{}, nil)
				switch {
				case err == nil:
					stored.Store(sub.ID, true)
					answered.Add(1)
				case errors.Is(err, contest.ErrInDoubt):
				case errors.Is(err, contest.ErrAway):
					stored.Store(sub.ID, false)
				default:
					t.Errorf("neither stored nor away: %v", err)
				}
			}
		})
	}
	wait := func(more int64) {
		t.Helper()
		for until, deadline := answered.Load()+more, time.Now().Add(30*time.Second); answered.Load() < until; time.Sleep(5 * time.Millisecond) {
			if time.Now().After(deadline) {
				t.Fatal("no more submissions are stored")
			}
		}
	}
	wait(50)
	pg.Kill()
	pg.Start()
	wait(50)
	close(stop)
	wg.Wait()
	dense(t, s)
	stored.Range(func(id, want any) bool {
		_, err := s.Submission(id.(string))
		if found := err == nil; found != want.(bool) {
			t.Errorf("%s was answered as stored: %v, and is there: %v", id, want, found)
		}
		return true
	})
}

func TestADatabaseThatCannotBeWrittenSaysSo(t *testing.T) {
	pg := startServer(t)
	url := pg.fresh(t)
	s, err := postgres.Open(t.Context(), url, postgres.Options{Patience: time.Second})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	c := contest.New(s)
	pg.exec(t, url, `do $$ begin execute format('alter database %I set default_transaction_read_only = on', current_database()); end $$`)
	pg.exec(t, pg.URL(), `select pg_terminate_backend(pid) from pg_stat_activity where application_name = 'podium'`)
	if err := c.SaveSetting("x", []byte("y")); !errors.Is(err, contest.ErrReadOnly) {
		t.Errorf("a change: %v", err)
	}
	if _, err := c.Categories(); err != nil {
		t.Errorf("a read: %v", err)
	}
	if _, err := postgres.Open(t.Context(), strings.Replace(url, "podium@", "podium:secret@", 1)+"&pool_max_conns=none", postgres.Options{}); err == nil || strings.Contains(err.Error(), "secret") {
		t.Errorf("an address that cannot be read: %v", err)
	}
	gone, cancel := context.WithTimeout(t.Context(), 5*time.Second)
	defer cancel()
	if _, err := postgres.Open(gone, "postgres://podium:secret@127.0.0.1:1/x", postgres.Options{}); !errors.Is(err, contest.ErrAway) || strings.Contains(err.Error(), "secret") {
		t.Errorf("a database that is not there: %v", err)
	}
}

func TestOneMachineFollowsAnother(t *testing.T) {
	for _, deaf := range []bool{false, true} {
		t.Run(fmt.Sprint("without notifications ", deaf), func(t *testing.T) {
			pg := startServer(t)
			url := pg.fresh(t)
			p := startProxy(t, pg.Addr())
			p.deaf.Store(deaf)
			one, two := contest.New(open(t, url)), open(t, p.url(url, pg.Addr()))
			for n := range 5 {
				if _, _, err := one.Submit(t.Context(), storetest.Entry(n+1, "best"), contest.Once{}, nil); err != nil {
					t.Fatal(err)
				}
				ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
				for seen := 0; seen == 0; {
					if err := two.Follow(ctx, uint64(n)); err != nil {
						t.Fatal(err)
					}
					list, err := two.Events(uint64(n), 10)
					if err != nil {
						t.Fatal(err)
					}
					seen = len(list)
				}
				cancel()
			}
		})
	}
}

// A connection that was notified and is not any more, as where a way between has
// forgotten it, is found by what nobody told of.
func TestAConnectionThatIsNotifiedNoMoreIsFound(t *testing.T) {
	pg := startServer(t)
	url := pg.fresh(t)
	p := startProxy(t, pg.Addr())
	var log logged
	s, err := postgres.Open(t.Context(), p.url(url, pg.Addr()), postgres.Options{Logger: slog.New(slog.NewTextHandler(&log, nil))})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	one := contest.New(open(t, url))
	for deadline := time.Now().Add(20 * time.Second); p.notified.Load() == 0; time.Sleep(5 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal("it is not notified at first")
		}
	}
	p.deaf.Store(true)
	for n, deadline := 1, time.Now().Add(20*time.Second); log.count("stopped sending notifications") == 0; n++ {
		if time.Now().After(deadline) {
			t.Fatal("it is not found")
		}
		if _, _, err := one.Submit(t.Context(), storetest.Entry(n, "best"), contest.Once{}, nil); err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
		if err := s.Follow(ctx, uint64(n-1)); err != nil {
			t.Fatal(err)
		}
		cancel()
	}
}

func TestOneMachineAtATimeDoesWorkAlone(t *testing.T) {
	url := startServer(t).fresh(t)
	one, two := open(t, url), open(t, url)
	ran := func(s *postgres.Store, work string) (did bool) {
		t.Helper()
		if err := s.Alone(t.Context(), work, func(context.Context) error { did = true; return nil }); err != nil {
			t.Fatal(err)
		}
		return did
	}
	failed := errors.New("failed")
	err := one.Alone(t.Context(), "clean", func(context.Context) error {
		if ran(two, "clean") {
			t.Error("two machines clean at the same time")
		}
		if !ran(two, "trim") {
			t.Error("one kind of work holds up another")
		}
		return failed
	})
	if !errors.Is(err, failed) {
		t.Errorf("the work's error is %v", err)
	}
	for deadline := time.Now().Add(10 * time.Second); !ran(two, "clean"); { // the server notices the end in a moment
		if time.Now().After(deadline) {
			t.Fatal("the work stays claimed")
		}
	}
}

func TestMachinesTellEachOtherAndForgetTheDead(t *testing.T) {
	pg := startServer(t)
	url := pg.fresh(t)
	one, two := open(t, url), open(t, url)
	say := func(s *postgres.Store, id, report string, want ...string) {
		t.Helper()
		others, err := s.Report(t.Context(), id, []byte(report))
		var said []string
		for _, m := range others {
			if m.Age < 0 || m.Age > contest.MachineAge {
				t.Errorf("%s is %v old", m.ID, m.Age)
			}
			said = append(said, m.ID+" "+string(m.Report))
		}
		if !slices.Equal(said, want) || err != nil {
			t.Errorf("%s heard %q (%v), want %q", id, said, err, want)
		}
	}
	say(one, "one", "1")
	say(two, "two", "2", "one 1")
	say(one, "one", "3", "two 2")
	say(two, "two", "2", "one 3")
	pg.exec(t, url, `update podium.machines set at = at - interval '11 seconds' where id = 'one'`) // killed
	say(two, "two", "2")
	pg.exec(t, url, `update podium.machines set at = at - interval '2 hours' where id = 'one'`)
	say(two, "two", "2")
	if _, err := two.Report(t.Context(), "two", nil); err != nil {
		t.Error(err)
	}
	pg.exec(t, url, `do $$ begin assert (select count(*) from podium.machines) = 0; end $$`)
}

func TestWorkGoesToAnotherMachineWhenItsOwnIsKilled(t *testing.T) {
	url := startServer(t).fresh(t)
	s := open(t, url)
	killed := exec.Command(os.Args[0])
	killed.Env = append(os.Environ(), "PODIUM_TEST_HOLD="+url)
	out, err := killed.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := killed.Start(); err != nil {
		t.Fatal(err)
	}
	defer killed.Wait()
	defer killed.Process.Kill()
	if line, err := bufio.NewReader(out).ReadString('\n'); line != "at work\n" {
		t.Fatalf("it says %q (%v)", line, err)
	}
	ran := func() (did bool) {
		t.Helper()
		if err := s.Alone(t.Context(), "clean", func(context.Context) error { did = true; return nil }); err != nil {
			t.Fatal(err)
		}
		return did
	}
	if ran() {
		t.Error("two machines clean at the same time")
	}
	if err := killed.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	for deadline := time.Now().Add(20 * time.Second); !ran(); {
		if time.Now().After(deadline) {
			t.Fatal("the work of a dead machine stays claimed")
		}
	}
}

// logged keeps log lines.
type logged struct {
	mu    sync.Mutex // guards lines
	lines []string
}

func (l *logged) Write(line []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.lines = append(l.lines, string(line))
	return len(line), nil
}

func (l *logged) count(words string) (n int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, line := range l.lines {
		if strings.Contains(line, words) {
			n++
		}
	}
	return n
}

func TestADatabaseThatGoesAwayIsToldOfOnce(t *testing.T) {
	pg := startServer(t)
	var log logged
	s, err := postgres.Open(t.Context(), pg.fresh(t), postgres.Options{Logger: slog.New(slog.NewTextHandler(&log, nil)), Patience: time.Second})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	pg.Kill()
	for deadline := time.Now().Add(20 * time.Second); log.count("database is away") == 0; time.Sleep(10 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal("nobody says that the database is away")
		}
	}
	if err := contest.New(s).SaveSetting("x", []byte("y")); !errors.Is(err, contest.ErrAway) { // tried for a second
		t.Errorf("a change: %v", err)
	}
	pg.Start()
	for deadline := time.Now().Add(20 * time.Second); log.count("database is there again") == 0; time.Sleep(10 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal("nobody says that the database is there again")
		}
	}
	if n := log.count("database is away"); n != 1 {
		t.Errorf("it was told %d times", n)
	}
}

// A pooler by transaction hands a connection to others after each of them: settings,
// prepared statements and notifications of a session do not last.
func TestAPoolerByTransactionIsGoodEnough(t *testing.T) {
	pg := startServer(t)
	url := pg.URL()
	pooled := strings.Replace(url, pg.Addr(), services.StartPgBouncer(t, pg.Postgres).Addr, 1)
	one, two := contest.New(open(t, pooled)), contest.New(open(t, pooled))
	machines := []*contest.Contest{one, two, contest.New(open(t, url))}
	var wg sync.WaitGroup
	const each = 20
	for m, c := range machines {
		wg.Go(func() {
			for n := range each {
				if _, _, err := c.Submit(context.Background(), storetest.Entry(m*each+n+1, "best"), contest.Once{}, nil); err != nil {
					t.Error(err)
				}
				if err := c.ChangeSetting("n", func(kept []byte) ([]byte, error) { return append(kept, '.'), nil }); err != nil {
					t.Error(err)
				}
			}
		})
	}
	wg.Wait()
	if told := dense(t, one); len(told) != each*len(machines) {
		t.Errorf("%d events", len(told))
	}
	if v, err := two.Setting("n"); err != nil || len(v) != each*len(machines) {
		t.Errorf("counted to %d (%v)", len(v), err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	submitted := make(chan error, 1)
	go func() {
		_, _, err := one.Submit(ctx, storetest.Entry(9001, "best"), contest.Once{}, nil)
		submitted <- err
	}()
	for last := uint64(each * len(machines)); two.Store.(*postgres.Store).Followed() <= last; {
		if err := two.Store.(*postgres.Store).Follow(ctx, last); err != nil {
			t.Fatal(err)
		}
	}
	if err := <-submitted; err != nil {
		t.Error(err)
	}
	var did bool
	if err := one.Alone(t.Context(), "clean", func(context.Context) error {
		return two.Alone(t.Context(), "clean", func(context.Context) error { did = true; return nil })
	}); err != nil || did {
		t.Errorf("two machines clean at the same time: %v %v", did, err)
	}
	path := filepath.Join(t.TempDir(), "podium.db")
	if err := bolt.Write(t.Context(), path, one.Store.(contest.Whole).All(t.Context())); err != nil {
		t.Errorf("a copy through a pooler: %v", err)
	}
}
