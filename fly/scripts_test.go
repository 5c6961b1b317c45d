package fly

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// fakeFly stands in for flyctl: it notes what it is asked, with its standard
// input, and answers lists from files that a test writes. A command that a file
// FAIL-… names fails.
const fakeFly = `#!/usr/bin/env bash
echo "fly $*" >>"$STATE/asked"
if [ -e "$STATE/FAIL-$1-${2:-}" ]; then exit 1; fi
case "$1 ${2:-}" in
  'apps list') cat "$STATE/apps" ;;
  'apps create') echo "$3 personal" >>"$STATE/apps" ;;
  'volumes list') cat "$STATE/volumes" ;;
  'volumes create') echo "vol_1 created $3 3GB fra" >>"$STATE/volumes" ;;
  'secrets list') cat "$STATE/secrets" ;;
  'secrets import') cat >>"$STATE/secrets" ;;
  'machine list') cat "$STATE/machines" ;;
esac
`

// podiumOnPath stands in for the program that looks at the public address.
const podiumOnPath = `#!/usr/bin/env bash
echo "podium $*" >>"$STATE/asked"
[ ! -e "$STATE/FAIL-public" ]
`

// account is an account at Fly, as far as the scripts see one.
type account struct {
	t   *testing.T
	dir string // of its state
	bin string
	git string // a checkout with nothing but the scripts
}

func newAccount(t *testing.T) *account {
	t.Helper()
	for _, tool := range []string{"bash", "awk", "git"} {
		if _, err := exec.LookPath(tool); err != nil {
			t.Skipf("%s is not installed", tool)
		}
	}
	a := &account{t: t, dir: t.TempDir(), bin: t.TempDir(), git: t.TempDir()}
	for _, list := range []string{"apps", "volumes", "secrets", "machines", "asked"} {
		a.write(filepath.Join(a.dir, list), "")
	}
	a.write(filepath.Join(a.bin, "fly"), fakeFly)
	a.write(filepath.Join(a.bin, "podium"), podiumOnPath)
	for _, name := range []string{"setup.sh", "deploy.sh", "shell.sh"} {
		text, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		a.write(filepath.Join(a.git, "fly", name), string(text))
	}
	for _, args := range [][]string{{"init", "-q"}, {"add", "."}, {"-c", "user.name=x", "-c", "user.email=x", "commit", "-qm", "x"}} {
		cmd := exec.Command("git", args...)
		cmd.Dir = a.git
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Fatalf("git %v: %v %s", args, err, out)
		}
	}
	return a
}

func (a *account) write(path, text string) {
	a.t.Helper()
	if err := errors.Join(os.MkdirAll(filepath.Dir(path), 0o755), os.WriteFile(path, []byte(text), 0o755)); err != nil {
		a.t.Fatal(err)
	}
}

func (a *account) has(list, line string) { a.write(filepath.Join(a.dir, list), line) }

// run runs a script and returns what it printed, its exit code, and what flyctl
// was asked to change or do meanwhile.
func (a *account) run(env []string, script string, args ...string) (out string, code int, asked []string) {
	a.t.Helper()
	a.has("asked", "")
	cmd := exec.Command(filepath.Join(a.git, "fly", script), args...)
	cmd.Env = append([]string{"PATH=" + a.bin + ":" + os.Getenv("PATH"), "STATE=" + a.dir, "HOME=" + a.dir}, env...)
	text, err := cmd.CombinedOutput()
	if exit := (*exec.ExitError)(nil); err != nil && !errors.As(err, &exit) {
		a.t.Fatal(err)
	}
	lines, err := os.ReadFile(filepath.Join(a.dir, "asked"))
	if err != nil {
		a.t.Fatal(err)
	}
	for line := range strings.Lines(string(lines)) {
		if line = strings.TrimSpace(line); !strings.Contains(line, " list ") && !strings.HasSuffix(line, " list") {
			asked = append(asked, line)
		}
	}
	return string(text), cmd.ProcessState.ExitCode(), asked
}

// text is what a list holds now.
func (a *account) text(list string) string {
	a.t.Helper()
	data, err := os.ReadFile(filepath.Join(a.dir, list))
	if err != nil {
		a.t.Fatal(err)
	}
	return string(data)
}

const secretWord = "correct horse battery"

func TestSetupMakesWhatIsMissingAndChangesNothingTheSecondTime(t *testing.T) {
	a := newAccount(t)
	args := []string{"--app", "my-contest", "--region", "fra"}
	env := []string{"ADMIN_PASSWORD=" + secretWord, "CLOUDINARY_CLOUD_NAME=demo"}
	out, code, asked := a.run(env, "setup.sh", args...)
	want := []string{
		"fly apps create my-contest --org personal",
		"fly volumes create podium_data --app my-contest --region fra --size 3 --snapshot-retention 14 --yes",
		"fly secrets import --app my-contest --stage",
	}
	if code != 0 || !slices.Equal(asked, want) {
		t.Fatalf("exit code %d, asked %q:\n%s", code, asked, out)
	}
	if secrets := a.text("secrets"); secrets != "ADMIN_PASSWORD="+secretWord+"\nCLOUDINARY_CLOUD_NAME=demo\n" {
		t.Errorf("the secrets: %q", secrets)
	}
	if strings.Contains(out, secretWord) {
		t.Errorf("the password is printed:\n%s", out)
	}
	if out, code, asked := a.run(nil, "setup.sh", args...); code != 0 || len(asked) > 0 || strings.Count(out, "exists") != 2 {
		t.Errorf("the second time: exit code %d, asked %q:\n%s", code, asked, out)
	}
}

func TestSetupRefusesWhatCannotWork(t *testing.T) {
	for what, c := range map[string]struct {
		args, env   []string
		list, lines string
		sentence    string
		code        int
	}{
		"no name":             {args: []string{"--region", "fra"}, sentence: "--app NAME", code: 1},
		"no region":           {args: []string{"--app", "x"}, sentence: "--region CODE", code: 1},
		"no number":           {args: []string{"--app", "x", "--region", "fra", "--size", "big"}, sentence: "whole number", code: 1},
		"no value":            {args: []string{"--app"}, sentence: "needs a value", code: 1},
		"an unknown argument": {args: []string{"--frob"}, sentence: "unknown argument --frob", code: 2},
		"a short password":    {args: []string{"--app", "x", "--region", "fra"}, env: []string{"ADMIN_PASSWORD=short"}, sentence: "shorter than 8", code: 1},
		"two volumes": {args: []string{"--app", "x", "--region", "fra"}, env: []string{"ADMIN_PASSWORD=" + secretWord},
			list: "volumes", lines: "vol_1 created podium_data\nvol_2 created podium_data\n", sentence: "there are 2 volumes", code: 1},
		"flyctl that fails": {args: []string{"--app", "x", "--region", "fra"}, list: "FAIL-apps-list", sentence: "apps list failed", code: 1},
	} {
		t.Run(what, func(t *testing.T) {
			a := newAccount(t)
			if c.list != "" {
				a.has(c.list, c.lines)
			}
			out, code, asked := a.run(c.env, "setup.sh", c.args...)
			if code != c.code || !strings.Contains(out, c.sentence) {
				t.Errorf("exit code %d, asked %q:\n%s", code, asked, out)
			}
			if strings.Contains(strings.Join(asked, "\n"), "secrets import") {
				t.Error("secrets were changed")
			}
		})
	}
}

func TestADryRunAsksNobodyAndPrintsTheCommands(t *testing.T) {
	a := newAccount(t)
	for script, want := range map[string][]string{
		"setup.sh":  {"+ " + filepath.Join(a.bin, "fly") + " apps create x", "volumes create podium_data", "secrets import --app x --stage   (ADMIN_PASSWORD)"},
		"deploy.sh": {"/podium backup --data /data", "deploy --app x --config fly/fly.toml --dockerfile fly/Dockerfile", "/podium verify", "verify https://x.fly.dev"},
	} {
		args := []string{"--dry-run", "--app", "x"}
		if script == "setup.sh" {
			args = append(args, "--region", "fra")
		}
		out, code, asked := a.run([]string{"ADMIN_PASSWORD=" + secretWord}, script, args...)
		if code != 0 || a.text("asked") != "" || strings.Contains(out, secretWord) {
			t.Errorf("%s: exit code %d, asked %q:\n%s", script, code, asked, out)
		}
		for _, line := range want {
			if !strings.Contains(out, line) {
				t.Errorf("%s does not print %q:\n%s", script, line, out)
			}
		}
	}
}

// The commands of a deployment, in their order.
const (
	backsUp     = "fly ssh console --app x --command /podium backup --data /data"
	deploys     = "fly deploy --app x --config fly/fly.toml --dockerfile fly/Dockerfile"
	looksInside = "fly ssh console --app x --command /podium verify --quick --data /data"
	looksAt     = "podium verify https://x.fly.dev"
)

func TestADeploymentChecksBeforeAndAfter(t *testing.T) {
	for what, c := range map[string]struct {
		state    map[string]string
		dirty    bool
		args     []string
		asked    []string
		sentence string
		code     int
	}{
		"the first one":       {asked: []string{deploys, looksInside, looksAt}, sentence: "the first deployment"},
		"one of many":         {state: map[string]string{"machines": "d891\n"}, asked: []string{backsUp, deploys, looksInside, looksAt}},
		"changes left over":   {dirty: true, sentence: "not committed", code: 1},
		"no volume":           {state: map[string]string{"volumes": ""}, sentence: "found 0", code: 1},
		"one being destroyed": {state: map[string]string{"volumes": "vol_1 created podium_data\nvol_2 pending_destroy podium_data\n"}, asked: []string{deploys, looksInside, looksAt}},
		"no backup": {state: map[string]string{"machines": "d891\n", "FAIL-ssh-console": ""},
			asked: []string{backsUp}, sentence: "--without-backup", code: 1},
		"without a backup": {state: map[string]string{"machines": "d891\n"}, args: []string{"--without-backup"}, asked: []string{deploys, looksInside, looksAt}},
		"checks that fail": {state: map[string]string{"FAIL-deploy---app": ""}, asked: []string{deploys}, sentence: "to go back: fly releases", code: 1},
		"a fault on the machine": {state: map[string]string{"FAIL-ssh-console": ""},
			asked: []string{deploys, looksInside}, sentence: "not as it should be", code: 1},
		"a fault outside": {state: map[string]string{"FAIL-public": ""}, asked: []string{deploys, looksInside, looksAt}, sentence: "not reached as it should be", code: 1},
		"going back": {state: map[string]string{"machines": "d891\n"}, dirty: true, args: []string{"--image", "registry/x:1"},
			asked: []string{backsUp, "fly deploy --app x --config fly/fly.toml --image registry/x:1", looksInside, looksAt}},
	} {
		t.Run(what, func(t *testing.T) {
			a := newAccount(t)
			a.has("volumes", "vol_1 created podium_data 3GB fra\n")
			for list, lines := range c.state {
				a.has(list, lines)
			}
			if c.dirty {
				a.write(filepath.Join(a.git, "new"), "")
			}
			out, code, asked := a.run(nil, "deploy.sh", append([]string{"--app", "x"}, c.args...)...)
			if code != c.code || !slices.Equal(asked, c.asked) || !strings.Contains(out, c.sentence) {
				t.Errorf("exit code %d, asked %q:\n%s", code, asked, out)
			}
		})
	}
}

func TestShellcheckFindsNothingWrong(t *testing.T) {
	shellcheck, err := exec.LookPath("shellcheck")
	if err != nil {
		t.Skip("shellcheck is not installed")
	}
	cmd := exec.Command(shellcheck, "-x", "fly/setup.sh", "fly/deploy.sh", "fly/shell.sh", ".ci/run")
	cmd.Dir = ".."
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Errorf("%v\n%s", err, out)
	}
}
