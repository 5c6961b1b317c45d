package fly

import (
	"fmt"
	"os"
	"strconv"
	"strings"
	"testing"
	"time"
)

// config is a file of TOML by the full names of its keys; tables of an array are
// numbered from 0, as in http_service.checks.0.path.
type config map[string]any

// readTOML reads the part of TOML that fly.toml is written in: tables, arrays of
// tables, and keys with a string, a whole number, or a truth value.
func readTOML(t *testing.T, path string) config {
	t.Helper()
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	c, prefix := config{}, ""
	for number, line := range strings.Split(string(data), "\n") {
		line = strings.TrimSpace(line)
		if name, ok := strings.CutPrefix(line, "[["); ok {
			n, _ := c[strings.TrimSuffix(name, "]]")].(int)
			c[strings.TrimSuffix(name, "]]")] = n + 1
			prefix = fmt.Sprintf("%s.%d.", strings.TrimSuffix(name, "]]"), n)
			continue
		}
		if name, ok := strings.CutPrefix(line, "["); ok {
			prefix = strings.TrimSuffix(name, "]") + "."
			continue
		}
		if line == "" || line[0] == '#' {
			continue
		}
		name, text, ok := strings.Cut(line, " = ")
		if !ok {
			t.Fatalf("line %d is not understood: %s", number+1, line)
		}
		var value any
		if text == "true" || text == "false" {
			value = text == "true"
		} else if whole, err := strconv.Atoi(text); err == nil {
			value = whole
		} else if value, err = strconv.Unquote(text); err != nil {
			t.Fatalf("line %d: the value of %s is not understood: %s", number+1, name, text)
		}
		if _, twice := c[prefix+name]; twice {
			t.Errorf("line %d: %s is there twice", number+1, prefix+name)
		}
		c[prefix+name] = value
	}
	return c
}

func TestTheConfigurationSaysWhatTheServerNeeds(t *testing.T) {
	c := readTOML(t, "fly.toml")
	for name, want := range map[string]any{
		"kill_signal": "SIGTERM", "kill_timeout": "30s", "swap_size_mb": 512,
		"build.dockerfile": "Dockerfile",
		"deploy.strategy":  "rolling", "deploy.max_unavailable": 1,
		"deploy.release_command": "/podium verify --settings",
		"env.PORT":               "3000", "env.DATA_DIR": "/data", "env.RUN_AS": "65534:65534", "env.LOG_FORMAT": "json",
		"env.METRICS_ADDRESS": ":9091", "metrics.port": 9091, "metrics.path": "/metrics",
		"mounts.source": "podium_data", "mounts.destination": "/data", "mounts.snapshot_retention": 14,
		"mounts.scheduled_snapshots": true, "mounts.auto_extend_size_threshold": 80,
		"http_service.internal_port": 3000, "http_service.force_https": true,
		"http_service.auto_stop_machines": "off", "http_service.min_machines_running": 1,
		"http_service.concurrency.type": "connections",
		"http_service.checks":           3, "vm": 1, "vm.0.memory": "256mb",
	} {
		if c[name] != want {
			t.Errorf("%s is %v, not %v", name, c[name], want)
		}
	}
	soft, _ := c["http_service.concurrency.soft_limit"].(int)
	hard, _ := c["http_service.concurrency.hard_limit"].(int)
	// What make memory holds in 256 MB.
	if soft <= 0 || soft >= hard || hard > 15_000 {
		t.Errorf("the limits are %d and %d connections", soft, hard)
	}
	if _, several := c["mounts"]; several {
		t.Error("there are several mounts; a machine takes one volume")
	}
}

// The three tiers of checks: may requests be sent here, is the process alive,
// does real time work.
func TestTheConfigurationHasThreeTiersOfChecks(t *testing.T) {
	c := readTOML(t, "fly.toml")
	for n, want := range []struct{ path, interval, timeout, grace string }{
		{"/ready", "10s", "5s", "10s"},
		{"/health", "15s", "5s", "30s"},
		{"/api/realtime-health", "10s", "5s", "15s"},
	} {
		prefix := fmt.Sprintf("http_service.checks.%d.", n)
		for name, value := range map[string]string{
			"method": "GET", "path": want.path, "interval": want.interval, "timeout": want.timeout, "grace_period": want.grace,
		} {
			if c[prefix+name] != value {
				t.Errorf("%s%s is %v, not %s", prefix, name, c[prefix+name], value)
			}
		}
	}
	for name, value := range c {
		text, _ := value.(string)
		if _, err := time.ParseDuration(text); err != nil && (strings.HasSuffix(name, "timeout") || strings.HasSuffix(name, "interval")) {
			t.Errorf("%s is no duration: %v", name, value)
		}
	}
}
