package examples

import (
	"testing"

	"podium/protocol/services"
)

// TestTwoNodesAreOneServer runs the chat of several servers, and kills one of two.
func TestTwoNodesAreOneServer(t *testing.T) {
	node, modules := official(t)
	r := services.StartRedis(t)
	binary := build(t, "twonodes")[0]
	first, kill := start(t, binary, "--redis", r.URL())
	second, _ := start(t, binary, "--redis", r.URL())
	cmd := command(t, node, "twonodes/clients.cjs", "http://"+first, "http://"+second)
	directed(t, cmd, modules, kill)
}
