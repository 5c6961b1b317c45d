package admin

import (
	"bytes"
	"fmt"
)

// settingSetup is where the hash of the code is kept by which a new event is set
// up, and setUp once that is done.
const settingSetup = "admin.setup"

var setUp = []byte("done")

// MakeSetup makes the code by which a new event is set up, by whoever started the
// server and reads what it prints. The code before it ends. It is "" where the
// event was set up.
func (a *Admin) MakeSetup() (code string, err error) {
	done, err := a.isSetUp()
	if err != nil || done {
		return "", err
	}
	return a.makeKey(settingSetup)
}

func (a *Admin) isSetUp() (bool, error) {
	kept, err := a.store.Setting(settingSetup)
	if err != nil {
		return false, fmt.Errorf("read whether the event is set up: %w", err)
	}
	return bytes.Equal(kept, setUp), nil
}

// SetsUp reports whether code is the one that MakeSetup made last, on whatever
// machine, and EndSetup did not end.
func (a *Admin) SetsUp(code string) bool { return a.isKey(settingSetup, code) }

// EndSetup ends the code for good: the event is set up.
func (a *Admin) EndSetup() error {
	if done, err := a.isSetUp(); err != nil || done {
		return err
	}
	return a.store.SaveSetting(settingSetup, setUp)
}

// PasswordFits reports whether a password may be chosen: ErrFixed, ErrLength.
func (a *Admin) PasswordFits(password string) error {
	switch {
	case a.PasswordFixed():
		return ErrFixed
	case len(password) < minPassword || len(password) > maxPassword:
		return ErrLength
	}
	return nil
}

// PasswordFixed reports whether the password is set outside, so that it cannot
// be changed here.
func (a *Admin) PasswordFixed() bool { return a.options.Password != "" }

// ChoosePassword makes password the one that rules, and ends all sessions. It is
// for who sets the event up; others say the current one to ChangePassword.
func (a *Admin) ChoosePassword(password string) error {
	if err := a.PasswordFits(password); err != nil {
		return err
	}
	return a.setPassword(password, "")
}
