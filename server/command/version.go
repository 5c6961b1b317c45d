package command

import (
	"fmt"
	"io"
	"runtime"
	"runtime/debug"

	"podium/static"
)

// versionCommand says which program this is.
type versionCommand struct{}

// Run prints it.
func (versionCommand) Run(out output) error { return writeVersion(out.stdout) }

// writeVersion writes what is known of the build, a fact a line. A program that was
// built without its repository does not know its revision.
func writeVersion(w io.Writer) error {
	version, revision, at, changed := "(devel)", "unknown", "", ""
	if info, ok := debug.ReadBuildInfo(); ok {
		if v := info.Main.Version; v != "" {
			version = v
		}
		for _, s := range info.Settings {
			switch s.Key {
			case "vcs.revision":
				revision = s.Value
			case "vcs.time":
				at = " of " + s.Value
			case "vcs.modified":
				if s.Value == "true" {
					changed = ", with changes"
				}
			}
		}
	}
	_, err := fmt.Fprintf(w, "podium %s\nrevision: %s%s%s\nbuilt with: %s for %s/%s\nSocket.IO browser client: %s\n",
		version, revision, at, changed, runtime.Version(), runtime.GOOS, runtime.GOARCH, static.ClientVersion)
	return err
}
