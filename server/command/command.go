// Package command is Podium's command line: one file a command.
//
// Arguments come in; a server, a file or a sentence goes out, and an exit
// code: 0 for success, 1 for a failure, 2 for words that the command line does
// not know. Flags come before the environment, and the environment before a
// .env file in the working directory.
package command

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/signal"
	"syscall"

	"github.com/alecthomas/kong"
	"github.com/joho/godotenv"
)

// The exit codes.
const (
	exitSuccess = 0
	exitFailure = 1
	exitUsage   = 2
)

// commands are all commands, as kong reads them.
type commands struct {
	Serve   serveCommand   `cmd:"" default:"withargs" help:"Serve the contest (also without a command)."`
	Import  importCommand  `cmd:"" help:"Take over the data of an old deployment."`
	Export  exportCommand  `cmd:"" help:"Write everything as data.json, a table and pictures, into a folder or a zip."`
	Backup  backupCommand  `cmd:"" help:"Write a consistent copy of the contest's data."`
	Restore restoreCommand `cmd:"" help:"Put a backup in the place of the data."`
	Check   checkCommand   `cmd:"" help:"Check that the contest's data is in order."`
	Inspect inspectCommand `cmd:"" help:"Say what the data holds: counts, sizes, the newest entries, the log."`
	Tail    tailCommand    `cmd:"" help:"Print the event log as it grows."`
	Token   tokenCommand   `cmd:"" help:"Make a token with which scripts sign in."`
	Connect connectCommand `cmd:"" help:"Talk to any Socket.IO server: print its events, emit what is typed."`
	Verify  verifyCommand  `cmd:"" help:"Check a running server, here or at an address, from the outside."`

	Version  versionCommand  `cmd:"" help:"Say which program this is: version, revision, how it was built."`
	Licences licencesCommand `cmd:"" help:"List the libraries inside, and their licences."`

	VersionFlag versionFlag `name:"version" help:"Say what the command version says."`
}

// versionFlag is --version, which comes before everything else.
type versionFlag bool

// BeforeReset prints the version and ends the program.
func (versionFlag) BeforeReset(app *kong.Kong) error {
	err := writeVersion(app.Stdout)
	app.Exit(exitSuccess)
	return err
}

// output is where commands write.
type output struct{ stdout, stderr io.Writer }

// loadDotEnv takes over from a .env file in the working directory what the environment
// does not set. A variable that is set to nothing, which is what compose files and
// units make of one that they pass on and nobody gave, is not set.
func loadDotEnv() error {
	values, err := godotenv.Read()
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	for name, value := range values {
		if os.Getenv(name) != "" {
			continue
		}
		if err := os.Setenv(name, value); err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
	}
	return nil
}

// Run executes the command that args name and returns its exit code. It writes
// what it did to stdout and what went wrong to stderr.
func Run(args []string, stdout, stderr io.Writer) int {
	if err := loadDotEnv(); err != nil {
		fmt.Fprintf(stderr, "podium: read .env: %v\n", err)
		return exitUsage
	}
	exit := -1
	var all commands
	parser, err := kong.New(&all,
		kong.Name("podium"),
		kong.Description("A live photo contest: people submit photos from their phones, everybody watches the feed, admins announce the winners."),
		kong.UsageOnError(),
		kong.Writers(stdout, stderr),
		kong.Exit(func(code int) { exit = code }),
		kong.ConfigureHelp(kong.HelpOptions{Compact: true, WrapUpperBound: 100}),
	)
	if err != nil {
		fmt.Fprintf(stderr, "podium: %v\n", err)
		return exitUsage
	}
	chosen, err := parser.Parse(args)
	if exit >= 0 {
		return exit // --help was answered
	}
	if err != nil {
		fmt.Fprintf(stderr, "podium: %v\npodium --help lists the commands and settings.\n", err)
		return exitUsage
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	// The second signal finds nobody listening and ends the process at once.
	context.AfterFunc(ctx, stop)
	chosen.BindTo(ctx, (*context.Context)(nil))
	if err := chosen.Run(output{stdout, stderr}); err != nil {
		fmt.Fprintf(stderr, "podium: %v\n", explain(err))
		return exitFailure
	}
	return exitSuccess
}
