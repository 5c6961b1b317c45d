package server

import (
	"fmt"
	"strconv"
	"strings"
)

// Bytes is a number of bytes that people write as 10MiB, 1MB or 4096.
type Bytes int64

// byteUnits are the suffixes of Bytes, longest first.
var byteUnits = [...]struct {
	suffix string
	size   float64
}{
	{"kib", 1 << 10}, {"mib", 1 << 20}, {"gib", 1 << 30},
	{"kb", 1e3}, {"mb", 1e6}, {"gb", 1e9},
	{"k", 1 << 10}, {"m", 1 << 20}, {"g", 1 << 30}, {"b", 1},
}

// UnmarshalText reads a number with an optional unit.
func (b *Bytes) UnmarshalText(text []byte) error {
	word := strings.ToLower(strings.TrimSpace(string(text)))
	unit := 1.0
	for _, u := range byteUnits {
		if rest, ok := strings.CutSuffix(word, u.suffix); ok {
			word, unit = strings.TrimSpace(rest), u.size
			break
		}
	}
	n, err := strconv.ParseFloat(word, 64)
	if err != nil || n < 0 || n*unit > 1<<53 {
		return fmt.Errorf("%q is not a size such as 10MiB", text)
	}
	*b = Bytes(n * unit)
	return nil
}

// MarshalText writes the size in the largest binary unit that divides it.
func (b Bytes) MarshalText() ([]byte, error) { return []byte(b.String()), nil }

// String writes the size in the largest binary unit that divides it.
func (b Bytes) String() string {
	for _, u := range []struct {
		suffix string
		size   Bytes
	}{{"GiB", 1 << 30}, {"MiB", 1 << 20}, {"KiB", 1 << 10}} {
		if b >= u.size && b%u.size == 0 {
			return fmt.Sprintf("%d%s", b/u.size, u.suffix)
		}
	}
	return strconv.FormatInt(int64(b), 10)
}
