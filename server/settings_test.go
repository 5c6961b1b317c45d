package server

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// fitting are settings that nothing is wrong with.
func fitting() Settings {
	return Settings{
		HeartbeatInterval: time.Second, HeartbeatTimeout: time.Second, RecoveryAge: time.Second, CleanupInterval: time.Second,
		SessionAge: time.Second, HeaderTimeout: time.Second, BodyTimeout: time.Second, UploadWindow: time.Second,
		AnswerTimeout: time.Second, ConnectTimeout: time.Second, WinnersLimit: 1, MaxPhoto: 1,
	}
}

func TestACertificateThatCannotBeUsedIsRefusedByItsSetting(t *testing.T) {
	folder := t.TempDir()
	garbage := filepath.Join(folder, "garbage.pem")
	if err := os.WriteFile(garbage, []byte("no certificate"), 0o600); err != nil {
		t.Fatal(err)
	}
	missing := filepath.Join(folder, "missing.pem")
	for _, c := range []struct {
		cert, key string
		says      []string
	}{
		{"", "", nil},
		{garbage, "", []string{"--tls-cert and --tls-key belong together"}},
		{missing, garbage, []string{"--tls-cert: ", missing}},
		{garbage, missing, []string{"--tls-key: ", missing}},
		{folder, folder, []string{"--tls-cert: ", "--tls-key: "}},
		{garbage, garbage, []string{"--tls-cert " + garbage, "cannot be used"}},
	} {
		s := fitting()
		s.TLSCert, s.TLSKey = c.cert, c.key
		err := s.Validate()
		if (err == nil) != (c.says == nil) {
			t.Errorf("%q, %q: %v", c.cert, c.key, err)
		}
		for _, want := range c.says {
			if err == nil || !strings.Contains(err.Error(), want) {
				t.Errorf("%q, %q: %v, want %q", c.cert, c.key, err, want)
			}
		}
	}
}

func TestWebTransportNeedsACertificate(t *testing.T) {
	s := fitting()
	s.Transports = []string{"polling", "websocket"}
	if err := s.Validate(); err != nil {
		t.Error(err)
	}
	s.Transports = append(s.Transports, "webtransport")
	if err := s.Validate(); err == nil || !strings.Contains(err.Error(), "--transports webtransport needs --tls-cert") {
		t.Error(err)
	}
	s.Transports = []string{"carrier pigeon"}
	if err := s.Validate(); err == nil || !strings.Contains(err.Error(), "not \"carrier pigeon\"") {
		t.Error(err)
	}
}

func TestATimeThatIsNotPositiveIsRefusedByItsSetting(t *testing.T) {
	s := fitting()
	s.BodyTimeout = 0
	if err := s.Validate(); err == nil || err.Error() != "--body-timeout must be positive, not 0s" {
		t.Error(err)
	}
}
