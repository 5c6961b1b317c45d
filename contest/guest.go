package contest

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"
)

// ErrTooMany: a guest has as many photos here as the organiser allows.
var ErrTooMany = errors.New("the guest has sent as many photos as the organiser allows")

// settingGuest begins the names of the settings that each hold the ids of a
// guest's submissions, oldest first, as JSON. A guest is known by what
// Submission.Guest holds.
const settingGuest = "guest."

// remembered is how many submissions of a guest are kept in mind, the newest.
const remembered = maxGuestPhotos

// GuestSubmissions returns what a guest has sent and is still there, newest
// first, of the newest limit.
func (c *Contest) GuestSubmissions(guest string, limit int) ([]Submission, error) {
	data, err := c.Setting(settingGuest + guest)
	if err != nil {
		return nil, err
	}
	ids, err := readIDs(data)
	if err != nil {
		return nil, err
	}
	var list []Submission
	for _, id := range slices.Backward(ids[max(0, len(ids)-limit):]) {
		sub, err := c.Submission(id)
		if errors.Is(err, ErrNotFound) {
			continue // deleted since
		}
		if err != nil {
			return nil, err
		}
		list = append(list, sub)
	}
	return list, nil
}

// addGuestSubmission notes that a guest sent a submission, where fewer of theirs
// are here than the event allows: else the error is ErrTooMany.
func addGuestSubmission(tx Tx, guest, id string) error {
	data, err := tx.Setting(settingEvening)
	if err != nil {
		return err
	}
	evening, err := readEvening(data)
	if err != nil {
		return err
	}
	if data, err = tx.Setting(settingGuest + guest); err != nil {
		return err
	}
	ids, err := readIDs(data)
	if err != nil {
		return err
	}
	if limit := evening.PhotosPerGuest; limit > 0 && len(ids) >= limit {
		return ErrTooMany
	}
	ids = append(ids, id)
	return keepIDs(tx, guest, ids[max(0, len(ids)-remembered):])
}

// forgetGuestSubmission forgets a submission that was deleted.
func forgetGuestSubmission(tx Tx, guest, id string) error {
	data, err := tx.Setting(settingGuest + guest)
	if err != nil {
		return err
	}
	ids, err := readIDs(data)
	if err != nil {
		return err
	}
	return keepIDs(tx, guest, slices.DeleteFunc(ids, func(one string) bool { return one == id }))
}

func readIDs(data []byte) (ids []string, err error) {
	if data == nil {
		return nil, nil
	}
	if err := json.Unmarshal(data, &ids); err != nil {
		return nil, fmt.Errorf("read what a guest has sent: %w", err)
	}
	return ids, nil
}

func keepIDs(tx Tx, guest string, ids []string) error {
	if len(ids) == 0 {
		return tx.SetSetting(settingGuest+guest, nil)
	}
	data, err := json.Marshal(ids)
	if err != nil {
		return fmt.Errorf("encode what a guest has sent: %w", err)
	}
	return tx.SetSetting(settingGuest+guest, data)
}
