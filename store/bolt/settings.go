package bolt

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/binary"

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

// SaveSetting keeps a value under a name; nil forgets it, and writes nothing where
// nothing is kept.
func (s *Store) SaveSetting(name string, value []byte) error {
	return s.update(context.Background(), "store setting "+name, func(tx *writeTx) error {
		if value == nil && tx.get(bucketSettings, []byte(name)) == nil {
			return nil
		}
		if value == nil {
			return tx.delete(bucketSettings, []byte(name))
		}
		return tx.put(bucketSettings, []byte(name), value)
	})
}

// SettingsSum is a checksum of all settings: it changes when one of them does.
func (s *Store) SettingsSum() (sum [sha256.Size]byte, err error) {
	h := sha256.New()
	err = s.view(func(tx *bolt.Tx) error {
		return tx.Bucket(bucketSettings).ForEach(func(name, value []byte) error {
			for _, part := range [][]byte{name, value} {
				h.Write(binary.BigEndian.AppendUint64(nil, uint64(len(part))))
				h.Write(part)
			}
			return nil
		})
	})
	return [sha256.Size]byte(h.Sum(nil)), err
}
