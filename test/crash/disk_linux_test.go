package crash

import (
	"crypto/rand"
	"errors"
	"net/http"
	"os"
	"path/filepath"
	"podium/test/harness"
	"slices"
	"syscall"
	"testing"
)

// smallDisk mounts a file system of 160 MiB, which takes root; below 64 MiB of room there is a warning.
func smallDisk(t *testing.T) string {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "disk")
	if err := os.Mkdir(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	if err := syscall.Mount("tmpfs", dir, "tmpfs", 0, "size=160m"); err != nil {
		t.Skipf("a small disk cannot be made here: %v", err)
	}
	t.Cleanup(func() {
		if err := syscall.Unmount(dir, 0); err != nil {
			t.Errorf("unmount: %v", err)
		}
	})
	return dir
}

// fill writes a file until there is no room at all.
func fill(t *testing.T, path string) {
	t.Helper()
	file, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	block := make([]byte, 64<<10)
	_, _ = rand.Read(block) // never fails
	for err == nil {        // to the last page: a write that does not fit is cut short
		_, err = file.Write(block)
	}
	if !errors.Is(err, syscall.ENOSPC) {
		t.Fatal(err)
	}
}

// offer submits, with a picture or without, and returns the answer's status and
// the entry's id.
func offer(p *harness.Program, caption string, picture []byte) (status int, id string) {
	p.T.Helper()
	body, kind := harness.Form(p.T, map[string]string{"category": "best", "caption": caption}, picture)
	var answer struct {
		Error string
		Entry struct{ ID string }
	}
	status = p.Call("POST", "/api/submit", kind, body, &answer)
	if status != http.StatusOK && answer.Error == "" {
		p.T.Errorf("%d without a sentence", status)
	}
	return status, answer.Entry.ID
}

// The disk is full: submissions get 507, reading and real-time go on, /ready
// says why, a restart is survived, and all is well when there is room again.
func TestAFullDiskStopsSubmissionsOnly(t *testing.T) {
	harness.NeedClients(t, "socket.io-client")
	p := harness.StartIn(t, smallDisk(t))
	c := harness.Listen(t, "socket.io-client", p.URL, "default")
	first := c.Next("connect", "")
	c.Next("upgrade", "")
	others := startCrowd(t, p.URL, "socket.io-client", "default", 2)
	harness.Eventually(t, "the others to connect", func() bool { return others.connections() == 2 })
	want := []string{p.Submit("there is room")}
	fill(t, filepath.Join(p.Data, "filler"))

	if status, _ := offer(p, "with a picture", harness.Photo(t, 400, 300)); status != http.StatusInsufficientStorage {
		t.Fatalf("a picture on a full disk: %d", status)
	}
	full := false
	for range 500 { // what the database's file still has room for is taken
		status, id := offer(p, "without one", nil)
		if full = status == http.StatusInsufficientStorage; full {
			break
		}
		if status != http.StatusOK {
			t.Fatalf("a submission on a full disk: %d", status)
		}
		want = append(want, id)
	}
	if !full {
		t.Fatal("the database never ran out of room")
	}
	var ready struct {
		Ready   bool
		Warning string
	}
	if status := p.Call("GET", "/ready", "", nil, &ready); status != http.StatusOK || !ready.Ready || ready.Warning == "" {
		t.Errorf("/ready on a full disk: %d %+v", status, ready)
	}
	t.Logf("/ready says: %s", ready.Warning)
	if got := p.StoredIDs(); !slices.Equal(got, want) {
		t.Errorf("the feed has %d entries, want %d", len(got), len(want))
	}
	c.Say("drop")
	if back := c.Next("connect", ""); !back.Recovered || back.ID != first.ID {
		t.Errorf("came back as %+v", back)
	}
	// No room is no reason not to start and serve what is there.
	p.Signal(syscall.SIGKILL)
	p.Run()
	p.Wait()
	if back := c.Next("connect", ""); !back.Recovered || back.ID != first.ID {
		t.Errorf("after a restart it came back as %+v", back)
	}

	if err := os.Remove(filepath.Join(p.Data, "filler")); err != nil {
		t.Fatal(err)
	}
	harness.Eventually(t, "submissions to be taken again", func() bool {
		status, id := offer(p, "room again", nil)
		if status == http.StatusOK {
			want = append(want, id)
		}
		return status == http.StatusOK
	})
	want = append(want, p.Submit("with a picture, too"))
	harness.Eventually(t, "the warning to go", func() bool {
		ready.Warning = ""
		return p.Call("GET", "/ready", "", nil, &ready) == http.StatusOK && ready.Warning == ""
	})
	for i := range others.received {
		others.arrives(t, i, want[len(want)-1])
		if got := others.copyOf(i); !slices.Equal(got, want) {
			t.Errorf("a client was told of %v, want %v", got, want)
		}
	}
	t.Logf("figures: full disk: 507 and healed, %d of %d acknowledged kept", len(want), len(want))
}

// When somebody has filled the disk, admins can still do what they have to.
func TestTheLastRoomOnTheDiskIsForAdmins(t *testing.T) {
	p := harness.StartIn(t, smallDisk(t))
	id := p.Submit("there is room")
	filler := filepath.Join(p.Data, "filler")
	fill(t, filler)
	info, err := os.Stat(filler)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Truncate(filler, info.Size()-6<<20); err != nil { // of the 8 MiB that are a twentieth
		t.Fatal(err)
	}
	for _, picture := range [][]byte{nil, harness.Photo(t, 400, 300)} {
		if status, _ := offer(p, "too much", picture); status != http.StatusInsufficientStorage {
			t.Errorf("a submission when only the reserve is left: %d", status)
		}
	}
	cookie := p.SignIn()
	for path, body := range map[string]string{
		"/api/save-winners": `{"winners":{"best":["` + id + `"]}}`, "/api/submissions/" + id + "/hide": "{}", "/api/settings": `{"moderation":true}`,
	} {
		if status := p.AsAdmin(cookie, "POST", path, body, &struct{}{}); status != http.StatusOK {
			t.Errorf("%s: %d", path, status)
		}
	}
	if err := os.Remove(filler); err != nil {
		t.Fatal(err)
	}
	p.AsAdmin(cookie, "POST", "/api/settings", `{"moderation":false}`, &struct{}{})
	p.Submit("room again")
}
