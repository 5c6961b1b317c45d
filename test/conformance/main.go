// Command conformance is a server for protocol test suites: Engine.IO and
// Socket.IO as the official suites and the official clients' own tests expect
// them, and with --mode cluster one of several servers that are one, which is driven
// over HTTP at its control address. It uses protocol/ as any program would.
//
// A mode and limits come in as flags; an HTTP server on every address of the
// host that --listen names goes out, until SIGINT or SIGTERM.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/signal"
	"strings"
	"syscall"
	"time"
)

// config is what the flags say.
type config struct {
	mode, listen, path        string
	pingInterval, pingTimeout time.Duration
	connectTimeout            time.Duration
	maxPayload                int64
	eio3                      bool

	node, cluster, control string // of mode cluster
}

// server is what every mode is made of.
type server interface {
	http.Handler
	Shutdown(context.Context) error
}

// mode makes a server, and says what differs from the flags' defaults.
type mode struct {
	defaults map[string]string
	open     func(config) server
}

var modes = map[string]mode{
	"engineio":    {map[string]string{"path": "/engine.io/"}, openEcho},
	"engineio-hi": {map[string]string{"path": "/engine.io/", "ping-interval": "500ms", "max-payload": "100"}, openHi},
	"socketio":    {nil, openSocketIO},
	"cluster":     {map[string]string{"ping-interval": "25s", "ping-timeout": "20s", "connect-timeout": "45s"}, nil},
	"client":      {map[string]string{"listen": "localhost:3210", "ping-interval": "2s"}, openClientTests},
}

func main() {
	if err := run(os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "conformance:", err)
		os.Exit(1)
	}
}

// parse reads the flags. A mode's defaults stand where no flag was given.
func parse(args []string) (config, error) {
	var c config
	fs := flag.NewFlagSet("conformance", flag.ContinueOnError)
	fs.StringVar(&c.mode, "mode", "socketio", "engineio, engineio-hi, socketio, client or cluster")
	fs.StringVar(&c.listen, "listen", "localhost:3000", "host and port; every address of the host is used")
	fs.StringVar(&c.path, "path", "/socket.io/", "path of the server")
	fs.DurationVar(&c.pingInterval, "ping-interval", 300*time.Millisecond, "how often clients are pinged")
	fs.DurationVar(&c.pingTimeout, "ping-timeout", 200*time.Millisecond, "how long they may take to answer")
	fs.Int64Var(&c.maxPayload, "max-payload", 1_000_000, "largest message or request body, in bytes")
	fs.DurationVar(&c.connectTimeout, "connect-timeout", time.Second, "how long a client may take to join a namespace")
	fs.BoolVar(&c.eio3, "eio3", false, "take Engine.IO protocol 3 too")
	fs.StringVar(&c.node, "node", "node", "cluster: name of this server")
	fs.StringVar(&c.cluster, "cluster", "redis://localhost:6379", "cluster: URL of the engine that the servers share")
	fs.StringVar(&c.control, "control", "localhost:0", "cluster: host and port at which the server is driven")
	if err := fs.Parse(args); err != nil {
		return c, err
	}
	m, ok := modes[c.mode]
	if !ok {
		return c, fmt.Errorf("unknown mode %q", c.mode)
	}
	given := make(map[string]bool)
	fs.Visit(func(f *flag.Flag) { given[f.Name] = true })
	for name, value := range m.defaults {
		if given[name] {
			continue
		}
		if err := fs.Set(name, value); err != nil {
			return c, err
		}
	}
	return c, nil
}

func run(args []string) error {
	c, err := parse(args)
	if err != nil {
		return err
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if c.mode == "cluster" {
		return runCluster(ctx, c)
	}
	listeners, err := listenAll(ctx, c.listen)
	if err != nil {
		return err
	}
	srv := modes[c.mode].open(c)
	web := &http.Server{Handler: handler(c, srv), ReadHeaderTimeout: 10 * time.Second}
	failed := make(chan error, len(listeners))
	for _, l := range listeners {
		fmt.Println("listening on", l.Addr())
		go func() { failed <- web.Serve(l) }()
	}
	select {
	case err = <-failed:
	case <-ctx.Done():
	}
	end, cancel := context.WithTimeout(context.Background(), 2*time.Second)
	defer cancel()
	return errors.Join(err, srv.Shutdown(end), web.Shutdown(end))
}

// handler mounts srv at its path, which requests may name without its last slash.
func handler(c config, srv http.Handler) http.Handler {
	mux := http.NewServeMux()
	mux.Handle(c.path, srv)
	if bare := strings.TrimSuffix(c.path, "/"); bare != "" && bare != c.path {
		mux.Handle(bare, srv)
	}
	return mux
}

// listenAll listens on every address that the host of addr has.
func listenAll(ctx context.Context, addr string) ([]net.Listener, error) {
	host, port, err := net.SplitHostPort(addr)
	if err != nil {
		return nil, fmt.Errorf("--listen: %w", err)
	}
	hosts := []string{host}
	if host != "" {
		if hosts, err = net.DefaultResolver.LookupHost(ctx, host); err != nil {
			return nil, fmt.Errorf("--listen: %w", err)
		}
	}
	if host == "localhost" {
		hosts = []string{"127.0.0.1", "::1"} // whichever of them the resolver knows
	}
	var out []net.Listener
	var failures []error
	for _, h := range hosts {
		l, err := net.Listen("tcp", net.JoinHostPort(h, port))
		if err != nil {
			failures = append(failures, err)
			continue
		}
		out = append(out, l)
		_, port, _ = net.SplitHostPort(l.Addr().String()) // the same port everywhere
	}
	if len(out) == 0 {
		return nil, errors.Join(failures...)
	}
	return out, nil
}
