package deploy

import (
	"os"
	"os/exec"
	"path/filepath"
	"podium/test/harness"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
)

// tool skips the test where a program is not installed.
func tool(t *testing.T, name string) {
	t.Helper()
	if _, err := exec.LookPath(name); err != nil {
		t.Skipf("%s is not installed", name)
	}
}

// units copies the units to a folder, for the program at hand.
func units(t *testing.T) (dir string) {
	t.Helper()
	path, err := harness.Binary()
	if err != nil {
		t.Fatal(err)
	}
	dir = t.TempDir()
	for name, pairs := range map[string][]string{
		"podium.service": {"/usr/local/bin/podium", path, "Documentation=file:/usr/share/doc/podium/PRODUCTION_DEPLOYMENT.md", ""},
		"podium.socket":  nil,
	} {
		text := replaced(t, "../ops/systemd/"+name, pairs...)
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

// systemd finds nothing wrong with the units, and judges that they leave a
// process that is taken over little to do harm with.
func TestTheUnitsAreValidAndHardened(t *testing.T) {
	tool(t, "systemd-analyze")
	dir := units(t)
	service := filepath.Join(dir, "podium.service")
	out, err := exec.Command("systemd-analyze", "verify", service, filepath.Join(dir, "podium.socket")).CombinedOutput()
	if err != nil || strings.Contains(string(out), dir) {
		t.Errorf("%v\n%s", err, out)
	}
	// The exposure, of 100 at most, times ten in systemd's own table.
	out, err = exec.Command("systemd-analyze", "security", "--offline=true", "--threshold=15", "--no-pager", service).CombinedOutput()
	if err != nil {
		t.Errorf("%v\n%s", err, out)
	}
	lines := strings.Split(strings.TrimSpace(string(out)), "\n")
	t.Log(lines[len(lines)-1])
}

// systemd's own socket activation: the server takes the socket that it is handed
// and serves on it.
func TestSystemdHandsItsSocketOver(t *testing.T) {
	tool(t, "systemd-socket-activate")
	p := &harness.Program{T: t, Data: t.TempDir(), Port: harness.FreePort(t), Prefix: []string{"systemd-socket-activate"}}
	p.Prefix = append(p.Prefix, "--listen=127.0.0.1:"+p.Port, "--setenv=ADMIN_PASSWORD="+harness.Password)
	p.URL = "http://127.0.0.1:" + p.Port
	p.Port = "1" // of the server's own, where root alone could listen, and which it must not touch
	p.Run()
	t.Cleanup(func() {
		p.Signal(syscall.SIGTERM)
		if t.Failed() {
			t.Logf("podium's output:\n%s", p.Log)
		}
	})
	harness.Eventually(t, "systemd to listen", func() bool { return strings.Contains(p.Log.String(), "Listening") })
	p.Wait()
	p.Submit("over systemd's socket")
}

// allowed are the names of system calls of a unit's filter, as systemd knows its
// sets.
func allowed(t *testing.T, filters []string) map[string]bool {
	t.Helper()
	names := map[string]bool{}
	var expand func(set string, allow bool)
	expand = func(set string, allow bool) {
		out, err := exec.Command("systemd-analyze", "syscall-filter", "--no-pager", set).Output()
		if err != nil {
			t.Fatalf("%s: %v", set, err)
		}
		for _, line := range strings.Split(string(out), "\n")[1:] {
			switch name := strings.TrimSpace(line); {
			case name == "" || strings.HasPrefix(name, "#"):
			case strings.HasPrefix(name, "@"):
				expand(name, allow)
			case allow:
				names[name] = true
			default:
				delete(names, name)
			}
		}
	}
	for _, filter := range filters {
		sets, forbidden := strings.CutPrefix(filter, "~")
		for set := range strings.FieldsSeq(sets) {
			expand(set, !forbidden)
		}
	}
	return names
}

// The unit's filter of system calls kills a process that makes another one. The
// server makes none, from its start over photos, connections and a backup to its
// stop.
func TestTheUnitAllowsTheSystemCallsThatTheServerMakes(t *testing.T) {
	tool(t, "strace")
	tool(t, "systemd-analyze")
	unit, err := os.ReadFile("../ops/systemd/podium.service")
	if err != nil {
		t.Fatal(err)
	}
	var filters []string
	for _, found := range regexp.MustCompile(`(?m)^SystemCallFilter=(.*)$`).FindAllStringSubmatch(string(unit), -1) {
		filters = append(filters, found[1])
	}
	allow := allowed(t, filters)
	if !allow["read"] || allow["reboot"] || allow["setuid"] {
		t.Fatalf("the filter %q is not understood", filters)
	}
	trace := filepath.Join(t.TempDir(), "calls")
	p := &harness.Program{T: t, Data: t.TempDir(), Port: harness.FreePort(t), Prefix: []string{"strace", "-f", "-qq", "-c", "-U", "name", "-o", trace}}
	p.URL = "http://127.0.0.1:" + p.Port
	p.Run()
	t.Cleanup(func() { p.Signal(syscall.SIGKILL) })
	p.Wait()
	p.Submit("a photo")
	out, code := verify(t, nil, "", "--quick", p.URL)
	if code != 0 && !strings.Contains(out, "✗ the Socket.IO client is served") {
		t.Errorf("podium verify: exit code %d\n%s", code, out)
	}
	harness.MustRun(t, "backup", "--data", p.Data)
	harness.MustRun(t, "check", "--data", p.Data)
	stopTraced(p)
	data, err := os.ReadFile(trace)
	if err != nil {
		t.Fatal(err)
	}
	var made []string
	for line := range strings.Lines(string(data)) {
		if name := strings.TrimSpace(line); regexp.MustCompile(`^[a-z_0-9]+$`).MatchString(name) && name != "syscall" && name != "total" {
			made = append(made, name)
			if !allow[name] {
				t.Errorf("the unit forbids %s", name)
			}
		}
	}
	if len(made) < 20 || !slices.Contains(made, "accept4") {
		t.Errorf("only %q were seen", made)
	}
}

// stopTraced stops the server under strace, which does not pass signals on.
func stopTraced(p *harness.Program) {
	p.T.Helper()
	children, err := exec.Command("ps", "-o", "pid=", "--ppid", strconv.Itoa(p.Cmd.Process.Pid)).Output()
	if err != nil {
		p.T.Fatal(err)
	}
	if out, err := exec.Command("kill", append([]string{"-TERM"}, strings.Fields(string(children))...)...).CombinedOutput(); err != nil {
		p.T.Fatalf("%v %s", err, out)
	}
	<-p.Done
}
