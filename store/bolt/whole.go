package bolt

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"iter"
	"os"
	"path/filepath"
	"time"

	bolt "go.etcd.io/bbolt"

	"podium/contest"
)

var _ contest.Whole = (*Store)(nil)

// errStopped: whoever ranged over All wants no more.
var errStopped = errors.New("no more is wanted")

// All hands out everything that the file holds; see [contest.Whole].
func (s *Store) All(ctx context.Context) iter.Seq2[contest.Part, error] {
	return func(yield func(contest.Part, error) bool) {
		err := s.view(func(tx *bolt.Tx) error {
			return readAll(tx, func(part contest.Part) error {
				if err := ctx.Err(); err != nil {
					return err
				}
				if !yield(part, nil) {
					return errStopped
				}
				return nil
			})
		})
		if err != nil && !errors.Is(err, errStopped) {
			yield(contest.Part{}, fmt.Errorf("read all of the data file: %w", err))
		}
	}
}

func readAll(tx *bolt.Tx, take func(contest.Part) error) error {
	head := &contest.Head{Epoch: string(tx.Bucket(bucketMeta).Get(metaEpoch)), LastEvent: tx.Bucket(bucketEvents).Sequence()}
	head.Version, _ = readUint64(tx.Bucket(bucketMeta).Get(metaVersion))
	var err error
	if head.Categories, err = readCategories(tx); err != nil {
		return err
	}
	if head.Picks, err = readAllPicks(tx); err != nil {
		return err
	}
	if err := take(contest.Part{Head: head}); err != nil {
		return err
	}
	for _, one := range []struct {
		bucket []byte
		add    func(part *contest.Part, key, value []byte) error
	}{
		{bucketSubmissions, func(part *contest.Part, _, value []byte) error {
			sub, err := decodeSubmission(value)
			part.Submissions = append(part.Submissions, sub)
			return err
		}},
		{bucketEvents, func(part *contest.Part, key, value []byte) error {
			e, err := decodeEvent(key, value)
			part.Events = append(part.Events, contest.LoggedEvent{Event: e, Subject: unquote(subjectOf(e.Payload))})
			return err
		}},
		{bucketAnswers, func(part *contest.Part, key, value []byte) error {
			at, content, body, err := decodeAnswer(value)
			kept := contest.KeptAnswer{Subject: toldOf(tx, body), Content: content, Body: body}
			part.Answers = append(part.Answers, contest.StoredAnswer{Key: string(key), At: at, KeptAnswer: kept})
			return err
		}},
		{bucketSettings, func(part *contest.Part, key, value []byte) error {
			part.Settings = append(part.Settings, contest.StoredSetting{Name: string(key), Value: append([]byte{}, value...)})
			return nil
		}},
		{bucketSessions, func(part *contest.Part, key, value []byte) error {
			if len(value) < 8 {
				return errRecord
			}
			at, _ := readUint64(value[:8])
			part.Sessions = append(part.Sessions, contest.SessionRecord{ID: string(key), At: time.UnixMilli(int64(at)), Data: bytes.Clone(value[8:])})
			return nil
		}},
		{bucketTransfers, func(part *contest.Part, key, _ []byte) error {
			part.Transfers = append(part.Transfers, string(key))
			return nil
		}},
	} {
		if err := inParts(tx, one.bucket, take, one.add); err != nil {
			return err
		}
	}
	return nil
}

// inParts reads a bucket with add, and hands it out in parts.
func inParts(tx *bolt.Tx, bucket []byte, take func(contest.Part) error, add func(part *contest.Part, key, value []byte) error) error {
	var part contest.Part
	n := 0
	c := tx.Bucket(bucket).Cursor()
	for key, value := c.First(); key != nil; key, value = c.Next() {
		if err := add(&part, key, value); err != nil {
			return fmt.Errorf("%q of %s: %w", key, bucket, err)
		}
		if n++; n%contest.PartSize == 0 {
			if err := take(part); err != nil {
				return err
			}
			part = contest.Part{}
		}
	}
	if n%contest.PartSize == 0 {
		return nil
	}
	return take(part)
}

// unquote returns a JSON string's text, "" for none.
func unquote(quoted []byte) (text string) {
	_ = json.Unmarshal(quoted, &text)
	return text
}

// toldOf returns the submission that an answer tells of: the file does not keep
// which that is, and finds it by its id in quotes; see ForgetAnswers.
func toldOf(tx *bolt.Tx, body []byte) string {
	submissions := tx.Bucket(bucketSubmissions)
	_, rest, ok := bytes.Cut(body, []byte{'"'})
	for ok {
		var text []byte
		if text, rest, ok = bytes.Cut(rest, []byte{'"'}); ok && len(text) > 0 && submissions.Get(text) != nil {
			return string(text)
		}
	}
	return ""
}

// Write makes a contest file at path of everything that another store handed
// out. It is afterwards whole, checked and synced, or not there; where there is a
// file already, the error is fs.ErrExist.
func Write(ctx context.Context, path string, all iter.Seq2[contest.Part, error]) error {
	err := writeWhole(ctx, path, all)
	return writeError("write "+path, err)
}

func writeWhole(ctx context.Context, path string, all iter.Seq2[contest.Part, error]) (err error) {
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return err
	}
	if _, err := os.Lstat(path); err == nil {
		return fs.ErrExist
	}
	fresh := path + ".writing"
	if err := os.Remove(fresh); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	defer func() {
		if err != nil {
			_ = os.Remove(fresh)
		}
	}()
	if err := fill(ctx, fresh, all); err != nil {
		return err
	}
	if err := os.Link(fresh, path); err != nil { // unlike Rename, it replaces nothing
		if errors.Is(err, fs.ErrExist) {
			return err
		}
		if err := os.Rename(fresh, path); err != nil { // a file system without links
			return err
		}
	} else if err := os.Remove(fresh); err != nil {
		return err
	}
	return SyncFolder(filepath.Dir(path))
}

// fill makes a synced and checked file.
func fill(ctx context.Context, path string, all iter.Seq2[contest.Part, error]) error {
	s, err := Open(path, Options{NoSync: true})
	if err != nil {
		return err
	}
	err = s.take(ctx, all)
	if err == nil {
		err = s.db.Sync()
	}
	if err = errors.Join(err, s.Close()); err != nil {
		return err
	}
	if s, err = Open(path, Options{ReadOnly: true}); err != nil {
		return err
	}
	found, err := s.CheckWith(func(time.Duration) {})
	if err == nil && len(found) > 0 {
		err = fmt.Errorf("what was written is not in order: %s", found[0])
	}
	return errors.Join(err, s.Close())
}

// take puts the parts into a new file, a transaction each.
func (s *Store) take(ctx context.Context, all iter.Seq2[contest.Part, error]) error {
	headed := false
	for part, err := range all {
		if err == nil {
			err = ctx.Err()
		}
		if err == nil && headed == (part.Head != nil) {
			err = errors.New("the data does not begin with its head, or has another in its middle")
		}
		if err != nil {
			return err
		}
		headed = true
		if err := s.update(ctx, "take over data", func(tx *writeTx) error { return tx.take(part) }); err != nil {
			return err
		}
	}
	if !headed {
		return errors.New("there is no data to take over")
	}
	return nil
}

func (t *writeTx) take(part contest.Part) error {
	if part.Head != nil {
		if err := t.takeHead(part.Head); err != nil {
			return err
		}
	}
	for i := range part.Submissions {
		if err := t.takeSubmission(&part.Submissions[i]); err != nil {
			return err
		}
	}
	if err := t.takeEvents(part.Events); err != nil {
		return err
	}
	for _, a := range part.Answers {
		if err := t.put(bucketAnswers, []byte(a.Key), encodeAnswer(a.At, a.KeptAnswer)); err != nil {
			return err
		}
	}
	for _, one := range part.Settings {
		if err := t.put(bucketSettings, []byte(one.Name), append([]byte{}, one.Value...)); err != nil {
			return err
		}
	}
	for _, id := range part.Transfers {
		if err := t.AddTransfer(id); err != nil {
			return err
		}
	}
	return t.SaveSessions(part.Sessions)
}

func (t *writeTx) takeHead(head *contest.Head) error {
	if err := t.SetCategories(head.Categories); err != nil {
		return err
	}
	for category, ids := range head.Picks {
		if err := t.SetPicks(category, ids); err != nil {
			return err
		}
	}
	return errors.Join(
		t.put(bucketMeta, metaEpoch, []byte(head.Epoch)),
		t.put(bucketMeta, metaVersion, uint64Key(head.Version)),
		// As if all were taken off: takeEvents corrects that by the first that is there.
		t.put(bucketMeta, metaTrimmed, uint64Key(head.LastEvent)),
		t.Bucket(bucketEvents).SetSequence(head.LastEvent),
	)
}

func (t *writeTx) takeSubmission(sub *contest.Submission) error {
	order := t.Bucket(bucketOrder)
	if sub.Sequence > order.Sequence() {
		if err := order.SetSequence(sub.Sequence); err != nil {
			return err
		}
	}
	if err := t.index(sub); err != nil {
		return err
	}
	if err := t.Count(sub.Category, sub.Status, 1); err != nil {
		return err
	}
	return t.save(sub)
}

func (t *writeTx) takeEvents(list []contest.LoggedEvent) error {
	for _, e := range list {
		if trimmed, _ := readUint64(t.get(bucketMeta, metaTrimmed)); e.Offset <= trimmed {
			if err := t.put(bucketMeta, metaTrimmed, uint64Key(e.Offset-1)); err != nil {
				return err
			}
		}
		if err := t.put(bucketEvents, uint64Key(e.Offset), encodeEvent(e.Event)); err != nil {
			return err
		}
	}
	return nil
}
