package deploy

import (
	"io"
	"net/http"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"

	"podium/protocol/services"
	"podium/test/harness"
)

// The guide's command starts three machines that serve one contest, and ends them.
func TestThreeMachinesStartWithOneCommand(t *testing.T) {
	bash, err := exec.LookPath("bash")
	harness.Need(t, err == nil, "bash")
	program, err := harness.Binary()
	if err != nil {
		t.Fatal(err)
	}
	pg := services.StartPostgres(t, "fsync", "off")
	ports := []string{harness.FreePort(t), harness.FreePort(t), harness.FreePort(t)}
	out := &harness.Buffer{}
	cmd := exec.Command(bash, append([]string{"../ops/three-machines.sh", pg.URL()}, ports...)...)
	cmd.Env = append(os.Environ(), "PODIUM="+program, "DATA_DIR="+t.TempDir(), "ADMIN_PASSWORD="+harness.Password)
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
	err, stopped = <-ended, true
	if err != nil {
		t.Errorf("the command ended with %v", err)
	}
	for _, port := range ports {
		if status, _ := get(port, "/ready"); status != 0 {
			t.Errorf("machine %s runs on", port)
		}
	}
}
