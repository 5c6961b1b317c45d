package store

import (
	"bytes"
	"context"
	"errors"

	bolt "go.etcd.io/bbolt"
)

// settingRemoval begins the names of the settings that each stand for a picture
// at Cloudinary that nothing here refers to any more.
const settingRemoval = "removal."

// AddRemoval notes that the picture of that id is to be removed from Cloudinary.
// Delete does so by itself.
func (s *Store) AddRemoval(ctx context.Context, cloudID string) error {
	return s.update(ctx, "note a picture to be removed", func(tx *writeTx) error { return tx.addRemoval(cloudID) })
}

func (t *writeTx) addRemoval(cloudID string) error {
	return t.put(bucketSettings, []byte(settingRemoval+cloudID), []byte{})
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
func (s *Store) RemovalDone(ctx context.Context, cloudID string) error {
	key := []byte(settingRemoval + cloudID)
	err := s.view(func(tx *bolt.Tx) error {
		if tx.Bucket(bucketSettings).Get(key) == nil {
			return errNotNoted
		}
		return nil
	})
	if errors.Is(err, errNotNoted) {
		return nil
	}
	if err != nil {
		return err
	}
	return s.update(ctx, "forget a picture that was removed", func(tx *writeTx) error { return tx.delete(bucketSettings, key) })
}

var errNotNoted = errors.New("store: no such removal")
