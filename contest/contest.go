package contest

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
