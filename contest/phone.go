package contest

import (
	"regexp"
	"strings"
)

// DefaultPhoneCountry is the country that numbers without one are taken to be
// of, by its calling code: Germany.
const DefaultPhoneCountry = "49"

// trunks are the digits with which numbers begin that are dialled within a
// country, where they are not 0, by the country's calling code. "": there is
// none, and a 0 belongs to the number.
var trunks = map[string]string{"1": "1", "7": "8", "36": "06", "39": "", "378": ""}

var phoneCountry = regexp.MustCompile(`^[1-9][0-9]{0,2}$`)

// ValidPhoneCountry reports whether a text can be a calling code.
func ValidPhoneCountry(code string) bool { return phoneCountry.MatchString(code) }

// samePhone returns the form in which two numbers are equal that people mean as
// the same: its digits with the calling code before them, "" where there are
// no digits. country is the calling code of numbers that name none.
//
//   - What is no digit does not count, but for a + before them.
//   - + and 00 (in North America 011) begin a number with its country. A (0)
//     behind the country, as in +49 (0)170, is left out.
//   - A number that begins as those do that are dialled within the country, with
//     0 in most, belongs to it.
//   - Otherwise it belongs to it, too, unless it begins with its calling code and
//     eight more digits follow: then only the + is missing.
func samePhone(number, country string) string {
	if country == "" {
		country = DefaultPhoneCountry
	}
	number = strings.Join(strings.Fields(number), "")
	d := digits(number)
	abroad := strings.TrimPrefix(d, "00")
	if country == "1" {
		abroad = strings.TrimPrefix(abroad, "011")
	}
	if strings.HasPrefix(strings.TrimLeft(number, "("), "+") || abroad != d {
		outside := digits(strings.Replace(number, "(0)", "", 1))
		return outside[len(d)-len(abroad):]
	}
	trunk, special := trunks[country]
	if !special {
		trunk = "0"
	}
	rest, inland := strings.CutPrefix(d, trunk)
	switch {
	case d == "":
		return ""
	case inland && trunk != "" && trunk != country:
		return country + rest
	case strings.HasPrefix(d, country) && len(d) >= len(country)+8:
		return d
	}
	return country + d
}

// ByPhone returns the ids of the submissions whose phone number means the same.
// It looks at every submission.
func (c *Contest) ByPhone(phone string) ([]string, error) {
	want := samePhone(phone, c.PhoneCountry)
	if want == "" {
		return nil, broken(RuleDigits, "the phone number has no digits")
	}
	var ids []string
	err := c.Each(func(sub Submission) bool {
		if samePhone(sub.Phone, c.PhoneCountry) == want {
			ids = append(ids, sub.ID)
		}
		return true
	})
	return ids, err
}

// digits are the digits of a text.
func digits(text string) string {
	kept := make([]byte, 0, len(text))
	for i := range len(text) {
		if text[i] >= '0' && text[i] <= '9' {
			kept = append(kept, text[i])
		}
	}
	return string(kept)
}
