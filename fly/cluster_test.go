package fly

import (
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// The cluster's configuration is the other one without what belongs to one machine and
// its volume.
func TestTheClustersConfigurationNeedsNoVolume(t *testing.T) {
	one, three := readTOML(t, "fly.toml"), readTOML(t, "fly.cluster.toml")
	for name := range three {
		if strings.HasPrefix(name, "mounts") {
			t.Errorf("it has %s", name)
		}
	}
	if three["http_service.min_machines_running"] != 3 || three["deploy.strategy"] != "rolling" || three["deploy.max_unavailable"] != 1 {
		t.Error("it does not keep three machines, of which one at a time is replaced")
	}
	for name, value := range one {
		if !strings.HasPrefix(name, "mounts") && name != "http_service.min_machines_running" && three[name] != value {
			t.Errorf("%s is %v, for one machine %v", name, three[name], value)
		}
	}
}

func TestAClusterIsSetUpWithoutAVolume(t *testing.T) {
	a := newAccount(t)
	args := []string{"--app", "my-contest", "--region", "fra", "--cluster"}
	env := []string{"ADMIN_PASSWORD=" + secretWord}
	for _, more := range []string{"", "DATABASE_URL=postgres://db/podium", "UPLOADS=s3://pictures", "AWS_ACCESS_KEY_ID=key"} {
		if more != "" {
			env = append(env, more)
		}
		if out, code, asked := a.run(env, "setup.sh", args...); code != 1 || len(asked) > 0 {
			t.Errorf("with %v: exit code %d, asked %v\n%s", env, code, asked, out)
		}
	}
	env = append(env, "AWS_SECRET_ACCESS_KEY="+secretWord)
	out, code, asked := a.run(env, "setup.sh", args...)
	if code != 0 || slices.ContainsFunc(asked, func(one string) bool { return strings.Contains(one, "volumes create") }) || strings.Contains(out, secretWord) {
		t.Errorf("exit code %d, asked %v\n%s", code, asked, out)
	}
	for _, name := range []string{"DATABASE_URL=postgres://db/podium", "UPLOADS=s3://pictures", "AWS_SECRET_ACCESS_KEY=" + secretWord} {
		if !strings.Contains(a.text("secrets"), name) {
			t.Errorf("the secret %s is not set", name)
		}
	}
	a.has("volumes", "vol_1 created podium_data 3GB fra\n")
	if out, code, _ := a.run(env, "setup.sh", args...); code != 1 || !strings.Contains(out, "volume") {
		t.Errorf("beside a volume: exit code %d\n%s", code, out)
	}
}

func TestAClusterIsDeployedByAnyStrategy(t *testing.T) {
	a := newAccount(t)
	a.has("machines", "1\n2\n3\n")
	for _, strategy := range []string{"rolling", "bluegreen", "canary"} {
		out, code, asked := a.run(nil, "deploy.sh", "--app", "my-contest", "--cluster", "--strategy", strategy)
		if code != 0 || !slices.Contains(asked, "fly deploy --app my-contest --config fly/fly.cluster.toml --dockerfile fly/Dockerfile --strategy "+strategy) ||
			!slices.Contains(asked, "fly scale count 3 --app my-contest --yes") {
			t.Errorf("%s: exit code %d, asked %v\n%s", strategy, code, asked, out)
		}
	}
	for _, args := range [][]string{{"--strategy", "bluegreen"}, {"--cluster", "--strategy", "immediate"}} {
		if out, code, asked := a.run(nil, "deploy.sh", append([]string{"--app", "my-contest"}, args...)...); code != 1 || len(asked) > 0 {
			t.Errorf("%v: exit code %d, asked %v\n%s", args, code, asked, out)
		}
	}
	a.has("volumes", "vol_1 created podium_data 3GB fra\n")
	if out, code, asked := a.run(nil, "deploy.sh", "--app", "my-contest", "--cluster"); code != 1 || len(asked) > 0 {
		t.Errorf("with a volume: exit code %d, asked %v\n%s", code, asked, out)
	}
}

// Docker Compose and systemd give each machine a name and an address of its own, and
// all of them the database and the bucket.
func TestComposeAndSystemdGiveEachMachineItsName(t *testing.T) {
	read := func(path string) string {
		t.Helper()
		text, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		return string(text)
	}
	compose, caddy := read("../ops/compose.cluster.yaml"), read("../ops/proxy/Caddyfile.cluster")
	for _, name := range []string{"podium-1", "podium-2", "podium-3"} {
		if !strings.Contains(compose, "NODE_ID: "+name+`, NODE_ADDRESS: "http://`+name+`:3000"`) || !strings.Contains(caddy, name+":3000") {
			t.Errorf("%s is missing", name)
		}
	}
	for _, want := range []string{"DATABASE_URL: postgres://", "UPLOADS: s3://", "AWS_SECRET_ACCESS_KEY: ${", "TRUSTED_PROXIES:", "read_only: true", "stop_grace_period: 30s", "healthcheck:"} {
		if !strings.Contains(compose, want) {
			t.Errorf("the composition has no %s", want)
		}
	}
	if found := regexp.MustCompile(`(?m)^ +image: +\S+(:latest)?$`).FindAllString(compose, -1); len(found) < 4 || slices.ContainsFunc(found, func(one string) bool { return !regexp.MustCompile(`:[^/]*\d`).MatchString(one) }) {
		t.Errorf("images without a version: %v", found)
	}
	for _, want := range []string{"health_uri /ready", "flush_interval -1", "lb_try_duration"} {
		if !strings.Contains(caddy, want) {
			t.Errorf("Caddy has no %s", want)
		}
	}
	one, many := read("../ops/systemd/podium.service"), read("../ops/systemd/podium@.service")
	for line := range strings.Lines(one) {
		own := []string{"Description", "Requires", "After", "ExecStart", "EnvironmentFile", "StateDirectory=", "# ADMIN_PASSWORD"}
		if !slices.ContainsFunc(own, func(prefix string) bool { return strings.HasPrefix(line, prefix) }) && !strings.Contains(many, line) {
			t.Errorf("podium@.service lacks %s", line)
		}
	}
	for _, want := range []string{"--node-id %i", "StateDirectory=podium-%i\n", "EnvironmentFile=/etc/podium/podium-%i.env"} {
		if !strings.Contains(many, want) {
			t.Errorf("podium@.service has no %s", want)
		}
	}
}
