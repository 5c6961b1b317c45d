package postgres

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"podium/contest"
)

const (
	// lookEvery is how often the head is read although nobody notified.
	lookEvery = time.Second
	// pollEvery is how often it is read where notifications do not arrive.
	pollEvery = 50 * time.Millisecond
	// hearEvery is how often it is tried then whether they do by now: a database that
	// was busy can have been too slow the first time.
	hearEvery = time.Minute
	// echoWithin is how long a notification to oneself may take.
	echoWithin = 2 * time.Second
)

// head is what the one row of the head said last.
type head struct {
	epoch       string
	last        uint64
	version     uint64
	incarnation string
	categories  categories
	clock       reading
}

// reading is what the database's clock said, and when by this machine's monotonic one.
type reading struct{ there, here time.Time }

// watch follows the head.
type watch struct {
	store  *Store
	hearIn time.Duration // hearEvery but in tests
	cancel context.CancelFunc
	ended  chan struct{}
	away   bool // the database is, and it was said; owned by run, as deaf is
	deaf   bool // notifications do not arrive, and it was said

	// mu guards the fields below.
	mu      sync.Mutex
	head    head
	fresh   bool          // notifications arrive, or the head is polled
	known   bool          // head.categories were not forgotten
	changed chan struct{} // closed and replaced where last or the incarnation changes
}

func (w *watch) start(s *Store) {
	ctx, cancel := context.WithCancel(context.Background())
	w.store, w.hearIn, w.cancel, w.ended = s, hearEvery, cancel, make(chan struct{})
	go w.run(ctx)
}

func (w *watch) stop() {
	w.cancel()
	<-w.ended
}

// asker is a connection, or a pool of them.
type asker interface {
	QueryRow(ctx context.Context, sql string, args ...any) pgx.Row
}

// look reads the head. Whether the database is there is asked on a connection that nobody
// else uses: of a slow one the pool's are taken for longer than one may wait for the answer.
func (s *Store) look(ctx context.Context, from asker) error {
	var h head
	var text string
	var there float64 // seconds since the Unix epoch
	err := from.QueryRow(ctx, `select epoch, last, version, categories, categories_version,
		case when pg_is_in_recovery() then '' else substr(pg_walfile_name(pg_current_wal_lsn()), 1, 8) end,
		extract(epoch from clock_timestamp())::float8 from podium.head`).
		Scan(&h.epoch, &h.last, &h.version, &text, &h.categories.version, &h.incarnation, &there)
	h.clock = reading{time.UnixMicro(int64(there * 1e6)), time.Now()}
	if err == nil {
		h.categories.list, err = readCategories(text)
	}
	if err != nil {
		return explain(err)
	}
	s.watch.take(h)
	return nil
}

// take notes what the head says. A reading that was overtaken changes nothing.
func (w *watch) take(h head) {
	w.mu.Lock()
	defer w.mu.Unlock()
	before := w.head
	w.head.clock = h.clock // however old the rest is
	if h.incarnation == "" {
		h.incarnation = before.incarnation // a replica cannot tell
	}
	if h.epoch == before.epoch && h.incarnation == before.incarnation && (h.last < before.last || h.version < before.version) {
		return
	}
	w.head, w.known = h, true
	if w.changed == nil || h.epoch != before.epoch || h.incarnation != before.incarnation || h.last > before.last {
		w.signal()
	}
}

// forget makes the next reading count whatever it says: what is there was
// replaced.
func (w *watch) forget() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.head = head{clock: w.head.clock}
}

// signal wakes who follows. mu must be held.
func (w *watch) signal() {
	if w.changed != nil {
		close(w.changed)
	}
	w.changed = make(chan struct{})
}

// saw notes where a commit of this machine left the log.
func (w *watch) saw(last, version uint64) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if last < w.head.last || version < w.head.version {
		return // nothing was written that everybody sees
	}
	grew := last > w.head.last
	w.head.last, w.head.version = last, version
	if grew {
		w.signal()
	}
}

// categories returns the categories that were seen last, nil where they may be
// others by now.
func (w *watch) categories() *categories {
	w.mu.Lock()
	defer w.mu.Unlock()
	if !w.known {
		return nil
	}
	known := w.head.categories
	return &known
}

func (w *watch) forgetCategories() {
	w.mu.Lock()
	w.known = false
	w.mu.Unlock()
}

func (w *watch) setFresh(fresh bool) {
	w.mu.Lock()
	w.fresh = fresh
	w.mu.Unlock()
}

// run follows the head until ctx ends.
func (w *watch) run(ctx context.Context) {
	defer close(w.ended)
	for wait := retryPause; ctx.Err() == nil; {
		err := w.listen(ctx)
		w.setFresh(false)
		if ctx.Err() != nil {
			return
		}
		if errors.Is(err, errDeaf) {
			w.store.log.Warn("the database stopped sending notifications; listening again")
			continue
		}
		if errors.Is(err, errNoEcho) {
			if !w.deaf {
				w.deaf = true
				w.store.log.Warn("notifications of the database do not arrive, as through a transaction pooler; its log is polled instead", "every", pollEvery)
			}
			if err = w.poll(ctx); err == nil {
				w.deaf = false
				continue
			}
			w.setFresh(false)
		}
		if ctx.Err() == nil && !w.away {
			w.away = true // it is tried again and again, and said once
			w.store.log.Warn("the database is away", "error", explain(err))
		}
		select {
		case <-ctx.Done():
		case <-time.After(wait):
		}
	}
}

// present notes that the head was read.
func (w *watch) present() {
	w.setFresh(true)
	if w.away {
		w.away = false
		w.store.log.Info("the database is there again")
	}
}

// errDeaf: notifications arrived once and do no more, as where what is between was
// replaced and the connection is no more than half a one.
var errDeaf = errors.New("a commit was not notified")

var errNoEcho = errors.New("a notification to oneself did not arrive")

// listen follows by notifications, until the connection breaks.
func (w *watch) listen(ctx context.Context) error {
	conn, err := w.store.connect(ctx)
	if err != nil {
		return err
	}
	defer closeSoon(conn)
	if _, err := conn.Exec(ctx, `listen podium`); err != nil {
		return err
	}
	if err := w.echo(ctx, conn); err != nil {
		return err
	}
	quiet, seen := false, w.store.Followed() // nothing was heard the last time; what the head said
	for {
		look, cancel := context.WithTimeout(ctx, lookTimeout)
		err := w.store.look(look, conn)
		cancel()
		if err != nil {
			return err
		}
		w.present()
		untold := quiet && w.store.Followed() > seen
		seen = w.store.Followed()
		wait, cancel := context.WithTimeout(ctx, lookEvery)
		err = conn.PgConn().WaitForNotification(wait)
		timedOut := wait.Err() != nil
		cancel()
		if err != nil && (!timedOut || ctx.Err() != nil) {
			return err
		}
		if quiet = timedOut; quiet && untold { // it was committed before the wait began
			return errDeaf
		}
		if conn.IsClosed() {
			return errors.New("the connection that listens is closed")
		}
	}
}

// closeSoon ends a connection that nothing is lost with.
func closeSoon(conn *pgx.Conn) {
	over, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	_ = conn.Close(over)
}

// echo sends a notification to this connection by another one.
func (w *watch) echo(ctx context.Context, conn *pgx.Conn) error {
	wait, cancel := context.WithTimeout(ctx, echoWithin)
	defer cancel()
	if _, err := w.store.pool.Exec(wait, `select pg_notify('podium', '')`); err != nil {
		return err
	}
	err := conn.PgConn().WaitForNotification(wait)
	if err != nil && wait.Err() != nil && ctx.Err() == nil {
		return errNoEcho
	}
	return err
}

// hears reports whether notifications arrive.
func (w *watch) hears(ctx context.Context) bool {
	conn, err := w.store.connect(ctx)
	if err != nil {
		return false
	}
	defer closeSoon(conn)
	if _, err := conn.Exec(ctx, `listen podium`); err != nil {
		return false
	}
	return w.echo(ctx, conn) == nil
}

// poll follows by reading the head again and again, until notifications arrive: then
// it returns nil.
func (w *watch) poll(ctx context.Context) error {
	ctx, cancel := context.WithCancel(ctx)
	var trying sync.WaitGroup
	defer trying.Wait()
	defer cancel()
	conn, err := w.store.connect(ctx)
	if err != nil {
		return err
	}
	defer closeSoon(conn)
	heard := make(chan struct{})
	trying.Go(func() {
		for ctx.Err() == nil {
			select {
			case <-ctx.Done():
				return
			case <-time.After(w.hearIn):
			}
			if w.hears(ctx) {
				close(heard)
				return
			}
		}
	})
	ticker := time.NewTicker(pollEvery)
	defer ticker.Stop()
	for {
		look, cancel := context.WithTimeout(ctx, lookTimeout)
		err := w.store.look(look, conn)
		cancel()
		if err != nil {
			return err
		}
		w.present()
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-heard:
			return nil
		case <-ticker.C:
		}
	}
}

// Epoch names the history that offsets belong to.
func (s *Store) Epoch() string {
	s.watch.mu.Lock()
	defer s.watch.mu.Unlock()
	return s.watch.head.epoch
}

// Incarnation is the database's timeline: it changes where a replica took over.
func (s *Store) Incarnation() string {
	s.watch.mu.Lock()
	defer s.watch.mu.Unlock()
	return s.watch.head.incarnation
}

// Clock is the time by the database's clock, as it was read last.
func (s *Store) Clock() time.Time {
	s.watch.mu.Lock()
	defer s.watch.mu.Unlock()
	read := s.watch.head.clock
	return read.there.Add(time.Since(read.here))
}

// Followed is the last offset that was seen, by a commit of this machine or by
// following.
func (s *Store) Followed() uint64 {
	s.watch.mu.Lock()
	defer s.watch.mu.Unlock()
	return s.watch.head.last
}

// Version is as it was last notified, so that whoever asks again and again asks
// nobody; where notifications do not come the database is asked.
func (s *Store) Version() (version uint64, err error) {
	version, _, err = s.FeedState()
	return version, err
}

// FeedState returns the version and the offset of the last event of the same
// moment, as Version does: whoever keeps the feed brings it up to date by the
// events since, and a change costs what changed.
func (s *Store) FeedState() (version, last uint64, err error) {
	s.watch.mu.Lock()
	version, last, fresh := s.watch.head.version, s.watch.head.last, s.watch.fresh
	s.watch.mu.Unlock()
	if fresh {
		return version, last, nil
	}
	err = s.read("read the version", func(ctx context.Context, conn *pgxpool.Conn) error {
		return conn.QueryRow(ctx, `select version, last from podium.head`).Scan(&version, &last)
	})
	return version, last, err
}

// Follow returns when there may be events after an offset.
func (s *Store) Follow(ctx context.Context, after uint64) error {
	s.watch.mu.Lock()
	last, changed, fresh := s.watch.head.last, s.watch.changed, s.watch.fresh
	s.watch.mu.Unlock()
	if last > after {
		return nil
	}
	if !fresh { // so that whoever follows learns that the database is away
		if err := s.look(ctx, s.pool); err != nil {
			return err
		}
	}
	select {
	case <-changed:
		return nil
	case <-time.After(followFor):
		return nil
	case <-s.closed:
		return contest.ErrClosed
	case <-ctx.Done():
		return ctx.Err()
	}
}

// followFor is how long Follow waits at most, so that its caller asks again
// whether the database is there.
const followFor = 5 * time.Second
