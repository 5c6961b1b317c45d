package abuse

import (
	"fmt"
	"net"
	"os"
	"slices"
	"sync/atomic"
	"testing"
	"text/tabwriter"
	"time"
)

// attack does something hostile to s, n times, and waits for what the server
// does against it. What it opened it leaves open where the server must close it.
type attack struct {
	name string
	n    int
	run  func(t *testing.T, s *target, n int)
}

// attacks are all that is tried, in this order, on one server.
var attacks = []attack{
	{"slow header", 200, each(slowHeader)},
	{"slow body of a sign-in", 100, each(slowBody("/api/login", "application/json"))},
	{"slow body of a submission", 100, each(slowBody("/api/submit", "multipart/form-data; boundary=x"))},
	{"slow body that nobody reads", 100, each(slowBody("/api/nothing", "text/plain"))},
	{"slow body that no transport reads", 100, inTurn(slowBodyOf("GET /socket.io/socket.io.js"), slowBodyOf("PUT /socket.io/x"),
		slowBodyOf("GET /socket.io/?EIO=4&transport=polling"), slowBodyOf("POST /socket.io/?EIO=4&transport=polling&sid=none"), slowBodyOf("OPTIONS /socket.io/?EIO=4&transport=none"))},
	{"slow body of a payload", 100, each(slowPayload)},
	{"slow WebSocket handshake", 100, each(slowHandshake)},
	{"connections that say nothing", 500, each(silence)},
	{"WebSockets that never join", 200, each(neverJoin)},
	{"event streams never read", 100, deafStreams},
	{"10,000 sids never used", 10_000, unusedSessions},
	{"polls abandoned", 300, each(abandonedPoll)},
	{"upgrade probes never finished", 200, each(unfinishedProbe)},
	{"giant frames", 200, each(giantFrame)},
	{"giant headers", 40, each(giantHeader)},
	{"deeply nested JSON", 20, each(nestedJSON)},
	{"placeholders without attachments", 100, each(missingAttachments)},
	{"attachments without placeholders", 100, each(strayAttachments)},
	{"acknowledgements of nothing", 100, each(strayAcks)},
	{"namespaces by the thousand", 10, each(manyNamespaces)},
	{"names of prototypes", 100, each(prototypes)},
	{"invalid UTF-8", 100, each(invalidUTF8)},
	{"compressed bombs", 50, each(compressedBomb)},
	{"clients that never read", 5, each(neverRead)},
	{"events without a pause", 20, each(flood)},
	{"pings whose pongs nobody reads", 10, each(pingFlood)},
	{"noops and pongs without a pause", 10, each(idleFlood)},
	{"payloads of noops and pongs", 10, each(idlePayloads)},
	{"messages of nothing", 10, each(emptyMessages)},
	{"namespaces joined and left", 20, each(joinAndLeave)},
	{"acknowledgements without a pause", 20, each(ackFlood)},
	{"sessions opened and closed", 20, each(comeAndGo)},
	{"costly reads", 20, costlyReads},
	{"pictures that take long to decode", 4, pictures(largePicture)},
	{"passwords guessed without a pause", 40, each(guess)},
	{"messages in a thousand pieces", 10, each(fragments)},
	{"polls that accept anything a thousand times", 40, each(starryPoll)},
	{"attachments announced and never sent", 30, each(unfinishedAttachments)},
	{"polls by the hundred on a connection", 50, each(pipelinedPolls)},
	{"feeds of < that nobody takes", 80, slowFeeds},
	{"uploads that stall", 60, each(stalledUpload)},
	{"upgrades of one session by the hundred", 8, each(manyProbes)},
	{"thousands of placeholders for one attachment", 10, each(samePlaceholders)},
	{"a phone's many entries deleted at once", 40, deleteMany},
	{"events read by script elements", 40, each(scriptPoll)},
	{"frames that become a megabyte each", 4, each(inflatingFrames)},
	{"pipelined garbage", 100, each(garbage)},
}

// row is what is printed of an attack.
type row struct {
	name          string
	n             int
	before, after state
	p99, usual    time.Duration // of others' round trips, during it and without
	aside         bool          // usual is while the same was done to another server
	trips         int
	took          time.Duration
}

const (
	// noise is the round trip up to which a slow one says nothing of the server.
	noise = 50 * time.Millisecond
	// tries is how often an attack is tried on others' patience; one in which
	// nobody is hurt is enough, because the machine may be busy with something else.
	tries = 4
	// calmFor is how long others are watched before each attack, and calmKept of how
	// many such times what is usual is made: a busy machine is so for all of them.
	calmFor  = 300 * time.Millisecond
	calmKept = 5
	// atLeast is how long an attack is repeated, and trips how many round trips of
	// others are waited for, but not longer than atMost, so that there is something
	// to measure.
	atLeast, atMost = time.Second, 3 * time.Second
	trips           = 300
)

// slack is what may be more than before: caches and pools that have filled.
var slack = state{heap: 4 << 20, goroutines: 6, files: 6}

func TestAttacksLeaveNothingBehindAndHurtNobody(t *testing.T) {
	flags := []string{"--header-timeout", "1s", "--body-timeout", "1s", "--upload-window", "1s", "--connect-timeout", "1s",
		"--heartbeat-interval", "1s", "--heartbeat-timeout", "1s", "--client-queue", "1MiB", "--compress-websocket",
		"--limit-handshakes-per-address", "100000", "--limit-handshakes", "100000", "--limit-connections-per-address", "100000",
		"--limit-unjoined-per-address", "100000", "--limit-unjoined", "100000", "--limit-requests-per-address", "0", "--limit-requests", "0",
		"--limit-submissions-per-address", "0", "--limit-submissions", "0"}
	s, other := start(t, flags...), start(t, flags...)
	warmUp(t, s)
	var usual calm
	for range calmKept {
		usual.measure(t, s)
	}
	var rows []row
	for _, a := range attacks {
		t.Run(a.name, func(t *testing.T) { rows = append(rows, a.try(t, s, other, &usual)) })
	}
	print(rows)
}

// warmUp lets the server make what it makes once.
func warmUp(t *testing.T, s *target) {
	for _, run := range []func(*target) error{garbage, strayAcks, compressedBomb, abandonedPoll, unfinishedProbe} {
		if err := run(s); err != nil {
			t.Fatal(err)
		}
	}
	s.settle(t, state{goroutines: 1e9, files: 1e9, heap: 1e18}, 0)
}

// calm is what others' round trips take while nobody attacks, the last calmKept times.
type calm struct{ times [][]time.Duration }

// measure watches others for a moment.
func (c *calm) measure(t *testing.T, s *target) {
	b := s.watch(t)
	time.Sleep(calmFor) // that is how long it measures
	c.times = append(c.times, b.figures())
	c.times = c.times[max(0, len(c.times)-calmKept):]
}

// p99 is that of all these times together.
func (c *calm) p99() time.Duration { return p99(slices.Concat(c.times...)) }

// p99 is the time in which 99 of 100 round trips were made.
func p99(times []time.Duration) time.Duration {
	if len(times) == 0 {
		return 0
	}
	slices.Sort(times)
	return times[len(times)*99/100]
}

// try runs the attack with a bystander and waits until the server is as before.
//
// The attacker shares the machine's processors with the server. So where others
// seem to be hurt, they are watched while the same attack is made on another
// server of this machine: what they feel then is not the server's doing.
func (a attack) try(t *testing.T, s, other *target, usual *calm) (r row) {
	for n := range tries {
		usual.measure(t, s)
		without := usual.p99()
		if n > 0 {
			aside := s.watch(t)
			_, _ = a.repeat(t, other, aside)
			without = max(without, p99(aside.figures()))
		}
		r = row{name: a.name, before: s.state(), usual: without, aside: n > 0}
		b := s.watch(t)
		r.n, r.took = a.repeat(t, s, b)
		times := b.figures()
		r.p99, r.trips = p99(times), len(times)
		r.after = s.settle(t, r.before, r.n)
		if t.Failed() || r.p99 <= max(2*r.usual, noise) {
			return r
		}
	}
	t.Errorf("others' p99 was %s during it, and %s while the same was done to another server", r.p99, r.usual)
	return r
}

// repeat runs the attack until b has measured something.
func (a attack) repeat(t *testing.T, s *target, b *bystander) (n int, took time.Duration) {
	began := time.Now()
	for (took < atLeast || b.count.Load() < trips && took < atMost) && !t.Failed() {
		a.run(t, s, a.n)
		n += a.n
		took = time.Since(began)
	}
	return n, took
}

// settle waits until the server holds no more than before, and counts the lines
// it wrote: one for each offence at most.
func (s *target) settle(t *testing.T, before state, offences int) state {
	t.Helper()
	var now state
	deadline := time.Now().Add(patience)
	for {
		now = s.state()
		if now.heap <= before.heap+slack.heap && now.goroutines <= before.goroutines+slack.goroutines &&
			now.files <= before.files+slack.files && now.sessions == 0 && now.held == 0 {
			break
		}
		if time.Now().After(deadline) {
			t.Errorf("before %+v, and still %+v", before, now)
			break
		}
		time.Sleep(100 * time.Millisecond) // between two looks, not for luck
	}
	if lines := now.lines - before.lines; lines > offences && offences > 0 {
		t.Errorf("%d lines were logged for %d offences", lines, offences)
	}
	return now
}

// print writes the figures where they are seen whatever the flags.
func print(rows []row) {
	w := tabwriter.NewWriter(os.Stdout, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintf(w, "attack\ttimes\ttook\tothers' p99\twithout\theap MB\tresident MB\tgoroutines\tfiles\tlog lines\t\n")
	for _, r := range rows {
		without := r.usual.Round(10 * time.Microsecond).String()
		if r.aside {
			without += " aside"
		}
		fmt.Fprintf(w, "%s\t%d\t%s\t%s of %d\t%s\t%.1f → %.1f\t%.0f → %.0f\t%.0f → %.0f\t%.0f → %.0f\t%d\t\n", r.name, r.n, r.took.Round(10*time.Millisecond),
			r.p99.Round(10*time.Microsecond), r.trips, without, r.before.heap/1e6, r.after.heap/1e6, r.before.resident/1e6, r.after.resident/1e6,
			r.before.goroutines, r.after.goroutines, r.before.files, r.after.files, r.after.lines-r.before.lines)
	}
	w.Flush()
	fmt.Println("aside: others of this server, while the same was done to another server of this machine")
}

// each runs one attack n times at once, in a bounded number of hands.
func each(once func(*target) error) func(*testing.T, *target, int) {
	return func(t *testing.T, s *target, n int) {
		errs := make(chan error, n)
		for range n {
			go func() { errs <- once(s) }()
		}
		for range n {
			if err := <-errs; err != nil {
				t.Error(err)
				return
			}
		}
	}
}

// inTurn is each for several kinds of an attack, of which each hand takes the next.
func inTurn(kinds ...func(*target) error) func(*testing.T, *target, int) {
	next := new(atomic.Uint64)
	return each(func(s *target) error { return kinds[int(next.Add(1))%len(kinds)](s) })
}

// open dials without a test, for attacks that run many at once.
func (s *target) open() (*raw, error) {
	c, err := s.dial(net.Dialer{})
	if err != nil {
		return nil, err
	}
	return newRaw(c), nil
}

// dial connects from the target's source, and notes the connection.
func (s *target) dial(d net.Dialer) (net.Conn, error) {
	d.Timeout = patience
	if s.source != nil {
		d.LocalAddr = &net.TCPAddr{IP: s.source}
	}
	c, err := d.Dial("tcp", s.addr)
	if err != nil {
		return nil, err
	}
	_ = c.SetDeadline(time.Now().Add(patience))
	return c, s.lines.add(c)
}
