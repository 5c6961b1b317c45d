package command

import (
	"encoding/json"
	"strings"
	"testing"
)

// The licences of what travels inside ask to be told of.
func TestLicencesNameWhatIsInside(t *testing.T) {
	code, stdout, stderr := run("licences")
	if code != exitSuccess {
		t.Fatalf("%d: %s", code, stderr)
	}
	for _, want := range []string{"libheif", "libde265", "LGPL-3.0-or-later", "GNU LESSER GENERAL PUBLIC LICENSE", "GNU GENERAL PUBLIC LICENSE",
		"libjpeg-turbo", "Independent JPEG Group", "libpng", "zlib", "libwebp", "lcms2", "build.sh"} {
		if !strings.Contains(stdout, want) {
			t.Errorf("%q is not in it", want)
		}
	}
	code, stdout, _ = run("licences", "--sbom")
	var got struct {
		Components []struct{ Name, Version string }
	}
	if err := json.Unmarshal([]byte(stdout), &got); code != exitSuccess || err != nil || len(got.Components) < 7 {
		t.Errorf("%d, %v: %s", code, err, stdout)
	}
	for _, c := range got.Components {
		if c.Version == "" {
			t.Errorf("%s has no version", c.Name)
		}
	}
}
