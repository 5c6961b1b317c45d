package examples

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/pem"
	"math/big"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"
)

// patience bounds a program's start, and what its client does.
const patience = time.Minute

// TestEveryProgramServesTheOfficialClient runs each folder's program with its client.cjs.
func TestEveryProgramServesTheOfficialClient(t *testing.T) {
	node, modules := official(t)
	clients, err := filepath.Glob("*/client.cjs")
	if err != nil || len(clients) == 0 {
		t.Fatal("there are no clients: ", err)
	}
	for _, client := range clients {
		program := filepath.Dir(client)
		ways := [][]string{nil}
		scheme, cert := "http://", ""
		switch program {
		case "routers":
			ways = [][]string{{"--on", "echo"}, {"--on", "chi"}}
		case "tls":
			var key string
			cert, key = certificate(t)
			ways, scheme = [][]string{{"--cert", cert, "--key", key}}, "https://"
		}
		binary := build(t, program)
		for _, args := range ways {
			name := program
			if program == "routers" {
				name += " on " + args[1]
			}
			t.Run(name, func(t *testing.T) {
				t.Parallel()
				address, _ := start(t, binary, args...)
				ctx, cancel := context.WithTimeout(t.Context(), patience)
				defer cancel()
				cmd := exec.CommandContext(ctx, node, client, scheme+address)
				cmd.Env = append(os.Environ(), "NODE_PATH="+modules, "NODE_EXTRA_CA_CERTS="+cert)
				if out, err := cmd.CombinedOutput(); err != nil {
					t.Fatalf("%s: %v\n%s", client, err, out)
				}
			})
		}
	}
}

// official returns where Node is and where the official client is, or skips the test.
func official(t *testing.T) (node, modules string) {
	t.Helper()
	modules, err := filepath.Abs("../test/node_modules")
	if err != nil {
		t.Fatal(err)
	}
	node, err = exec.LookPath("node")
	if err == nil {
		_, err = os.Stat(filepath.Join(modules, "socket.io-client"))
	}
	if err != nil {
		if os.Getenv("PODIUM_TEST_REQUIRE") != "" {
			t.Fatal("the official client is missing: ", err)
		}
		t.Skip("the official client is missing, run make node: ", err)
	}
	return node, modules
}

// build builds a folder's program.
func build(t *testing.T, program string) (binary string) {
	t.Helper()
	binary = filepath.Join(t.TempDir(), program)
	if out, err := exec.Command("go", "build", "-o", binary, "./"+program).CombinedOutput(); err != nil {
		t.Fatalf("%s: %v\n%s", program, err, out)
	}
	return binary
}

// certificate makes one for 127.0.0.1, and returns the files that it and its key are in.
func certificate(t *testing.T) (certFile, keyFile string) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), NotAfter: time.Now().Add(time.Hour), IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageDigitalSignature | x509.KeyUsageCertSign,
	}
	cert, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	private, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	certFile, keyFile = filepath.Join(dir, "cert.pem"), filepath.Join(dir, "key.pem")
	for file, block := range map[string]*pem.Block{
		certFile: {Type: "CERTIFICATE", Bytes: cert}, keyFile: {Type: "PRIVATE KEY", Bytes: private},
	} {
		if err := os.WriteFile(file, pem.EncodeToMemory(block), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return certFile, keyFile
}

// TestTheProgramOfTheREADMEBuilds holds the library's front page to the library.
func TestTheProgramOfTheREADMEBuilds(t *testing.T) {
	text, err := os.ReadFile("../protocol/README.md")
	if err != nil {
		t.Fatal(err)
	}
	_, rest, found := strings.Cut(string(text), "```go\n")
	program, _, end := strings.Cut(rest, "```\n")
	if !found || !end {
		t.Fatal("the README has no program")
	}
	file := filepath.Join(t.TempDir(), "main.go")
	if err := os.WriteFile(file, []byte(program), 0o600); err != nil {
		t.Fatal(err)
	}
	if out, err := exec.Command("go", "build", "-o", os.DevNull, file).CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
}

// start runs a program on a free port until the test ends, and returns its address, and
// what kills it.
func start(t *testing.T, binary string, args ...string) (address string, kill func()) {
	t.Helper()
	free, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	address = free.Addr().String()
	free.Close()
	var output bytes.Buffer
	cmd := exec.Command(binary, append(args, "--listen", address)...)
	cmd.Stdout, cmd.Stderr = &output, &output
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	kill = sync.OnceFunc(func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
	})
	t.Cleanup(func() {
		kill()
		if t.Failed() {
			t.Logf("the server said:\n%s", output.String())
		}
	})
	for deadline := time.Now().Add(patience); ; {
		conn, err := net.Dial("tcp", address)
		if err == nil {
			conn.Close()
			return address, kill
		}
		if time.Now().After(deadline) {
			t.Fatal(err)
		}
		time.Sleep(10 * time.Millisecond) // between two looks
	}
}
