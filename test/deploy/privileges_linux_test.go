package deploy

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"podium/test/harness"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"
)

// procLine is the line of a file of the running process that begins with name.
func procLine(p *harness.Program, file, name string) string {
	p.T.Helper()
	data, err := os.ReadFile(fmt.Sprintf("/proc/%d/%s", p.Cmd.Process.Pid, file))
	if err != nil {
		p.T.Fatal(err)
	}
	for line := range strings.Lines(string(data)) {
		if strings.HasPrefix(line, name) {
			return strings.Join(strings.Fields(line), " ")
		}
	}
	return ""
}

// mayRaiseLimits reports whether root has CAP_SYS_RESOURCE here.
func mayRaiseLimits(t *testing.T) bool {
	t.Helper()
	status, err := os.ReadFile("/proc/self/status")
	if err != nil {
		t.Fatal(err)
	}
	_, rest, _ := strings.Cut(string(status), "CapEff:")
	rights, err := strconv.ParseUint(strings.Fields(rest)[0], 16, 64)
	if err != nil {
		t.Fatal(err)
	}
	return rights>>unix.CAP_SYS_RESOURCE&1 == 1
}

// Started as root, as in the image, the server gives the data to nobody, becomes
// nobody for good, and may open the files that the connections of fly.toml take,
// more than Fly gives it. It starts again without the right to look into folders
// of others, which ops/compose.yaml takes from it.
func TestAServerThatStartsAsRootBecomesNobody(t *testing.T) {
	if os.Getuid() != 0 {
		t.Skip("only root can become somebody else")
	}
	for _, tool := range []string{"setpriv", "prlimit"} {
		if _, err := exec.LookPath(tool); err != nil {
			t.Skipf("%s is not installed", tool)
		}
	}
	base, err := os.MkdirTemp("", "podium-nobody-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(base) })
	if err := os.Chmod(base, 0o755); err != nil { // nobody must get to the data
		t.Fatal(err)
	}
	data := filepath.Join(base, "data")
	older := filepath.Join(data, "uploads", "older.jpg")
	// The folder is as a volume is; what is in it nobody else may read.
	if err := errors.Join(os.Mkdir(data, 0o755), os.Mkdir(filepath.Dir(older), 0o700)); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(older, harness.Photo(t, 8, 8), 0o600); err != nil {
		t.Fatal(err)
	}
	p := &harness.Program{T: t, Args: []string{"--run-as", "65534:65534"}, Data: data, Port: harness.FreePort(t)}
	p.URL = "http://127.0.0.1:" + p.Port
	t.Cleanup(func() {
		p.Signal(syscall.SIGKILL)
		if t.Failed() {
			t.Logf("podium's output:\n%s", p.Log)
		}
	})
	const few, enough = "10240 10240", "65536 65536"
	rounds := []struct{ capabilities, files string }{
		{"-all,+chown,+setuid,+setgid,+sys_resource", enough},
		{"-all,+chown,+setuid,+setgid", few},
	}
	if !mayRaiseLimits(t) {
		t.Log("this machine lets nobody raise limits: that part is left out")
		rounds[0].files = few
	}
	for round, want := range rounds {
		p.Prefix = []string{"prlimit", "--nofile=10240:10240", "setpriv", "--bounding-set=" + want.capabilities, "--inh-caps=-all"}
		p.Run()
		p.Wait()
		if users := procLine(p, "status", "Uid:"); users != "Uid: 65534 65534 65534 65534" {
			t.Errorf("start %d: %s", round, users)
		}
		if groups := procLine(p, "status", "Groups:"); groups != "Groups:" {
			t.Errorf("start %d: %s", round, groups)
		}
		if rights := procLine(p, "status", "CapEff:"); rights != "CapEff: 0000000000000000" {
			t.Errorf("start %d: %s", round, rights)
		}
		if files := procLine(p, "limits", "Max open files"); files != "Max open files "+want.files+" files" {
			t.Errorf("start %d: %s, not %s", round, files, want.files)
		}
		p.Submit("with a picture")
		p.Signal(syscall.SIGTERM)
	}
	err = filepath.Walk(data, func(path string, info os.FileInfo, err error) error {
		if err == nil && info.Sys().(*syscall.Stat_t).Uid != 65534 {
			t.Errorf("%s is not nobody's", path)
		}
		return err
	})
	if err != nil {
		t.Error(err)
	}
}
