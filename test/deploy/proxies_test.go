package deploy

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"math/big"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"podium/test/harness"
	"strings"
	"testing"
	"time"
)

// certificate writes a certificate for 127.0.0.1 and its key, and returns where.
func certificate(t *testing.T) (cert, key string) {
	t.Helper()
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	about := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "podium test"}, IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(30 * 24 * time.Hour),
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageDigitalSignature | x509.KeyUsageCertSign,
	}
	der, err := x509.CreateCertificate(rand.Reader, about, about, &private.PublicKey, private)
	if err != nil {
		t.Fatal(err)
	}
	secret, err := x509.MarshalPKCS8PrivateKey(private)
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	cert, key = filepath.Join(dir, "cert.pem"), filepath.Join(dir, "key.pem")
	for path, block := range map[string]*pem.Block{cert: {Type: "CERTIFICATE", Bytes: der}, key: {Type: "PRIVATE KEY", Bytes: secret}} {
		if err := os.WriteFile(path, pem.EncodeToMemory(block), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return cert, key
}

// replaced is a file in which each of the pairs of texts was found and replaced.
func replaced(t *testing.T, path string, pairs ...string) string {
	t.Helper()
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	text := string(data)
	for i := 0; i+1 < len(pairs); i += 2 {
		if !strings.Contains(text, pairs[i]) {
			t.Fatalf("%s has no %q", path, pairs[i])
		}
		text = strings.ReplaceAll(text, pairs[i], pairs[i+1])
	}
	return text
}

// proxyServer is a web server that the guide has a configuration for.
type proxyServer struct {
	name, file string
	// command starts it in a folder, on a port, before a server.
	command func(t *testing.T, dir, path, port, target, cert, key string) *exec.Cmd
}

var proxyServers = []proxyServer{
	{"nginx", "../ops/proxy/nginx.conf", func(t *testing.T, dir, path, port, target, cert, key string) *exec.Cmd {
		own := replaced(t, path, "127.0.0.1:3000", target, "listen 443 ssl", "listen 127.0.0.1:"+port+" ssl",
			"/etc/letsencrypt/live/contest.example/fullchain.pem", cert, "/etc/letsencrypt/live/contest.example/privkey.pem", key)
		var temporary strings.Builder
		for _, kind := range []string{"client_body", "proxy", "fastcgi", "uwsgi", "scgi"} {
			fmt.Fprintf(&temporary, "%s_temp_path %s/%s;\n", kind, dir, kind)
		}
		conf := filepath.Join(dir, "whole.conf")
		whole := "daemon off;\npid " + dir + "/pid;\nerror_log stderr;\nworker_processes 1;\nevents {}\nhttp {\naccess_log off;\n" + temporary.String() + own + "}\n"
		if os.Getuid() == 0 {
			whole = "user root;\n" + whole // its folder is root's
		}
		if err := os.WriteFile(conf, []byte(whole), 0o600); err != nil {
			t.Fatal(err)
		}
		return exec.Command("nginx", "-p", dir, "-e", "stderr", "-c", conf)
	}},
	{"caddy", "../ops/proxy/Caddyfile", func(t *testing.T, dir, path, port, target, cert, key string) *exec.Cmd {
		own := replaced(t, path, "127.0.0.1:3000", target, "contest.example {", "https://127.0.0.1:"+port+" {\n\ttls "+cert+" "+key)
		conf := filepath.Join(dir, "Caddyfile")
		if err := os.WriteFile(conf, []byte("{\n\tadmin off\n\tauto_https disable_redirects\n\tskip_install_trust\n}\n"+own), 0o600); err != nil {
			t.Fatal(err)
		}
		cmd := exec.Command("caddy", "run", "--config", conf, "--adapter", "caddyfile")
		cmd.Env = append(os.Environ(), "HOME="+dir, "XDG_DATA_HOME="+dir, "XDG_CONFIG_HOME="+dir)
		return cmd
	}},
}

// Behind nginx and Caddy with the configurations of the guide everything works:
// podium verify finds no fault, official clients connect over both transports
// and move from one to the other, the largest photo passes, and the server knows
// the guests' own addresses whatever they claim.
func TestTheConfigurationsForProxiesWork(t *testing.T) {
	for _, s := range proxyServers {
		t.Run(s.name, func(t *testing.T) {
			if _, err := exec.LookPath(s.name); err != nil {
				t.Skipf("%s is not installed", s.name)
			}
			p := harness.Start(t, "--heartbeat-interval", "1s", "--trusted-proxies", "127.0.0.1/32", "--client-address-header", "X-Forwarded-For")
			url, cert := startProxyServer(t, s, p)
			t.Setenv("SSL_CERT_FILE", cert)
			t.Setenv("NODE_EXTRA_CA_CERTS", cert)
			out, code := verify(t, []string{"SSL_CERT_FILE=" + cert}, "", url)
			if code != 0 && !(strings.Count(out, "✗") == 1 && strings.Contains(out, "✗ the Socket.IO client is served")) || !strings.Contains(out, "✓ TLS is kept") {
				t.Errorf("podium verify: exit code %d\n%s", code, out)
			}
			var clients []*harness.NodeClient
			for _, transports := range []string{"polling", "websocket", "default"} {
				c := harness.Listen(t, "socket.io-client-4.7", url, transports)
				c.Next("connect", "")
				if transports == "default" {
					c.Next("upgrade", "")
				}
				clients = append(clients, c)
			}
			submitLargest(t, p, url, cert)
			for _, c := range clients {
				c.Next("event", "newSubmission")
			}
			if seen := addressSeen(t, p, url, cert); seen != "127.0.0.1" {
				t.Errorf("the server believes in the address %s", seen)
			}
		})
	}
}

// startProxyServer starts a web server before p and waits until it answers.
func startProxyServer(t *testing.T, s proxyServer, p *harness.Program) (url, cert string) {
	t.Helper()
	cert, key := certificate(t)
	port := harness.FreePort(t)
	url = "https://127.0.0.1:" + port
	cmd := s.command(t, t.TempDir(), s.file, port, "127.0.0.1:"+p.Port, cert, key)
	log := &harness.Buffer{}
	cmd.Stdout, cmd.Stderr = log, log
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	ended := make(chan struct{})
	go func() {
		_ = cmd.Wait()
		close(ended)
	}()
	t.Cleanup(func() {
		_ = cmd.Process.Signal(os.Interrupt)
		select {
		case <-ended:
		case <-time.After(harness.Patience):
			_ = cmd.Process.Kill()
			<-ended
		}
		if t.Failed() {
			t.Logf("%s says:\n%s", s.name, log)
		}
	})
	client := trusting(t, cert)
	harness.Eventually(t, s.name+" to answer", func() bool {
		select {
		case <-ended:
			t.Fatalf("%s ended: %s", s.name, log)
		default:
		}
		res, err := client.Get(url + "/ready")
		if err != nil {
			return false
		}
		_ = res.Body.Close()
		return res.StatusCode == http.StatusOK
	})
	return url, cert
}

// trusting is a client that trusts a certificate.
func trusting(t *testing.T, cert string) *http.Client {
	t.Helper()
	data, err := os.ReadFile(cert)
	if err != nil {
		t.Fatal(err)
	}
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(data)
	client := &http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{RootCAs: roots}}}
	t.Cleanup(client.CloseIdleConnections)
	return client
}

// submitLargest submits a photo of nearly the largest size that is taken.
func submitLargest(t *testing.T, p *harness.Program, url, cert string) {
	t.Helper()
	picture := append(harness.Photo(t, 64, 48), bytes.Repeat([]byte{0}, 10<<20-64<<10)...)
	body, kind := harness.Form(t, map[string]string{"category": "best", "caption": "large"}, picture)
	res, err := trusting(t, cert).Post(url+"/api/submit", kind, body)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	if res.StatusCode != http.StatusOK {
		t.Errorf("a photo of %d bytes: %s", len(picture), res.Status)
	}
}

// addressSeen signs in with a forged X-Forwarded-For and returns where the server
// saw that come from.
func addressSeen(t *testing.T, p *harness.Program, url, cert string) string {
	t.Helper()
	client := trusting(t, cert)
	req, err := http.NewRequestWithContext(t.Context(), "POST", url+"/api/login", strings.NewReader(`{"password":"`+harness.Password+`"}`))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("X-Forwarded-For", "203.0.113.7")
	res, err := client.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	_ = res.Body.Close()
	if len(res.Header["Set-Cookie"]) == 0 {
		t.Fatalf("sign-in: %s", res.Status)
	}
	cookie := res.Header["Set-Cookie"][0]
	if !strings.Contains(cookie, "Secure") {
		t.Errorf("the cookie is not marked Secure: %s", cookie)
	}
	if req, err = http.NewRequestWithContext(t.Context(), "GET", url+"/api/sessions", nil); err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Cookie", cookie)
	if res, err = client.Do(req); err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	var body struct {
		Sessions []struct{ Address string }
	}
	if err := json.NewDecoder(res.Body).Decode(&body); err != nil || len(body.Sessions) == 0 {
		t.Fatalf("the sessions: %v %+v", err, body)
	}
	return body.Sessions[0].Address
}
