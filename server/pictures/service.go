package pictures

import (
	"context"
	"errors"
	"io/fs"
	"sync/atomic"
	"time"

	"github.com/cenkalti/backoff/v5"
	"github.com/sony/gobreaker/v2"
)

// serviceFailures in a row open a circuit: nobody waits for the service then.
const serviceFailures = 3

// Service is the way to a service that keeps pictures, behind a circuit breaker. Its
// times may be changed before it is used.
type Service struct {
	// Patience is how long a guest waits for the service.
	Patience time.Duration
	// Timeout bounds one later upload.
	Timeout time.Duration
	// Pause is how long the circuit stays open before one try, and the longest
	// time between two rounds of transfers.
	Pause time.Duration
	// Again is the time after which a failed transfer is tried again at first;
	// it grows up to Pause.
	Again time.Duration

	name     string // for people
	breaker  *gobreaker.CircuitBreaker[struct{}]
	failures atomic.Uint64
	uploads  atomic.Uint64
}

// errRefused is that a service works and does not take what it was sent.
var errRefused = errors.New("the service refuses it")

func newService(name string, pause time.Duration) *Service {
	return &Service{Patience: 5 * time.Second, Timeout: time.Minute, Pause: pause, Again: time.Second, name: name,
		breaker: gobreaker.NewCircuitBreaker[struct{}](gobreaker.Settings{
			Name:        name,
			Timeout:     pause,
			ReadyToTrip: func(c gobreaker.Counts) bool { return c.ConsecutiveFailures >= serviceFailures },
			// One refused or missing picture says nothing about the service.
			IsSuccessful: func(err error) bool {
				return err == nil || errors.Is(err, errRefused) || errors.Is(err, fs.ErrNotExist)
			},
		})}
}

// try makes one try, unless the circuit is open. That ctx ends is nobody's failure.
func (s *Service) try(ctx context.Context, f func() error) (err error) {
	_, broken := s.breaker.Execute(func() (struct{}, error) {
		if err = f(); ctx.Err() != nil {
			return struct{}{}, nil
		}
		return struct{}{}, err
	})
	if broken != nil {
		return broken
	}
	return err
}

// upload makes one try to send a picture within a time, and counts it.
func (s *Service) upload(ctx context.Context, within time.Duration, send func(context.Context) error) error {
	err := s.try(ctx, func() error {
		ctx, cancel := context.WithTimeout(ctx, within)
		defer cancel()
		return send(ctx)
	})
	if err != nil {
		s.failures.Add(1)
		return err
	}
	s.uploads.Add(1)
	return nil
}

// State is the circuit's: closed (it works), open or half-open.
func (s *Service) State() string { return s.breaker.State().String() }

// Counts are the uploads that succeeded and failed.
func (s *Service) Counts() (uploads, failures uint64) { return s.uploads.Load(), s.failures.Load() }

// away reports whether err is that the circuit is open.
func away(err error) bool {
	return errors.Is(err, gobreaker.ErrOpenState) || errors.Is(err, gobreaker.ErrTooManyRequests)
}

// delay is a fresh growing delay.
func (s *Service) delay() *backoff.ExponentialBackOff {
	delay := backoff.NewExponentialBackOff()
	delay.InitialInterval, delay.MaxInterval = s.Again, s.Pause
	return delay
}

// ServiceState is how a service does, for the dashboard.
type ServiceState struct {
	Configured bool   `json:"configured"`
	State      string `json:"state"`   // closed (it works), open or half-open; "" when not configured
	Waiting    int    `json:"waiting"` // pictures that are to be sent
	Uploads    uint64 `json:"uploads"`
	Failures   uint64 `json:"failures"`
}

// CloudState returns how Cloudinary does.
func (p *Pictures) CloudState() ServiceState {
	if p.o.Cloud == nil {
		return ServiceState{}
	}
	return p.state(p.o.Cloud.Service)
}

// BucketState returns how the bucket does.
func (p *Pictures) BucketState() ServiceState {
	if p.o.Bucket == nil {
		return ServiceState{}
	}
	return p.state(p.o.Bucket.Service)
}

func (p *Pictures) state(s *Service) ServiceState {
	state := ServiceState{Configured: true, State: s.State()}
	state.Uploads, state.Failures = s.Counts()
	if p.place != nil && p.place.service() == s {
		if _, all, err := p.o.Contest.Transfers(0); err == nil {
			state.Waiting = all
		}
	}
	return state
}
