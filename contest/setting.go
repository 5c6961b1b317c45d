package contest

import (
	"context"
	"strings"
)

// SaveSetting keeps a value under a name; nil forgets it.
func (c *Contest) SaveSetting(name string, value []byte) error {
	return c.Update(context.Background(), "store setting "+name, func(tx Tx) error { return tx.SetSetting(name, value) })
}

// EnsureSetting returns what is kept under a name, and keeps value under it
// where nothing is: of several that do so at the same time, on whatever
// machine, all get the value of one.
func (c *Contest) EnsureSetting(name string, value []byte) ([]byte, error) {
	kept, err := c.Setting(name)
	if err != nil || kept != nil {
		return kept, err
	}
	err = c.Update(context.Background(), "store setting "+name, func(tx Tx) error {
		var err error
		if kept, err = tx.Setting(name); err != nil || kept != nil {
			return err
		}
		kept = value
		return tx.SetSetting(name, value)
	})
	return kept, err
}

// ChangeSetting replaces what is kept under a name by what change makes of it,
// nil where nothing is or shall be. Nobody else changes it in between. change may
// be called more than once; its last call counts.
func (c *Contest) ChangeSetting(name string, change func(kept []byte) ([]byte, error)) error {
	return c.Update(context.Background(), "change setting "+name, func(tx Tx) error {
		kept, err := tx.Setting(name)
		if err != nil {
			return err
		}
		if kept, err = change(kept); err != nil {
			return err
		}
		return tx.SetSetting(name, kept)
	})
}

// settingRemoval begins the names of the settings that each stand for a picture
// at Cloudinary that nothing here refers to any more.
const settingRemoval = "removal."

// AddRemoval notes that the picture of that id is to be removed from Cloudinary.
// Delete does so by itself.
func (c *Contest) AddRemoval(cloudID string) error {
	return c.SaveSetting(settingRemoval+cloudID, []byte{})
}

// Removals returns the ids of at most limit pictures that are to be removed from
// Cloudinary.
func (c *Contest) Removals(limit int) (cloudIDs []string, err error) {
	names, err := c.SettingNames(settingRemoval, limit)
	for _, name := range names {
		cloudIDs = append(cloudIDs, strings.TrimPrefix(name, settingRemoval))
	}
	return cloudIDs, err
}

// RemovalDone forgets what AddRemoval noted. One that was not noted changes nothing.
func (c *Contest) RemovalDone(cloudID string) error {
	return c.SaveSetting(settingRemoval+cloudID, nil)
}
