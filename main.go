// Command podium is a live photo-contest server on a Socket.IO server written in Go.
//
// It only hands over to podium/server/command, where each command has a file of its own.
package main

import (
	"os"

	"podium/server/command"
)

func main() {
	os.Exit(command.Run(os.Args[1:], os.Stdout, os.Stderr))
}
