package pictures

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
	"time"

	"podium/contest"
	"podium/server/api"
)

// transferBatch is how many waiting pictures are looked at in one round, and how
// many of those to be deleted.
const transferBatch = 1000

// file is a file of a picture on its way to a place.
type file struct {
	name string
	data io.ReadSeeker
}

// place is where pictures are kept that are not kept on this machine.
type place interface {
	// keep makes one try to send a picture's files, its largest that is shown
	// first, and returns what it is then. Where its address stays as it was, so do
	// the files that belong to it, and they need not be on this machine any more.
	keep(ctx context.Context, p api.Picture, files []file, within time.Duration) (api.Picture, error)
	// remove makes one try to delete the picture of an id that keep gave.
	remove(ctx context.Context, id string) error
	service() *Service
}

// placeOf is the place that gave an id, nil where it is not configured.
func (p *Pictures) placeOf(id string) place {
	switch {
	case contest.IsBucketID(id) && p.o.Bucket != nil:
		return p.o.Bucket
	case !contest.IsBucketID(id) && p.o.Cloud != nil:
		return p.o.Cloud
	}
	return nil
}

// removeThere deletes a picture where it is kept, and what was noted of that.
func (p *Pictures) removeThere(ctx context.Context, id string) error {
	if err := p.placeOf(id).remove(ctx, id); err != nil {
		return err
	}
	return p.o.Contest.RemovalDone(id)
}

// removeLater notes a deletion, which is tried until it succeeds.
func (p *Pictures) removeLater(id string) error {
	if err := p.o.Contest.AddRemoval(id); err != nil {
		return fmt.Errorf("the picture %s stays where it is: %w", id, err)
	}
	p.wakeTransfers()
	return nil
}

// removeWaiting deletes the pictures elsewhere that were to be deleted, also those
// from before a restart, unless another machine is at it.
func (p *Pictures) removeWaiting(ctx context.Context) error {
	ids, err := p.o.Contest.Removals(1)
	if err != nil || len(ids) == 0 {
		return err
	}
	return p.o.Contest.Alone(ctx, "remove pictures", p.removeAll)
}

// removeAll deletes those pictures. Where some in a row fail the others wait,
// because each can take Patience; in no order, so that a few that always fail hold
// up nobody. It returns the last error.
func (p *Pictures) removeAll(ctx context.Context) error {
	ids, err := p.o.Contest.Removals(transferBatch)
	if err != nil {
		return err
	}
	rand.Shuffle(len(ids), func(i, j int) { ids[i], ids[j] = ids[j], ids[i] })
	var last error
	failed := 0 // in a row
	for _, id := range ids {
		if failed == serviceFailures || ctx.Err() != nil {
			break
		}
		if p.placeOf(id) == nil {
			continue
		}
		if err := p.removeThere(ctx, id); err != nil {
			last = err
			failed++
			continue
		}
		failed = 0
	}
	return last
}

// wakeTransfers makes transfer look for work.
func (p *Pictures) wakeTransfers() {
	select {
	case p.wake <- struct{}{}:
	default:
	}
}

// transfer sends the pictures that had to stay here and deletes there what could not
// be deleted, now and whenever there are new ones, also those from before a restart.
func (p *Pictures) transfer(ctx context.Context) {
	service := p.place.service()
	delay := service.delay()
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-p.wake:
		case <-timer.C:
		}
		wait := service.Pause
		if err := errors.Join(p.removeWaiting(ctx), p.transferWaiting(ctx), p.carryOver(ctx)); err != nil && ctx.Err() == nil {
			p.o.Logger.Warn("pictures wait for "+service.name, "error", err)
			wait = delay.NextBackOff()
		} else {
			delay.Reset()
		}
		timer.Reset(wait)
	}
}

// transferWaiting sends all that wait and are here. One that fails does not hold
// up the others, unless the service itself does not answer. It returns the last error.
func (p *Pictures) transferWaiting(ctx context.Context) error {
	ids, _, err := p.o.Contest.Transfers(transferBatch + len(p.elsewhere))
	if err != nil {
		return err
	}
	elsewhere := make(map[string]bool) // of those that still wait
	for _, id := range ids {
		if p.elsewhere[id] {
			elsewhere[id] = true
		}
	}
	p.elsewhere = elsewhere
	var last error
	for _, id := range ids {
		if elsewhere[id] {
			continue
		}
		err := p.transferOne(ctx, id)
		switch {
		case ctx.Err() != nil:
			return ctx.Err()
		case err == nil, errors.Is(err, contest.ErrNotFound): // gone since
		case away(err):
			return err
		default:
			last = err
		}
	}
	return last
}

// transferOne sends the picture of one submission and says where it is now.
func (p *Pictures) transferOne(ctx context.Context, id string) error {
	sub, err := p.o.Contest.Submission(id)
	if err != nil {
		return err
	}
	if len(sub.Files) == 0 || sub.CloudID != "" {
		return p.stays(ctx, id)
	}
	files, done, err := p.filesHere(sub.Files)
	defer done()
	if errors.Is(err, fs.ErrNotExist) && p.o.Contest.Shared() {
		// It came to another machine, which has it and sends it.
		p.elsewhere[id] = true
		return nil
	}
	if errors.Is(err, fs.ErrNotExist) {
		p.o.Logger.Error("a picture that waits for "+p.place.service().name+" is gone", "submission", id)
		return p.stays(ctx, id)
	}
	if err != nil {
		return fmt.Errorf("open a picture: %w", err)
	}
	before := api.Picture{URL: "/uploads/" + sub.Files[0], Images: sub.Images, Files: sub.Files}
	there, err := p.place.keep(ctx, before, files, p.place.service().Timeout)
	if err != nil {
		return err
	}
	_, err = p.o.Contest.SetPicture(context.WithoutCancel(ctx), id, func(s *contest.Submission) {
		s.ImageURL, s.StorageMethod, s.CloudID, s.Images = &there.URL, there.Method, there.CloudID, there.Images
	})
	if errors.Is(err, contest.ErrNotFound) { // deleted while it was sent
		return p.removeLater(there.CloudID)
	}
	if err != nil {
		return err
	}
	p.o.Published()
	if there.URL != before.URL {
		return nil // the files stay: pages that are open show them by their old address
	}
	return p.removeFiles(sub.Files)
}

// carryOver sends the pictures to the bucket that were kept in the folder before there
// was one. Nothing is noted of that: their names stay, and with them their addresses.
func (p *Pictures) carryOver(ctx context.Context) error {
	if p.o.Bucket == nil || p.carried {
		return nil
	}
	var last error
	err := p.o.Contest.Each(func(sub contest.Submission) bool {
		if sub.CloudID != "" || sub.StorageMethod == MethodFallback || len(sub.Files) == 0 {
			return true
		}
		files, done, err := p.filesHere(sub.Files)
		defer done()
		if errors.Is(err, fs.ErrNotExist) {
			return true
		}
		if err == nil {
			_, err = p.o.Bucket.keep(ctx, api.Picture{}, files, p.o.Bucket.Timeout)
		}
		if err == nil {
			err = p.removeFiles(sub.Files)
		}
		if err != nil {
			last = err
		}
		return !away(err) && ctx.Err() == nil
	})
	p.carried = err == nil && last == nil && ctx.Err() == nil
	return errors.Join(err, last)
}

// filesHere opens the files of a picture until done is called. A small size that
// nobody asked for yet is not there.
func (p *Pictures) filesHere(names []string) (files []file, done func(), err error) {
	var open []*os.File
	done = func() {
		for _, f := range open {
			f.Close()
		}
	}
	for i, name := range names {
		f, err := os.Open(filepath.Join(p.o.Dir, name))
		if i > 0 && errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return nil, done, err
		}
		open, files = append(open, f), append(files, file{name, f})
	}
	return files, done, nil
}

// stays takes a submission off the list of those that wait.
func (p *Pictures) stays(ctx context.Context, id string) error {
	_, err := p.o.Contest.SetPicture(ctx, id, func(*contest.Submission) {})
	return err
}
