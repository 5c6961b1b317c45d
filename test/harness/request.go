package harness

import (
	"bytes"
	"encoding/json"
	"image"
	"image/color"
	"image/jpeg"
	"io"
	"maps"
	"mime/multipart"
	"net/http"
	"slices"
	"strings"
	"testing"
)

// Photo is a JPEG.
func Photo(t testing.TB, w, h int) []byte {
	t.Helper()
	m := image.NewRGBA(image.Rect(0, 0, w, h))
	for y := range h {
		for x := range w {
			m.Set(x, y, color.RGBA{uint8(x), uint8(y), uint8(x * y / 99), 255})
		}
	}
	var b bytes.Buffer
	if err := jpeg.Encode(&b, m, nil); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// Form is a submission's body.
func Form(t testing.TB, fields map[string]string, picture []byte) (body *bytes.Buffer, contentType string) {
	t.Helper()
	body = &bytes.Buffer{}
	w := multipart.NewWriter(body)
	for _, name := range slices.Sorted(maps.Keys(fields)) { // a request that is sent again is the same
		if err := w.WriteField(name, fields[name]); err != nil {
			t.Fatal(err)
		}
	}
	if picture != nil {
		part, err := w.CreateFormFile("photo", "photo.jpg")
		if err != nil {
			t.Fatal(err)
		}
		if _, err := part.Write(picture); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return body, w.FormDataContentType()
}

// Submit sends a submission and returns the id of the entry.
func (p *Program) Submit(caption string) string {
	p.T.Helper()
	return p.SubmitPicture(caption, Photo(p.T, 64, 48))
}

// SubmitPicture is submit with a picture of the caller's.
func (p *Program) SubmitPicture(caption string, picture []byte) string {
	p.T.Helper()
	body, kind := Form(p.T, map[string]string{"category": "best", "caption": caption, "name": "Ann", "phone": "123"}, picture)
	var answer struct{ Entry struct{ ID string } }
	if status := p.Call("POST", "/api/submit", kind, body, &answer); status != http.StatusOK {
		p.T.Fatalf("submit: status %d", status)
	}
	return answer.Entry.ID
}

// Call sends a request and decodes its JSON answer.
func (p *Program) Call(method, path, contentType string, body io.Reader, into any) int {
	p.T.Helper()
	req, err := http.NewRequestWithContext(p.T.Context(), method, p.URL+path, body)
	if err != nil {
		p.T.Fatal(err)
	}
	if contentType != "" {
		req.Header.Set("Content-Type", contentType)
	}
	return p.Do(req, into)
}

func (p *Program) Do(req *http.Request, into any) int {
	p.T.Helper()
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		p.T.Fatal(err)
	}
	defer res.Body.Close()
	if err := json.NewDecoder(res.Body).Decode(into); err != nil {
		p.T.Fatalf("%s %s: %v", req.Method, req.URL.Path, err)
	}
	return res.StatusCode
}

// SignIn signs in as a script does and returns the whole Set-Cookie header.
func (p *Program) SignIn() string {
	p.T.Helper()
	res, err := http.Post(p.URL+"/api/login", "application/json", strings.NewReader(`{"password":"`+Password+`"}`))
	if err != nil {
		p.T.Fatal(err)
	}
	defer res.Body.Close()
	if res.StatusCode != http.StatusOK {
		p.T.Fatalf("sign-in: %s", res.Status)
	}
	return res.Header["Set-Cookie"][0]
}

// AsAdmin sends a JSON request with a session.
func (p *Program) AsAdmin(cookie, method, path, body string, into any) int {
	p.T.Helper()
	req, err := http.NewRequestWithContext(p.T.Context(), method, p.URL+path, strings.NewReader(body))
	if err != nil {
		p.T.Fatal(err)
	}
	req.Header.Set("Cookie", cookie)
	req.Header.Set("Content-Type", "application/json")
	return p.Do(req, into)
}

// StoredIDs are the ids of the category that the writers use, oldest first.
func (p *Program) StoredIDs() []string {
	p.T.Helper()
	var answer struct {
		Feed map[string][]struct{ ID string }
	}
	if status := p.Call("GET", "/api/feed", "", nil, &answer); status != http.StatusOK {
		p.T.Fatalf("feed: %d", status)
	}
	var ids []string
	for _, entry := range answer.Feed["best"] {
		ids = append(ids, entry.ID)
	}
	slices.Reverse(ids)
	return ids
}
