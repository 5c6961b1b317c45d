package server

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"path/filepath"
	"runtime/debug"

	"podium/server/observe"
)

// likeness says, in a form that tells nobody what it is, how this machine is set up:
// those that serve one contest must agree in it, and podium verify compares them. The
// contest's key is part of each digest, so that nothing can be found by trying.
func (s *Server) likeness(key []byte) *observe.Likeness {
	if !s.contest.Shared() {
		return nil
	}
	pictures := s.settings.CloudinaryCloudName + " " + s.settings.Uploads
	if s.settings.Uploads == "" {
		folder, err := filepath.Abs(s.settings.UploadsDir())
		if err != nil {
			folder = s.settings.UploadsDir()
		}
		pictures += folder
	}
	digest := func(of, value string) string {
		h := hmac.New(sha256.New, key)
		h.Write([]byte("podium likeness\x00" + of + "\x00" + value))
		return hex.EncodeToString(h.Sum(nil)[:6])
	}
	return &observe.Likeness{
		Version:  digest("version", build()),
		Key:      digest("key", ""),
		Pictures: digest("pictures", pictures),
		Password: digest("password", s.settings.AdminPassword),
	}
}

// build names the program: by its version and what it was built from.
func build() string {
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return ""
	}
	text := info.Main.Version
	for _, setting := range info.Settings {
		if setting.Key == "vcs.revision" || setting.Key == "vcs.modified" {
			text += " " + setting.Value
		}
	}
	return text
}
