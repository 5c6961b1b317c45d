package engineio

import (
	"encoding/json"
	"net/url"
	"strings"
)

// appendJSONP makes a script of a text payload: it calls the callback whose
// number the request gave. (Engine.IO protocol v3, "Transports", "JSONP")
func appendJSONP(script []byte, callback string, payload []byte) []byte {
	script = append(script, "___eio["...)
	for i := range len(callback) {
		if c := callback[i]; c >= '0' && c <= '9' {
			script = append(script, c) // nothing else may become part of the script
		}
	}
	script = append(script, "]("...)
	quoted, err := json.Marshal(string(payload)) // escapes U+2028 and U+2029 too
	if err != nil {
		quoted = []byte(`""`) // strings can always be encoded
	}
	return append(append(script, quoted...), ");"...)
}

// escapedNewlines are newlines that the client wrote as \n, because a form's
// field would turn them into \r\n. A backslash before means that the text had a \n.
var escapedNewlines = strings.NewReplacer(`\\n`, `\n`, `\n`, "\n")

// decodeJSONP is the payload in the body of a JSONP POST, which is a form with
// the field "d". Where that is missing ok is false, and the official server takes the
// POST for an empty one.
func decodeJSONP(body []byte) (payload []byte, ok bool) {
	form, _ := url.ParseQuery(string(body)) // what is right of it
	if !form.Has("d") {
		return nil, false
	}
	return []byte(escapedNewlines.Replace(form.Get("d"))), true
}
