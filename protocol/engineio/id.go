package engineio

import (
	"crypto/rand"
	"encoding/base64"
	"strings"
)

// nodeSeparator stands between the machine's id and the random part of a
// session id. It does not occur in base64url.
const nodeSeparator = "~"

// newID makes a session id: 20 random characters, behind the machine's id
// where there is one.
func newID(node string) string {
	var random [15]byte
	_, _ = rand.Read(random[:]) // never fails
	id := base64.RawURLEncoding.EncodeToString(random[:])
	if node == "" {
		return id
	}
	return node + nodeSeparator + id
}

// NodeOf returns the machine's id that a session id carries (see
// Options.NodeID), or "" where it carries none.
func NodeOf(sid string) string {
	node, _, found := strings.Cut(sid, nodeSeparator)
	if !found {
		return ""
	}
	return node
}
