package contest

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
)

// settingLogo is where the event's logo is kept, as JSON. It is in the store and
// no file, so that every machine has it and every backup.
const settingLogo = "contest.logo"

// A Picture is an encoded picture.
type Picture struct {
	Kind   string `json:"kind"` // media type
	Data   []byte `json:"data"`
	Width  int    `json:"width"`  // pixels
	Height int    `json:"height"` // pixels
}

// A Logo is the event's picture: as pages show it, and as the square icon by
// which phones and link previews know the event.
type Logo struct {
	Picture
	Icon Picture `json:"icon"`
}

// Logo returns the event's logo, or nil where it has none.
func (c *Contest) Logo() (*Logo, error) {
	data, err := c.Setting(settingLogo)
	if err != nil || data == nil {
		return nil, err
	}
	logo := &Logo{}
	if err := json.Unmarshal(data, logo); err != nil {
		return nil, fmt.Errorf("read the logo: %w", err)
	}
	return logo, nil
}

// SetLogo makes logo the event's, nil for none, and announces that. It returns
// the evening, which names it.
func (c *Contest) SetLogo(ctx context.Context, logo *Logo) (Evening, error) {
	var data []byte
	name := ""
	if logo != nil {
		var err error
		if data, err = json.Marshal(logo); err != nil {
			return Evening{}, fmt.Errorf("encode the logo: %w", err)
		}
		sum := sha256.Sum256(data)
		name = hex.EncodeToString(sum[:8])
	}
	return c.changeEvening(ctx, "change the logo", func(tx Tx, e *Evening) error {
		e.Logo = name
		return tx.SetSetting(settingLogo, data)
	})
}
