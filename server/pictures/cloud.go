package pictures

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"math/rand/v2"
	"net/http"
	"os"
	"path"
	"path/filepath"
	"strings"
	"sync/atomic"
	"time"

	"github.com/cenkalti/backoff/v5"
	"github.com/cloudinary/cloudinary-go/v2"
	"github.com/cloudinary/cloudinary-go/v2/api"
	"github.com/cloudinary/cloudinary-go/v2/api/uploader"
	"github.com/sony/gobreaker/v2"

	"podium/contest"
)

const (
	// cloudFailures in a row open the circuit: nobody waits for Cloudinary then.
	cloudFailures = 3
	// maxAnswer bounds what Cloudinary may answer, in bytes.
	maxAnswer = 1 << 20
	// transferBatch is how many waiting pictures are looked at in one round, and how
	// many of those to be deleted.
	transferBatch = 1000
)

// Cloud is an account at Cloudinary behind a circuit breaker. Its times may be
// changed before it is used.
type Cloud struct {
	// Patience is how long a guest waits for Cloudinary.
	Patience time.Duration
	// Timeout bounds one later upload.
	Timeout time.Duration
	// Pause is how long the circuit stays open before one try, and the longest
	// time between two rounds of transfers.
	Pause time.Duration
	// Again is the time after which a failed transfer is tried again at first;
	// it grows up to Pause.
	Again time.Duration

	api      *cloudinary.Cloudinary
	breaker  *gobreaker.CircuitBreaker[uploaded]
	failures atomic.Uint64
	uploads  atomic.Uint64
}

type uploaded struct{ URL, ID string }

// NewCloud makes the connection to an account. prefix, when not empty, is the
// address of the upload API in place of Cloudinary's own.
func NewCloud(name, key, secret, prefix string) (*Cloud, error) {
	return newCloud(name, key, secret, prefix, 30*time.Second)
}

func newCloud(name, key, secret, prefix string, pause time.Duration) (*Cloud, error) {
	account, err := cloudinary.NewFromParams(name, key, secret)
	if err != nil {
		return nil, fmt.Errorf("configure Cloudinary: %w", err)
	}
	if prefix != "" {
		prefix = strings.TrimSuffix(prefix, "/")
		account.Config.API.UploadPrefix = prefix
		account.Upload.Config.API.UploadPrefix = prefix
	}
	account.Upload.Client = http.Client{Transport: boundedTransport{http.DefaultTransport}}
	return &Cloud{Patience: 5 * time.Second, Timeout: time.Minute, Pause: pause, Again: time.Second, api: account,
		breaker: gobreaker.NewCircuitBreaker[uploaded](gobreaker.Settings{
			Name:        "cloudinary",
			Timeout:     pause,
			ReadyToTrip: func(c gobreaker.Counts) bool { return c.ConsecutiveFailures >= cloudFailures },
			// One refused picture says nothing about the service.
			IsSuccessful: func(err error) bool { return err == nil || errors.Is(err, errRefused) },
		})}, nil
}

// boundedTransport cuts answers off that are longer than any of Cloudinary's,
// and makes those that come from something broken in between into errors.
type boundedTransport struct{ next http.RoundTripper }

func (b boundedTransport) RoundTrip(r *http.Request) (*http.Response, error) {
	res, err := b.next.RoundTrip(r)
	if err != nil {
		return nil, err
	}
	if res.StatusCode >= 500 || res.StatusCode == http.StatusTooManyRequests {
		res.Body.Close()
		return nil, fmt.Errorf("the answer's status is %d", res.StatusCode)
	}
	res.Body = struct {
		io.Reader
		io.Closer
	}{io.LimitReader(res.Body, maxAnswer), res.Body}
	return res, nil
}

// State is the circuit's: closed (it works), open or half-open.
func (c *Cloud) State() string { return c.breaker.State().String() }

// Counts are the uploads that succeeded and failed.
func (c *Cloud) Counts() (uploads, failures uint64) { return c.uploads.Load(), c.failures.Load() }

// errRefused is that Cloudinary works and does not take what it was sent.
var errRefused = errors.New("cloudinary refuses")

// cloudID is the public id of the picture that is kept in the file name. It is
// the same for every try, so that one whose answer was lost leaves no second
// copy.
func cloudID(name string) string {
	return "podium/" + strings.TrimSuffix(path.Base(name), path.Ext(name))
}

// upload sends a picture within a time, under a public id.
func (c *Cloud) upload(ctx context.Context, id string, picture io.Reader, within time.Duration) (uploaded, error) {
	up, err := c.breaker.Execute(func() (uploaded, error) {
		ctx, cancel := context.WithTimeout(ctx, within)
		defer cancel()
		return c.send(ctx, id, picture)
	})
	if err != nil {
		c.failures.Add(1)
		return uploaded{}, fmt.Errorf("send to Cloudinary: %w", err)
	}
	c.uploads.Add(1)
	return up, nil
}

// send makes one try. The library panics on some answers that are not
// Cloudinary's, so that is an error too.
func (c *Cloud) send(ctx context.Context, id string, picture io.Reader) (up uploaded, err error) {
	defer func() {
		if v := recover(); v != nil {
			err = fmt.Errorf("the answer cannot be read: %v", v)
		}
	}()
	result, err := c.api.Upload.Upload(ctx, picture, uploader.UploadParams{ResourceType: "image", PublicID: id, Overwrite: api.Bool(true)})
	if err != nil {
		return uploaded{}, err
	}
	if result.Error.Message != "" {
		return uploaded{}, fmt.Errorf("%w: %s", errRefused, result.Error.Message)
	}
	if !strings.HasPrefix(result.SecureURL, "https://") {
		return uploaded{}, errors.New("the answer holds no https address")
	}
	return uploaded{result.SecureURL, result.PublicID}, nil
}

// remove deletes a picture there, in one try.
func (c *Cloud) remove(ctx context.Context, id string) (err error) {
	defer func() {
		if v := recover(); v != nil {
			err = fmt.Errorf("delete at Cloudinary: the answer cannot be read: %v", v)
		}
	}()
	ctx, cancel := context.WithTimeout(ctx, c.Patience)
	defer cancel()
	result, err := c.api.Upload.Destroy(ctx, uploader.DestroyParams{PublicID: id, Invalidate: api.Bool(true)})
	if err != nil {
		return fmt.Errorf("delete at Cloudinary: %w", err)
	}
	if result.Error.Message != "" {
		return fmt.Errorf("delete at Cloudinary: %s", result.Error.Message)
	}
	return nil
}

// removeAtCloud deletes a picture at Cloudinary, and what was noted of that.
func (p *Pictures) removeAtCloud(ctx context.Context, id string) error {
	if err := p.o.Cloud.remove(ctx, id); err != nil {
		return err
	}
	return p.o.Contest.RemovalDone(id)
}

// removeLater notes a deletion, which is tried until it succeeds.
func (p *Pictures) removeLater(id string) error {
	if err := p.o.Contest.AddRemoval(id); err != nil {
		return fmt.Errorf("the picture %s stays at Cloudinary: %w", id, err)
	}
	p.wakeTransfers()
	return nil
}

// removeWaiting deletes the pictures at Cloudinary that were to be deleted, also
// those from before a restart, unless another machine is at it.
func (p *Pictures) removeWaiting(ctx context.Context) error {
	ids, err := p.o.Contest.Removals(1)
	if err != nil || len(ids) == 0 {
		return err
	}
	return p.o.Contest.Alone(ctx, "remove pictures", p.removeAll)
}

// removeAll deletes those pictures. Where some in a row fail the others wait,
// because each can take Patience; in no order, so that a few that always fail hold
// up nobody. It returns the last error.
func (p *Pictures) removeAll(ctx context.Context) error {
	ids, err := p.o.Contest.Removals(transferBatch)
	if err != nil {
		return err
	}
	rand.Shuffle(len(ids), func(i, j int) { ids[i], ids[j] = ids[j], ids[i] })
	var last error
	failed := 0 // in a row
	for _, id := range ids {
		if failed == cloudFailures || ctx.Err() != nil {
			break
		}
		if err := p.removeAtCloud(ctx, id); err != nil {
			last = err
			failed++
			continue
		}
		failed = 0
	}
	return last
}

// delay is a fresh growing delay.
func (c *Cloud) delay() *backoff.ExponentialBackOff {
	delay := backoff.NewExponentialBackOff()
	delay.InitialInterval, delay.MaxInterval = c.Again, c.Pause
	return delay
}

// wakeTransfers makes transfer look for work.
func (p *Pictures) wakeTransfers() {
	select {
	case p.wake <- struct{}{}:
	default:
	}
}

// transfer sends the pictures that had to stay here and deletes there what could not
// be deleted, now and whenever there are new ones, also those from before a restart.
func (p *Pictures) transfer(ctx context.Context) {
	delay := p.o.Cloud.delay()
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-p.wake:
		case <-timer.C:
		}
		wait := p.o.Cloud.Pause
		if err := errors.Join(p.removeWaiting(ctx), p.transferWaiting(ctx)); err != nil && ctx.Err() == nil {
			p.o.Logger.Warn("pictures wait for Cloudinary", "error", err)
			wait = delay.NextBackOff()
		} else {
			delay.Reset()
		}
		timer.Reset(wait)
	}
}

// transferWaiting sends all that wait and are here. One that fails does not hold
// up the others, unless Cloudinary itself does not answer. It returns the last error.
func (p *Pictures) transferWaiting(ctx context.Context) error {
	ids, _, err := p.o.Contest.Transfers(transferBatch + len(p.elsewhere))
	if err != nil {
		return err
	}
	elsewhere := make(map[string]bool) // of those that still wait
	for _, id := range ids {
		if p.elsewhere[id] {
			elsewhere[id] = true
		}
	}
	p.elsewhere = elsewhere
	var last error
	for _, id := range ids {
		if elsewhere[id] {
			continue
		}
		err := p.transferOne(ctx, id)
		switch {
		case ctx.Err() != nil:
			return ctx.Err()
		case err == nil, errors.Is(err, contest.ErrNotFound): // gone since
		case errors.Is(err, gobreaker.ErrOpenState), errors.Is(err, gobreaker.ErrTooManyRequests):
			return err
		default:
			last = err
		}
	}
	return last
}

// transferOne sends the picture of one submission and says where it is now.
func (p *Pictures) transferOne(ctx context.Context, id string) error {
	sub, err := p.o.Contest.Submission(id)
	if err != nil {
		return err
	}
	if len(sub.Files) == 0 || sub.CloudID != "" {
		return p.stays(ctx, id)
	}
	f, err := os.Open(filepath.Join(p.o.Dir, sub.Files[0]))
	if errors.Is(err, fs.ErrNotExist) && p.o.Contest.Shared() {
		// It came to another machine, which has it and sends it.
		p.elsewhere[id] = true
		return nil
	}
	if errors.Is(err, fs.ErrNotExist) {
		p.o.Logger.Error("a picture that waits for Cloudinary is gone", "submission", id)
		return p.stays(ctx, id)
	}
	if err != nil {
		return fmt.Errorf("open a picture: %w", err)
	}
	defer f.Close()
	up, err := p.o.Cloud.upload(ctx, cloudID(sub.Files[0]), f, p.o.Cloud.Timeout)
	if err != nil {
		return err
	}
	// The files stay: pages that are open show them by their old address.
	_, err = p.o.Contest.SetPicture(context.WithoutCancel(ctx), id, func(s *contest.Submission) {
		s.ImageURL, s.StorageMethod, s.CloudID = &up.URL, MethodCloud, up.ID
		s.Images = nil
	})
	if errors.Is(err, contest.ErrNotFound) { // deleted while it was sent
		return p.removeLater(up.ID)
	}
	if err != nil {
		return err
	}
	p.o.Published()
	return nil
}

// stays takes a submission off the list of those that wait.
func (p *Pictures) stays(ctx context.Context, id string) error {
	_, err := p.o.Contest.SetPicture(ctx, id, func(*contest.Submission) {})
	return err
}

// CloudState is how Cloudinary does, for the dashboard.
type CloudState struct {
	Configured bool   `json:"configured"`
	State      string `json:"state"`   // closed (it works), open or half-open; "" when not configured
	Waiting    int    `json:"waiting"` // pictures that are to be sent
	Uploads    uint64 `json:"uploads"`
	Failures   uint64 `json:"failures"`
}

// CloudState returns how Cloudinary does.
func (p *Pictures) CloudState() CloudState {
	if p.o.Cloud == nil {
		return CloudState{}
	}
	state := CloudState{Configured: true, State: p.o.Cloud.State()}
	state.Uploads, state.Failures = p.o.Cloud.Counts()
	if _, all, err := p.o.Contest.Transfers(0); err == nil {
		state.Waiting = all
	}
	return state
}
