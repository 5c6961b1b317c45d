package pictures

import (
	"bytes"
	"encoding/binary"
)

// plainColorants are the primaries of sRGB in the profile connection space, as its
// profiles have them.
var plainColorants = [3][3]float64{{0.4361, 0.2225, 0.0139}, {0.3851, 0.7169, 0.0971}, {0.1431, 0.0606, 0.7141}}

// plainRGB reports whether a colour profile is that of sRGB, as those of most cameras
// are: nothing has to be converted then. It says so of itself, and its primaries are
// near. (ICC.1:2022, 7.2 and 9.2)
func plainRGB(profile []byte) bool {
	if !bytes.Contains(profile, []byte("sRGB")) && !bytes.Contains(profile, []byte("s\x00R\x00G\x00B")) {
		return false
	}
	if len(profile) < 132 || string(profile[16:20]) != "RGB " {
		return false
	}
	for i, name := range []string{"rXYZ", "gXYZ", "bXYZ"} {
		at := tagOf(profile, name)
		if len(at) < 20 {
			return false
		}
		for k, want := range plainColorants[i] {
			got := float64(int32(binary.BigEndian.Uint32(at[8+4*k:]))) / 65536
			if d := got - want; d > 0.02 || d < -0.02 {
				return false
			}
		}
	}
	return true
}

// tagOf returns what a profile has from the beginning of a tag on, nil where it has
// no such tag.
func tagOf(profile []byte, name string) []byte {
	tags := profile[132:]
	for range binary.BigEndian.Uint32(profile[128:]) {
		if len(tags) < 12 {
			return nil
		}
		if string(tags[:4]) == name {
			if at := uint64(binary.BigEndian.Uint32(tags[4:])); at < uint64(len(profile)) {
				return profile[at:]
			}
			return nil
		}
		tags = tags[12:]
	}
	return nil
}
