package pictures

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"time"

	"github.com/cenkalti/backoff/v5"
	"github.com/cloudinary/cloudinary-go/v2"
	"github.com/cloudinary/cloudinary-go/v2/api/uploader"
	"github.com/sony/gobreaker/v2"

	"podium/store"
)

const (
	// cloudFailures in a row open the circuit: nobody waits for Cloudinary then.
	cloudFailures = 3
	// cloudPause is how long the circuit stays open before one try.
	cloudPause = 30 * time.Second
	// transferTimeout bounds one later upload.
	transferTimeout = 60 * time.Second
	// transferIdle is how often pictures that wait are looked for.
	transferIdle = 30 * time.Second
)

// Cloud is an account at Cloudinary behind a circuit breaker.
type Cloud struct {
	api      *cloudinary.Cloudinary
	breaker  *gobreaker.CircuitBreaker[uploaded]
	failures atomic.Uint64
	uploads  atomic.Uint64
}

type uploaded struct{ URL, ID string }

// NewCloud makes the connection to an account. prefix, when not empty, is the
// address of the upload API in place of Cloudinary's own.
func NewCloud(name, key, secret, prefix string) (*Cloud, error) {
	api, err := cloudinary.NewFromParams(name, key, secret)
	if err != nil {
		return nil, fmt.Errorf("configure Cloudinary: %w", err)
	}
	if prefix != "" {
		api.Config.API.UploadPrefix = prefix
		api.Upload.Config.API.UploadPrefix = prefix
	}
	return &Cloud{api: api, breaker: gobreaker.NewCircuitBreaker[uploaded](gobreaker.Settings{
		Name:        "cloudinary",
		Timeout:     cloudPause,
		ReadyToTrip: func(c gobreaker.Counts) bool { return c.ConsecutiveFailures >= cloudFailures },
	})}, nil
}

// State is the circuit's: closed (it works), open or half-open.
func (c *Cloud) State() string { return c.breaker.State().String() }

// Counts are the uploads that succeeded and failed.
func (c *Cloud) Counts() (uploads, failures uint64) { return c.uploads.Load(), c.failures.Load() }

// upload sends a picture within a time.
func (c *Cloud) upload(ctx context.Context, picture io.Reader, within time.Duration) (uploaded, error) {
	up, err := c.breaker.Execute(func() (uploaded, error) {
		ctx, cancel := context.WithTimeout(ctx, within)
		defer cancel()
		result, err := c.api.Upload.Upload(ctx, picture, uploader.UploadParams{ResourceType: "image"})
		if err != nil {
			return uploaded{}, err
		}
		if result.Error.Message != "" {
			return uploaded{}, errors.New(result.Error.Message)
		}
		if !strings.HasPrefix(result.SecureURL, "https://") {
			return uploaded{}, errors.New("the answer holds no https address")
		}
		return uploaded{result.SecureURL, result.PublicID}, nil
	})
	if err != nil {
		c.failures.Add(1)
		return uploaded{}, fmt.Errorf("send to Cloudinary: %w", err)
	}
	c.uploads.Add(1)
	return up, nil
}

// remove deletes a picture there.
func (c *Cloud) remove(ctx context.Context, id string) error {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	result, err := c.api.Upload.Destroy(ctx, uploader.DestroyParams{PublicID: id})
	if err != nil {
		return fmt.Errorf("delete at Cloudinary: %w", err)
	}
	if result.Error.Message != "" {
		return fmt.Errorf("delete at Cloudinary: %s", result.Error.Message)
	}
	return nil
}

// transfer sends the pictures that had to stay here, now and whenever there are
// new ones, also those from before a restart.
func (p *Pictures) transfer(ctx context.Context) {
	delay := backoff.NewExponentialBackOff()
	delay.InitialInterval, delay.MaxInterval = time.Second, transferIdle
	for {
		wait := transferIdle
		if err := p.transferWaiting(ctx); err != nil {
			p.o.Logger.Warn("pictures wait for Cloudinary", "error", err)
			wait = delay.NextBackOff()
		} else {
			delay.Reset()
		}
		select {
		case <-ctx.Done():
			return
		case <-p.wake:
		case <-time.After(wait):
		}
	}
}

// transferWaiting sends all that wait, and stops at the first failure.
func (p *Pictures) transferWaiting(ctx context.Context) error {
	for ctx.Err() == nil {
		ids, _, err := p.o.Store.Transfers(10)
		if err != nil || len(ids) == 0 {
			return err
		}
		for _, id := range ids {
			if err := p.transferOne(ctx, id); err != nil {
				return err
			}
		}
	}
	return nil
}

// transferOne sends the picture of one submission and says where it is now.
func (p *Pictures) transferOne(ctx context.Context, id string) error {
	sub, err := p.o.Store.Submission(id)
	if err != nil {
		return err
	}
	if len(sub.Files) == 0 {
		_, err := p.o.Store.SetPicture(ctx, id, func(*store.Submission) {})
		return err
	}
	f, err := os.Open(filepath.Join(p.o.Dir, sub.Files[0]))
	if err != nil {
		return fmt.Errorf("open a picture: %w", err)
	}
	defer f.Close()
	up, err := p.o.Cloud.upload(ctx, f, transferTimeout)
	if err != nil {
		return err
	}
	// The files stay: pages that are open show them by their old address.
	_, err = p.o.Store.SetPicture(context.WithoutCancel(ctx), id, func(s *store.Submission) {
		s.ImageURL, s.StorageMethod, s.CloudID = &up.URL, MethodCloud, up.ID
		s.Images = nil
	})
	if err != nil {
		return err
	}
	p.o.Published()
	return nil
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
	if _, all, err := p.o.Store.Transfers(0); err == nil {
		state.Waiting = all
	}
	return state
}
