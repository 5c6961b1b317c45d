package static

import (
	"fmt"
	"math"
	"strconv"
	"strings"
)

// colour is red, green and blue, each from 0 to 1.
type colour [3]float64

// The grounds of the pages in light and in dark, and the lightest and the darkest
// ink; see the style sheets.
var (
	lightGround = colour{0xf4 / 255., 0xec / 255., 0xdd / 255.}
	darkGround  = colour{0x15 / 255., 0x11 / 255., 0x0f / 255.}
	lightInk    = colour{1, 1, 1}
	darkInk     = colour{0x1b / 255., 0x16 / 255., 0x13 / 255.}
)

// readable is the least contrast of text with what is behind it: WCAG 2.2, 1.4.3.
const readable = 4.5

// accentSheet is a style sheet that makes accent, as #rrggbb, the accent colour, in
// light and in dark and on the wall, as far from it as links need to be readable. It is "" for what
// is no colour.
func accentSheet(accent string) string {
	own, ok := parseColour(accent)
	if !ok {
		return ""
	}
	light, dark := own.against(lightGround, colour{}), own.against(darkGround, lightInk)
	return fmt.Sprintf(":root{--accent:%s;--on-accent:%s}@media (prefers-color-scheme:dark){:root{--accent:%s;--on-accent:%s}}.wall{--accent:%[3]s;--on-accent:%[4]s}",
		light, light.ink(), dark, dark.ink())
}

// parseColour reads #rrggbb.
func parseColour(text string) (colour, bool) {
	digits, ok := strings.CutPrefix(text, "#")
	n, err := strconv.ParseUint(digits, 16, 32)
	if !ok || err != nil || len(digits) != 6 {
		return colour{}, false
	}
	return colour{float64(n>>16) / 255, float64(n>>8&0xff) / 255, float64(n&0xff) / 255}, true
}

// against is the colour nearest to c, on the way to end, that can be read on ground and
// written on.
func (c colour) against(ground, end colour) colour {
	const steps = 50
	for step := range steps {
		share := float64(step) / steps
		mixed := c
		for i := range mixed {
			mixed[i] += (end[i] - mixed[i]) * share
		}
		if mixed = mixed.rounded(); min(contrast(mixed, ground), contrast(mixed, mixed.ink())) >= readable {
			return mixed
		}
	}
	return end
}

// ink is what is read best on c.
func (c colour) ink() colour {
	if contrast(c, lightInk) >= contrast(c, darkInk) {
		return lightInk
	}
	return darkInk
}

// rounded is the colour as a style sheet can say it.
func (c colour) rounded() colour {
	for i := range c {
		c[i] = math.Round(c[i]*255) / 255
	}
	return c
}

// String implements [fmt.Stringer]: #rrggbb.
func (c colour) String() string {
	return fmt.Sprintf("#%02x%02x%02x", int(math.Round(c[0]*255)), int(math.Round(c[1]*255)), int(math.Round(c[2]*255)))
}

// luminance is the relative luminance of WCAG 2.2.
func (c colour) luminance() float64 {
	linear := func(v float64) float64 {
		if v <= 0.04045 {
			return v / 12.92
		}
		return math.Pow((v+0.055)/1.055, 2.4)
	}
	return 0.2126*linear(c[0]) + 0.7152*linear(c[1]) + 0.0722*linear(c[2])
}

func contrast(a, b colour) float64 {
	light, dark := a.luminance(), b.luminance()
	if light < dark {
		light, dark = dark, light
	}
	return (light + 0.05) / (dark + 0.05)
}
