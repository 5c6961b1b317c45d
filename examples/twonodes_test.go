package examples

import (
	"bufio"
	"context"
	"os"
	"os/exec"
	"testing"

	"podium/protocol/services"
)

// TestTwoNodesAreOneServer runs the chat of several servers, and kills one of two.
func TestTwoNodesAreOneServer(t *testing.T) {
	node, modules := official(t)
	r := services.StartRedis(t)
	binary := build(t, "twonodes")
	first, kill := start(t, binary, "--redis", r.URL())
	second, _ := start(t, binary, "--redis", r.URL())
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	cmd := exec.CommandContext(ctx, node, "twonodes/clients.cjs", "http://"+first, "http://"+second)
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
	for lines := bufio.NewScanner(out); lines.Scan(); {
		if lines.Text() == "die" {
			kill()
			_, _ = in.Write([]byte("it is dead\n")) // who is gone fails below
		}
	}
	if err := cmd.Wait(); err != nil {
		t.Fatal(err)
	}
}
