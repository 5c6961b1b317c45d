package deploy

import (
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"podium/protocol/services"
	"podium/test/harness"
)

// The guide's command starts three machines that serve one contest, and ends them:
// beside a database that there is, and with one of their own.
func TestThreeMachinesStartWithOneCommand(t *testing.T) {
	bash, err := exec.LookPath("bash")
	harness.Need(t, err == nil, "bash")
	program, err := harness.Binary()
	if err != nil {
		t.Fatal(err)
	}
	pg := services.StartPostgres(t, "fsync", "off")
	t.Run("beside a database", func(t *testing.T) {
		startThree(t, exec.Command(bash, "../ops/three-machines.sh", pg.URL()), program, t.TempDir())
	})
	t.Run("with a database of their own", func(t *testing.T) {
		// As whoever may run PostgreSQL, in a folder that they can use.
		folder, user := services.Unprivileged(t)
		ours := filepath.Join(folder, "podium")
		code, err := os.ReadFile(program)
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(ours, code, 0o755); err != nil {
			t.Fatal(err)
		}
		script, err := os.ReadFile("../ops/three-machines.sh")
		if err != nil {
			t.Fatal(err)
		}
		cmd := exec.Command(bash, "-c", string(script), "three-machines.sh")
		cmd.Dir, cmd.SysProcAttr = folder, user
		startThree(t, cmd, ours, filepath.Join(folder, "data"))
	})
}

// startThree runs the command, whose ports it adds, and tries and stops what it starts.
func startThree(t *testing.T, cmd *exec.Cmd, program, data string) {
	t.Helper()
	ports := []string{harness.FreePort(t), harness.FreePort(t), harness.FreePort(t)}
	out := &harness.Buffer{}
	cmd.Args = append(cmd.Args, ports...)
	cmd.Env = append(os.Environ(), "PODIUM="+program, "DATA_DIR="+data, "ADMIN_PASSWORD="+harness.Password)
	cmd.Stdout, cmd.Stderr = out, out
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() { ended <- cmd.Wait() }()
	stopped := false
	t.Cleanup(func() {
		if !stopped {
			_ = cmd.Process.Signal(syscall.SIGTERM)
			<-ended
		}
		if t.Failed() {
			t.Logf("the machines' output:\n%s", out)
		}
	})
	get := func(port, path string) (status int, body string) {
		res, err := http.Get("http://127.0.0.1:" + port + path)
		if err != nil {
			return 0, ""
		}
		defer res.Body.Close()
		text, _ := io.ReadAll(res.Body)
		return res.StatusCode, string(text)
	}
	harness.Eventually(t, "the machines to be started", func() bool { return strings.Contains(out.String(), "three machines: ") })
	for _, port := range ports {
		harness.Eventually(t, "machine "+port, func() bool { status, _ := get(port, "/ready"); return status == http.StatusOK })
	}
	var made struct{ Entry struct{ ID, ImageURL string } }
	form, kind := harness.Form(t, map[string]string{"category": "best", "caption": "hello"}, harness.Photo(t, 64, 48))
	if status := (&harness.Program{T: t, URL: "http://127.0.0.1:" + ports[0]}).Call("POST", "/api/submit", kind, form, &made); status != http.StatusOK {
		t.Fatalf("submit: %d", status)
	}
	id := made.Entry.ID
	for _, port := range ports {
		harness.Eventually(t, "the submission at machine "+port, func() bool { _, body := get(port, "/api/feed"); return strings.Contains(body, id) })
		if status, _ := get(port, made.Entry.ImageURL); status != http.StatusOK {
			t.Errorf("machine %s answers the picture with %d", port, status)
		}
	}
	addresses := make([]string, len(ports))
	for i, port := range ports {
		addresses[i] = "http://127.0.0.1:" + port
	}
	said, code := verify(t, nil, "", append([]string{"--quick"}, addresses...)...)
	if code != 0 && strings.Count(said, "✗") != strings.Count(said, ": the Socket.IO client is served: ") {
		t.Errorf("verify: exit code %d\n%s", code, said)
	}
	if err := cmd.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	err := <-ended
	if stopped = true; err != nil {
		t.Errorf("the command ended with %v", err)
	}
	for _, port := range ports {
		if status, _ := get(port, "/ready"); status != 0 {
			t.Errorf("machine %s runs on", port)
		}
	}
}
