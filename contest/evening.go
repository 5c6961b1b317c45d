package contest

import (
	"context"
	"encoding/json"
	"fmt"
	"regexp"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"
)

// EventEveningUpdated tells that what the organiser says of the event has
// changed. Its payload is empty: GET /api/contest says what is so now.
const EventEveningUpdated = "eventUpdated"

// settingEvening is where the evening is kept, as JSON.
const settingEvening = "contest.event"

// Limits of an Evening.
const (
	maxEveningName    = 100  // characters
	maxEveningWelcome = 280  // characters
	maxEveningTerms   = 5000 // characters
	maxGuestPhotos    = 1000
	minWallSeconds    = 2
	maxWallSeconds    = 120
)

// An Evening is what the organiser says of the event: how it is called, what
// guests are told and asked, and how the wall shows their photos. The zero value
// says nothing and asks nothing. Its text is plain.
type Evening struct {
	Name    string `json:"name"`    // "" where the event has none
	Date    string `json:"date"`    // 2006-01-02, or ""
	Accent  string `json:"accent"`  // the colour #rrggbb, or ""
	Welcome string `json:"welcome"` // a line for guests, or ""
	Terms   string `json:"terms"`   // what guests accept before they send, or ""
	Logo    string `json:"logo"`    // names this very logo, "" where there is none; SetLogo sets it
	// Opens and Closes bound the time in which photos are taken, in milliseconds
	// since the Unix epoch. 0 is no bound.
	Opens  int64 `json:"opens"`
	Closes int64 `json:"closes"`
	// NameRequired: a photo is taken only with a name.
	NameRequired bool `json:"nameRequired"`
	// PhotosPerGuest is how many photos a guest may have here; 0 is no bound.
	PhotosPerGuest int `json:"photosPerGuest"`
	// AlbumForGuests lets everybody take all photos home as a zip.
	AlbumForGuests bool `json:"albumForGuests"`
	// WallSeconds is how long the wall shows a photo, in seconds; 0 leaves it to
	// the wall. WallOrder is WallNewest, WallRandom or "", which is the first.
	WallSeconds int    `json:"wallSeconds"`
	WallOrder   string `json:"wallOrder"`
	// WallCode is the size of the wall's code for phones: WallCodeLarge, WallCodeSmall
	// or "", which is the first.
	WallCode string `json:"wallCode"`
}

// Sizes of the code on the wall.
const (
	WallCodeLarge = "large" // a third of the height, to be read from the back of the room
	WallCodeSmall = "small"
)

// Orders in which the wall shows photos that had a turn already.
const (
	WallNewest = "newest"
	WallRandom = "random"
)

var accentForm = regexp.MustCompile(`^#[0-9a-fA-F]{6}$`)

// Validate reports why an evening cannot be kept: an ErrInvalid.
func (e *Evening) Validate() error {
	for _, text := range []struct {
		what, text string
		longest    int
		lines      bool
	}{
		{"name", e.Name, maxEveningName, false},
		{"welcome line", e.Welcome, maxEveningWelcome, false},
		{"text of the terms", e.Terms, maxEveningTerms, true},
	} {
		if utf8.RuneCountInString(text.text) > text.longest {
			return broken(RuleLength, "the %s is longer than %d characters", text.what, text.longest)
		}
		control := func(r rune) bool { return unicode.IsControl(r) && !(text.lines && strings.ContainsRune("\n\r\t", r)) }
		if strings.ContainsFunc(text.text, control) {
			return broken(RuleCharacters, "the %s holds characters that cannot be shown", text.what)
		}
	}
	if _, err := time.Parse(time.DateOnly, e.Date); e.Date != "" && err != nil {
		return fmt.Errorf("%w: the date must be written as 2006-01-02", ErrInvalid)
	}
	switch {
	case e.Accent != "" && !accentForm.MatchString(e.Accent):
		return fmt.Errorf("%w: the accent must be a colour such as #b92d17", ErrInvalid)
	case e.Opens < 0 || e.Closes < 0:
		return fmt.Errorf("%w: a time is given in milliseconds since 1970, or 0 for none", ErrInvalid)
	case e.Opens > 0 && e.Closes > 0 && e.Closes <= e.Opens:
		return broken(RuleTimes, "submissions must close after they open")
	case e.PhotosPerGuest < 0 || e.PhotosPerGuest > maxGuestPhotos:
		return fmt.Errorf("%w: a guest may send 1 to %d photos, or 0 for any number", ErrInvalid, maxGuestPhotos)
	case e.WallSeconds != 0 && (e.WallSeconds < minWallSeconds || e.WallSeconds > maxWallSeconds):
		return fmt.Errorf("%w: the wall shows a photo for %d to %d seconds, or 0 for its own time", ErrInvalid, minWallSeconds, maxWallSeconds)
	case e.WallOrder != "" && e.WallOrder != WallNewest && e.WallOrder != WallRandom:
		return fmt.Errorf("%w: the order of the wall must be %s or %s", ErrInvalid, WallNewest, WallRandom)
	case e.WallCode != "" && e.WallCode != WallCodeLarge && e.WallCode != WallCodeSmall:
		return fmt.Errorf("%w: the code on the wall must be %s or %s", ErrInvalid, WallCodeLarge, WallCodeSmall)
	}
	return nil
}

// keptEvening is an evening as it is stored.
type keptEvening struct {
	Evening
	Changed int64 `json:"changed"` // milliseconds since the Unix epoch
}

// Evening returns what the organiser says of the event, and when that was
// changed last: the zero time where nothing was ever said.
func (c *Contest) Evening() (Evening, time.Time, error) {
	data, err := c.Setting(settingEvening)
	if err != nil || data == nil {
		return Evening{}, time.Time{}, err
	}
	kept, err := readEvening(data)
	return kept.Evening, time.UnixMilli(kept.Changed), err
}

func readEvening(data []byte) (kept keptEvening, err error) {
	if data == nil {
		return kept, nil
	}
	if err := json.Unmarshal(data, &kept); err != nil {
		return kept, fmt.Errorf("read the event's settings: %w", err)
	}
	return kept, nil
}

// ChangeEvening lets change make something else of the evening, announces that,
// and returns it. Nobody else changes it in between. change may be called more
// than once; its last call counts. An evening that is not valid is ErrInvalid.
// The logo stays as it is.
func (c *Contest) ChangeEvening(ctx context.Context, change func(*Evening) error) (Evening, error) {
	return c.changeEvening(ctx, "change the event's settings", func(_ Tx, e *Evening) error {
		logo := e.Logo
		err := change(e)
		e.Logo = logo
		return err
	})
}

func (c *Contest) changeEvening(ctx context.Context, doing string, change func(Tx, *Evening) error) (Evening, error) {
	var kept keptEvening
	err := c.Update(ctx, doing, func(tx Tx) error {
		data, err := tx.Setting(settingEvening)
		if err != nil {
			return err
		}
		if kept, err = readEvening(data); err != nil {
			return err
		}
		if err := change(tx, &kept.Evening); err != nil {
			return err
		}
		if err := kept.Validate(); err != nil {
			return err
		}
		// Two changes of one millisecond are told apart too.
		kept.Changed = max(kept.Changed+1, tx.Now().UnixMilli())
		if data, err = json.Marshal(kept); err != nil {
			return fmt.Errorf("encode the event's settings: %w", err)
		}
		if err := tx.SetSetting(settingEvening, data); err != nil {
			return err
		}
		return announce(tx, EventEveningUpdated, "", struct{}{})
	})
	return kept.Evening, err
}
