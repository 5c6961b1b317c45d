package api

import (
	"bufio"
	"bytes"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"mime"
	"mime/multipart"
	"net/http"
	"os"
	"slices"
	"strings"
	"syscall"
	"time"
	"unicode/utf8"

	"podium/protocol/budget"
	"podium/server/answer"
	"podium/server/turns"
)

const (
	// spoolAlways is how much of a photo is held in memory in any case while it
	// arrives and waits. It is short, because thousands may wait.
	spoolAlways = 4 << 10
	// spoolInMemory is the longest body whose photo is held in memory where
	// Options.Spools has room; others go to a file. A file costs more than its
	// bytes: without a journal, ext4 looks at every inode that was freed in the last
	// seconds before it gives one to a new file.
	spoolInMemory = 1 << 20
	// maxParts bounds the parts of a submission, maxHead the bytes before each, mostly of
	// its head, and maxLines their lines.
	maxParts = 32
	maxHead  = 8 << 10
	maxLines = 32
	// formSlack is what a submission may hold besides its photo, in bytes.
	formSlack = 1 << 20
	// formBytes is what a submission takes in memory besides its photo and its fields:
	// the heads of its parts, and what reads them.
	formBytes = 16 << 10
)

// uploadSlowest is the least that must arrive of an upload in each
// Options.UploadWindow, in bytes.
const uploadSlowest = 8 << 10

// LongestUpload is the time after which a submission that still arrives is ended.
const LongestUpload = 5 * time.Minute

// form is a submission as it arrived.
type form struct {
	fields map[string]string
	photo  io.ReadSeeker // nil: none was sent
	size   int64
	digest *digest // of everything that counts as its content; nil where nobody asks
	length int64   // of the whole body, -1 where the client did not say
	charge *budget.Charge
	free   []func() // give back what the form holds
}

func (f *form) close() {
	for _, free := range f.free {
		free()
	}
}

// readForm reads a multipart body as a stream, into d as well where that is not nil.
func (c *API) readForm(w http.ResponseWriter, r *http.Request, d *digest) (*form, error) {
	kind, params, err := mime.ParseMediaType(r.Header.Get("Content-Type"))
	if err != nil || kind != "multipart/form-data" || params["boundary"] == "" {
		return nil, answer.Malformed("A submission is sent as multipart/form-data.")
	}
	if r.ContentLength > c.MaxPhoto+formSlack {
		return nil, c.tooLarge()
	}
	// Told before it is sent: what will not fit need not come.
	if r.ContentLength > spoolInMemory && !c.Disk.Spool(r.ContentLength) {
		return nil, noRoom(nil)
	}
	control := http.NewResponseController(w)
	stop := func() { control.SetReadDeadline(time.Unix(1, 0)) }
	f := &form{fields: map[string]string{}, digest: d, length: r.ContentLength, charge: c.Spools.Open(c.AddressOf(r), stop)}
	f.free = append(f.free, f.charge.Close)
	if err := f.charge.Hold(formBytes); err != nil {
		f.close()
		return nil, c.formError(turns.ErrCrowded)
	}
	upload := c.Uploads.Begin(c.AddressOf(r), stop)
	defer upload.Done()
	body := &pacedBody{body: http.MaxBytesReader(w, r.Body, c.MaxPhoto+formSlack), control: control, upload: upload, memory: f.charge, start: time.Now(), every: c.UploadWindow}
	if err := c.readParts(&headed{in: bufio.NewReaderSize(body, 512)}, params["boundary"], f); err != nil {
		f.close()
		return nil, c.formError(err)
	}
	if err := errors.Join(upload.Arrived(), crowded(f.charge.Pin())); err != nil {
		f.close()
		return nil, c.formError(err)
	}
	control.SetReadDeadline(time.Time{})
	// What is kept of it is written beside what was spooled.
	release, ok := c.Disk.Reserve(f.size + formBytes)
	if !ok {
		f.close()
		return nil, noRoom(nil)
	}
	f.free = append(f.free, release)
	if addr := c.AddressOf(r); f.photo != nil {
		if !c.Waiting.EnterN(addr, int(f.size)) {
			f.close()
			return nil, c.formError(turns.ErrCrowded)
		}
		f.free = append(f.free, func() { c.Waiting.LeaveN(addr, int(f.size)) })
	}
	return f, nil
}

// crowded is the error of an upload that was ended for others. Nil stays nil.
func crowded(err error) error {
	if err != nil {
		return turns.ErrCrowded
	}
	return nil
}

// headed reads a body whose parts have short heads. Package multipart takes heads of
// 10 MB and 10,000 lines, and makes many times as much of them.
type headed struct {
	in          *bufio.Reader
	inHead      bool // the next part has not begun
	left, lines int  // that may come until it begins
}

func (h *headed) Read(p []byte) (int, error) {
	if !h.inHead {
		return h.in.Read(p)
	}
	if h.left <= 0 || h.lines <= 0 {
		return 0, answer.Malformed("The submission has a part whose head is longer than %d lines or %d KiB.", maxLines, maxHead>>10)
	}
	if _, err := h.in.Peek(1); err != nil {
		return 0, err
	}
	line, err := h.in.Peek(min(len(p), h.left, h.in.Buffered())) // of what is there: no error
	if end := bytes.IndexByte(line, '\n'); end >= 0 {
		line = line[:end+1]
		h.lines--
	}
	h.left -= len(line)
	n := copy(p, line)
	_, _ = h.in.Discard(n) // likewise
	return n, err
}

// next returns the part that follows, and passes over what is left of the one before,
// which is nil at the beginning.
func (h *headed) next(parts *multipart.Reader, before *multipart.Part) (*multipart.Part, error) {
	if before != nil {
		if _, err := io.Copy(io.Discard, before); err != nil {
			return nil, err
		}
	}
	h.inHead, h.left, h.lines = true, maxHead, maxLines
	part, err := parts.NextPart()
	h.inHead = false
	return part, err
}

// readParts reads each part into f.
func (c *API) readParts(body *headed, boundary string, f *form) error {
	parts := multipart.NewReader(body, boundary)
	var part *multipart.Part
	for n := 0; ; n++ {
		var err error
		if part, err = body.next(parts, part); err == io.EOF {
			return nil
		} else if err != nil {
			return err
		}
		if n == maxParts {
			return answer.Malformed("The submission has too many parts.")
		}
		if err := c.readPart(part, f); err != nil {
			return err
		}
	}
}

// readPart reads one part. A file in a field that is none of a submission's would
// be lost without a word, and is refused.
func (c *API) readPart(part *multipart.Part, f *form) error {
	field, file, err := partName(part)
	if err != nil {
		return err
	}
	if field == "photo" {
		return c.readPhoto(part, file, f)
	}
	if slices.Contains(fieldOrder, field) {
		return readField(part, field, f)
	}
	if file != "" && f.photo == nil {
		return answer.Malformed("The photo is sent in the field \"photo\".")
	}
	return nil
}

// longestField is how many characters a text field may have.
var longestField = map[string]int{"category": 64, "caption": MaxCaption, "name": MaxName, "phone": MaxPhone, "credit": 8, "terms": 8, "guest": maxGuestSecret}

// readField reads one text field. The first of a name counts, and no more is read of one
// than the characters that it may have can take.
func readField(part *multipart.Part, name string, f *form) error {
	if _, twice := f.fields[name]; twice {
		return nil
	}
	longest := longestField[name]
	most := longest * utf8.UTFMax
	value, err := io.ReadAll(io.LimitReader(part, int64(most)+1))
	if err != nil {
		return err
	}
	if err := crowded(f.charge.Hold(int64(2 * len(value)))); err != nil { // as it came, and as text
		return err
	}
	text, readable := decodeField(part, value)
	if !readable && len(value) <= most {
		return answer.Malformed("The %s is not in UTF-8.", name)
	}
	if len(value) > most || utf8.RuneCountInString(text) > longest {
		if name == "category" {
			return answer.New(http.StatusBadRequest, "There is no such category.").Coded("noCategory")
		}
		return answer.New(http.StatusBadRequest, "The %s is longer than %d characters.", name, longest).Coded("tooLong")
	}
	f.fields[name] = strings.ReplaceAll(text, "\x00", "\uFFFD")
	f.digest.field(name, value)
	return nil
}

// readPhoto spools the photo. An empty file field without a name, as a form without
// a chosen file sends it, is no photo; one with a name is a photo that was lost on
// its way, and telling so is the only chance to get it again.
func (c *API) readPhoto(part *multipart.Part, file string, f *form) error {
	if f.photo != nil {
		return nil
	}
	limited := io.LimitReader(f.digest.photo(part), c.MaxPhoto+1)
	var head bytes.Buffer
	n, err := io.CopyN(&head, limited, spoolAlways)
	if err == io.EOF { // that was all of it
		if n > 0 {
			f.photo, f.size = bytes.NewReader(head.Bytes()), n
		} else if file != "" {
			return answer.New(http.StatusBadRequest, "The photo arrived empty; please choose it again.").Coded("photoEmpty")
		}
		return c.photoFits(n)
	}
	if err != nil {
		return err
	}
	spool := c.spoolToFile
	if f.holds() {
		spool = c.spoolToMemory
	}
	if err := spool(f, io.MultiReader(&head, limited)); err != nil {
		return err
	}
	return c.photoFits(f.size)
}

// holds reports whether the photo may be held in memory, and keeps the room until
// f is closed.
func (f *form) holds() bool {
	return f.length >= 0 && f.length <= spoolInMemory && f.charge.TryHold(f.length) == nil
}

// spoolToMemory holds the photo in memory, for which holds has kept room.
func (c *API) spoolToMemory(f *form, photo io.Reader) error {
	whole := bytes.NewBuffer(make([]byte, 0, f.length+bytes.MinRead))
	if _, err := whole.ReadFrom(photo); err != nil {
		return err
	}
	f.photo, f.size = bytes.NewReader(whole.Bytes()), int64(whole.Len())
	return nil
}

// spoolToFile holds the photo in a file.
func (c *API) spoolToFile(f *form, photo io.Reader) error {
	file, err := os.CreateTemp(c.SpoolDir, "upload-")
	if err != nil {
		return fmt.Errorf("make a file for the upload: %w", err)
	}
	f.free = append(f.free, func() { file.Close() })
	os.Remove(file.Name()) // it lives until it is closed, and no crash leaves it behind
	if f.size, err = io.Copy(roomy{file, c.Disk}, photo); err != nil {
		return fmt.Errorf("spool the upload: %w", err)
	}
	if _, err := file.Seek(0, io.SeekStart); err != nil {
		return fmt.Errorf("rewind the upload: %w", err)
	}
	f.photo = file
	return nil
}

// roomy is a file that leaves room on its disk for others.
type roomy struct {
	file *os.File
	disk Disk
}

func (r roomy) Write(p []byte) (int, error) {
	if !r.disk.Spool(int64(len(p))) {
		return 0, syscall.ENOSPC
	}
	return r.file.Write(p)
}

// noRoom is the answer where the disk has no room for a submission, because of err, which
// may be nil.
func noRoom(err error) error {
	return answer.Because(err, http.StatusInsufficientStorage, "There is no room left on this server; nothing was changed.").Coded("full")
}

// formError makes what went wrong while reading a submission into an answer.
func (c *API) formError(err error) error {
	var own *answer.Error
	var large *http.MaxBytesError
	switch {
	case errors.As(err, &own):
		return own
	case errors.As(err, &large):
		return c.tooLarge()
	case errors.Is(err, turns.ErrCrowded):
		return &answer.Error{Status: http.StatusServiceUnavailable, Sentence: "Too many photos arrive at once; please send it again.", Code: "busy", Retry: 2 * time.Second, Cause: err}
	case errors.Is(err, syscall.ENOSPC), errors.Is(err, syscall.EDQUOT):
		return noRoom(err)
	case errors.Is(err, os.ErrDeadlineExceeded):
		return answer.Because(err, http.StatusRequestTimeout, "The photo arrived too slowly.").Coded("brokenOff")
	}
	return answer.Because(err, http.StatusBadRequest, "The submission could not be read to its end.").Coded("brokenOff")
}

// pacedBody reads a body, counts it, and ends it when it comes too slowly.
type pacedBody struct {
	body    io.Reader
	control *http.ResponseController
	upload  *turns.Upload
	memory  *budget.Charge // of what is held in memory
	start   time.Time
	every   time.Duration
	window  time.Time // when the running window began
	bytes   int64     // that arrived in it
}

func (b *pacedBody) Read(p []byte) (int, error) {
	now := time.Now()
	if b.window.IsZero() || b.bytes >= uploadSlowest {
		b.window, b.bytes = now, 0
		end := now.Add(b.every)
		if last := b.start.Add(LongestUpload); end.After(last) {
			end = last
		}
		b.control.SetReadDeadline(end) // best effort: tests have no connection
		// Who ended the upload may have set its deadline before this one.
		if b.upload.Ended() != nil || b.memory.Evicted() {
			return 0, turns.ErrCrowded
		}
	}
	n, err := b.body.Read(p)
	b.bytes += int64(n)
	b.memory.Progress(int64(n))
	if b.upload.Add(int64(n)) != nil || b.memory.Evicted() {
		return n, turns.ErrCrowded
	}
	return n, err
}

// idAlphabet is what ids end with.
const idAlphabet = "abcdefghijklmnopqrstuvwxyz0123456789"

// newID returns a fresh "<ms>-<6 of [a-z0-9]>".
func newID(ms int64) string {
	suffix := make([]byte, 6)
	for i := range suffix {
		var one [1]byte
		for {
			rand.Read(one[:])
			if one[0] < 252 { // 7×36: every letter is equally likely
				break
			}
		}
		suffix[i] = idAlphabet[one[0]%36]
	}
	return fmt.Sprintf("%d-%s", ms, suffix)
}
