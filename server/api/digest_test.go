package api

import (
	"bytes"
	"crypto/sha256"
	"errors"
	"mime/multipart"
	"net/http/httptest"
	"slices"
	"testing"

	"podium/contest"
	"podium/server/answer"
)

// sendKeyed sends the parts, {name, content}, in that order, with an Idempotency-Key.
func sendKeyed(t *testing.T, c *API, key string, parts [][2]string) (status int, replayed bool) {
	t.Helper()
	var body bytes.Buffer
	form := multipart.NewWriter(&body)
	for _, one := range parts { // a buffer takes everything
		if one[0] == "photo" {
			part, _ := form.CreateFormFile("photo", "photo.jpg")
			_, _ = part.Write([]byte(one[1]))
			continue
		}
		_ = form.WriteField(one[0], one[1])
	}
	_ = form.Close()
	r := httptest.NewRequest("POST", "/api/submit", &body)
	r.Header.Set("Content-Type", form.FormDataContentType())
	r.Header.Set("Idempotency-Key", key)
	w := httptest.NewRecorder()
	var refusal *answer.Error
	if err := c.submit(w, r); errors.As(err, &refusal) {
		return refusal.Status, false
	} else if err != nil {
		t.Fatal(err)
	}
	return w.Code, w.Header().Get("Idempotent-Replay") == "true"
}

func TestTheOrderOfFieldsDoesNotCount(t *testing.T) {
	for name, size := range map[string]int{"in memory": 20_000, "in a file": spoolInMemory + 10_000} {
		t.Run(name, func(t *testing.T) {
			g := &glance{}
			c := g.make(t, 1<<20)
			photo := string(bytes.Repeat([]byte("photo"), size/5))
			parts := [][2]string{{"photo", photo}, {"phone", "0170 1"}, {"name", "A"}, {"caption", "a 3 b"}, {"category", "best"}}
			if status, replayed := sendKeyed(t, c, "k", parts); status != 200 || replayed {
				t.Fatalf("the first: %d, replayed %v", status, replayed)
			}
			if string(g.whole) != photo {
				t.Error("the photo is not what was sent")
			}
			for n := range parts {
				turned := slices.Concat(parts[n:], parts[:n])
				if status, replayed := sendKeyed(t, c, "k", turned); status != 200 || !replayed {
					t.Errorf("from part %d on: %d, replayed %v", n, status, replayed)
				}
			}
			slices.Reverse(parts)
			if status, replayed := sendKeyed(t, c, "k", parts); status != 200 || !replayed {
				t.Errorf("backwards: %d, replayed %v", status, replayed)
			}
			for n, one := range parts[1:] { // without the category none is looked for
				other := slices.Clone(parts)
				other[n+1] = [2]string{one[0], one[1] + "!"}
				if status, _ := sendKeyed(t, c, "k", other); status != 422 {
					t.Errorf("another %s: %d", one[0], status)
				}
			}
		})
	}
}

// Before, what stood for a submission was the hash of its parts as they came. Who was
// answered by that asks again with the same parts in the same order.
func TestAnswersOfTheReleaseBeforeAreFound(t *testing.T) {
	c := (&glance{}).make(t, 1<<20)
	parts := [][2]string{{"caption", "older"}, {"photo", "a photo"}, {"category", "best"}}
	old := sha256.Sum256([]byte("caption 5 older" + "a photo" + "category 4 best"))
	sub, err := c.newSubmission(&form{fields: map[string]string{"category": "best", "caption": "older"}}, Picture{Method: "none"})
	if err != nil {
		t.Fatal(err)
	}
	if _, _, err := c.Contest.Submit(t.Context(), sub, contest.Once{Key: "submit k", Content: old[:]}, []byte(`{"success":true}`)); err != nil {
		t.Fatal(err)
	}
	if status, replayed := sendKeyed(t, c, "k", parts); status != 200 || !replayed {
		t.Errorf("the same: %d, replayed %v", status, replayed)
	}
	parts[0][1] = "other"
	if status, _ := sendKeyed(t, c, "k", parts); status != 422 {
		t.Errorf("another caption: %d", status)
	}
}
