package engineio

import (
	"strings"
	"testing"
)

func TestTheEncodingIsTheOneThatTheClientPrefers(t *testing.T) {
	for accept, want := range map[string]string{
		"": "", "gzip": "gzip", "deflate": "deflate", "br": "", "identity": "", "*": "gzip", "gzip, deflate, br, zstd": "gzip",
		"deflate, gzip": "deflate", "gzip;q=0.5, deflate;q=0.8": "deflate", "GZIP ; q=0.5": "gzip", "gzip;q=0": "", "gzip;q=x": "",
		"gzip;q=0, *": "deflate", "deflate;q=0, *": "gzip", "gzip;q=0.1, *": "deflate", "*;q=0.1, gzip;q=0.5": "gzip",
		"*, deflate;q=0.5": "gzip", "*;q=0": "", "gzip;q=0, deflate;q=0, *": "", "gzip;q=NaN": "", "*;q=0.5, deflate": "deflate",
		"gzip;q=0.2, gzip;q=0.9, deflate;q=0.5": "gzip",
	} {
		if got := acceptedEncoding(accept); got != want {
			t.Errorf("%q: %q, want %q", accept, got, want)
		}
	}
}

func TestALongListOfEncodingsIsNotReadToItsEnd(t *testing.T) {
	for _, item := range []string{"*,", ",", "gzip;q=0,", "x;q=0.00000000000000001,"} {
		if got := acceptedEncoding(strings.Repeat(item, maxEncodings) + "deflate"); got == "deflate" && item != "*," {
			t.Errorf("%q: an item beyond the bound was taken", item)
		}
	}
}
