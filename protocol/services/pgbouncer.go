package services

import (
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"syscall"
	"testing"
)

// PgBouncer is a pooler in front of a PostgreSQL server: each transaction may have another
// connection.
type PgBouncer struct {
	program
	Addr string // host and port
}

// StartPgBouncer starts a pooler in transaction mode, which ends with the test.
func StartPgBouncer(t testing.TB, p *Postgres) *PgBouncer {
	t.Helper()
	path := lookUp(t, "PgBouncer", "pgbouncer", "/usr/sbin")
	folder, err := os.MkdirTemp("", "podium-pgbouncer-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(folder) })
	who := unprivileged(t, folder)
	port := strconv.Itoa(freePort(t))
	file := filepath.Join(folder, "pgbouncer.ini")
	config := fmt.Sprintf("[databases]\npodium = host=127.0.0.1 port=%d user=podium\n[pgbouncer]\nlisten_addr = 127.0.0.1\nlisten_port = %s\n"+
		"auth_type = any\npool_mode = transaction\ndefault_pool_size = 10\nunix_socket_dir =\n", p.Port, port)
	if err := os.WriteFile(file, []byte(config), 0o644); err != nil {
		t.Fatal(err)
	}
	b := &PgBouncer{Addr: net.JoinHostPort("127.0.0.1", port)}
	b.program = program{
		t: t, name: "pgbouncer",
		command: func() *exec.Cmd {
			cmd := exec.Command(path, file)
			cmd.SysProcAttr, cmd.Dir = who, folder
			return cmd
		},
		ready: func() error { return accepts(b.Addr) },
	}
	t.Cleanup(func() { b.end(syscall.SIGQUIT) })
	b.Start()
	return b
}
