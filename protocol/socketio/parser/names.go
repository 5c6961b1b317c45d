package parser

import (
	"maps"
	"sync/atomic"
)

// maxNames bounds the names that a [Names] knows.
const maxNames = 1024

// Names are event and namespace names that are known beforehand, so that
// decoding one makes no new string. The zero value knows none. Safe for
// concurrent use.
type Names struct {
	known atomic.Pointer[map[string]string]
}

// NamesUser is a [Decoder] that can make use of known names.
type NamesUser interface {
	// UseNames is called once, before anything is decoded.
	UseNames(n *Names)
}

// Add makes a name known. Beyond a thousand or so, names are not noted.
func (n *Names) Add(name string) {
	for {
		old := n.known.Load()
		names := make(map[string]string)
		if old != nil {
			if _, ok := (*old)[name]; ok || len(*old) >= maxNames {
				return
			}
			names = maps.Clone(*old)
		}
		names[name] = name
		if n.known.CompareAndSwap(old, &names) {
			return
		}
	}
}

// intern returns b as a string, without making one where the name is known.
func (n *Names) intern(b []byte) string {
	if n != nil {
		if known := n.known.Load(); known != nil {
			if s, ok := (*known)[string(b)]; ok {
				return s
			}
		}
	}
	return string(b)
}
