package command

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/alecthomas/kong"

	"podium/protocol/client"
	"podium/server"
	"podium/store/backup"
)

// verifyCommand checks a server from the outside, and its machine.
type verifyCommand struct {
	URL      []string `arg:"" optional:"" help:"Address of the server (http://127.0.0.1:PORT), or those of all machines of a contest."`
	Data     string   `env:"DATA_DIR" default:"data" placeholder:"DIR" help:"Folder of the database (${default}); looked at when no URL is given."`
	Port     int      `env:"PORT" default:"3000" placeholder:"N" help:"Port of the server on this machine (${default})."`
	Settings bool     `help:"Judge the settings in the environment only, without a server."`
	Quick    bool     `help:"Leave out waiting for an event over each transport."`
	Live     bool     `help:"Ask only whether the server on this machine is alive."`
	JSON     bool     `name:"json" help:"Print the findings as a JSON array."`
}

// Help implements kong's HelpProvider.
func (*verifyCommand) Help() string {
	return "Each line is ✓ or ✗ with what to do. It takes 30 seconds at most, and less than one where nothing is wrong. The exit code is 1 where anything failed, or where it was interrupted. Of several machines behind one address those that are not ready are named, by their --node-id; given an address each, they are looked at one by one, and that they serve one contest.\n\nExamples:\n  podium verify\n  podium verify https://contest.example\n  podium verify http://10.0.0.2:3000 http://10.0.0.3:3000 http://10.0.0.4:3000"
}

// verifyLimit bounds the whole command, and verifyTimeout each check but those that
// wait for an event: they have eventPatience.
const (
	verifyLimit   = 30 * time.Second
	verifyTimeout = 15 * time.Second
	eventPatience = 25 * time.Second
)

// finding is the outcome of one check.
type finding struct {
	OK    bool   `json:"ok"`
	What  string `json:"what"`
	Fault string `json:"fault,omitempty"` // what is wrong and what to do
}

// check is one thing to look at.
type check struct {
	what    string
	timeout time.Duration
	do      func(context.Context) error
}

// verifier collects checks of one server, in the order in which they are told.
type verifier struct {
	base   string
	checks []check
}

// check adds a check.
func (v *verifier) check(what string, do func(context.Context) error) {
	v.checks = append(v.checks, check{what, verifyTimeout, do})
}

// Run makes the checks and prints them.
func (c *verifyCommand) Run(ctx context.Context, out output) error {
	ctx, cancel := context.WithTimeout(ctx, verifyLimit)
	defer cancel()
	base := fmt.Sprintf("http://127.0.0.1:%d", c.Port)
	for i := range c.URL {
		c.URL[i] = strings.TrimSuffix(c.URL[i], "/")
		base = c.URL[0]
	}
	v := &verifier{base: base}
	switch {
	case c.Settings:
		v.settings()
	case c.Live:
		v.check("the server is alive", v.status("/health"))
	case len(c.URL) > 1:
		v.machines(c.URL, c.Quick)
	default:
		if len(c.URL) == 0 {
			v.settings()
			v.machine(c.Data)
		}
		v.service(c.Quick)
	}
	return v.run(ctx, out, c.JSON)
}

// run makes all checks at once, and prints each outcome in its place as soon as it
// is there. Where ctx is canceled, what is still open is not judged.
func (v *verifier) run(ctx context.Context, out output, asJSON bool) error {
	findings := make([]finding, len(v.checks))
	done := make([]chan struct{}, len(v.checks))
	var running sync.WaitGroup
	defer running.Wait()
	for i, c := range v.checks {
		done[i] = make(chan struct{})
		running.Go(func() {
			defer close(done[i])
			findings[i] = c.make(ctx)
		})
	}
	made, failed := 0, 0
	for i, f := range v.checks {
		told := out.working(fmt.Sprintf("%d of %d: %s", i+1, len(v.checks), f.what))
		select {
		case <-done[i]:
		case <-ctx.Done():
		}
		told()
		if errors.Is(ctx.Err(), context.Canceled) {
			break
		}
		<-done[i] // a deadline ends it by itself
		made++
		if !findings[i].OK {
			failed++
		}
		if !asJSON {
			fmt.Fprintln(out.stdout, findings[i])
		}
	}
	if asJSON {
		if err := json.NewEncoder(out.stdout).Encode(findings[:made]); err != nil {
			return err
		}
	}
	switch {
	case made < len(v.checks):
		return fmt.Errorf("interrupted: %d of %d checks were made, and %d of them failed", made, len(v.checks), failed)
	case failed > 0:
		return fmt.Errorf("%d of %d checks failed", failed, len(v.checks))
	}
	return nil
}

// make makes the check.
func (c check) make(ctx context.Context) finding {
	ctx, cancel := context.WithTimeout(ctx, c.timeout)
	defer cancel()
	if err := c.do(ctx); err != nil {
		return finding{What: c.what, Fault: err.Error()}
	}
	return finding{OK: true, What: c.what}
}

// String is the finding as a line.
func (f finding) String() string {
	if f.OK {
		return "✓ " + f.What
	}
	return fmt.Sprintf("✗ %s: %s", f.What, f.Fault)
}

// settings judges the environment.
func (v *verifier) settings() {
	v.check("the settings can be read", func(context.Context) error {
		parser, err := kong.New(new(serveCommand), kong.Name("podium"), kong.Writers(io.Discard, io.Discard))
		if err != nil {
			return err
		}
		if _, err := parser.Parse(nil); err != nil {
			return fmt.Errorf("%w; podium serve --help explains each setting", err)
		}
		return nil
	})
	v.check("Cloudinary's settings belong together", func(context.Context) error {
		set := 0
		for _, name := range []string{"CLOUDINARY_CLOUD_NAME", "CLOUDINARY_API_KEY", "CLOUDINARY_API_SECRET"} {
			if os.Getenv(name) != "" {
				set++
			}
		}
		if set != 0 && set != 3 {
			return errors.New("set all of CLOUDINARY_CLOUD_NAME, CLOUDINARY_API_KEY and CLOUDINARY_API_SECRET, or none")
		}
		return nil
	})
	v.check("the admin password is long enough", func(context.Context) error {
		if p := os.Getenv("ADMIN_PASSWORD"); p != "" && len(p) < 8 {
			return errors.New("ADMIN_PASSWORD has fewer than 8 characters; choose a longer one")
		}
		return nil
	})
}

// The least that a machine should have.
const (
	leastSpace = 256 << 20 // bytes free for data
	leastFiles = 4096      // open files, about one a connection

	leastCertificate = 7 * 24 * time.Hour // left of a certificate
	oldestBackup     = 2 * time.Hour      // older than the newest submission
	streamPatience   = 5 * time.Second    // for the first byte of an event stream
)

// machine looks at the machine that the command runs on.
func (v *verifier) machine(data string) {
	v.check("the data folder can be written", func(context.Context) error {
		f, err := os.CreateTemp(data, ".verify-")
		if err != nil {
			return fmt.Errorf("%w; check who owns it", err)
		}
		return errors.Join(f.Close(), os.Remove(f.Name()))
	})
	v.check("the disk has room", func(context.Context) error {
		var s syscall.Statfs_t
		if err := syscall.Statfs(data, &s); err != nil {
			return err
		}
		if free := s.Bavail * uint64(s.Bsize); free < leastSpace {
			return fmt.Errorf("%d MB are free; make room or extend the volume", free>>20)
		}
		return nil
	})
	v.check("enough files may be open", func(context.Context) error {
		var files syscall.Rlimit
		if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &files); err != nil {
			return err
		}
		if files.Max < leastFiles {
			return fmt.Errorf("only %d; raise LimitNOFILE or ulimit -n", files.Max)
		}
		return nil
	})
	v.check("the newest backup is recent", func(ctx context.Context) error { return recentBackup(ctx, data) })
	v.check("the data is in order", func(ctx context.Context) error {
		body, err := ask(ctx, data, "GET", "/check", "")
		if errors.Is(err, errNoServer) {
			if _, err := os.Stat(filepath.Join(data, "podium.db")); err != nil {
				return errors.New("no server runs on this data folder; start one, or give its address")
			}
			return errors.New("no server runs on this data folder; podium check looks at the data without one")
		}
		if err != nil {
			return err
		}
		defer body.Close()
		var found server.Findings
		if err := json.NewDecoder(body).Decode(&found); err != nil {
			return err
		}
		if n := len(found.Faults); n > 0 {
			return fmt.Errorf("%d faults; podium check names them", n)
		}
		return nil
	})
}

// recentBackup compares the newest backup, wherever they go, with the newest
// submission. A folder that nobody serves has nothing to compare.
func recentBackup(ctx context.Context, data string) error {
	newest, err := newestSubmission(ctx, data)
	if err != nil || newest.IsZero() {
		return err
	}
	settings := server.Settings{Data: data, Backups: os.Getenv("BACKUPS_DIR")}
	dest := settings.BackupsDest()
	if _, err := os.Stat(dest); !strings.Contains(dest, "://") && errors.Is(err, fs.ErrNotExist) {
		return noBackup(newest)
	}
	bucket, err := backup.Open(ctx, dest)
	if err != nil {
		return fmt.Errorf("%w; look at BACKUPS_DIR", err)
	}
	defer bucket.Close()
	all, err := backup.List(ctx, bucket)
	if err != nil {
		return fmt.Errorf("%w; look at BACKUPS_DIR", err)
	}
	if len(all) == 0 {
		return noBackup(newest)
	}
	if age := newest.Sub(all[0].At); age > oldestBackup {
		return fmt.Errorf("it is %s older than the newest submission; look for failures in the log and run podium backup", age.Round(time.Minute))
	}
	return nil
}

// noBackup judges that there is no backup at all.
func noBackup(newest time.Time) error {
	if time.Since(newest) <= oldestBackup {
		return nil // the first one is still to come
	}
	return errors.New("there is none; run podium backup, and look for failures in the log")
}

// newestSubmission is when the newest submission was made, or the zero time
// where there is none, or nobody to ask.
func newestSubmission(ctx context.Context, data string) (newest time.Time, err error) {
	body, err := ask(ctx, data, "GET", "/inspect", "")
	if errors.Is(err, errNoServer) {
		return newest, nil
	}
	if err != nil {
		return newest, err
	}
	defer body.Close()
	var in inspection
	if err := json.NewDecoder(body).Decode(&in); err != nil {
		return newest, fmt.Errorf("ask the server what it holds: %w", err)
	}
	for _, entry := range in.Newest {
		if at, err := time.Parse(time.RFC3339, entry.CreatedAt); err == nil && at.After(newest) {
			newest = at
		}
	}
	return newest, nil
}

// service looks at a running server.
func (v *verifier) service(quick bool) {
	v.check("the server is alive (/health)", v.status("/health"))
	v.check("the server is ready (/ready)", v.status("/ready"))
	v.check("every machine behind the address is ready", v.behind)
	v.check("the real-time service works (/api/realtime-health)", v.status("/api/realtime-health"))
	v.check("the Socket.IO client is served", func(ctx context.Context) error {
		res, body, err := v.get(ctx, "/socket.io/socket.io.min.js")
		if err != nil {
			return err
		}
		if res.StatusCode != http.StatusOK || res.Request.URL.Host != strings.TrimPrefix(strings.TrimPrefix(v.base, "https://"), "http://") || len(body) < 10_000 {
			return errors.New("it is not built in, and browsers need the public CDN; build with make build")
		}
		return nil
	})
	v.check("pages come with their policy", v.headers)
	v.check("the clock is right", v.clock)
	v.check("a client connects by long-polling", v.connects(client.TransportPolling))
	v.check("a client connects by WebSocket", v.connects(client.TransportWebSocket))
	v.check("requests of one session reach one machine", v.sticky)
	v.check("a client that was cut off gets its session back", v.recovers)
	if !quick {
		v.checks = append(v.checks, check{"events arrive by WebSocket", eventPatience, v.eventBy(client.TransportWebSocket)},
			check{"events arrive by long-polling", eventPatience, v.eventBy(client.TransportPolling)})
	}
	v.check("event streams open", func(ctx context.Context) error {
		req, err := http.NewRequestWithContext(ctx, http.MethodGet, v.base+"/api/events", nil)
		if err != nil {
			return err
		}
		res, err := http.DefaultClient.Do(req)
		if err != nil {
			return err
		}
		defer res.Body.Close()
		if !strings.HasPrefix(res.Header.Get("Content-Type"), "text/event-stream") {
			return fmt.Errorf("the answer is %s; a proxy may be in the way", res.Status)
		}
		// The server says at once where the stream stands; a proxy that collects
		// answers holds that back.
		first := make([]byte, 1)
		ctxStream, cancel := context.WithTimeout(ctx, streamPatience)
		defer cancel()
		stop := context.AfterFunc(ctxStream, func() { res.Body.Close() })
		defer stop()
		if _, err := res.Body.Read(first); err != nil {
			return errors.New("nothing arrives; a proxy buffers the answer (proxy_buffering off in nginx, flush_interval -1 in Caddy)")
		}
		return nil
	})
	if strings.HasPrefix(v.base, "https://") {
		v.check("TLS is kept (HSTS)", func(ctx context.Context) error {
			res, _, err := v.get(ctx, "/")
			if err == nil && res.TLS != nil {
				if left := time.Until(res.TLS.PeerCertificates[0].NotAfter); left < leastCertificate {
					return fmt.Errorf("the certificate ends in %s; renew it", left.Round(time.Hour))
				}
			}
			if err == nil && res.Header.Get("Strict-Transport-Security") == "" {
				return errors.New("the server does not know that it is behind TLS; set --trusted-proxies")
			}
			return err
		})
	}
}

func (v *verifier) get(ctx context.Context, path string) (*http.Response, []byte, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, v.base+path, nil)
	if err != nil {
		return nil, nil, err
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		return nil, nil, fmt.Errorf("%w; is it running, and is the address right?", err)
	}
	defer res.Body.Close()
	body, err := io.ReadAll(io.LimitReader(res.Body, 10<<20))
	return res, body, err
}

// status checks that a path answers 200.
func (v *verifier) status(path string) func(context.Context) error {
	return func(ctx context.Context) error {
		res, body, err := v.get(ctx, path)
		if err == nil && res.StatusCode != http.StatusOK {
			return fmt.Errorf("it answers %s: %.200s", res.Status, bytes.TrimSpace(body))
		}
		return err
	}
}

func (v *verifier) headers(ctx context.Context) error {
	res, _, err := v.get(ctx, "/")
	if err != nil {
		return err
	}
	for _, name := range []string{"Content-Security-Policy", "X-Content-Type-Options", "Referrer-Policy"} {
		if res.Header.Get(name) == "" {
			return fmt.Errorf("the header %s is missing; a proxy may remove it", name)
		}
	}
	return nil
}

// maxSkew is how far the clocks may be apart.
const maxSkew = 10 * time.Second

func (v *verifier) clock(ctx context.Context) error {
	res, _, err := v.get(ctx, "/health")
	if err != nil {
		return err
	}
	date, err := http.ParseTime(res.Header.Get("Date"))
	if err != nil {
		return fmt.Errorf("the answer has no date: %w", err)
	}
	if skew := time.Since(date).Abs(); skew > maxSkew {
		return fmt.Errorf("the server's clock and this one differ by %s; synchronise them", skew.Round(time.Second))
	}
	return nil
}
