package examples

import (
	"bufio"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
)

// TestAKilledServerLosesNothing runs the chat that keeps its sessions and events in a file,
// and kills it while somebody is away.
func TestAKilledServerLosesNothing(t *testing.T) {
	node, modules := official(t)
	binary := build(t, "recovery")[0]
	file := filepath.Join(t.TempDir(), "chat.db")
	address, kill := start(t, binary, "--file", file)
	directed(t, command(t, node, "recovery/clients.cjs", "http://"+address), modules, func() {
		kill()
		serve(t, address, exec.Command(binary, "--file", file, "--listen", address))
	})
}

// directed runs clients that say "die" on standard output where die must be called, and wait
// for a line that says that it was.
func directed(t *testing.T, cmd *exec.Cmd, modules string, die func()) {
	t.Helper()
	cmd.Env, cmd.Stderr = append(os.Environ(), "NODE_PATH="+modules), os.Stderr
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	died := false
	for lines := bufio.NewScanner(out); lines.Scan(); {
		if lines.Text() == "die" {
			die()
			died = true
			_, _ = in.Write([]byte("it is dead\n")) // who is gone fails below
		}
	}
	if err := cmd.Wait(); err != nil || !died {
		t.Fatalf("asked for a death: %v; %v", died, err)
	}
}
