package harness

import (
	"regexp"
)

// setupLine is where the program prints the address of its first-run page.
var setupLine = regexp.MustCompile(`Set the event up in a browser: (\S+)`)

// SetupAddress is the address of the first-run page as the terminal shows it, "" where it shows none.
func SetupAddress(p *Program) string {
	found := setupLine.FindStringSubmatch(p.Log.String())
	if found == nil {
		return ""
	}
	return found[1]
}
