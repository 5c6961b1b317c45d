package answer

import (
	"strconv"
	"strings"
)

// maxCodings is how many parts of an Accept-Encoding header are read: there are
// not half as many codings, and a header of 16 KB holds thousands.
const maxCodings = 32

// Accepts reports whether an Accept-Encoding header allows coding. It reads the
// header once.
func Accepts(header, coding string) bool {
	any := false
	for range maxCodings {
		part, rest, more := strings.Cut(header, ",")
		name, params, _ := strings.Cut(part, ";")
		name = strings.ToLower(strings.TrimSpace(name))
		q, ok := strings.CutPrefix(strings.ToLower(strings.ReplaceAll(params, " ", "")), "q=")
		weight, err := strconv.ParseFloat(q, 64)
		allowed := !ok || err != nil || weight > 0
		if name == coding {
			return allowed
		}
		if name == "*" {
			any = allowed
		}
		if !more {
			break
		}
		header = rest
	}
	return any
}
