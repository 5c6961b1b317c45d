package main

import (
	"encoding/json"
	"fmt"
	"os/exec"
	"strings"
)

// clientPrograms are the peers' programs of clients, which all speak with podium.
var clientPrograms = map[string][]string{
	"node":     {"node", "node/clients.mjs"},
	"zishang3": {"bin/zishangclients"},
	"podium":   {"bin/clients"},
}

// startClients starts the server that clients are measured with.
func startClients(p peer, _ ...string) (*running, error) {
	if clientPrograms[p.name] == nil {
		return nil, errAbsent
	}
	r, err := start(peer{name: "podium", command: []string{"bin/podium"}})
	if err == nil {
		r.peer = p.name // whose clients they are
	}
	return r, err
}

// clients runs a program of 10,000 clients. See control.Measure.
func clients(r *running) (outcome, error) {
	command := clientPrograms[r.peer]
	args := append(command[1:len(command):len(command)], "--server", r.addr, "--control", r.control, "--count", "10000")
	out, err := exec.Command(command[0], args...).Output() // #nosec G204 -- of the list above
	if err != nil {
		return outcome{}, fmt.Errorf("%s: %w", strings.Join(command, " "), err)
	}
	var got struct{ KB, Connect, Trip, Event float64 }
	if err := json.Unmarshal(out, &got); err != nil {
		return outcome{}, fmt.Errorf("read %q: %w", out, err)
	}
	return outcome{Values: []float64{got.KB, got.Connect, got.Trip, got.Event}}, nil
}
