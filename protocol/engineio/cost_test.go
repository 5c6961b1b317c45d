package engineio

import (
	"net/http/httptest"
	"strings"
	"testing"

	"podium/protocol/internal/cost"
)

// parsers are what reads something of a client's, each with inputs that would be
// costly if it read anything more than once.
var parsers = map[string]struct {
	read  func(input string)
	seeds []string
}{
	"payload of protocol 4": {func(s string) { _ = codecV4{}.decodePayload([]byte(s), false, takeAll) }, []string{"4\x1e", "b\x1e", "bAQ\n\x1e", "4😀"}},
	"payload of protocol 3": {func(s string) { _ = codecV3{}.decodePayload([]byte(s), false, takeAll) }, []string{"1:4", "0:", "3:b4A", "2:4😀"}},
	"binary payload":        {func(s string) { _ = codecV3{}.decodePayload([]byte(s), true, takeAll) }, []string{"\x00\x01\xff4", "\x01\x01\xff\x04"}},
	"form of a script":      {func(s string) { _, _ = decodeJSONP([]byte("d=" + s)) }, []string{"%5C%5Cn", "\\n", "&d=", "%"}},
	"base64":                {func(s string) { _ = decodeBase64([]byte(s)) }, []string{"AQ", "A\n", "=", "-_+/"}},
	"query":                 {func(s string) { _ = parseQuery(s) }, []string{"sid=x&", "&", "%", "=+", "j=%31&"}},
	"encodings":             {func(s string) { _ = acceptedEncoding(s) }, []string{"*,", "gzip;q=0,", ",", ";q=1"}},
	"session id":            {func(s string) { _ = NodeOf(s); _ = validID(s) }, []string{"~", "a"}},
	"origin": {func(s string) {
		r := httptest.NewRequest("GET", "/", nil)
		r.Header.Set("Referer", s)
		r.Header.Set("Access-Control-Request-Headers", s)
		_ = newCORSPolicy(&CORS{}).allowsScript(r)
	}, []string{"http://a/", "%", "//", "a:"}},
}

func takeAll(packet) bool { return true }

func TestWhatIsReadCostsNoMoreThanItsSize(t *testing.T) {
	for name, p := range parsers {
		t.Run(name, func(t *testing.T) {
			for _, seed := range p.seeds {
				input := strings.Repeat(seed, 256<<10/len(seed))
				cost.Bound(t, len(input), func() { p.read(input) })
			}
		})
	}
}

func FuzzCost(f *testing.F) {
	for _, p := range parsers {
		for _, seed := range p.seeds {
			f.Add(seed, "", "", uint16(1000))
		}
	}
	f.Fuzz(func(t *testing.T, before, again, after string, times uint16) {
		input := before + strings.Repeat(again, min(int(times), 256<<10/max(1, len(again)))) + after
		for name, p := range parsers {
			t.Log(name)
			cost.Bound(t, len(input), func() { p.read(input) })
		}
	})
}
