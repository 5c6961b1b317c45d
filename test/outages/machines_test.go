package outages

import (
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"podium/protocol/services"
	"podium/test/harness"
)

// machine is a Podium with its own way to the database.
type machine struct {
	*harness.Program
	name  string
	way   *harness.Proxy // to the database
	clock *harness.Clock // nil where it cannot be set
	runs  int

	patience time.Duration // with its start
}

// site is what serves the contest.
type site struct {
	t        *testing.T
	database *services.Postgres
	bucket   *services.S3
	balancer *balancer
	disk     *disk  // the database's; nil where none could be made
	program  string // whose clock can be set, "" for the usual one
	machines []*machine
	patience time.Duration // with what starts
}

// open starts the services and three machines.
func open(t *testing.T, clocks bool, patience time.Duration) *site {
	t.Helper()
	s := &site{t: t, database: services.StartPostgres(t), bucket: services.StartS3(t), patience: patience}
	s.bucket.LetIn(t)
	s.disk = mountDisk(t, s.database)
	if clocks {
		s.program = harness.SteppedBinary(t)
	}
	s.balancer = startBalancer(t)
	for i := range 3 {
		s.machines = append(s.machines, s.start(fmt.Sprint("m", i+1)))
	}
	s.whole()
	return s
}

// start starts another machine, and has the balancer send it requests.
func (s *site) start(name string) *machine {
	s.t.Helper()
	m := &machine{name: name, patience: s.patience, way: harness.StartProxy(s.t, s.database.Addr())}
	port := harness.FreePort(s.t)
	m.Program = &harness.Program{T: s.t, Path: s.program, Data: s.t.TempDir(), Port: port, URL: "http://127.0.0.1:" + port}
	m.Args = []string{
		"--database", strings.Replace(s.database.URL(), s.database.Addr(), strings.TrimPrefix(m.way.URL(), "http://"), 1),
		"--uploads", s.bucket.URL(), "--node-id", name, "--node-address", m.URL,
		"--trusted-proxies", "127.0.0.0/8", "--log-level", "debug",
	}
	if s.program != "" {
		m.clock = harness.NewClock(s.t)
		m.Prefix = m.clock.Prefix()
	}
	m.run()
	s.t.Cleanup(func() { m.end(syscall.SIGKILL) })
	s.balancer.add(name, m.URL)
	return m
}

// run starts the process and waits until it is ready.
func (m *machine) run() {
	m.T.Helper()
	m.runs++
	m.Run()
	for deadline := time.Now().Add(m.patience); !m.ready(); {
		if time.Now().After(deadline) {
			m.T.Fatalf("%s is not ready; it says\n%s", m.name, m.Log)
		}
		time.Sleep(20 * time.Millisecond) // between two looks
	}
}

// ready reports whether it says that it is.
func (m *machine) ready() bool {
	res, err := http.Get(m.URL + "/ready")
	if err != nil {
		return false
	}
	defer res.Body.Close()
	return res.StatusCode == http.StatusOK
}

// end ends the process, and keeps what it logged where the test keeps artifacts.
func (m *machine) end(signal syscall.Signal) {
	m.Signal(signal)
	log := filepath.Join(m.T.ArtifactDir(), fmt.Sprintf("%s-%d.log", m.name, m.runs))
	if err := os.WriteFile(log, []byte(m.Log.String()), 0o600); err != nil {
		m.T.Error(err)
	}
}

// whole waits until the balancer sends requests to all machines.
func (s *site) whole() {
	s.t.Helper()
	for deadline := time.Now().Add(s.patience); !s.balancer.serving(len(s.machines)); {
		if time.Now().After(deadline) {
			s.t.Fatal("not all machines serve")
		}
		time.Sleep(20 * time.Millisecond) // between two looks
	}
}

// disk is a small file system that the database's tables are on.
type disk struct{ folder string }

// mountDisk gives the database a small disk for its tables, which takes root.
func mountDisk(t *testing.T, pg *services.Postgres) *disk {
	t.Helper()
	folder := filepath.Join(filepath.Dir(pg.Dir), "disk")
	if err := os.Mkdir(folder, 0o700); err != nil {
		t.Fatal(err)
	}
	if err := syscall.Mount("tmpfs", folder, "tmpfs", 0, "size=96m"); err != nil {
		t.Logf("a small disk cannot be made here, and so no full one: %v", err)
		return nil
	}
	t.Cleanup(func() {
		pg.Kill() // it has files there
		if err := syscall.Unmount(folder, 0); err != nil {
			t.Errorf("unmount: %v", err)
		}
	})
	pg.MoveTo(folder)
	return &disk{folder}
}

// fill leaves no room on the disk, until the function that it returns is called.
func (d *disk) fill(t *testing.T) (empty func()) {
	t.Helper()
	path := filepath.Join(d.folder, "full")
	file, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	for block := make([]byte, 1<<20); len(block) >= 4096; {
		if _, err := file.Write(block); err != nil {
			block = block[:len(block)/2] // to the last page
		}
	}
	return func() {
		if err := os.Remove(path); err != nil {
			t.Error(err)
		}
	}
}

// window is a time in which what fails has a cause.
type window struct {
	from, to time.Time
	machine  string // whose requests may fail, "" for all
	broken   bool   // only what breaks off may
}

// windows are those of all faults.
type windows []window

// explain reports whether a failure has a cause.
func (w windows) explain(f failure) bool {
	for _, one := range w {
		if f.from.Before(one.to) && one.from.Before(f.to) && (one.machine == "" || one.machine == f.machine) && (!one.broken || f.status == 0) {
			return true
		}
	}
	return false
}
