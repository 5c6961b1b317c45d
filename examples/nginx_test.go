package examples

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// TestAServerBehindNginx runs the program and its configuration of nginx with the official client.
func TestAServerBehindNginx(t *testing.T) {
	node, modules := official(t)
	nginx, err := exec.LookPath("nginx")
	if err != nil {
		nginx, err = exec.LookPath("/usr/sbin/nginx") // which is not on everybody's path
	}
	if err != nil {
		if os.Getenv("PODIUM_TEST_REQUIRE") != "" {
			t.Fatal("nginx is missing: ", err)
		}
		t.Skip("nginx is missing, run make setup: ", err)
	}
	server, _ := start(t, build(t, "nginx")[0])
	front, dir := free(t), t.TempDir()
	serve(t, front, exec.Command(nginx, "-p", dir, "-e", "stderr", "-c", configuration(t, dir, front, server)))
	cmd := command(t, node, "nginx/client.cjs", "http://"+front)
	cmd.Env = append(os.Environ(), "NODE_PATH="+modules)
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
}

// configuration writes one for nginx around that of the example, with these addresses and
// everything that it writes in a folder.
func configuration(t *testing.T, dir, front, server string) (file string) {
	t.Helper()
	text, err := os.ReadFile("nginx/nginx.conf")
	if err != nil {
		t.Fatal(err)
	}
	own := string(text)
	for was, is := range map[string]string{"127.0.0.1:8080": front, "127.0.0.1:3000": server} {
		if !strings.Contains(own, was) {
			t.Fatalf("nginx.conf has no %s", was)
		}
		own = strings.ReplaceAll(own, was, is)
	}
	var around strings.Builder
	if os.Getuid() == 0 {
		around.WriteString("user root;\n") // the folder is root's
	}
	fmt.Fprintf(&around, "daemon off;\nmaster_process off;\npid %s/pid;\nerror_log stderr;\nevents {}\nhttp {\naccess_log off;\n", dir)
	for _, kind := range []string{"client_body", "proxy", "fastcgi", "uwsgi", "scgi"} {
		fmt.Fprintf(&around, "%s_temp_path %s/%s;\n", kind, dir, kind)
	}
	fmt.Fprintf(&around, "%s}\n", own)
	file = filepath.Join(dir, "nginx.conf")
	if err := os.WriteFile(file, []byte(around.String()), 0o600); err != nil {
		t.Fatal(err)
	}
	return file
}
