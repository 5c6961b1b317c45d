package main

import (
	"context"
	"net"
	"net/http/httptest"
	"os"
	"os/exec"
	"testing"
	"time"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) {
	beProgram()
	goleak.VerifyTestMain(m)
}

// wait bounds everything a test waits for.
const wait = 2 * time.Minute

// serve serves a mode, with the defaults of its flags but for those in args, and
// returns its port.
func serve(t *testing.T, args ...string) string {
	t.Helper()
	c, err := parse(args)
	if err != nil {
		t.Fatal(err)
	}
	srv := modes[c.mode].open(c)
	web := httptest.NewServer(handler(c, srv))
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), wait)
		defer cancel()
		if err := srv.Shutdown(ctx); err != nil {
			t.Errorf("shut down: %v", err)
		}
		web.Close()
	})
	_, port, err := net.SplitHostPort(web.Listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	return port
}

// runScript runs a script of this folder with Node and the official packages.
func runScript(t *testing.T, args ...string) {
	t.Helper()
	if _, err := os.Stat("../node_modules/.installed"); err != nil {
		if os.Getenv("PODIUM_TEST_REQUIRE") != "" {
			t.Fatal("the official packages are missing")
		}
		t.Skip("the official packages are missing: run make test")
	}
	ctx, cancel := context.WithTimeout(context.Background(), wait)
	defer cancel()
	out, err := exec.CommandContext(ctx, "node", args...).CombinedOutput()
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	t.Logf("%s", out)
}

// TestAnswersAreTheOfficialOnes asks the official server and this one the same:
// every combination of what a request can say about itself, payloads, and packets
// of Engine.IO and Socket.IO, right and wrong.
func TestAnswersAreTheOfficialOnes(t *testing.T) {
	t.Parallel()
	limits := []string{"--ping-interval", "60s", "--ping-timeout", "60s", "--connect-timeout", "45s", "--max-payload", "1000", "--eio3", "--mode"}
	runScript(t, "official.cjs", serve(t, append(limits, "engineio")...), serve(t, append(limits, "socketio")...))
}

// TestWhatTheClientsSuitesAskFor has an official client ask everything that the
// clients' own test suites rely on, over each transport.
func TestWhatTheClientsSuitesAskFor(t *testing.T) {
	t.Parallel()
	runScript(t, "client.cjs", serve(t, "--mode", "client"), serve(t, "--mode", "engineio-hi"))
}
