package engineio

import (
	"crypto/rand"
	"encoding/base64"
	"errors"
	"net/http"
	"strings"
)

// nodeSeparator stands between the machine's id and the random part of a
// session id. It does not occur in base64url.
const nodeSeparator = "~"

// newID makes a session id, behind the machine's id where there is one.
func (srv *Server) newID(r *http.Request) (string, error) {
	id := randomID()
	if f := srv.opts.NewID; f != nil {
		var err error
		if id, err = f(r); err != nil {
			return "", err
		}
		if !validID(id) {
			return "", errID
		}
	}
	if node := srv.opts.NodeID; node != "" {
		id = node + nodeSeparator + id
	}
	return id, nil
}

// randomID is 20 random characters.
func randomID() string {
	var random [15]byte
	_, _ = rand.Read(random[:]) // never fails
	return base64.RawURLEncoding.EncodeToString(random[:])
}

var errID = errors.New("a session id is letters, digits, - and _, at most 128")

// validID reports whether id can stand in JSON, a query and a cookie as it is.
func validID(id string) bool {
	for i := range len(id) {
		switch c := id[i]; {
		case c >= 'a' && c <= 'z', c >= 'A' && c <= 'Z', c >= '0' && c <= '9', c == '-', c == '_':
		default:
			return false
		}
	}
	return id != "" && len(id) <= 128
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
