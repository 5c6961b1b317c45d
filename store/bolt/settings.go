package bolt

import (
	"bytes"
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

// Setting returns what is kept under a name, or nil.
func (t *writeTx) Setting(name string) ([]byte, error) {
	return bytes.Clone(t.get(bucketSettings, []byte(name))), nil
}

// SetSetting keeps a value under a name; nil forgets it, and writes nothing
// where nothing is kept.
func (t *writeTx) SetSetting(name string, value []byte) error {
	if value != nil {
		return t.put(bucketSettings, []byte(name), value)
	}
	if t.get(bucketSettings, []byte(name)) == nil {
		return nil
	}
	return t.delete(bucketSettings, []byte(name))
}

// SettingNames returns at most limit names that begin with prefix.
func (s *Store) SettingNames(prefix string, limit int) (names []string, err error) {
	err = s.view(func(tx *bolt.Tx) error {
		c := tx.Bucket(bucketSettings).Cursor()
		for name, _ := c.Seek([]byte(prefix)); name != nil && bytes.HasPrefix(name, []byte(prefix)) && len(names) < limit; name, _ = c.Next() {
			names = append(names, string(name))
		}
		return nil
	})
	return names, err
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
