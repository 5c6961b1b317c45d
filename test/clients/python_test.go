package clients

import (
	"context"
	"os/exec"
	"testing"
	"time"

	"podium/test/harness"
)

// python is Debian's: its packages are not there for others.
const python = "/usr/bin/python3"

// Clients that share no code with the official ones, of both protocols.
func TestPythonClients(t *testing.T) {
	for _, module := range []string{"socketio", "socketIO_client", "requests", "websocket"} {
		found := exec.CommandContext(t.Context(), python, "-c", "import "+module).Run() == nil
		harness.Need(t, found, "Python's module "+module)
	}
	url := interopServer(t, nil)
	for _, c := range []struct {
		module     string
		transports []string
	}{
		{"socketio", everyTransport},
		{"socketIO_client", []string{"default", "polling"}}, // it begins with polling always
	} {
		for _, transport := range c.transports {
			t.Run(c.module+"/"+transport, func(t *testing.T) {
				ctx, cancel := context.WithTimeout(t.Context(), 3*time.Minute)
				defer cancel()
				for _, r := range checks(t, exec.CommandContext(ctx, python, "-W", "ignore", "clients/interop.py", c.module, url, transport)) {
					if !r.OK {
						t.Errorf("%s: %s", r.Check, r.Detail)
					}
				}
			})
		}
	}
}
