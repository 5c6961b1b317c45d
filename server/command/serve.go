package command

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"strings"
	"syscall"

	"github.com/mdp/qrterminal/v3"
	"golang.org/x/term"

	"podium/contest"
	"podium/server"
	"podium/server/listen"
	"podium/server/machine"
	"podium/store/bolt"
)

// serveCommand serves the contest.
type serveCommand struct {
	server.Settings
}

// Run serves until ctx ends.
func (c *serveCommand) Run(ctx context.Context, out output) error {
	level := new(slog.LevelVar)
	if err := level.UnmarshalText([]byte(c.LogLevel)); err != nil {
		return fmt.Errorf("--log-level: %w", err)
	}
	log := newLogger(out.stderr, c.LogFormat, level)
	machine.RaiseFileLimit()
	// First of all, so that nobody is refused while the rest is made ready.
	front, err := c.Listen(log)
	if err != nil {
		return err
	}
	if err := machine.Become(c.RunAs, c.Data); err != nil {
		return errors.Join(err, front.Close())
	}
	machine.SetMemory()
	s, err := server.New(c.Settings, log, level)
	if err != nil {
		return errors.Join(err, front.Close())
	}
	if err := serveControl(ctx, s, c.Data); err != nil {
		log.Warn("commands cannot reach this server", "error", err)
	}
	c.greet(out, s, front)
	return s.Run(ctx, front)
}

// greet prints the address to open; on a terminal also a code for phones.
func (c *serveCommand) greet(out output, s *server.Server, front *listen.Front) {
	addresses := s.Addresses(front.Addr())
	if s.Password != "" {
		fmt.Fprintf(out.stdout, "The admin password is %s (shown only now; set ADMIN_PASSWORD to choose one)\n", s.Password)
	}
	here := addresses[len(addresses)-1]
	if path := s.SetupPath(); path != "" {
		from := here
		if c.PublicURL != "" {
			from = c.PublicURL
		}
		fmt.Fprintf(out.stdout, "Set the event up in a browser: %s (until then; the code in it is a secret)\n", strings.TrimSuffix(from, "/")+path)
	}
	fmt.Fprintf(out.stdout, "Podium is ready: %s\n", here)
	if len(addresses) < 2 {
		return
	}
	fmt.Fprintln(out.stdout, "Phones in the same network open:")
	for _, a := range addresses[:len(addresses)-1] {
		fmt.Fprintln(out.stdout, "  "+a)
	}
	if f, ok := out.stdout.(*os.File); ok && term.IsTerminal(int(f.Fd())) {
		qrterminal.GenerateHalfBlock(addresses[0], qrterminal.M, out.stdout)
	}
}

func newLogger(w io.Writer, format string, level slog.Leveler) *slog.Logger {
	options := &slog.HandlerOptions{Level: level}
	if format == "json" {
		return slog.New(slog.NewJSONHandler(w, options))
	}
	return slog.New(slog.NewTextHandler(w, options))
}

// explain makes an error that people meet into a sentence that helps.
func explain(err error) error {
	switch {
	case errors.Is(err, bolt.ErrLocked):
		return fmt.Errorf("%w.\nStop the other Podium, or choose another folder with --data", err)
	case errors.Is(err, bolt.ErrDamaged), errors.Is(err, bolt.ErrNotAStore):
		return fmt.Errorf("%w.\npodium restore puts the newest backup in its place; podium check --repair keeps what can still be read, and podium export DIR takes that elsewhere", err)
	case errors.Is(err, contest.ErrAway):
		return fmt.Errorf("%w.\nCheck that the database of --database is running and lets this machine in", err)
	case errors.Is(err, syscall.EADDRINUSE):
		return fmt.Errorf("%w.\nAnother program uses that port; choose another one with --port", err)
	case errors.Is(err, syscall.EACCES):
		return fmt.Errorf("%w.\nThis user may not do that; choose a port above 1023 or another folder", err)
	}
	return err
}
