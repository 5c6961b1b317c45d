package abuse

import (
	"bytes"
	"compress/flate"
	"compress/zlib"
	"context"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"hash/crc32"
	"image"
	"image/jpeg"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"
)

// strangers are what once stopped the evening.
var strangers = []stranger{
	{name: "pictures that take more than their pixels", cost: "one of 42 KB", attack: heavyPictures},
	{name: "polls that accept anything a thousand times", cost: "7 a second", attack: rate(7, starryPoll)},
	{name: "answers taken slowly, at the door", cost: "9 connections a second", attack: rate(9, slowTaker)},
	{name: "attachments announced and never sent", cost: "15 connections, 16 attachments each", attack: crowd(15, wholeAttachments)},
	{name: "messages that inflate and never end", cost: "60 connections, 0.95 MB each", flags: []string{"--compress-websocket"}, attack: crowd(60, endlessInflated)},
	{name: "a feed of < that nobody takes", cost: "3,900 captions, 8 readers", disk: fastDisk, before: entries(3900, strings.Repeat("<", 2000), ""), attack: crowd(8, slowReader)},
	{name: "a phone's many entries deleted at once", cost: "9,000 entries", disk: fastDisk, before: entries(9000, "spam", "0170 1234567"), attack: deleteAll},
	{name: "uploads that crawl, beside a room's photos", cost: "67 addresses", attack: crawlingUploads, meanwhile: roomOfPhotos},
	{name: "polls by the hundred on a connection", cost: "200 connections, 12 KB each", attack: crowd(200, manyPolls)},
	{name: "upgrades of one session", cost: "250 a second", attack: upgradesOfOne},
	{name: "pictures whose small size cannot be made", cost: "40 pictures, 17 HEAD a second", prepare: brokenPictures, attack: headThumbs},
	{name: "frames that become a megabyte each", cost: "90 a second", flags: []string{"--compress-websocket"}, attack: inflating},
	{name: "passwords guessed from a /48", cost: "44 a second", flags: []string{"--trusted-proxies", "127.66.0.0/16"}, attack: rotatingGuesses, meanwhile: ownerSignsIn},
	{name: "events read by script elements", cost: "10 a second", flags: []string{"--cors-origins", "https://contest.example", "--allow-eio3"}, attack: rate(10, foreignScript)},
	{name: "uploads that stall where 18 MB are free", cost: "2 of 9 MB", disk: smallDisk, prepare: leaveRoom, attack: crowd(2, fullUpload)},
	{name: "placeholders for one attachment", cost: "34,000 for one of 1 MB", attack: crowd(1, oneForAll)},
}

// rate has the stranger do something so many times a second, and that multiplied.
func rate(perSecond int, once func(*target) error) func(*target, int, <-chan struct{}) int {
	return func(s *target, times int, over <-chan struct{}) int {
		return every(perSecond*times, 2000, over, func(int) { _ = once(s) }) // what comes of it is seen by others
	}
}

// crowd has the stranger open so many connections, and that multiplied, and do something
// on each again and again.
func crowd(n int, once func(*target) error) func(*target, int, <-chan struct{}) int {
	return func(s *target, times int, over <-chan struct{}) int {
		var done atomic.Int64
		for range n * times {
			go func() { // ends when the attack hangs up
				tick := time.NewTicker(time.Second)
				defer tick.Stop()
				for {
					done.Add(1)
					_ = once(s) // what comes of it is seen by others
					select {
					case <-over:
						return
					case <-tick.C:
					}
				}
			}()
		}
		<-over
		return int(done.Load())
	}
}

// pngOf is an interlaced PNG of nothing, with samples bytes a pixel.
func pngOf(side int, colour, samples byte, transparency []byte) string {
	chunk := func(kind string, body []byte) []byte {
		out := binary.BigEndian.AppendUint32(nil, uint32(len(body)))
		out = append(append(out, kind...), body...)
		return binary.BigEndian.AppendUint32(out, crc32.ChecksumIEEE(out[4:]))
	}
	size := 0
	for _, pass := range [][4]int{{0, 0, 8, 8}, {4, 0, 8, 8}, {0, 4, 4, 8}, {2, 0, 4, 4}, {0, 2, 2, 4}, {1, 0, 2, 2}, {0, 1, 1, 2}} { // PNG, 8.2
		across, down := (side-pass[0]+pass[2]-1)/pass[2], (side-pass[1]+pass[3]-1)/pass[3]
		size += down * (1 + across*int(samples))
	}
	var data bytes.Buffer
	w := zlib.NewWriter(&data)
	for block := make([]byte, 1<<20); size > 0; size -= min(size, len(block)) {
		_, _ = w.Write(block[:min(size, len(block))]) // a Buffer takes everything
	}
	_ = w.Close() // likewise
	head := binary.BigEndian.AppendUint32(binary.BigEndian.AppendUint32(nil, uint32(side)), uint32(side))
	out := append([]byte("\x89PNG\r\n\x1a\n"), chunk("IHDR", append(head, 8, colour, 0, 0, 1))...)
	if transparency != nil {
		out = append(out, chunk("tRNS", transparency)...)
	}
	return string(append(append(out, chunk("IDAT", data.Bytes())...), chunk("IEND", nil)...))
}

// heavies are pictures of few bytes that are dear to decode: grey, red-green-blue, and
// with transparency.
var heavies = sync.OnceValue(func() []string {
	return []string{pngOf(6550, 0, 1, []byte{0, 1}), pngOf(6550, 2, 3, nil), pngOf(6550, 4, 2, nil)}
})

func heavyPictures(s *target, times int, over <-chan struct{}) int {
	var sent atomic.Int64
	for n := range times {
		go func() { // ends when the attack hangs up
			c, err := s.open()
			if err != nil {
				return
			}
			sent.Add(1)
			_ = c.write(photoRequest(heavies()[n%len(heavies())])) // what comes of it is seen by others
			_ = c.takeAnswer()                                     // likewise
		}()
	}
	<-over
	return int(sent.Load())
}

// photoRequest is a submission of a photo.
func photoRequest(photo string) string {
	body := "--x\r\nContent-Disposition: form-data; name=\"category\"\r\n\r\nbest\r\n--x\r\nContent-Disposition: form-data; name=\"photo\"; filename=\"a.png\"\r\n\r\n" + photo + "\r\n--x--\r\n"
	return fmt.Sprintf("POST /api/submit HTTP/1.1\r\nHost: x\r\nContent-Type: multipart/form-data; boundary=x\r\nContent-Length: %d\r\n\r\n%s", len(body), body)
}

// narrow makes connections that take a few kilobytes and then nothing.
func (s *target) narrow() (net.Conn, error) {
	return s.dial(net.Dialer{Control: func(_, _ string, c syscall.RawConn) (err error) {
		return c.Control(func(fd uintptr) { err = syscall.SetsockoptInt(int(fd), syscall.SOL_SOCKET, syscall.SO_RCVBUF, 2048) })
	}})
}

// slowTaker asks for sessions, one after the other, whose answers it does not take. A
// query that names a session twice is one that two readers may understand differently.
func slowTaker(s *target) error {
	c, err := s.narrow()
	if err != nil {
		return err
	}
	ask := "GET /socket.io/?EIO=4&transport=polling HTTP/1.1\r\nHost: x\r\n\r\n" + "GET /socket.io/?EIO=4&transport=polling&sid=x&sid= HTTP/1.1\r\nHost: x\r\n\r\n"
	_, _ = io.WriteString(c, strings.Repeat(ask, 60)) // as much as the server takes
	return stay(c)
}

// stay reads nothing until the server, or the end of the attack, closes the connection.
func stay(c net.Conn) error {
	raw, err := c.(*net.TCPConn).SyscallConn()
	if err != nil {
		return err
	}
	for {
		// Closed by the server is seen by an error that does not read anything.
		var state int
		err := raw.Control(func(fd uintptr) { state, _ = syscall.GetsockoptInt(int(fd), syscall.SOL_SOCKET, syscall.SO_ERROR) })
		if err != nil || state != 0 {
			return c.Close()
		}
		time.Sleep(200 * time.Millisecond) // between two looks, not for luck
	}
}

// wholeAttachments announces sixteen attachments, sends fifteen of nearly a megabyte, and stops.
func wholeAttachments(s *target) error {
	c, err := s.joined()
	if err != nil {
		return err
	}
	places := make([]string, 16)
	for i := range places {
		places[i] = fmt.Sprintf(`{"_placeholder":true,"num":%d}`, i)
	}
	if err := c.say(`4516-["x",` + strings.Join(places, ",") + `]`); err != nil {
		return err
	}
	for range 15 {
		if err := c.write(megabyte()); err != nil {
			return err
		}
	}
	return c.dismissed()
}

// megabyte is a binary frame of nearly that.
var megabyte = sync.OnceValue(func() string { return frame(opBinary, false, strings.Repeat("x", 990_000)) })

// endlessMessage is the beginning of a message, a kilobyte that becomes 0.95 MB.
var endlessMessage = sync.OnceValue(func() string {
	var b strings.Builder
	w, err := flate.NewWriter(&b, flate.BestCompression)
	if err != nil {
		panic(err)
	}
	_, _ = io.WriteString(w, `42["x","`+strings.Repeat("x", 950_000)) // a Builder takes everything
	_ = w.Flush()                                                     // likewise
	text := []byte(frame(opText, true, b.String()))
	text[0] &^= 0x80 // more is to come
	return string(text)
})

func endlessInflated(s *target) error {
	c, err := s.webSocketWith("", "Sec-WebSocket-Extensions: permessage-deflate\r\n")
	if err != nil {
		return err
	}
	if err := c.say("40"); err != nil {
		return err
	}
	if err := c.write(endlessMessage()); err != nil {
		return err
	}
	return c.dismissed()
}

// entries has a script's entries in the store from the beginning.
func entries(n int, caption, phone string) func(*testing.T, string, int) {
	return func(t *testing.T, data string, times int) {
		old := t.TempDir()
		f, err := os.Create(filepath.Join(old, "data.json"))
		if err != nil {
			t.Fatal(err)
		}
		defer f.Close()
		_, _ = io.WriteString(f, `{"submissions":{"best":[`)
		for i := range n * times {
			ms := 1700000000000 + n*times - i
			comma := ","
			if i == 0 {
				comma = ""
			}
			_, _ = fmt.Fprintf(f, `%s{"id":"%d-abc%03d","category":"best","caption":"%s","phone":"%s","createdAt":%d,"submissionId":"sub-%d-abc%03d"}`, comma, ms, i%1000, caption, phone, ms, ms, i%1000)
		}
		if _, err := io.WriteString(f, `],"worst":[]},"winners":{}}`); err != nil {
			t.Fatal(err)
		}
		podium(t, "import", old, "--data", data)
	}
}

// podium runs one of its commands, which must succeed, and returns what it says.
func podium(t *testing.T, args ...string) string {
	t.Helper()
	path, err := program()
	if err != nil {
		t.Fatal(err)
	}
	out, err := exec.Command(path, args...).CombinedOutput()
	if err != nil {
		t.Fatalf("podium %s: %v\n%s", strings.Join(args, " "), err, out)
	}
	return string(out)
}

// slowReader asks for the whole feed and takes none of it.
func slowReader(s *target) error {
	c, err := s.narrow()
	if err != nil {
		return err
	}
	if _, err := io.WriteString(c, "GET /api/feed HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"); err != nil {
		return err
	}
	return stay(c)
}

// deleteAll is an admin who deletes what a script sent under one number. It goes on for a
// minute at most, and returns how many entries are gone.
func deleteAll(s *target, _ int, over <-chan struct{}) int {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	before := s.submissions()
	r, err := http.NewRequestWithContext(ctx, "POST", s.url+"/api/submissions/delete-by-phone", strings.NewReader(`{"phone":"+49 170 1234567"}`))
	if err != nil {
		return 0
	}
	r.Header.Set("Cookie", s.cookie)
	r.Header.Set("Content-Type", "application/json")
	client := &http.Client{Transport: &http.Transport{}}
	defer client.CloseIdleConnections()
	if res, err := client.Do(r); err == nil {
		res.Body.Close()
	}
	gone := before - s.submissions() // but for those that the room sent
	<-over
	return gone
}

// submissions is how many the server has.
func (s *target) submissions() int {
	res, err := s.client.Get(s.url + "/health")
	if err != nil {
		return 0
	}
	defer res.Body.Close()
	var health struct{ Submissions int }
	_ = json.NewDecoder(res.Body).Decode(&health) // 0 tells
	return health.Submissions
}

// crawlingUploads begins photos from many addresses, sends some of each at once, and then
// just enough to go on.
func crawlingUploads(s *target, times int, over <-chan struct{}) int {
	const addresses = 67
	var begun atomic.Int64
	for n := range addresses * times {
		from := *s
		from.source = net.IPv4(127, 67, byte(n>>8), byte(n))
		go func() { // ends when the attack hangs up
			for {
				_ = from.crawl(&begun) // who is sent away comes again
				select {
				case <-over:
					return
				default:
				}
			}
		}()
	}
	<-over
	return int(begun.Load())
}

func (s *target) crawl(begun *atomic.Int64) error {
	c, err := s.open()
	if err != nil {
		return err
	}
	defer c.Close()
	if err := c.write(beginningOfAPhoto(95_000)); err != nil {
		return err
	}
	begun.Add(1)
	tick := time.NewTicker(time.Second)
	defer tick.Stop()
	for range tick.C {
		if err := c.write(strings.Repeat("x", 4<<10)); err != nil {
			return err
		}
	}
	return nil
}

// photo is a large one, as phones send.
var photo = sync.OnceValue(func() string {
	m := image.NewRGBA(image.Rect(0, 0, 1200, 900))
	random := rand.NewChaCha8([32]byte{})
	_, _ = random.Read(m.Pix) // never fails
	var b bytes.Buffer
	_ = jpeg.Encode(&b, m, &jpeg.Options{Quality: 90}) // a Buffer takes everything
	return b.String()
})

// roomOfPhotos has guests behind one address send photos at the pace of a phone, again
// where they are refused.
func roomOfPhotos(t *testing.T, s *target) string {
	const senders = 16
	request := photoRequest(photo())
	var all sync.WaitGroup
	var stored, cut atomic.Int64
	began := time.Now()
	for range senders {
		all.Go(func() {
			for time.Since(began) < patience {
				if s.sendSlowly(request) == nil {
					stored.Add(1)
					return
				}
				cut.Add(1)
			}
		})
	}
	all.Wait()
	if stored.Load() < senders {
		t.Errorf("%d of %d guests' photos were stored", stored.Load(), senders)
	}
	return fmt.Sprintf("%d of %d guests' photos stored in %s, sent again %d times", stored.Load(), senders, time.Since(began).Round(100*time.Millisecond), cut.Load())
}

// sendSlowly sends a request within three seconds, and reads its answer.
func (s *target) sendSlowly(request string) error {
	const pieces = 30
	c, err := s.open()
	if err != nil {
		return err
	}
	defer c.Close()
	tick := time.NewTicker(100 * time.Millisecond)
	defer tick.Stop()
	for i := range pieces {
		<-tick.C
		if err := c.write(request[i*len(request)/pieces : (i+1)*len(request)/pieces]); err != nil {
			return err
		}
	}
	_, err = c.answer()
	return err
}

// manyPolls sends polls of a session without waiting for their answers, and stays.
func manyPolls(s *target) error {
	sid, c, err := s.handshake()
	if err != nil {
		return err
	}
	poll := "GET /socket.io/?EIO=4&transport=polling&sid=" + sid + " HTTP/1.1\r\nHost: x\r\n\r\n"
	if err := c.write(strings.Repeat(poll, 12_000/len(poll))); err != nil {
		return err
	}
	return stay(c.Conn)
}

// upgradesOfOne opens WebSockets for the upgrade of one session, and says nothing on them.
func upgradesOfOne(s *target, times int, over <-chan struct{}) int {
	sid, _, err := s.handshake()
	if err != nil {
		return 0
	}
	return every(250*times, 3000, over, func(int) {
		c, err := s.open()
		if err != nil {
			return
		}
		defer c.Close()
		_ = c.write("GET /socket.io/?EIO=4&transport=websocket&sid=" + sid + " HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n" +
			"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n") // the end tells
		_ = c.ended() // or the attack's
	})
}

// brokenPictures has photos in the store that are cut off behind their beginning.
func brokenPictures(t *testing.T, s *target, times int) {
	m := image.NewGray(image.Rect(0, 0, 900, 700))
	var b bytes.Buffer
	if err := jpeg.Encode(&b, m, nil); err != nil {
		t.Fatal(err)
	}
	request := photoRequest(b.String())
	for range 40 * times {
		c, err := s.open()
		if err != nil {
			t.Fatal(err)
		}
		if err := c.write(request); err != nil {
			t.Fatal(err)
		}
		if _, err := c.answer(); err != nil {
			t.Fatal(err)
		}
		c.Close()
	}
	uploads := filepath.Join(s.data, "uploads")
	files, err := os.ReadDir(uploads)
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range files {
		path := filepath.Join(uploads, f.Name())
		switch {
		case strings.HasSuffix(f.Name(), "-480.jpg"):
			err = os.Remove(path)
		case strings.HasSuffix(f.Name(), ".jpg"):
			err = os.Truncate(path, 700)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
}

// headThumbs asks for the small sizes of all pictures in turn.
func headThumbs(s *target, times int, over <-chan struct{}) int {
	files, err := filepath.Glob(filepath.Join(s.data, "uploads", "*.jpg"))
	if err != nil || len(files) == 0 {
		return 0
	}
	return every(17*times, 2000, over, func(n int) {
		c, err := s.open()
		if err != nil {
			return
		}
		defer c.Close()
		name := strings.TrimSuffix(filepath.Base(files[n%len(files)]), ".jpg")
		_ = c.write("HEAD /uploads/" + name + "-480.jpg HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n") // the end tells
		_ = c.ended()                                                                                      // or the attack's
	})
}

// inflating sends frames that become a megabyte each, on several connections.
func inflating(s *target, times int, over <-chan struct{}) int {
	const perConnection = 30
	var done atomic.Int64
	for range max(1, 90*times/perConnection) {
		go func() { // ends when the attack hangs up
			tick := time.NewTicker(time.Second / perConnection)
			defer tick.Stop()
			for {
				c, err := s.webSocketWith("", "Sec-WebSocket-Extensions: permessage-deflate\r\n")
				if err != nil {
					return
				}
				_ = c.say("40") // the frames tell
				for c.write(inflated()) == nil {
					done.Add(1)
					select {
					case <-over:
						return
					case <-tick.C:
					}
				}
				_ = c.Close()
				select {
				case <-over:
					return
				default:
				}
			}
		}()
	}
	<-over
	return int(done.Load())
}

// rotatingGuesses tries passwords from the networks of one IPv6 /48.
func rotatingGuesses(s *target, times int, over <-chan struct{}) int {
	return every(44*times, 2000, over, func(n int) {
		c, err := s.open()
		if err != nil {
			return
		}
		defer c.Close()
		body := fmt.Sprintf(`{"password":"guess %d"}`, n)
		_ = c.write(fmt.Sprintf("POST /api/login HTTP/1.1\r\nHost: x\r\nConnection: close\r\nX-Forwarded-For: 2001:db8:7:%x::1\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%s", n&0xffff, len(body), body)) // the end tells
		_ = c.ended()                                                                                                                                                                                                          // or the attack's
	})
}

// ownerSignsIn from a browser that signed in before.
func ownerSignsIn(t *testing.T, s *target) string {
	began := time.Now()
	for tries := 1; ; tries++ {
		if status := s.send("POST", "/api/login", `{"password":"`+password+`"}`); status == http.StatusOK {
			return fmt.Sprintf("the owner signed in at try %d, after %s", tries, time.Since(began).Round(10*time.Millisecond))
		}
		if time.Since(began) > patience {
			t.Error("the owner could not sign in")
			return "the owner was kept out"
		}
		time.Sleep(time.Second) // a person tries again
	}
}

// foreignScript asks for events as a script element of another site's page does, by each protocol.
func foreignScript(s *target) error {
	for _, protocol := range []string{"3", "4"} {
		c, err := s.open()
		if err != nil {
			return err
		}
		defer c.Close()
		if err := c.write("GET /socket.io/?EIO=" + protocol + "&transport=polling&j=0 HTTP/1.1\r\nHost: x\r\nReferer: http://elsewhere.example/\r\nConnection: close\r\n\r\n"); err != nil {
			return err
		}
		if answer, err := io.ReadAll(c.in); err == nil && strings.Contains(string(answer), "___eio[") {
			s.t.Error("a foreign page's script was answered")
		}
	}
	return nil
}

// memoryDisk is a file system of that size in memory, which takes root.
func memoryDisk(t *testing.T, size string) (dir string, err error) {
	t.Helper()
	dir = filepath.Join(t.TempDir(), "disk")
	if err := os.Mkdir(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	if err := syscall.Mount("tmpfs", dir, "tmpfs", 0, "size="+size); err != nil {
		return "", err
	}
	t.Cleanup(func() {
		if err := syscall.Unmount(dir, 0); err != nil {
			t.Errorf("unmount: %v", err)
		}
	})
	return dir, nil
}

// smallDisk is one of 40 MiB.
func smallDisk(t *testing.T) string {
	t.Helper()
	dir, err := memoryDisk(t, "40m")
	if err != nil {
		t.Skipf("a small disk cannot be made here: %v", err)
	}
	return dir
}

// fastDisk is where thousands of entries are put without waiting for a disk, if it can be
// made. What they take was there before the server, and is not in its control group.
func fastDisk(t *testing.T) string {
	t.Helper()
	dir, err := memoryDisk(t, "600m")
	if err != nil {
		return t.TempDir()
	}
	return dir
}

// leaveRoom fills the disk up to 18 MB.
func leaveRoom(t *testing.T, s *target, _ int) {
	var disk syscall.Statfs_t
	if err := syscall.Statfs(s.data, &disk); err != nil {
		t.Fatal(err)
	}
	free := int64(disk.Bavail) * int64(disk.Bsize)
	if err := os.WriteFile(filepath.Join(s.data, "filler"), make([]byte, max(0, free-18_000_000)), 0o600); err != nil {
		t.Fatal(err)
	}
}

// fullUpload sends nearly all of a photo of 9 MB, and stops.
func fullUpload(s *target) error {
	c, err := s.open()
	if err != nil {
		return err
	}
	defer c.Close()
	if err := c.write(beginningOfAPhoto(8_900_000)); err != nil {
		return err
	}
	return c.dismissed()
}

// oneForAll names one attachment of a megabyte in as many places as a message holds.
func oneForAll(s *target) error {
	c, err := s.joined()
	if err != nil {
		return err
	}
	text := `451-["heartbeat-pong",[{"_placeholder":true,"num":0}` + strings.Repeat(`,{"_placeholder":true,"num":0}`, 33_000) + `]]`
	if err := c.say(text); err != nil {
		return err
	}
	if err := c.write(megabyte()); err != nil {
		return err
	}
	return c.dismissed()
}
