package bolt

import (
	"errors"
	"path/filepath"
	"strings"
	"testing"

	"podium/contest"

	bolt "go.etcd.io/bbolt"
)

// A later format is made up here: its step moves a setting.
func TestAnOlderFormatIsBroughtUpInOneStepWithACopyBefore(t *testing.T) {
	s := filled(t, 3)
	if err := contest.New(s).SaveSetting("old", []byte("value")); err != nil {
		t.Fatal(err)
	}
	move := func(tx *bolt.Tx) error {
		b := tx.Bucket(bucketSettings)
		return errors.Join(b.Put([]byte("new"), b.Get([]byte("old"))), b.Delete([]byte("old")))
	}
	failing := errors.New("the step fails")
	err := s.migrate(formatVersion, formatVersion+2, map[uint64]migration{formatVersion: move, formatVersion + 1: func(*bolt.Tx) error { return failing }})
	if !errors.Is(err, failing) {
		t.Fatal(err)
	}
	if version, err := s.readFormat(); err != nil || version != formatVersion {
		t.Errorf("after a failed step the format is %d, %v", version, err)
	}
	if value, err := s.Setting("old"); err != nil || string(value) != "value" {
		t.Errorf("a failed step left its traces: %q %v", value, err)
	}
	if err := s.migrate(formatVersion, formatVersion+1, map[uint64]migration{formatVersion: move}); err != nil {
		t.Fatal(err)
	}
	if value, err := s.Setting("new"); err != nil || string(value) != "value" {
		t.Errorf("the step did not run: %q %v", value, err)
	}
	if version, err := s.readFormat(); err != nil || version != formatVersion+1 {
		t.Errorf("the format is %d, %v", version, err)
	}
	copies, err := filepath.Glob(s.Path() + ".format-*")
	if err != nil || len(copies) == 0 {
		t.Fatal(copies, err)
	}
	before, err := Open(copies[0], Options{ReadOnly: true})
	if err != nil {
		t.Fatal(err)
	}
	defer before.Close()
	if value, err := before.Setting("old"); err != nil || string(value) != "value" {
		t.Errorf("the copy of before: %q %v", value, err)
	}
	if err := s.migrate(formatVersion-1, formatVersion, migrations()); !errors.Is(err, ErrNotAStore) {
		t.Errorf("a format that nobody knows: %v", err)
	}
}

func TestANewerFormatIsRefusedWithASentence(t *testing.T) {
	s := filled(t, 1)
	path := s.Path() + ".newer"
	if err := s.copyTo(path); err != nil {
		t.Fatal(err)
	}
	db, err := bolt.Open(path, 0o600, nil)
	if err != nil {
		t.Fatal(err)
	}
	err = db.Update(func(tx *bolt.Tx) error { return tx.Bucket(bucketMeta).Put(metaFormat, uint64Key(formatVersion+1)) })
	if err := errors.Join(err, db.Close()); err != nil {
		t.Fatal(err)
	}
	for _, readOnly := range []bool{false, true} {
		if _, err := Open(path, Options{ReadOnly: readOnly}); !errors.Is(err, contest.ErrNewerFormat) || !strings.Contains(err.Error(), "newer version of this program") {
			t.Errorf("got %v", err)
		}
	}
}
