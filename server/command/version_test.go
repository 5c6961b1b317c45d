package command

import (
	"bytes"
	"runtime"
	"strings"
	"testing"
)

func TestTheVersionIsToldWithTheFactsOfTheBuild(t *testing.T) {
	var first string
	for _, args := range [][]string{{"version"}, {"--version"}, {"serve", "--version"}} {
		var out, errs bytes.Buffer
		if code := Run(args, &out, &errs); code != exitSuccess || errs.Len() > 0 {
			t.Fatalf("%v: %d: %s", args, code, &errs)
		}
		if first == "" {
			first = out.String()
		}
		if out.String() != first {
			t.Errorf("%v: %s", args, &out)
		}
	}
	for _, want := range []string{"podium ", "revision: ", "built with: " + runtime.Version(), "Socket.IO browser client: 4."} {
		if !strings.Contains(first, want) {
			t.Errorf("%q is missing in\n%s", want, first)
		}
	}
}
