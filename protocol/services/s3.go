package services

import (
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
)

// S3 is a server that speaks the protocol of Amazon's S3, with one bucket: Versity's
// gateway, which keeps objects as files.
type S3 struct {
	program
	Addr string // host and port
	Dir  string // what is in its bucket, a file an object
}

// The keys that an S3 takes, and the name of its bucket.
const (
	S3Key    = "podium-test-key"
	S3Secret = "podium-test-secret"
	S3Bucket = "pictures"
)

// s3Folder is the module that pins the server, from the top of the repository.
const s3Folder = "protocol/services/testdata/versitygw"

// StartS3 starts a server, which ends with the test. The first time that takes the
// minutes in which it is built. The bucket has versions where versions is true, once
// somebody turns them on.
func StartS3(t testing.TB) *S3 {
	t.Helper()
	path := buildS3(t)
	base := t.TempDir()
	s := &S3{Addr: net.JoinHostPort("127.0.0.1", strconv.Itoa(freePort(t))), Dir: filepath.Join(base, "data", S3Bucket)}
	for _, dir := range []string{s.Dir, filepath.Join(base, "versions"), filepath.Join(base, "attributes")} {
		if err := os.MkdirAll(dir, 0o700); err != nil {
			t.Fatal(err)
		}
	}
	s.program = program{
		t: t, name: "versitygw",
		command: func() *exec.Cmd {
			cmd := exec.Command(path, "--port", s.Addr, "--access", S3Key, "--secret", S3Secret, "--quiet", "--keep-alive",
				"posix", "--versioning-dir", filepath.Join(base, "versions"), "--sidecar", filepath.Join(base, "attributes"), filepath.Dir(s.Dir))
			cmd.Dir = base
			return cmd
		},
		ready: func() error { return accepts(s.Addr) },
	}
	t.Cleanup(func() { s.end(syscall.SIGTERM) })
	s.Start()
	return s
}

// URL returns the bucket's address as s3://.
func (s *S3) URL() string {
	return fmt.Sprintf("s3://%s?endpoint=http://%s&region=us-east-1", S3Bucket, s.Addr)
}

// Environment is what a process needs to be let in, as NAME=value.
func (s *S3) Environment() []string {
	return []string{"AWS_ACCESS_KEY_ID=" + S3Key, "AWS_SECRET_ACCESS_KEY=" + S3Secret, "AWS_EC2_METADATA_DISABLED=true"}
}

// LetIn gives this process what it needs to be let in, until the test ends.
func (s *S3) LetIn(t testing.TB) {
	for _, one := range s.Environment() {
		name, value, _ := strings.Cut(one, "=")
		t.Setenv(name, value)
	}
}

// buildS3 returns the server's program, which go keeps when it has built it once.
func buildS3(t testing.TB) string {
	t.Helper()
	dir, err := os.Getwd()
	for err == nil {
		if _, missing := os.Stat(filepath.Join(dir, s3Folder)); missing == nil {
			break
		}
		if filepath.Dir(dir) == dir {
			err = fmt.Errorf("%s is not above", s3Folder)
		}
		dir = filepath.Dir(dir)
	}
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command("go", "tool", "-n", "versitygw")
	cmd.Dir, cmd.Env = filepath.Join(dir, s3Folder), append(os.Environ(), "GOWORK=off")
	out, err := cmd.CombinedOutput()
	if err != nil {
		missing := fmt.Sprintf("the S3 server cannot be built: %v\n%s", err, out)
		if os.Getenv("PODIUM_TEST_REQUIRE") == "1" {
			t.Fatal(missing)
		}
		t.Skip(missing)
	}
	lines := strings.Fields(string(out))
	return lines[len(lines)-1]
}
