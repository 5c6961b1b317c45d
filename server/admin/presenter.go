package admin

import (
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"net/http"
)

// settingPresenter is where the hash of the presenter's key is kept.
const settingPresenter = "admin.presenter"

// presenterHeader carries the presenter's key. No browser sends it by itself,
// so no other site's page can make one send it.
const presenterHeader = "Podium-Presenter"

// MakePresenter makes the key of a link that can go on with the presentation of
// the winners, and nothing else. The key before it ends.
func (a *Admin) MakePresenter() (key string, err error) { return a.makeKey(settingPresenter) }

// EndPresenter ends the presenter's key.
func (a *Admin) EndPresenter() error { return a.store.SaveSetting(settingPresenter, nil) }

// Presents reports whether a request carries the presenter's key.
func (a *Admin) Presents(r *http.Request) bool {
	return a.isKey(settingPresenter, r.Header.Get(presenterHeader))
}

// makeKey makes a key, of which the store keeps the hash under a name.
func (a *Admin) makeKey(setting string) (key string, err error) {
	key = rand.Text()
	sum := sha256.Sum256([]byte(key))
	return key, a.store.SaveSetting(setting, sum[:])
}

// isKey reports whether key is the one whose hash is kept under a name.
func (a *Admin) isKey(setting, key string) bool {
	if key == "" || len(key) > 64 {
		return false
	}
	kept, err := a.store.Setting(setting)
	if err != nil || kept == nil {
		return false
	}
	sum := sha256.Sum256([]byte(key))
	return subtle.ConstantTimeCompare(sum[:], kept) == 1
}
