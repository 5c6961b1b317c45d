package webtransport

import (
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"strconv"
	"strings"
	"testing"

	"podium/protocol/engineio"
)

// urlVariable tells the process of the clients, which is this test again, whom to connect to.
const urlVariable = "PODIUM_WEBTRANSPORT_URL"

// An idle connection takes no more than Options.Connections says. The clients are
// another process, so that it is the server's memory that is seen.
func TestMemory(t *testing.T) {
	const connections = 100
	if url := os.Getenv(urlVariable); url != "" {
		s := &server{TB: t, url: url}
		for range connections {
			c := s.dial()
			c.say("0")
			c.next()
		}
		fmt.Println("connected")
		_, _ = os.Stdin.Read(make([]byte, 1)) // until the server has looked
		return
	}
	s := serve(t, engineio.Options{}, Options{})
	s.connect() // what is made once is made
	before := memoryInUse()
	cmd := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^TestMemory$")
	cmd.Env = append(os.Environ(), urlVariable+"="+s.url)
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	var out strings.Builder
	cmd.Stdout, cmd.Stderr = &out, &out
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	for range connections {
		s.next()
	}
	each := (memoryInUse() - before) / connections
	_ = in.Close()
	if err := cmd.Wait(); err != nil {
		t.Errorf("the clients: %v\n%s", err, out.String())
	}
	t.Log("an idle connection takes " + strconv.Itoa(int(each)) + " bytes, and up to " + strconv.Itoa(int(each)+firstWindow) + " with a full window")
	if each+firstWindow > ConnectionBytes {
		t.Errorf("an idle connection may take %d bytes, and %d are charged", each+firstWindow, ConnectionBytes)
	}
}

// memoryInUse is what Go's heap and stacks take.
func memoryInUse() int64 {
	runtime.GC()
	runtime.GC() // what had finalizers
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int64(m.HeapInuse + m.StackInuse)
}
