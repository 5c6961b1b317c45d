package api

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"unicode"
	"unicode/utf8"

	"podium/contest"
	"podium/server/answer"
	"podium/server/turns"
)

// maxKey is the longest Idempotency-Key, in bytes.
const maxKey = 200

// submitted is the answer to a submission.
type submitted struct {
	Success       bool   `json:"success"`
	Entry         entry  `json:"entry"`
	StorageMethod string `json:"storageMethod"`
	SubmissionID  string `json:"submissionId"`
	Persisted     bool   `json:"persistenceConfirmed"`
	TransactionID string `json:"transactionId"`
	Status        string `json:"status"`
}

// submit answers POST /api/submit.
func (c *API) submit(w http.ResponseWriter, r *http.Request) error {
	if wait := c.Allow(r); wait > 0 {
		return answer.Later(wait, "Too many submissions at once; please wait a moment.").Coded("tooFast")
	}
	key, err := idempotencyKey(r)
	if err != nil {
		return err
	}
	var d *digest
	if key != "" {
		leave, err := c.once.enter(r.Context(), key)
		if err != nil {
			return err
		}
		defer leave()
		d = newDigest()
	}
	f, err := c.readForm(w, r, d)
	if err != nil {
		return err
	}
	defer f.close()
	once := contest.Once{}
	if key != "" {
		once.Key = "submit " + key
		if once.Content, once.Earlier, err = d.sums(f.photo); err != nil {
			return err
		}
		first, found, err := c.Contest.Answered(once)
		if err != nil {
			return storeError(err)
		}
		if found {
			return c.replay(w, first)
		}
	}
	return c.accept(w, r, f, once)
}

// accept keeps the photo and stores the submission.
func (c *API) accept(w http.ResponseWriter, r *http.Request, f *form, once contest.Once) error {
	if err := c.knownCategory(f.fields["category"]); err != nil {
		return err
	}
	if err := c.admit(f); err != nil {
		return err
	}
	// Once the photo is here the work is finished even if the phone goes away:
	// it will ask again with the same key, and find the answer.
	ctx := turns.WithAddress(context.WithoutCancel(r.Context()), c.AddressOf(r))
	picture := Picture{Method: "none"}
	if f.photo != nil {
		var err error
		if picture, err = c.Pictures.Keep(ctx, f.photo, f.size); err != nil {
			return err
		}
	}
	sub, err := c.newSubmission(f, picture)
	if err != nil {
		return c.discard(ctx, picture, err)
	}
	body, err := json.Marshal(submitted{
		Success: true, Entry: c.entry(&sub), StorageMethod: sub.StorageMethod, SubmissionID: sub.SubmissionID,
		Persisted: true, TransactionID: "txn-" + newID(sub.CreatedAt), Status: string(sub.Status),
	})
	if err != nil {
		return fmt.Errorf("encode the answer: %w", err)
	}
	first, replayed, err := c.Contest.Submit(ctx, sub, once, body)
	if err != nil || replayed {
		if err = c.discard(ctx, picture, err); err != nil {
			return err
		}
		return c.replay(w, first)
	}
	c.Published()
	c.Uploaded(picture.Method)
	if f.photo != nil {
		c.Pictures.Committed(ctx, sub.ID, picture)
	}
	c.tellOffset(w)
	answer.Bytes(w, http.StatusOK, body)
	return nil
}

// discard removes a picture that nothing will show. One whose submission may be
// stored after all is kept.
func (c *API) discard(ctx context.Context, p Picture, because error) error {
	if (len(p.Files) > 0 || p.CloudID != "") && !errors.Is(because, contest.ErrInDoubt) {
		if err := c.Pictures.Remove(ctx, p); err != nil {
			c.Logger.Warn("remove a picture without submission", "error", err)
		}
	}
	return storeError(because)
}

func (c *API) photoFits(size int64) error {
	if size > c.MaxPhoto {
		return c.tooLarge()
	}
	return nil
}

func (c *API) tooLarge() error {
	return answer.New(http.StatusRequestEntityTooLarge, "The photo is larger than %d MiB.", c.MaxPhoto>>20).Coded("photoTooLarge")
}

// newSubmission makes the entry of a form.
func (c *API) newSubmission(f *form, p Picture) (contest.Submission, error) {
	status := contest.Approved
	waits, err := c.moderated()
	if err != nil {
		return contest.Submission{}, err
	}
	if waits {
		status = contest.Waiting
	}
	now := c.Stamp().UnixMilli()
	sub := contest.Submission{
		ID: newID(now), SubmissionID: "sub-" + newID(now), Category: f.fields["category"],
		Caption: f.fields["caption"], Name: f.fields["name"], Phone: f.fields["phone"], Credit: f.fields["credit"] == "yes", Guest: guestOf(f.fields["guest"]),
		StorageMethod: p.Method, CreatedAt: now, Status: status,
		Images: p.Images, Files: p.Files, CloudID: p.CloudID, Awaits: p.Awaits,
	}
	if p.URL != "" {
		sub.ImageURL = &p.URL
	}
	return sub, nil
}

func (c *API) knownCategory(id string) error {
	if id == "" {
		return answer.New(http.StatusBadRequest, "The category is missing.").Coded("noCategory")
	}
	list, err := c.Contest.Categories()
	if err != nil {
		return storeError(err)
	}
	for _, known := range list {
		if known.ID == id {
			return nil
		}
	}
	return answer.New(http.StatusBadRequest, "There is no such category.").Coded("noCategory")
}

// idempotencyKey reads the Idempotency-Key of a request, "" for none.
func idempotencyKey(r *http.Request) (string, error) {
	key := r.Header.Get("Idempotency-Key")
	printable := !strings.ContainsFunc(key, func(c rune) bool { return c < ' ' || c > '~' })
	if len(key) > maxKey || !printable {
		return "", answer.Malformed("The Idempotency-Key has more than %d characters or ones that cannot be printed.", maxKey)
	}
	return key, nil
}

// replay writes the first answer again.
func (c *API) replay(w http.ResponseWriter, body []byte) error {
	c.tellOffset(w)
	w.Header().Set("Idempotent-Replay", "true")
	answer.Bytes(w, http.StatusOK, body)
	return nil
}

// capital is a sentence as it begins.
func capital(sentence string) string {
	first, size := utf8.DecodeRuneInString(sentence)
	return string(unicode.ToUpper(first)) + sentence[size:]
}

// ruleOf is the code of what the contest doesn't take.
func ruleOf(err error) string {
	var broken *contest.InvalidError
	if errors.As(err, &broken) {
		return string(broken.Rule)
	}
	return codeMalformed
}

// codeMalformed is answer.Malformed's.
const codeMalformed = "malformed"

// storeError makes an error of the store into an answer. Nil stays nil.
func storeError(err error) error {
	var own *answer.Error
	switch {
	case err == nil:
		return nil
	case errors.As(err, &own):
		return own
	case errors.Is(err, contest.ErrInDoubt):
		return answer.Because(err, http.StatusServiceUnavailable, "It is not known yet whether that was stored; please send it again.").Coded("inDoubt")
	case errors.Is(err, contest.ErrFull):
		return noRoom(err)
	case errors.Is(err, contest.ErrTooMany):
		return answer.Because(err, http.StatusForbidden, "You have sent as many photos as the organiser allows.").Coded("tooMany")
	case errors.Is(err, contest.ErrUnknownCategory):
		return answer.Because(err, http.StatusBadRequest, "There is no such category.").Coded("noCategory")
	case errors.Is(err, contest.ErrIdempotencyMismatch):
		return answer.Because(err, http.StatusUnprocessableEntity, "This Idempotency-Key was used before for something else.").Coded("malformed")
	case errors.Is(err, contest.ErrNotFound):
		return answer.Because(err, http.StatusNotFound, "There is no such submission.").Coded("gone")
	case errors.Is(err, contest.ErrInvalid):
		_, sentence, _ := strings.Cut(err.Error(), contest.ErrInvalid.Error()+": ") // what was being done is before it
		return answer.Because(err, http.StatusBadRequest, capital(sentence)+".").Coded(ruleOf(err))
	case errors.Is(err, contest.ErrAway):
		return answer.Because(err, http.StatusServiceUnavailable, "The server cannot reach its database at the moment; please try again. Nothing was changed.").Coded("away")
	case errors.Is(err, contest.ErrReadOnly):
		return answer.Because(err, http.StatusServiceUnavailable, "The server's data can only be read at the moment; nothing was changed.").Coded("readOnly")
	case errors.Is(err, contest.ErrClosed):
		return answer.Because(err, http.StatusServiceUnavailable, "The server is stopping; please try again.").Coded("stopping")
	}
	return err
}

// keyed lets one request of each idempotency key run at a time; others wait.
type keyed struct {
	mu      sync.Mutex // guards running
	running map[string]chan struct{}
}

// enter waits for the key's turn and returns the function that ends it.
func (k *keyed) enter(ctx context.Context, key string) (leave func(), err error) {
	for {
		k.mu.Lock()
		busy, found := k.running[key]
		if !found {
			mine := make(chan struct{})
			if k.running == nil {
				k.running = make(map[string]chan struct{})
			}
			k.running[key] = mine
			k.mu.Unlock()
			return func() {
				k.mu.Lock()
				delete(k.running, key)
				k.mu.Unlock()
				close(mine)
			}, nil
		}
		k.mu.Unlock()
		select {
		case <-busy:
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
}
