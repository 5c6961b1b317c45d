package contest

import "context"

// Contest is a contest by its rules, over a store that keeps it. Reads that
// follow no rule are the store's own.
type Contest struct {
	Store

	// PhoneCountry is the calling code of phone numbers that name no country. ""
	// is DefaultPhoneCountry. It is set before the contest is used.
	PhoneCountry string
}

// New returns the contest that a store keeps.
func New(s Store) *Contest { return &Contest{Store: s} }

// Alone runs f, unless another machine that shares the store is at the same
// work, by its name: then that one does it. Work must be right where two do it.
func (c *Contest) Alone(ctx context.Context, work string, f func(context.Context) error) error {
	if shared, ok := c.Store.(Shared); ok {
		return shared.Alone(ctx, work, f)
	}
	return f(ctx)
}

// Shared reports whether other machines change the store as well.
func (c *Contest) Shared() bool {
	_, ok := c.Store.(Shared)
	return ok
}
