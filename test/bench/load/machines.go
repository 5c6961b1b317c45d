package main

import (
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"syscall"
	"time"
)

// database is a PostgreSQL server of the bench's own, with the settings that its
// distribution gives it: a commit is synced.
type database struct {
	bin, folder, port string
	who               *syscall.SysProcAttr
	cmd               *exec.Cmd
}

// startDatabase starts one on a free port. errAbsent: none is installed.
func startDatabase() (d *database, err error) {
	found, _ := filepath.Glob("/usr/lib/postgresql/*/bin/initdb")
	if len(found) == 0 {
		return nil, errAbsent
	}
	d = &database{bin: filepath.Dir(slices.Max(found)), who: &syscall.SysProcAttr{}}
	if d.folder, err = os.MkdirTemp("", "podium-bench-postgres-"); err != nil {
		return nil, err
	}
	if os.Geteuid() == 0 { // PostgreSQL does not run as root
		u, err := user.Lookup("postgres")
		if err != nil {
			return nil, errAbsent
		}
		uid, _ := strconv.Atoi(u.Uid)
		gid, _ := strconv.Atoi(u.Gid)
		// The bench's folder is root's alone: its way in is opened.
		if err := errors.Join(os.Chmod(os.TempDir(), 0o711), os.Chown(d.folder, uid, gid)); err != nil {
			return nil, err
		}
		d.who.Credential = &syscall.Credential{Uid: uint32(uid), Gid: uint32(gid)}
	}
	if _, d.port, err = net.SplitHostPort(freeAddress()); err != nil {
		return nil, err
	}
	data := filepath.Join(d.folder, "data")
	if out, err := d.tool("initdb", "-D", data, "-U", "podium", "-A", "trust", "-E", "UTF8", "--locale=C").CombinedOutput(); err != nil {
		return nil, fmt.Errorf("initdb: %w: %.200s", err, out)
	}
	d.cmd = d.tool("postgres", "-D", data, "-p", d.port, "-c", "listen_addresses=127.0.0.1", "-c", "unix_socket_directories="+d.folder)
	if err := d.cmd.Start(); err != nil {
		return nil, err
	}
	for deadline := time.Now().Add(30 * time.Second); d.tool("pg_isready", "-q", "-h", "127.0.0.1", "-p", d.port).Run() != nil; time.Sleep(50 * time.Millisecond) {
		if time.Now().After(deadline) {
			d.stop()
			return nil, fmt.Errorf("PostgreSQL did not start")
		}
	}
	return d, nil
}

func (d *database) tool(name string, args ...string) *exec.Cmd {
	cmd := exec.Command(filepath.Join(d.bin, name), args...)
	cmd.Dir, cmd.SysProcAttr = d.folder, d.who
	return cmd
}

// ask runs a query with one answer.
func (d *database) ask(base, sql string) (string, error) {
	out, err := d.tool("psql", "-h", "127.0.0.1", "-p", d.port, "-U", "podium", "-d", base, "-Atqc", sql).CombinedOutput()
	if err != nil {
		return "", fmt.Errorf("psql: %w: %.200s", err, out)
	}
	return strings.TrimSpace(string(out)), nil
}

// fresh makes a database and returns its address.
func (d *database) fresh(name string) (string, error) {
	_, err := d.ask("postgres", "create database "+name)
	return fmt.Sprintf("postgres://podium@127.0.0.1:%s/%s?sslmode=disable", d.port, name), err
}

func (d *database) stop() {
	_ = d.cmd.Process.Signal(syscall.SIGQUIT)
	_ = d.cmd.Wait()
	_ = os.RemoveAll(d.folder)
}

// fleet is one contest, served from a file or by machines that share a database.
type fleet struct {
	machines []*running
	folder   string
}

func (f *fleet) stop() {
	for _, r := range f.machines {
		r.stop()
	}
	_ = os.RemoveAll(f.folder)
}

// startFleet starts so many machines with so many entries, on the database at
// that address or, where that is "", on a file.
func startFleet(machines, entries int, address string) (f *fleet, err error) {
	f = new(fleet)
	if f.folder, err = os.MkdirTemp("", "podium-bench-"); err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			f.stop()
		}
	}()
	if err := writeOldData(f.folder, entries); err != nil {
		return nil, err
	}
	var shared []string
	if address != "" {
		shared = []string{"--database", address}
	}
	for n := range machines {
		r := &running{peer: "podium", addr: freeAddress(), folder: filepath.Join(f.folder, fmt.Sprint("machine-", n))}
		if err := os.Mkdir(r.folder, 0o700); err != nil {
			return nil, err
		}
		data := filepath.Join(r.folder, "podium")
		if n == 0 {
			if out, err := exec.Command("bin/contest", append([]string{"import", "--data", data, f.folder}, shared...)...).CombinedOutput(); err != nil {
				return nil, fmt.Errorf("import: %w: %.200s", err, out)
			}
		}
		if err := r.servePodium(data, shared...); err != nil {
			return nil, err
		}
		f.machines = append(f.machines, r)
		if err := r.ready(func() bool { _, _, err := r.feed(""); return err == nil }); err != nil {
			return nil, err
		}
	}
	return f, nil
}

// databases measures submissions, the feed after a change, and what machines cost
// that nobody uses, with a file, with one machine and with three on PostgreSQL.
func databases(*running) (outcome, error) {
	d, err := startDatabase()
	if err != nil {
		return outcome{}, err
	}
	defer d.stop()
	var out outcome
	photo := picture()
	for _, entries := range []int{1000, 100_000} {
		for _, machines := range []int{0, 1, 3} {
			address, name := "", fmt.Sprintf("bench%d_%d", entries, machines)
			if machines > 0 {
				if address, err = d.fresh(name); err != nil {
					return out, err
				}
			}
			f, err := startFleet(max(1, machines), entries, address)
			if err != nil {
				return out, fmt.Errorf("%d entries, %d machines: %w", entries, machines, err)
			}
			err = f.measure(&out, entries, photo)
			if err == nil && machines > 0 && entries == 1000 {
				err = f.rest(&out, d, name)
			}
			f.stop()
			if err != nil {
				return out, fmt.Errorf("%d entries, %d machines: %w", entries, machines, err)
			}
		}
	}
	return out, nil
}

// measure posts to all machines in turn, 16 at a time, and then reads the feed
// of one after a change at another.
func (f *fleet) measure(out *outcome, entries int, photo []byte) error {
	const atOnce, enough, most, changes = 16, 3 * time.Second, 2000, 7
	at := func(i int) *running { return f.machines[i%len(f.machines)] }
	var done atomic.Int64
	begin := time.Now()
	err := parallel(most, atOnce, func(i int) error {
		if done.Load() > 0 && time.Since(begin) > enough {
			return nil
		}
		if err := at(i).post(fmt.Sprintf("New %d", i), photo); err != nil {
			return err
		}
		done.Add(1)
		return nil
	})
	if err != nil {
		return err
	}
	out.Values = append(out.Values, float64(time.Since(begin).Microseconds())/1000/float64(done.Load()))
	var cold []float64
	for i := range changes {
		caption := fmt.Sprintf("Change %d of %d", i, entries)
		if err := at(i).post(caption, nil); err != nil {
			return err
		}
		begin := time.Now()
		for {
			body, _, err := at(i + 1).feed("")
			if err != nil {
				return err
			}
			if strings.Contains(body, caption) {
				break
			}
		}
		cold = append(cold, float64(time.Since(begin).Microseconds())/1000)
	}
	slices.Sort(cold)
	out.Values = append(out.Values, cold[len(cold)/2])
	body, _, err := at(0).feed("")
	out.Lost += max(0, entries+int(done.Load())+changes-strings.Count(body, `"createdAt":`))
	return err
}

// rest measures a machine that nobody uses: its memory, and the transactions a
// second that it asks of the database.
func (f *fleet) rest(out *outcome, d *database, name string) error {
	const watched = 10 * time.Second
	transactions := func() (n float64, err error) {
		text, err := d.ask("postgres", "select xact_commit + xact_rollback from pg_stat_database where datname = '"+name+"'")
		if err == nil {
			n, err = strconv.ParseFloat(text, 64)
		}
		return n, err
	}
	time.Sleep(2 * time.Second) // what came before has been counted then
	before, err := transactions()
	if err != nil {
		return err
	}
	time.Sleep(watched)
	after, err := transactions()
	if err != nil {
		return err
	}
	machines := float64(len(f.machines))
	memory := 0.0
	for _, r := range f.machines {
		memory += r.memory("VmRSS:") / 1024
	}
	out.Values = append(out.Values, memory/machines, (after-before)/watched.Seconds()/machines)
	return nil
}
