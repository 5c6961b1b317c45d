package services

import (
	"fmt"
	"net"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"slices"
	"strconv"
	"syscall"
	"testing"
	"time"
)

// Postgres is a PostgreSQL server with a superuser "podium", who needs no password, and
// a database of that name.
type Postgres struct {
	program
	Port int
	Dir  string // its data directory

	bin  string // where its programs are
	base string // where they run
	who  *syscall.SysProcAttr
}

// StartPostgres starts a PostgreSQL server, which ends with the test. Settings are pairs
// of its configuration, such as "max_connections", "200".
func StartPostgres(t testing.TB, settings ...string) *Postgres {
	t.Helper()
	folders, _ := filepath.Glob("/usr/lib/postgresql/*/bin")
	slices.Reverse(folders) // the newest first
	initdb := lookUp(t, "PostgreSQL", "initdb", folders...)
	server := lookUp(t, "PostgreSQL", "postgres", folders...)
	base, err := os.MkdirTemp("", "podium-postgres-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(base) })
	who := unprivileged(t, base)
	p := &Postgres{Port: freePort(t), Dir: filepath.Join(base, "data"), bin: filepath.Dir(server), base: base, who: who}
	runAs(t, who, base, initdb, "-D", p.Dir, "-U", "podium", "-A", "trust", "-E", "UTF8", "--locale=C", "--no-sync")
	p.serve(t, settings)
	p.sql("postgres", "create database podium")
	return p
}

// StartStandby starts a replica of p, which ends with the test.
func (p *Postgres) StartStandby(t testing.TB, settings ...string) *Postgres {
	t.Helper()
	base, err := os.MkdirTemp("", "podium-standby-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(base) })
	who := unprivileged(t, base)
	s := &Postgres{Port: freePort(t), Dir: filepath.Join(base, "data"), bin: p.bin, base: base, who: who}
	runAs(t, who, base, filepath.Join(p.bin, "pg_basebackup"), "-h", "127.0.0.1", "-p", strconv.Itoa(p.Port),
		"-U", "podium", "-D", s.Dir, "-R", "-X", "stream", "-c", "fast", "--no-sync")
	s.serve(t, settings)
	return s
}

// Promote has a standby take its primary's place.
func (p *Postgres) Promote() {
	p.t.Helper()
	p.sql("podium", "select pg_promote()")
}

// SetSystem changes a setting of a server that runs, where that may be changed then.
// Statements that begin after it returned have the new one.
func (p *Postgres) SetSystem(name, value string) {
	p.t.Helper()
	// The postmaster tells its processes before it starts the next one, and that says
	// when the settings were read.
	const read = "select pg_conf_load_time()"
	before := p.sql("podium", read)
	p.sql("podium", fmt.Sprintf("alter system set %s = '%s'", name, value))
	p.sql("podium", "select pg_reload_conf()")
	for deadline := time.Now().Add(20 * time.Second); p.sql("podium", read) == before; {
		if time.Now().After(deadline) {
			p.t.Fatalf("PostgreSQL did not read its settings again for %s", name)
		}
	}
}

// MoveTo has the database keep its tables in an empty folder, such as one on a disk of its
// own. Nobody may be connected to it.
func (p *Postgres) MoveTo(folder string) {
	p.t.Helper()
	if c := p.who.Credential; c != nil {
		if err := os.Chown(folder, int(c.Uid), int(c.Gid)); err != nil {
			p.t.Fatal(err)
		}
	}
	p.sql("postgres", fmt.Sprintf("create tablespace moved location '%s'", folder))
	p.sql("postgres", "alter database podium set tablespace moved")
}

// runAs runs a program of PostgreSQL to its end and returns what it printed.
func runAs(t testing.TB, who *syscall.SysProcAttr, folder, path string, args ...string) string {
	t.Helper()
	run := exec.Command(path, args...)
	run.SysProcAttr, run.Dir = who, folder
	out, err := run.CombinedOutput()
	if err != nil {
		t.Fatalf("%s: %v\n%s", filepath.Base(path), err, out)
	}
	return string(out)
}

// sql runs a statement in a database, on a connection of its own, and returns its rows.
func (p *Postgres) sql(database, statement string) string {
	p.t.Helper()
	return runAs(p.t, p.who, p.base, filepath.Join(p.bin, "psql"), "-h", "127.0.0.1",
		"-p", strconv.Itoa(p.Port), "-U", "podium", "-d", database, "-qAtc", statement)
}

// serve starts the server on its data directory.
func (p *Postgres) serve(t testing.TB, settings []string) {
	t.Helper()
	args := []string{"-D", p.Dir, "-p", strconv.Itoa(p.Port), "-c", "listen_addresses=127.0.0.1", "-c", "unix_socket_directories=" + p.base}
	for i := 0; i+1 < len(settings); i += 2 {
		args = append(args, "-c", settings[i]+"="+settings[i+1])
	}
	p.program = program{
		t: t, name: "postgres",
		command: func() *exec.Cmd {
			// What a killed one left is in nobody's way: the port is this test's alone. One
			// that runs and misses its file ends within a minute.
			_ = os.Remove(filepath.Join(p.Dir, "postmaster.pid"))
			cmd := exec.Command(filepath.Join(p.bin, "postgres"), args...)
			cmd.SysProcAttr, cmd.Dir = p.who, p.base
			return cmd
		},
		ready: p.ready,
	}
	t.Cleanup(func() { p.end(syscall.SIGQUIT) })
	p.Start()
}

// Addr is its host and port.
func (p *Postgres) Addr() string { return net.JoinHostPort("127.0.0.1", strconv.Itoa(p.Port)) }

// URL returns the database's address as postgres://.
func (p *Postgres) URL() string {
	return fmt.Sprintf("postgres://podium@%s/podium?sslmode=disable", p.Addr())
}

// ready asks whether it lets anybody in: pg_isready's question, whose answer is a byte.
func (p *Postgres) ready() error {
	return exec.Command(filepath.Join(p.bin, "pg_isready"), "-q", "-h", "127.0.0.1", "-p", strconv.Itoa(p.Port)).Run()
}

// Unprivileged returns a new folder, which ends with the test, and as which user a process must
// run that starts a PostgreSQL in it: nobody in particular, unless this one is root's.
func Unprivileged(t testing.TB) (folder string, who *syscall.SysProcAttr) {
	t.Helper()
	folder, err := os.MkdirTemp("", "podium-unprivileged-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(folder) })
	return folder, unprivileged(t, folder)
}

// unprivileged says as which user PostgreSQL runs, which refuses to run as root, and gives
// that user the folder.
func unprivileged(t testing.TB, folder string) *syscall.SysProcAttr {
	t.Helper()
	if os.Geteuid() != 0 {
		return &syscall.SysProcAttr{}
	}
	u, err := user.Lookup("postgres")
	if err != nil {
		if os.Getenv("PODIUM_TEST_REQUIRE") == "1" {
			t.Fatal("PostgreSQL does not run as root, and there is no user postgres")
		}
		t.Skip("PostgreSQL does not run as root, and there is no user postgres")
	}
	uid, _ := strconv.Atoi(u.Uid)
	gid, _ := strconv.Atoi(u.Gid)
	if err := os.Chown(folder, uid, gid); err != nil {
		t.Fatal(err)
	}
	return &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: uint32(uid), Gid: uint32(gid)}}
}
