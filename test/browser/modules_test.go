package browser

import (
	"os/exec"
	"podium/test/harness"
	"testing"
)

// The parts of the pages that need no browser, under Node's own test runner.
func TestPageModules(t *testing.T) {
	t.Parallel()
	node, err := exec.LookPath("node")
	harness.Need(t, err == nil, "node")
	out, err := exec.CommandContext(t.Context(), node, "--test", "modules/").CombinedOutput()
	if err != nil {
		t.Errorf("node --test: %v\n%s", err, out)
	}
}
