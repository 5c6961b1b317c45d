package api

import (
	"mime"
	"mime/multipart"
	"regexp"
	"strings"
	"unicode/utf8"

	"golang.org/x/text/encoding"
	"golang.org/x/text/encoding/charmap"

	"podium/server/answer"
)

// partName tells which field a part is, and the name of its file, if any. (RFC
// 7578, 4.2) Clients that write their own multipart quote names wrongly or not at
// all; where only one field can be meant, it is.
func partName(part *multipart.Part) (field, file string, err error) {
	header := part.Header.Get("Content-Disposition")
	if _, params, err := mime.ParseMediaType(header); err == nil {
		if field, named := params["name"]; named {
			return field, params["filename"], nil
		}
	}
	names := looseName.FindAllStringSubmatch(header, -1)
	for _, found := range names {
		if got := found[1] + found[2]; field == "" || field == got {
			field = got
			continue
		}
		field = ""
		break
	}
	if field == "" {
		return "", "", answer.Malformed("It cannot be told which field a part of the submission is: its Content-Disposition is not name=\"…\".")
	}
	if found := looseFile.FindStringSubmatch(header); found != nil {
		file = strings.Trim(found[1], `"\ `)
	}
	return field, file, nil
}

var (
	looseName = regexp.MustCompile(`(?i)(?:^|[;\s])name\s*=\s*(?:"([^"]*)"|([^";\s]+))`)
	looseFile = regexp.MustCompile(`(?i)(?:^|[;\s])filename\*?\s*=\s*(.*)`)
)

// decodeField makes the bytes of a text field text. Bytes that are no UTF-8 are
// taken for Windows-1252, which holds Latin-1, as the form of an old page sends
// them; what is UTF-8 in parts is neither. (RFC 7578, 5.1.2)
func decodeField(part *multipart.Part, value []byte) (string, bool) {
	_, params, _ := mime.ParseMediaType(part.Header.Get("Content-Type")) // the default where there is none
	var from encoding.Encoding
	switch strings.ToLower(params["charset"]) {
	case "", "utf-8", "utf8", "us-ascii":
		if utf8.Valid(value) {
			return string(value), true
		}
		if anyUTF8(value) {
			return "", false
		}
		from = charmap.Windows1252
	case "iso-8859-1", "iso8859-1", "latin1", "windows-1252", "cp1252":
		from = charmap.Windows1252
	case "iso-8859-15", "latin9":
		from = charmap.ISO8859_15
	default:
		return "", false
	}
	text, err := from.NewDecoder().Bytes(value)
	return string(text), err == nil
}

// anyUTF8 reports whether any character of more than one byte is in the value.
func anyUTF8(value []byte) bool {
	for len(value) > 0 {
		_, size := utf8.DecodeRune(value)
		if size > 1 {
			return true
		}
		value = value[size:]
	}
	return false
}
