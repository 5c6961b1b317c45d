package store

import (
	"bytes"
	"context"

	bolt "go.etcd.io/bbolt"
)

// Setting returns what is kept under a name, or nil.
func (s *Store) Setting(name string) ([]byte, error) {
	var value []byte
	err := s.view(func(tx *bolt.Tx) error {
		value = bytes.Clone(tx.Bucket(bucketSettings).Get([]byte(name)))
		return nil
	})
	return value, err
}

// SaveSetting keeps a value under a name; nil forgets it.
func (s *Store) SaveSetting(name string, value []byte) error {
	return s.update(context.Background(), "store setting "+name, func(tx *writeTx) error {
		if value == nil {
			return tx.delete(bucketSettings, []byte(name))
		}
		return tx.put(bucketSettings, []byte(name), value)
	})
}
