package bolt

import (
	"bytes"

	bolt "go.etcd.io/bbolt"
)

// settingRemoval begins the names of the settings that each stand for a picture
// at Cloudinary that nothing here refers to any more.
const settingRemoval = "removal."

// AddRemoval notes that the picture of that id is to be removed from Cloudinary.
// Delete does so by itself.
func (s *Store) AddRemoval(cloudID string) error {
	return s.SaveSetting(settingRemoval+cloudID, []byte{})
}

// Removals returns the ids of at most limit pictures that are to be removed from
// Cloudinary.
func (s *Store) Removals(limit int) (cloudIDs []string, err error) {
	prefix := []byte(settingRemoval)
	err = s.view(func(tx *bolt.Tx) error {
		c := tx.Bucket(bucketSettings).Cursor()
		for key, _ := c.Seek(prefix); bytes.HasPrefix(key, prefix) && len(cloudIDs) < limit; key, _ = c.Next() {
			cloudIDs = append(cloudIDs, string(key[len(prefix):]))
		}
		return nil
	})
	return cloudIDs, err
}

// RemovalDone forgets what AddRemoval noted. One that was not noted changes nothing.
func (s *Store) RemovalDone(cloudID string) error {
	return s.SaveSetting(settingRemoval+cloudID, nil)
}
