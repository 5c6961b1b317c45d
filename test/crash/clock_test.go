package crash

import (
	"context"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"podium/protocol/client"
	"podium/test/harness"
)

// steppedProgram is a running podium whose wall clock can be set.
type steppedProgram struct {
	*harness.Program
	clock *harness.Clock
}

// step sets the program's clock, and waits until it shows that.
func (p *steppedProgram) step(by time.Duration) {
	p.T.Helper()
	p.clock.Step(by)
	harness.Eventually(p.T, "the clock to be set", func() bool {
		var health struct {
			Timestamp time.Time
			Uptime    float64
		}
		p.Call("GET", "/health", "", nil, &health)
		if health.Uptime < 0 || health.Uptime > 600 {
			p.T.Fatalf("the server says that it is up for %v s", health.Uptime)
		}
		return time.Since(health.Timestamp.Add(-p.clock.Off)).Abs() < 900*time.Millisecond // a step is a second at least
	})
}

// guest is a client that counts what happens to it.
type guest struct {
	name         string
	socket       *client.Socket
	left         atomic.Int64 // times
	expired      atomic.Int64 // heartbeat-expired
	beats, shown atomic.Int64
}

// served is what a guest was told.
type served struct{ beats, shown int64 }

func (g *guest) served() served { return served{g.beats.Load(), g.shown.Load()} }

func newGuest(t *testing.T, name, url string, o client.Options) *guest {
	t.Helper()
	o.ReconnectionDelay, o.ReconnectionDelayMax = 50*time.Millisecond, 200*time.Millisecond
	s, err := client.New(url, o)
	if err != nil {
		t.Fatal(err)
	}
	g := &guest{name: name, socket: s}
	s.OnDisconnect(func(client.Reason, error) { g.left.Add(1) })
	client.On(s, "heartbeat-expired", func(any) { g.expired.Add(1) })
	client.On(s, "newSubmission", func(any) { g.shown.Add(1) })
	client.OnEvent(s, "heartbeat-ping", func(*client.Event) {
		g.beats.Add(1)
		_ = s.Emit("heartbeat-pong") // it may be gone
	})
	ctx, cancel := context.WithTimeout(t.Context(), harness.Patience)
	defer cancel()
	if err := s.Connect(ctx); err != nil {
		t.Fatalf("%s: %v", name, err)
	}
	t.Cleanup(func() { _ = s.Close() })
	return g
}

// clockSteps are forth and back, so that a server can begin with any of them.
var clockSteps = map[string][]time.Duration{
	"a second and a minute": {-time.Second, time.Second, time.Minute, -time.Minute},
	"an hour":               {-time.Hour, time.Hour, time.Hour, -time.Hour},
}

// The wall clock of a server is set under it, by a second to an hour, forth and back:
// nobody's connection, sign-in, missed events or kept answer is touched, who is gone is
// found as soon as ever, and photos stay in order. Only submissions open and close by it.
func TestASteppedWallClockDisturbsNobody(t *testing.T) {
	if testing.Short() {
		t.Skip("builds the program and all it imports anew")
	}
	path := harness.SteppedBinary(t)
	for name, steps := range clockSteps {
		t.Run(name, func(t *testing.T) {
			t.Parallel() // each mostly waits
			stepThrough(t, path, steps)
		})
	}
}

// stepThrough sets the clock of a server step by step.
func stepThrough(t *testing.T, path string, steps []time.Duration) {
	t.Helper()
	p := &steppedProgram{clock: harness.NewClock(t)}
	p.Program = &harness.Program{T: t, Path: path, Prefix: p.clock.Prefix(), Data: t.TempDir(), Args: []string{
		"--heartbeat-interval=1s", "--heartbeat-timeout=5s", "--limit-events=20", "--allow-eio3", "--cleanup-interval=200ms",
		"--idempotency-age=10m", "--recovery-age=5m", "--session-age=30m", "--backup-interval=1s"}}
	p.Start()
	admin := p.SignIn()
	proxy := harness.StartProxy(t, "127.0.0.1:"+p.Port)
	away := newGuest(t, "away", proxy.URL(), client.Options{Transports: []string{"websocket"}})
	quiet := harness.StartProxy(t, "127.0.0.1:"+p.Port)
	newGuest(t, "silent", quiet.URL(), client.Options{Transports: []string{"websocket"}})
	guests := []*guest{
		newGuest(t, "polling", p.URL, client.Options{Transports: []string{"polling"}, NoUpgrade: true}),
		newGuest(t, "websocket", p.URL, client.Options{Transports: []string{"websocket"}}),
		newGuest(t, "upgraded", p.URL, client.Options{}),
		newGuest(t, "protocol 3, polling", p.URL, client.Options{EIO3: true, NoUpgrade: true}),
		newGuest(t, "protocol 3, websocket", p.URL, client.Options{EIO3: true, Transports: []string{"websocket"}}),
	}
	p.Submit("first") // so that there is an offset to come back to
	harness.Eventually(t, "the first photo", func() bool { return away.shown.Load() == 1 })
	first := p.submitKeyed("kept")
	wait := p.refusedSignIn()
	for _, by := range steps {
		proxy.Reset(true)
		left := away.left.Load()
		harness.Eventually(t, "the client to be cut off", func() bool { return !away.socket.Connected() })
		p.step(by)
		p.Submit("while one is away")
		quiet.Mute()
		before := make([]served, len(guests))
		for i, g := range guests {
			before[i] = g.served()
		}
		for range guests {
			p.Submit("for everybody")
		}
		for i, g := range guests {
			harness.Eventually(t, g.name+" to be served", func() bool {
				now := g.served()
				return now.beats >= before[i].beats+3 && now.shown >= before[i].shown+int64(len(guests))
			})
		}
		harness.Eventually(t, "the silent client to be found", func() bool { return p.connections() == len(guests) })
		quiet.Unmute()
		harness.Eventually(t, "the silent client to be back", func() bool { return p.connections() == len(guests)+1 })
		shown := away.shown.Load()
		proxy.Back()
		harness.Eventually(t, "the client that was away", func() bool { return away.shown.Load() == shown+int64(1+len(guests)) })
		if !away.socket.Recovered() || away.left.Load() > left+1 {
			t.Errorf("a step of %v: the session is not taken up again", by)
		}
		if again := p.submitKeyed("kept"); again != first {
			t.Errorf("a step of %v: the kept answer is forgotten", by)
		}
		now := p.refusedSignIn()
		if now > 2*wait+time.Second { // it doubles where the one before had passed
			t.Errorf("a step of %v: the next sign-in may be tried in %v, before it in %v", by, now, wait)
		}
		wait = max(wait, now)
		var metrics map[string]any
		if status := p.AsAdmin(admin, "GET", "/api/metrics", "", &metrics); status != http.StatusOK {
			t.Errorf("a step of %v: the admin's session: %d", by, status)
		}
	}
	for _, g := range guests {
		if n := g.left.Load(); n != 0 {
			t.Errorf("%s was cut off %d times", g.name, n)
		}
		if n := g.expired.Load(); n != 0 {
			t.Errorf("%s was told %d times that its heartbeat expired", g.name, n)
		}
	}
	p.inOrder()
	p.closesByTheClock(admin)
}

// inOrder checks that the times of photos sort as they arrived.
func (p *steppedProgram) inOrder() {
	p.T.Helper()
	var answer struct {
		Feed map[string][]struct{ CreatedAt int64 }
	}
	p.Call("GET", "/api/feed", "", nil, &answer)
	list := answer.Feed["best"]
	if !slices.IsSortedFunc(list, func(a, b struct{ CreatedAt int64 }) int { return int(b.CreatedAt - a.CreatedAt) }) {
		p.T.Errorf("the feed is not in the order of its times: %v", list)
	}
}

// closesByTheClock checks that submissions close when the clock says so.
func (p *steppedProgram) closesByTheClock(admin string) {
	p.T.Helper()
	var kept map[string]any
	p.AsAdmin(admin, "POST", "/api/settings", fmt.Sprintf(`{"event":{"closes":%d}}`, time.Now().Add(p.clock.Off+30*time.Minute).UnixMilli()), &kept)
	for _, by := range []time.Duration{0, time.Hour, -time.Hour} {
		p.step(by)
		body, kind := harness.Form(p.T, map[string]string{"category": "best", "caption": "late"}, nil)
		want := http.StatusOK
		if by > 0 {
			want = http.StatusForbidden
		}
		if status := p.Call("POST", "/api/submit", kind, body, &kept); status != want {
			p.T.Errorf("after a step of %v a submission gets %d, want %d", by, status, want)
		}
	}
}

// submitKeyed submits with an Idempotency-Key and returns the entry's id.
func (p *steppedProgram) submitKeyed(key string) string {
	p.T.Helper()
	body, kind := harness.Form(p.T, map[string]string{"category": "best", "caption": key}, nil)
	req, err := http.NewRequestWithContext(p.T.Context(), "POST", p.URL+"/api/submit", body)
	if err != nil {
		p.T.Fatal(err)
	}
	req.Header.Set("Content-Type", kind)
	req.Header.Set("Idempotency-Key", key)
	var answer struct {
		Entry struct{ ID string }
		Error string
	}
	if status := p.Do(req, &answer); status != http.StatusOK {
		p.T.Fatalf("submit with a key: %d %s", status, answer.Error)
	}
	return answer.Entry.ID
}

// refusedSignIn tries wrong passwords until it has to wait, and returns how long.
func (p *steppedProgram) refusedSignIn() time.Duration {
	p.T.Helper()
	for range 20 {
		res, err := http.Post(p.URL+"/api/login", "application/json", strings.NewReader(`{"password":"wrong"}`))
		if err != nil {
			p.T.Fatal(err)
		}
		res.Body.Close()
		if res.StatusCode == http.StatusTooManyRequests {
			seconds, err := strconv.Atoi(res.Header.Get("Retry-After"))
			if err != nil {
				p.T.Fatal(err)
			}
			return time.Duration(seconds) * time.Second
		}
	}
	p.T.Fatal("wrong passwords are taken without end")
	return 0
}

// connections is how many clients the server believes in.
func (p *steppedProgram) connections() int {
	p.T.Helper()
	var health struct{ ActiveConnections int }
	p.Call("GET", "/api/realtime-health", "", nil, &health)
	return health.ActiveConnections
}
