package answer

import (
	"encoding/json"
	"errors"
	"io"
	"math"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/iotest"
	"time"
)

func TestAnErrorIsASentenceWithItsStatus(t *testing.T) {
	private := errors.New("open /data/podium.db")
	for _, c := range []struct {
		err         *Error
		status      int
		body, retry string
	}{
		{New(http.StatusNotFound, "There is no %s.", "<b>"), 404, `{"error":"There is no <b>."}`, ""},
		{Because(private, http.StatusInternalServerError, "Something went wrong."), 500, `{"error":"Something went wrong."}`, ""},
		{Later(1200*time.Millisecond, "Please wait."), 429, `{"error":"Please wait."}`, "2"},
		{Later(time.Microsecond, "Please wait."), 429, `{"error":"Please wait."}`, "1"},
		{ErrUnauthorized, 401, `{"error":"Unauthorized"}`, ""},
	} {
		w := httptest.NewRecorder()
		c.err.Write(w)
		h := w.Header()
		if w.Code != c.status || w.Body.String() != c.body || h.Get("Retry-After") != c.retry {
			t.Errorf("%d, Retry-After %q: %s", w.Code, h.Get("Retry-After"), w.Body)
		}
		if h.Get("Content-Type") != "application/json; charset=utf-8" || h.Get("Cache-Control") != "no-store" || h.Get("Podium-Error") != c.err.Code {
			t.Errorf("headers: %v", h)
		}
	}
	w := httptest.NewRecorder()
	New(http.StatusForbidden, "Submissions have closed.").Coded("closed").Write(w)
	if w.Header().Get("Podium-Error") != "closed" {
		t.Errorf("headers: %v", w.Header())
	}
	if err := Because(private, 500, "Something went wrong."); !errors.Is(err, private) || !strings.Contains(err.Error(), "podium.db") {
		t.Errorf("the log sees %v", err)
	}
}

func TestAnAnswerThatCannotBeEncodedIsA500(t *testing.T) {
	w := httptest.NewRecorder()
	JSON(w, http.StatusOK, map[string]any{"n": math.NaN()})
	var body map[string]string
	if err := json.Unmarshal(w.Body.Bytes(), &body); err != nil || w.Code != 500 || body["error"] == "" {
		t.Errorf("%d: %s", w.Code, w.Body)
	}
}

func TestABodyInPiecesIsOneBody(t *testing.T) {
	w := httptest.NewRecorder()
	w.Header().Set("Cache-Control", "no-cache")
	Pieces(w, http.StatusOK, [][]byte{[]byte(`{"a":`), nil, []byte(`1}`)})
	if w.Body.String() != `{"a":1}` || w.Header().Get("Content-Length") != "7" || w.Header().Get("Cache-Control") != "no-cache" {
		t.Errorf("%v: %s", w.Header(), w.Body)
	}
}

func TestABodyIsReadOrRefusedWithASentence(t *testing.T) {
	for body, want := range map[string]struct {
		status   int
		sentence string
	}{
		` {"name":"Ada"} `:                     {0, ""},
		`{"name":"Ada","more":[1]}`:            {0, ""},
		``:                                     {400, "has no body"},
		" \n":                                  {400, "has no body"},
		`["Ada"]`:                              {400, "must be a JSON object"},
		`null`:                                 {400, "must be a JSON object"},
		`{"name":7}`:                           {400, `"name" has the wrong type`},
		`{"name":"Ada"`:                        {400, "is not valid JSON"},
		`{"name":"Ada"} {}`:                    {400, "is not valid JSON"},
		`{"name":"` + strings.Repeat("a", 100): {413, "is too large"},
	} {
		var into struct {
			Name string `json:"name"`
		}
		r := httptest.NewRequest("POST", "/", strings.NewReader(body))
		err := Read(httptest.NewRecorder(), r, 64, &into)
		if want.status == 0 {
			if err != nil || into.Name != "Ada" {
				t.Errorf("%s: %v, %+v", body, err, into)
			}
			continue
		}
		var refusal *Error
		if !errors.As(err, &refusal) || refusal.Status != want.status || !strings.Contains(refusal.Sentence, want.sentence) {
			t.Errorf("%s: %v", body, err)
		}
	}
}

func TestABodyThatBreaksOffIsTheClientsFault(t *testing.T) {
	r := httptest.NewRequest("POST", "/", io.MultiReader(strings.NewReader(`{"a":`), iotest.ErrReader(io.ErrUnexpectedEOF)))
	var refusal *Error
	if err := Read(httptest.NewRecorder(), r, 64, &struct{}{}); !errors.As(err, &refusal) || refusal.Status != 400 || !errors.Is(err, io.ErrUnexpectedEOF) {
		t.Errorf("%v", err)
	}
	own := New(http.StatusRequestTimeout, "Too slow.")
	if ReadError(own) != error(own) {
		t.Error("an answer is not kept")
	}
}

func TestCodingsAreReadAsTheyAreWeighted(t *testing.T) {
	for header, want := range map[string]bool{
		"gzip": true, "GZIP": true, "br, gzip": true, "gzip;q=0.5": true, "gzip; q=1": true, "*": true, "br;q=1, *;q=0.1": true,
		"": false, "br": false, "gzip;q=0": false, "gzip; q=0.000": false, "*;q=0": false, "gzip;q=0, *": false, "xgzip": false,
		strings.Repeat("br,", 1000) + "gzip": false,
	} {
		if Accepts(header, "gzip") != want {
			t.Errorf("%.40q: %v", header, !want)
		}
	}
}
