package outbox

import (
	"context"
	"errors"
	"slices"
	"testing"
	"testing/synctest"
)

func TestWhatWaitsLeavesTogetherAndInOrder(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var sent []int
		var batches int
		hold := make(chan struct{})
		bad := errors.New("bad")
		o := New(func(_ context.Context, batch []int) []error {
			<-hold
			batches++
			sent = append(sent, batch...)
			errs := make([]error, len(batch))
			for i, n := range batch {
				if n == 3 {
					errs[i] = bad
				}
			}
			return errs
		})
		results := make([]error, 10)
		for i := range 10 {
			go func() { results[i] = o.Do(t.Context(), i) }()
			synctest.Wait()
		}
		close(hold)
		o.Close()
		synctest.Wait()
		if want := []int{0, 1, 2, 3, 4, 5, 6, 7, 8, 9}; !slices.Equal(sent, want) || batches != 2 {
			t.Errorf("sent %v in %d batches", sent, batches)
		}
		for i, err := range results {
			if (i == 3) != errors.Is(err, bad) {
				t.Errorf("%d: %v", i, err)
			}
		}
		if err := o.Do(t.Context(), 11); !errors.Is(err, ErrClosed) {
			t.Errorf("after Close: %v", err)
		}
	})
}

func TestNobodyWaitsLongerThanTheContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o := New(func(ctx context.Context, _ []int) []error {
			<-ctx.Done()
			return nil
		})
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		if err := o.Do(ctx, 1); !errors.Is(err, context.Canceled) {
			t.Errorf("%v", err)
		}
		o.Close()
	})
}
