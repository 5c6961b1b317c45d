package data

import (
	"encoding/json"
	"os"
	"path/filepath"
	"podium/test/harness"
	"strings"
	"testing"
)

// yourData is the section of the README for an organiser.
func yourData(t *testing.T) []string {
	t.Helper()
	text, err := os.ReadFile("../README.md")
	if err != nil {
		t.Fatal(err)
	}
	_, section, _ := strings.Cut(string(text), "## Your data\n")
	section, _, _ = strings.Cut(section, "\n## ")
	return strings.Split(section, "\n")
}

// Each command of the section does what it says on the data of a contest, and
// the section fits on a screen.
func TestTheCommandsForAnOrganiserWork(t *testing.T) {
	lines := yourData(t)
	if len(lines) > 40 {
		t.Errorf("the section has %d lines", len(lines))
	}
	p := evening(t)
	old, zip := makeOldDeployment(t, 300), filepath.Join(t.TempDir(), "contest.zip")
	ran := 0
	for _, line := range lines {
		text, ok := strings.CutPrefix(line, "    podium ")
		if !ok {
			continue
		}
		text, _, _ = strings.Cut(text, "#")
		var args []string
		for _, word := range strings.Fields(text) {
			switch word {
			case "OLD":
				word = old.dir
			case "contest.zip":
				word = zip
			case "[DEST]", "[BACKUP]":
				continue
			}
			args = append(args, word)
		}
		ran++
		if help := harness.MustRun(t, args[0], "--help"); !strings.Contains(help, "Example") {
			t.Errorf("%s --help has no example", args[0])
		}
		full := append(args, "--data", p.Data)
		switch args[0] {
		case "import", "restore":
			if args[0] == "restore" {
				full = append(full, "--yes")
			}
			if _, stderr, code := harness.Command(t, full...); code != 1 || !strings.Contains(stderr, "Stop the other Podium") {
				t.Errorf("%v while a server runs: exit %d: %s", args, code, stderr)
			}
			p.Signal(15)
			harness.MustRun(t, full...)
			p.Run()
			p.Wait()
			continue
		case "check": // the import brought entries whose pictures were missing before: known, and no fault
			if stdout, _, code := harness.Command(t, full...); code != 0 || !strings.Contains(stdout, "gone.jpg") {
				t.Errorf("check: exit %d: %s", code, stdout)
			}
			continue
		case "tail": // it goes on while a server runs
			p.Signal(15)
			full = append(full, "--since", "0")
		}
		if out := harness.MustRun(t, full...); strings.TrimSpace(out) == "" {
			t.Errorf("%v said nothing", args)
		}
	}
	if ran != 9 {
		t.Errorf("the section shows %d commands", ran)
	}
	if info, err := os.Stat(zip); err != nil || info.Size() == 0 {
		t.Errorf("the export: %v", err)
	}
}

func TestAnExportWithoutPersonalDataAndATailHoldNone(t *testing.T) {
	p := harness.Start(t)
	body, kind := harness.Form(t, map[string]string{"category": "best", "caption": `=cmd|' /C calc'!A0`, "name": "@Zaphod", "phone": "+49 170 5550123"}, nil)
	var answer any
	if status := p.Call("POST", "/api/submit", kind, body, &answer); status != 200 {
		t.Fatalf("submit: %d", status)
	}
	out := t.TempDir()
	harness.MustRun(t, "export", filepath.Join(out, "whole"), "--data", p.Data)
	harness.MustRun(t, "export", filepath.Join(out, "anonymous"), "--without-personal-data", "--data", p.Data)
	p.Signal(15)
	read := func(name string) string {
		text, err := os.ReadFile(filepath.Join(out, name))
		if err != nil {
			t.Fatal(err)
		}
		return string(text)
	}
	if table := read("whole/submissions.csv"); !strings.Contains(table, `'=cmd|' /C calc'!A0`) || !strings.Contains(table, "'@Zaphod") || !strings.Contains(table, "'+49 170") {
		t.Errorf("a spreadsheet would run this: %s", table)
	}
	tail := harness.MustRun(t, "tail", "--since", "1h", "--json", "--data", p.Data)
	var event struct {
		Offset int
		Name   string
	}
	if err := json.Unmarshal([]byte(tail), &event); err != nil || event.Offset != 1 || event.Name != "newSubmission" {
		t.Errorf("tail --json: %s %v", tail, err)
	}
	for what, text := range map[string]string{"data.json": read("anonymous/data.json"), "submissions.csv": read("anonymous/submissions.csv"),
		"tail": tail, "inspect": harness.MustRun(t, "inspect", "--json", "--data", p.Data)} {
		if strings.Contains(text, "Zaphod") || strings.Contains(text, "5550123") {
			t.Errorf("%s has personal data: %s", what, text)
		}
	}
}
