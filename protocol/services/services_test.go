package services

import (
	"os"
	"path/filepath"
	"testing"
)

func TestRedisIsKilledAndStartedAgainAtItsAddress(t *testing.T) {
	r := StartRedis(t, "appendonly", "yes", "appendfsync", "always")
	if answer, err := r.Do("SET", "k", "v"); err != nil || answer != "+OK" {
		t.Fatalf("%q, %v", answer, err)
	}
	r.Kill()
	if _, err := r.Do("PING"); err == nil {
		t.Error("it answers after it was killed")
	}
	r.Start()
	if answer, err := r.Do("EXISTS", "k"); err != nil || answer != ":1" {
		t.Errorf("%q, %v", answer, err)
	}
}

func TestPostgresIsKilledAndStartedAgainAtItsAddress(t *testing.T) {
	p := StartPostgres(t)
	if _, err := os.Stat(filepath.Join(p.Dir, "postmaster.pid")); err != nil {
		t.Errorf("it ends as soon as it looks for its file: %v", err)
	}
	p.Kill()
	if p.ready() == nil {
		t.Error("it answers after it was killed")
	}
	p.Start()
}
