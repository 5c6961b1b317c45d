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
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
)

// patience bounds a program's start, and what its client does.
const patience = time.Minute

// run is one way to run a program: with arguments for it and for its client.
type run struct {
	name             string
	args, clientArgs []string
}

// runsOf are the ways to run a folder's program that takes more than an address.
func runsOf(program, cert, key string) []run {
	switch program {
	case "mounting":
		runs := []run{{name: "elsewhere", args: []string{"--on", "elsewhere"}, clientArgs: []string{"/api/live/"}}}
		for _, on := range []string{"mux", "echo", "chi", "gin", "fiber"} {
			runs = append(runs, run{name: on, args: []string{"--on", on}})
		}
		return runs
	case "tls":
		return []run{{args: []string{"--cert", cert, "--key", key}}}
	}
	return []run{{}}
}

// TestEveryProgramServesTheOfficialClient runs each folder's program with its client.cjs. The
// programs that need more than a client have tests of their own.
func TestEveryProgramServesTheOfficialClient(t *testing.T) {
	node, modules := official(t)
	clients, err := filepath.Glob("*/client.cjs")
	if err != nil || len(clients) == 0 {
		t.Fatal("there are no clients: ", err)
	}
	clients = slices.DeleteFunc(clients, func(client string) bool { return filepath.Dir(client) == "nginx" }) // see TestAServerBehindNginx
	programs := make([]string, len(clients))
	for i, client := range clients {
		programs[i] = filepath.Dir(client)
	}
	cert, key := certificate(t)
	binaries := build(t, programs...)
	for i, client := range clients {
		program, binary := programs[i], binaries[i]
		for _, r := range runsOf(program, cert, key) {
			t.Run(strings.TrimSuffix(program+"/"+r.name, "/"), func(t *testing.T) {
				t.Parallel()
				address, _ := start(t, binary, r.args...)
				url := "http://" + address
				if program == "tls" {
					url = "https://" + address
				}
				cmd := command(t, node, append([]string{client, url}, r.clientArgs...)...)
				cmd.Env = append(os.Environ(), "NODE_PATH="+modules, "NODE_EXTRA_CA_CERTS="+cert)
				if out, err := cmd.CombinedOutput(); err != nil {
					t.Fatalf("%s: %v\n%s", client, err, out)
				}
			})
		}
	}
}

// command is a command that ends within the tests' patience.
func command(t *testing.T, name string, args ...string) *exec.Cmd {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	t.Cleanup(cancel)
	return exec.CommandContext(ctx, name, args...)
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

// build builds the programs of folders, side by side and without what only a debugger
// reads: linking is what takes long.
func build(t *testing.T, programs ...string) (binaries []string) {
	t.Helper()
	dir := t.TempDir()
	args := []string{"build", "-ldflags=-s -w", "-o", dir + string(filepath.Separator)}
	for _, program := range programs {
		args = append(args, "./"+program)
		binaries = append(binaries, filepath.Join(dir, program))
	}
	if out, err := exec.Command("go", args...).CombinedOutput(); err != nil {
		t.Fatalf("%s: %v\n%s", strings.Join(programs, ", "), err, out)
	}
	return binaries
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

// TestTheLinesOfTheREADMERun holds the library's front page to the library: its server and
// its client, as they stand there but for the address.
func TestTheLinesOfTheREADMERun(t *testing.T) {
	node, modules := official(t)
	server, client := codeOfREADME(t, "go"), codeOfREADME(t, "js")
	dir, address := t.TempDir(), free(t)
	file := filepath.Join(dir, "main.go")
	if err := os.WriteFile(file, []byte(strings.ReplaceAll(server, "localhost:3000", address)), 0o600); err != nil {
		t.Fatal(err)
	}
	binary := filepath.Join(dir, "readme")
	if out, err := exec.Command("go", "build", "-o", binary, file).CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	serve(t, address, exec.Command(binary))
	script := "const { io } = require('socket.io-client'); (async () => {" +
		strings.ReplaceAll(client, "localhost:3000", address) + "; setTimeout(() => socket.close(), 100); })();"
	cmd := command(t, node, "-e", script)
	cmd.Env = append(os.Environ(), "NODE_PATH="+modules)
	out, err := cmd.CombinedOutput()
	if lines := strings.Fields(string(out)); err != nil || len(lines) != 3 || !slices.Contains(lines, "3") {
		t.Errorf("%v\n%s", err, out)
	}
}

// codeOfREADME is the first piece of code of a language on the library's front page.
func codeOfREADME(t *testing.T, language string) string {
	t.Helper()
	text, err := os.ReadFile("../protocol/README.md")
	if err != nil {
		t.Fatal(err)
	}
	_, rest, found := strings.Cut(string(text), "```"+language+"\n")
	code, _, end := strings.Cut(rest, "```\n")
	if !found || !end {
		t.Fatalf("the README has no %s", language)
	}
	return code
}

// free is an address that nobody listens on.
func free(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().String()
}

// start runs a program on a free address until the test ends, and returns that, and what
// kills it.
func start(t *testing.T, binary string, args ...string) (address string, kill func()) {
	t.Helper()
	address = free(t)
	return address, serve(t, address, exec.Command(binary, append(args, "--listen", address)...))
}

// serve starts a command, waits until it accepts connections at an address, and returns what
// kills it, at the latest when the test ends.
func serve(t *testing.T, address string, cmd *exec.Cmd) (kill func()) {
	t.Helper()
	var output bytes.Buffer
	cmd.Stdout, cmd.Stderr = &output, &output
	cmd.WaitDelay = patience // for what it has started itself
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
			t.Logf("%s said:\n%s", cmd.Path, output.String())
		}
	})
	for deadline := time.Now().Add(patience); ; {
		conn, err := net.Dial("tcp", address)
		if err == nil {
			conn.Close()
			return kill
		}
		if time.Now().After(deadline) {
			t.Fatal(err)
		}
		time.Sleep(10 * time.Millisecond) // between two looks
	}
}
