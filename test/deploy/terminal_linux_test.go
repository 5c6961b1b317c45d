package deploy

import (
	"bytes"
	"fmt"
	"io"
	"os"
	"os/exec"
	"podium/test/harness"
	"strings"
	"syscall"
	"testing"

	"github.com/mdp/qrterminal/v3"
	"golang.org/x/sys/unix"
)

// terminal opens a pseudoterminal. What a program writes to screen is found in shown.
func terminal(t *testing.T) (screen *os.File, shown *harness.Buffer) {
	t.Helper()
	reader, err := os.OpenFile("/dev/ptmx", os.O_RDWR|syscall.O_NOCTTY, 0)
	if err != nil {
		t.Skipf("no terminals here: %v", err)
	}
	fd := int(reader.Fd())
	number, err := unix.IoctlGetInt(fd, unix.TIOCGPTN)
	if err == nil {
		err = unix.IoctlSetPointerInt(fd, unix.TIOCSPTLCK, 0)
	}
	if err == nil {
		screen, err = os.OpenFile(fmt.Sprint("/dev/pts/", number), os.O_RDWR|syscall.O_NOCTTY, 0)
	}
	if err != nil {
		reader.Close()
		t.Fatal(err)
	}
	shown = &harness.Buffer{}
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		_, _ = io.Copy(shown, reader) // ends with an error when the last screen is closed
	}()
	t.Cleanup(func() {
		screen.Close()
		<-ended
		reader.Close()
	})
	return screen, shown
}

// On a terminal, serve prints the addresses for phones and a code of the first; into a file it prints no code.
func TestServeShowsACodeOnATerminal(t *testing.T) {
	const address = "http://192.168.7.7:3000/"
	path, err := harness.Binary()
	if err != nil {
		t.Fatal(err)
	}
	serve := func(stdout io.Writer, text func() string, want string) string {
		t.Helper()
		cmd := exec.Command(path, "serve", "--host=127.0.0.1", "--port="+harness.FreePort(t), "--data="+t.TempDir(), "--public-url="+address)
		cmd.Env = append(os.Environ(), "ADMIN_PASSWORD="+harness.Password)
		cmd.Stdout = stdout
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		defer func() {
			_ = cmd.Process.Signal(syscall.SIGTERM)
			_ = cmd.Wait()
		}()
		harness.Eventually(t, "the address", func() bool { return strings.Contains(text(), want) })
		return text()
	}
	line := "Phones in the same network open:\n  " + address + "\n"
	var code bytes.Buffer
	qrterminal.GenerateHalfBlock(address, qrterminal.M, &code)
	screen, shown := terminal(t)
	onScreen := func() string { return strings.ReplaceAll(shown.String(), "\r\n", "\n") }
	if text := serve(screen, onScreen, line+code.String()); !strings.Contains(text, "Podium is ready: http://127.0.0.1:") {
		t.Errorf("the terminal shows\n%s", text)
	}
	var file harness.Buffer
	if text := serve(&file, file.String, line); strings.ContainsAny(text, "▀▄█") {
		t.Errorf("the file holds a code:\n%s", text)
	}
}
