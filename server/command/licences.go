package command

import (
	"encoding/json"
	"fmt"
	"io"
	"runtime/debug"
	"strings"
	"text/tabwriter"

	"podium/server/pictures/codec"
)

// licencesCommand says what is inside the program and under which terms.
type licencesCommand struct {
	Sbom bool `help:"Print the libraries that decode pictures as CycloneDX, for vulnerability scanners."`
}

// Help implements kong's HelpProvider.
func (*licencesCommand) Help() string {
	return "Prints which libraries and Go modules this program is built from, and the full licences of the libraries that decode pictures."
}

// relinking is what LGPL-3.0 wants to be said (section 4).
const relinking = `Podium decodes HEIC with libheif and libde265, which are free software under the
GNU Lesser General Public License, version 3 or later. They are inside as a
WebAssembly module, server/pictures/codec/wasm/heif.wasm.gz, which that folder's
build.sh makes from their sources, as Debian distributes them. Whoever changes them
builds that file and then the program anew.
`

// Run prints the list.
func (c *licencesCommand) Run(out output) error {
	libraries := codec.Libraries()
	if c.Sbom {
		return writeSbom(out.stdout, libraries)
	}
	table := tabwriter.NewWriter(out.stdout, 0, 0, 2, ' ', 0)
	fmt.Fprintln(table, "Libraries that decode pictures:")
	for _, l := range libraries {
		fmt.Fprintf(table, "  %s\t%s\t%s\n", l.Name, l.Version, l.Licence)
	}
	if info, ok := debug.ReadBuildInfo(); ok {
		fmt.Fprintf(table, "\nGo %s and the modules:\n", strings.TrimPrefix(info.GoVersion, "go"))
		for _, module := range info.Deps {
			fmt.Fprintf(table, "  %s\t%s\n", module.Path, module.Version)
		}
	}
	if err := table.Flush(); err != nil {
		return fmt.Errorf("print the licences: %w", err)
	}
	fmt.Fprintf(out.stdout, "\n%s", relinking)
	for _, l := range libraries {
		fmt.Fprintf(out.stdout, "\n==== %s %s ====\n\n%s\n", l.Name, l.Version, strings.TrimSpace(l.Text))
	}
	return nil
}

// writeSbom prints the libraries as CycloneDX 1.6.
func writeSbom(out io.Writer, libraries []codec.Library) error {
	type licence struct {
		Expression string `json:"expression"`
	}
	type component struct {
		Type     string    `json:"type"`
		Name     string    `json:"name"`
		Version  string    `json:"version"`
		Licences []licence `json:"licenses"`
	}
	document := struct {
		Format     string      `json:"bomFormat"`
		Version    string      `json:"specVersion"`
		Components []component `json:"components"`
	}{"CycloneDX", "1.6", nil}
	for _, l := range libraries {
		document.Components = append(document.Components, component{"library", l.Name, l.Version, []licence{{l.Licence}}})
	}
	encoder := json.NewEncoder(out)
	encoder.SetIndent("", "  ")
	if err := encoder.Encode(document); err != nil {
		return fmt.Errorf("print the licences: %w", err)
	}
	return nil
}
