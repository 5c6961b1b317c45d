package admin

import (
	"encoding/json"
	"fmt"
)

// EndAll ends every session and token that a store keeps, and returns how many
// there were. It is for a store that nobody serves: a backup that is restored
// holds sessions and tokens that were ended since it was made.
func EndAll(store Store) (ended int, err error) {
	data, err := store.Setting(settingSessions)
	if err != nil {
		return 0, fmt.Errorf("read the admin sessions: %w", err)
	}
	var list []json.RawMessage
	_ = json.Unmarshal(data, &list) // what cannot be read ends as well
	if err := store.SaveSetting(settingSessions, nil); err != nil {
		return 0, fmt.Errorf("end the admin sessions: %w", err)
	}
	return len(list), nil
}
