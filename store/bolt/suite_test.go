package bolt_test

import (
	"path/filepath"
	"testing"

	"podium/contest"
	"podium/store/bolt"
	"podium/store/storetest"
)

// checked checks its file as it closes.
type checked struct {
	*bolt.Store
	t *testing.T
}

func (c checked) Close() error {
	if found, err := c.Check(); err == nil && len(found) > 0 {
		c.t.Errorf("the file is not in order: %v", found)
	}
	return c.Store.Close()
}

func TestStore(t *testing.T) {
	storetest.Run(t, func(t *testing.T) storetest.Opener {
		path := filepath.Join(t.TempDir(), "podium.db")
		return func() contest.Store {
			s, err := bolt.Open(path, bolt.Options{NoSync: true})
			if err != nil {
				t.Fatal(err)
			}
			return checked{s, t}
		}
	})
}
