// Package command is Podium's command line: one file a command.
//
// Arguments come in; a server, a file or a sentence goes out, and an exit
// code: 0 for success, 1 for a failure, 2 for words the command line does not
// know.
package command

import (
	"fmt"
	"io"
)

// Run executes the command that args name and returns its exit code. It
// writes what it did to stdout and what went wrong to stderr.
func Run(args []string, stdout, stderr io.Writer) int {
	fmt.Fprintln(stderr, "podium: no command is built in yet")
	return 2
}
