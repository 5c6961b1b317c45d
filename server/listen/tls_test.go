package listen

import (
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"testing"
	"time"

	"podium/protocol/limits"
)

// The event loop holds WebSockets under TLS only where what is below TLS is not the
// system's own connection: see websocket.NewListener.
func TestUnderTLSConnectionsAreThoseThatTheEventLoopCanHold(t *testing.T) {
	certificate, key := certificateFiles(t)
	f, err := New(Options{
		Address: "127.0.0.1:0", TLSCert: certificate, TLSKey: key, Addresses: new(limits.Addresses), Sockets: limits.NewGate("sockets", 0, 0),
		HeaderTimeout: time.Minute, MaxHeader: 16 << 10, Logger: slog.New(slog.DiscardHandler),
	})
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	below := make(chan net.Conn, 1)
	f.Open(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		c, _, err := http.NewResponseController(w).Hijack()
		if err != nil {
			t.Error(err)
			below <- nil
			return
		}
		defer c.Close()
		below <- c.(*tls.Conn).NetConn()
	}))
	client := &http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{InsecureSkipVerify: true}}, Timeout: 20 * time.Second}
	if res, err := client.Get("https://" + f.Addr().String()); err == nil {
		res.Body.Close()
		t.Error("an answer came on a connection that was taken over")
	}
	if c, ok := (<-below).(*net.TCPConn); ok {
		t.Errorf("below TLS there is a %T", c)
	}
}

// certificateFiles are those of httptest's certificate and its key.
func certificateFiles(t *testing.T) (certificate, key string) {
	t.Helper()
	s := httptest.NewTLSServer(nil)
	defer s.Close()
	own := s.TLS.Certificates[0]
	private, err := x509.MarshalPKCS8PrivateKey(own.PrivateKey)
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	for name, block := range map[string]pem.Block{
		"cert.pem": {Type: "CERTIFICATE", Bytes: own.Certificate[0]},
		"key.pem":  {Type: "PRIVATE KEY", Bytes: private},
	} {
		if err := os.WriteFile(filepath.Join(dir, name), pem.EncodeToMemory(&block), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return filepath.Join(dir, "cert.pem"), filepath.Join(dir, "key.pem")
}
