package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"image"
	"image/color"
	"image/jpeg"
	"io"
	"math/rand/v2"
	"mime/multipart"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"time"
)

// web is for the REST routes: bodies are compared as they are.
var web = &http.Client{
	Timeout:   60 * time.Second,
	Transport: &http.Transport{MaxIdleConnsPerHost: 256, DisableCompression: true},
}

// contests starts nothing yet: the rows about the contest start what they need
// with startContest, the product itself and the old way of saving.
func contests(p peer, _ ...string) (*running, error) {
	if p.name != "podium" && p.name != "node" {
		return nil, errAbsent
	}
	return &running{peer: p.name}, nil
}

// contestOrPeer starts the product itself in podium's place.
func contestOrPeer(p peer, flags ...string) (*running, error) {
	if p.name != "podium" {
		return start(p, flags...)
	}
	r := &running{peer: p.name}
	return r, r.startContest(0)
}

// startContest starts the contest's server with so many entries, in a folder of
// its own.
func (r *running) startContest(entries int) (err error) {
	if r.folder, err = os.MkdirTemp("", "podium-bench-"); err != nil {
		return err
	}
	defer func() {
		if err != nil {
			r.stop()
		}
	}()
	if err := writeOldData(r.folder, entries); err != nil {
		return err
	}
	r.addr = freeAddress()
	if r.peer == "node" {
		err = r.run("node", "oldway/server.mjs", "--listen", r.addr, "--data", r.folder)
	} else {
		err = r.runPodium(entries)
	}
	if err != nil {
		return err
	}
	return r.ready(func() bool {
		res, err := web.Get("http://" + r.addr + "/api/feed")
		if err != nil {
			return false
		}
		defer res.Body.Close()
		_, err = io.Copy(io.Discard, res.Body)
		return err == nil && res.StatusCode == http.StatusOK
	})
}

// runPodium imports the entries and starts the server without limits.
func (r *running) runPodium(entries int) error {
	data := filepath.Join(r.folder, "podium")
	if entries > 0 {
		if out, err := exec.Command("bin/contest", "import", "--data", data, r.folder).CombinedOutput(); err != nil {
			return fmt.Errorf("import: %w: %.200s", err, out)
		}
	}
	return r.servePodium(data)
}

// servePodium starts the server without limits.
func (r *running) servePodium(data string, more ...string) error {
	host, port, err := net.SplitHostPort(r.addr)
	if err != nil {
		return err
	}
	flags := []string{"serve", "--host", host, "--port", port, "--data", data, "--admin-password", "only for the bench",
		"--log-level", "warn", "--backup-interval", "0"}
	for _, limit := range []string{"connections-per-address", "handshakes", "handshakes-per-address", "requests",
		"requests-per-address", "submissions", "submissions-per-address"} {
		flags = append(flags, "--limit-"+limit, "0")
	}
	return r.run("bin/contest", append(flags, more...)...)
}

// writeOldData writes a data.json of so many entries, half in each category.
func writeOldData(folder string, n int) error {
	type entry map[string]any
	lists := map[string][]entry{"worst": {}, "best": {}}
	for i := range n {
		category := []string{"worst", "best"}[i%2]
		at := 1_700_000_000_000 + int64(n-i)
		lists[category] = append(lists[category], entry{
			"id": fmt.Sprintf("%d-%06d", at, i%1_000_000), "category": category, "caption": fmt.Sprintf("Photo %d, taken in row %d", i, i%97),
			"name": fmt.Sprintf("Somebody %d", i), "phone": fmt.Sprintf("+1 555 01%05d", i), "imageUrl": nil,
			"storageMethod": "none", "createdAt": at, "submissionId": fmt.Sprintf("sub-%d-%06d", at, i%1_000_000),
		})
	}
	raw, err := json.Marshal(map[string]any{"submissions": lists, "winners": map[string]any{}})
	if err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(folder, "data.json"), raw, 0o600)
}

// post submits, with a photo where there is one.
func (r *running) post(caption string, photo []byte) error {
	var body bytes.Buffer
	form := multipart.NewWriter(&body)
	for name, value := range map[string]string{"category": "worst", "caption": caption, "name": "Somebody", "phone": "+1 555 0100"} {
		_ = form.WriteField(name, value) // a buffer takes everything
	}
	if photo != nil {
		file, _ := form.CreateFormFile("photo", "photo.jpg")
		_, _ = file.Write(photo)
	}
	_ = form.Close()
	res, err := web.Post("http://"+r.addr+"/api/submit", form.FormDataContentType(), &body)
	if err != nil {
		return err
	}
	defer res.Body.Close()
	answer, err := io.ReadAll(res.Body)
	if err == nil && (res.StatusCode != http.StatusOK || !bytes.Contains(answer, []byte(`"success":true`))) {
		err = fmt.Errorf("submitting was answered with %s: %.200s", res.Status, answer)
	}
	return err
}

// submit measures submissions with a photo, 16 at a time, at three sizes of what
// is there already. Everything that was answered must be in the feed.
func submit(r *running) (outcome, error) {
	var out outcome
	photo := picture()
	for _, entries := range []int{1000, 10_000, 100_000} {
		each, lost, err := r.submissions(entries, photo)
		if err != nil {
			return out, fmt.Errorf("at %d entries: %w", entries, err)
		}
		out.Values = append(out.Values, each)
		out.Lost += lost
	}
	return out, nil
}

func (r *running) submissions(entries int, photo []byte) (each float64, lost int, err error) {
	if err := r.startContest(entries); err != nil {
		return 0, 0, err
	}
	defer r.stop()
	const atOnce, enough, most = 16, 3 * time.Second, 2000
	var done atomic.Int64
	begin := time.Now()
	err = parallel(most, atOnce, func(i int) error {
		if done.Load() > 0 && time.Since(begin) > enough {
			return nil
		}
		if err := r.post(fmt.Sprintf("New %d", i), photo); err != nil {
			return err
		}
		done.Add(1)
		return nil
	})
	used := time.Since(begin)
	if err != nil {
		return 0, 0, err
	}
	feed, _, err := r.feed("")
	if err != nil {
		return 0, 0, err
	}
	lost = entries + int(done.Load()) - strings.Count(feed, `"createdAt":`)
	return float64(used.Microseconds()) / 1000 / float64(done.Load()), max(lost, 0), nil
}

// picture is a JPEG of about 50 KB that no two blocks of are the same.
func picture() []byte {
	rng := rand.New(rand.NewPCG(1, 2))
	img := image.NewRGBA(image.Rect(0, 0, 1024, 768))
	for y := range 768 {
		for x := range 1024 {
			n := uint8(rng.IntN(24))
			img.SetRGBA(x, y, color.RGBA{uint8(x/6) + n, uint8(y/5) + n, uint8((x+y)/9) + n, 255})
		}
	}
	var b bytes.Buffer
	for quality := 90; quality > 5; quality -= 2 {
		b.Reset()
		_ = jpeg.Encode(&b, img, &jpeg.Options{Quality: quality}) // a buffer takes everything
		if b.Len() < 52<<10 {
			break
		}
	}
	return b.Bytes()
}

// feed gets the feed; with an entity tag, only where it has changed.
func (r *running) feed(tag string) (body, newTag string, err error) {
	req, err := http.NewRequest(http.MethodGet, "http://"+r.addr+"/api/feed", nil)
	if err != nil {
		return "", "", err
	}
	if tag != "" {
		req.Header.Set("If-None-Match", tag)
	}
	res, err := web.Do(req)
	if err != nil {
		return "", "", err
	}
	defer res.Body.Close()
	raw, err := io.ReadAll(res.Body)
	if want := map[bool]int{false: http.StatusOK, true: http.StatusNotModified}[tag != ""]; err == nil && res.StatusCode != want {
		err = fmt.Errorf("the feed was answered with %s", res.Status)
	}
	return string(raw), res.Header.Get("ETag"), err
}

// feed measures GET /api/feed: after a change, without one, and with the tag of
// what the client has.
func feed(r *running) (outcome, error) {
	const entries, changes, reads = 10_000, 7, 100
	if err := r.startContest(entries); err != nil {
		return outcome{}, err
	}
	var out outcome
	var cold []float64
	tag := ""
	for i := range changes {
		if err := r.post(fmt.Sprintf("New %d", i), nil); err != nil {
			return out, err
		}
		begin := time.Now()
		body, t, err := r.feed("")
		if err != nil {
			return out, err
		}
		cold = append(cold, float64(time.Since(begin).Microseconds())/1000)
		out.Lost += max(0, entries+i+1-strings.Count(body, `"createdAt":`))
		tag = t
	}
	slices.Sort(cold)
	out.Values = append(out.Values, cold[len(cold)/2])
	for _, tag := range []string{"", tag} {
		before := r.cpu()
		for range reads {
			if _, _, err := r.feed(tag); err != nil {
				return out, err
			}
		}
		out.Values = append(out.Values, micros(r.cpu()-before)/reads)
	}
	return out, nil
}

// latency measures how long submissions take to everybody, from the moment that
// each was to be sent.
func latency(r *running) (outcome, error) {
	const n, rate, seconds, giveUp = 5000, 200, 2, 5 * time.Second
	const total = rate * seconds
	clients, err := crowd(r, n)
	if err != nil {
		return outcome{}, err
	}
	defer leave(clients)
	begin := time.Now().Add(100 * time.Millisecond)
	end := begin.Add(seconds*time.Second + giveUp)
	all := make(chan arrivals, n)
	for _, c := range clients {
		go func() { all <- c.arrivals(begin, end, total, rate) }()
	}
	refused := make(chan error, 1)
	go func() {
		refused <- parallel(total, 64, func(i int) error {
			time.Sleep(time.Until(begin.Add(time.Duration(i) * time.Second / rate)))
			return r.announce(i)
		})
	}()
	var took []float64
	var order uint64
	late, lost := 0, 0
	for range n {
		a := <-all
		took = append(took, a.took...)
		switch {
		case a.broken:
			lost += total - len(a.took)
		case len(a.took) < total:
			late += total - len(a.took)
		case order == 0:
			order = a.order
		case order != a.order:
			lost++ // it got all, in another order than others did
		}
	}
	for range late + lost {
		took = append(took, float64((seconds*time.Second + giveUp).Milliseconds()))
	}
	if late == 0 {
		if err := <-refused; err != nil {
			return outcome{}, err
		}
	}
	slices.Sort(took)
	out := outcome{Lost: lost}
	for _, share := range []float64{0.5, 0.99, 0.999} {
		out.Values = append(out.Values, took[int(share*float64(len(took)))])
	}
	if late > 0 {
		out.AtLeast = true
		out.Note = fmt.Sprintf("%.0f %% were not there %v after the last", 100*float64(late)/float64(n*total), giveUp)
	}
	return out, nil
}

// announce has the server tell everybody of the submission i.
func (r *running) announce(i int) error {
	caption := fmt.Sprintf("%010d", i)
	if r.control == "" {
		return r.post(caption, nil)
	}
	res, err := web.Post("http://"+r.control+"/submit", "text/plain", strings.NewReader(caption))
	if err != nil {
		return err
	}
	return res.Body.Close()
}

// arrivals is when one client got the submissions.
type arrivals struct {
	took   []float64 // ms after each was to be sent
	order  uint64    // a hash of the order
	broken bool      // the connection ended, or one came twice
}

// arrivals reads until all submissions are there, or until end.
func (c *client) arrivals(begin, end time.Time, total, rate int) (a arrivals) {
	_ = c.conn.SetReadDeadline(end)
	seen := make([]bool, total)
	a.took = make([]float64, 0, total)
	for len(a.took) < total {
		m, err := c.next()
		if err != nil {
			a.broken = time.Now().Before(end)
			return a
		}
		i := submission(m)
		if i < 0 {
			continue // another event
		}
		if i >= total || seen[i] {
			a.broken = true
			return a
		}
		seen[i] = true
		a.order = a.order*1_099_511_628_211 + uint64(i) + 1
		sent := begin.Add(time.Duration(i) * time.Second / time.Duration(rate))
		a.took = append(a.took, float64(time.Since(sent).Microseconds())/1000)
	}
	return a
}

// submission is the number in the event m, or -1.
func submission(m []byte) int {
	for _, before := range []string{`42["m","`, `"caption":"`} {
		if _, after, found := bytes.Cut(m, []byte(before)); found && len(after) >= 10 {
			if i, err := strconv.Atoi(string(after[:10])); err == nil {
				return i
			}
		}
	}
	return -1
}
