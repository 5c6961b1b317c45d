package services

import (
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
	p.Kill()
	if p.ready() == nil {
		t.Error("it answers after it was killed")
	}
	p.Start()
}
