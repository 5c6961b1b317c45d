package pictures

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"image"
	"image/color"
	"math"
	"slices"
	"testing"
)

// What follows converts colours by the formulas of the standards, in floating point,
// to compare with.

type vector [3]float64

type matrix3 [3]vector

func (m matrix3) times(v vector) (out vector) {
	for i, row := range m {
		out[i] = row[0]*v[0] + row[1]*v[1] + row[2]*v[2]
	}
	return out
}

// toXYZ is the matrix from linear light of three primaries (CIE xy) on D65 to XYZ.
func toXYZ(primaries [3][2]float64) matrix3 {
	column := func(xy [2]float64) vector { return vector{xy[0] / xy[1], 1, (1 - xy[0] - xy[1]) / xy[1]} }
	r, g, b, w := column(primaries[0]), column(primaries[1]), column(primaries[2]), column([2]float64{0.3127, 0.3290})
	m := matrix3{{r[0], g[0], b[0]}, {r[1], g[1], b[1]}, {r[2], g[2], b[2]}}
	s := m.inverse().times(w)
	for i := range m {
		for k := range s {
			m[i][k] *= s[k]
		}
	}
	return m
}

func (m matrix3) inverse() (out matrix3) {
	minor := func(i, k int) float64 {
		a, b, c, d := (i+1)%3, (i+2)%3, (k+1)%3, (k+2)%3
		return m[a][c]*m[b][d] - m[a][d]*m[b][c]
	}
	det := m[0][0]*minor(0, 0) + m[0][1]*minor(0, 1) + m[0][2]*minor(0, 2)
	for i := range out {
		for k := range out {
			out[i][k] = minor(k, i) / det
		}
	}
	return out
}

var (
	primariesSRGB   = [3][2]float64{{0.64, 0.33}, {0.30, 0.60}, {0.15, 0.06}}
	primariesP3     = [3][2]float64{{0.680, 0.320}, {0.265, 0.690}, {0.150, 0.060}}
	primariesBT2020 = [3][2]float64{{0.708, 0.292}, {0.170, 0.797}, {0.131, 0.046}}
)

func decodeSRGB(v float64) float64 {
	if v <= 0.04045 {
		return v / 12.92
	}
	return math.Pow((v+0.055)/1.055, 2.4)
}

func encodeSRGB(v float64) uint8 {
	v = min(max(v, 0), 1)
	if v = 1.055*math.Pow(v, 1/2.4) - 0.055; v < 0.04045 {
		v = max(v, 0)
	}
	return uint8(math.Round(255 * v))
}

// inSRGB is a colour of other primaries and another curve in sRGB.
func inSRGB(c color.RGBA, primaries [3][2]float64, light func(float64) float64) color.RGBA {
	v := vector{light(float64(c.R) / 255), light(float64(c.G) / 255), light(float64(c.B) / 255)}
	v = toXYZ(primariesSRGB).inverse().times(toXYZ(primaries).times(v))
	return color.RGBA{encodeSRGB(v[0]), encodeSRGB(v[1]), encodeSRGB(v[2]), 255}
}

// labOf is a colour of sRGB in CIELAB on D65.
func labOf(c color.Color) vector {
	r, g, b, _ := c.RGBA()
	xyz := toXYZ(primariesSRGB).times(vector{decodeSRGB(float64(r) / 65535), decodeSRGB(float64(g) / 65535), decodeSRGB(float64(b) / 65535)})
	f := func(v float64) float64 {
		if v > 216.0/24389 {
			return math.Cbrt(v)
		}
		return (24389.0/27*v + 16) / 116
	}
	x, y, z := f(xyz[0]/0.95047), f(xyz[1]), f(xyz[2]/1.08883)
	return vector{116*y - 16, 500 * (x - y), 200 * (y - z)}
}

// deltaE is how different two colours look, by CIE 1976: 2.3 is just seen.
func deltaE(a, b color.Color) float64 {
	x, y := labOf(a), labOf(b)
	return math.Sqrt((x[0]-y[0])*(x[0]-y[0]) + (x[1]-y[1])*(x[1]-y[1]) + (x[2]-y[2])*(x[2]-y[2]))
}

// sameBars compares three bars of a picture of 96 by 64 with what is wanted.
func sameBars(t *testing.T, m image.Image, want []color.RGBA, within float64) {
	t.Helper()
	if m.Bounds() != image.Rect(0, 0, 96, 64) {
		t.Fatalf("it is %v", m.Bounds())
	}
	for i, c := range want {
		got := m.At(32*i+16, 32)
		if d := deltaE(got, c); d > within {
			t.Errorf("bar %d is %v, want %v: ΔE %.1f", i, got, c, d)
		}
	}
}

// swatches are the bars of swatch.heic and swatch.avif, in the colours of the file.
var swatches = []color.RGBA{{200, 100, 100, 255}, {60, 160, 80, 255}, {200, 200, 200, 255}}

// withNCLX changes the codes of a picture's colours (ISO/IEC 14496-12, 12.1.5).
func withNCLX(t *testing.T, data []byte, primaries, transfer uint16) []byte {
	t.Helper()
	data = slices.Clone(data)
	at := bytes.Index(data, []byte("nclx"))
	if at < 0 {
		t.Fatal("it says nothing of its colours")
	}
	binary.BigEndian.PutUint16(data[at+4:], primaries)
	binary.BigEndian.PutUint16(data[at+6:], transfer)
	return data
}

func TestCodesOfColoursAreConvertedToSRGB(t *testing.T) {
	p := newPictures(t)
	gamma := func(g float64) func(float64) float64 { return func(v float64) float64 { return math.Pow(v, g) } }
	for _, c := range []struct {
		name                string
		primaries, transfer uint16
		xy                  [3][2]float64
		light               func(float64) float64
	}{
		{"sRGB", 1, 13, primariesSRGB, decodeSRGB},
		{"not said", 2, 2, primariesSRGB, decodeSRGB},
		{"of video", 1, 1, primariesSRGB, decodeSRGB},
		{"Display P3", 12, 13, primariesP3, decodeSRGB},
		{"BT.2020", 9, 13, primariesBT2020, decodeSRGB},
		{"BT.2020, curve of video", 9, 14, primariesBT2020, decodeSRGB},
		{"gamma 2.2", 1, 4, primariesSRGB, gamma(2.2)},
		{"gamma 2.8", 1, 5, primariesSRGB, gamma(2.8)},
		{"linear", 1, 8, primariesSRGB, gamma(1)},
		{"unknown codes", 77, 99, primariesSRGB, decodeSRGB},
	} {
		var want []color.RGBA
		for _, s := range swatches {
			want = append(want, inSRGB(s, c.xy, c.light))
		}
		for _, file := range []string{"swatch.heic", "swatch.avif"} {
			t.Run(c.name+", "+file, func(t *testing.T) {
				sameBars(t, p.kept(t, withNCLX(t, seed(t, file), c.primaries, c.transfer)), want, 2.5)
			})
		}
		t.Run(c.name+", cICP of a PNG", func(t *testing.T) {
			png := pngOf(t, barsOf(swatches))
			png = slices.Concat(png[:33], chunk("cICP", []byte{byte(c.primaries), byte(c.transfer), 0, 1}), png[33:])
			sameBars(t, p.kept(t, png), want, 2.5)
		})
	}
}

// Pictures for bright displays are pressed into what sRGB has: order is kept, grey
// stays grey, and the white of paper is not the white of lamps.
func TestPicturesForBrightDisplaysKeepTheirOrder(t *testing.T) {
	p := newPictures(t)
	for _, transfer := range []uint16{16, 18} {
		for _, file := range []string{"swatch.heic", "swatch.avif"} {
			m := p.kept(t, withNCLX(t, seed(t, file), 9, transfer))
			grey := color.NRGBAModel.Convert(m.At(80, 32)).(color.NRGBA)
			if spread := int(max(grey.R, grey.G, grey.B)) - int(min(grey.R, grey.G, grey.B)); spread > 6 || grey.G < 120 || transfer == 18 && grey.G > 254 {
				t.Errorf("%s, transfer %d: the grey is %v", file, transfer, grey)
			}
			if red, green := labOf(m.At(16, 32)), labOf(m.At(48, 32)); red[1] < 10 || green[1] > -10 || labOf(grey)[0] < red[0] {
				t.Errorf("%s, transfer %d: red is %v, green %v, grey %v", file, transfer, red, green, grey)
			}
		}
	}
}

// barsOf is a picture of 96 by 64 with bars of these colours.
func barsOf(colours []color.RGBA) *image.RGBA {
	m := image.NewRGBA(image.Rect(0, 0, 96, 64))
	for x := range 96 {
		for y := range 64 {
			m.SetRGBA(x, y, colours[x/32])
		}
	}
	return m
}

func TestAFileInRGBItselfKeepsItsColours(t *testing.T) {
	sameBars(t, newPictures(t).kept(t, seed(t, "gbr.heic")), swatches, 2.5)
}

// greyProfile is a profile for grey with a gamma of 1.
func greyProfile() []byte {
	return profileOf("GRAY", "XYZ ", map[string][]byte{
		"wtpt": append([]byte("XYZ \x00\x00\x00\x00"), []byte{0, 0, 0xf6, 0xd6, 0, 1, 0, 0, 0, 0, 0xd3, 0x2d}...),
		"kTRC": []byte("curv\x00\x00\x00\x00\x00\x00\x00\x00"), // no entries: linear
	})
}

// inkCorners are what the profile of inkProfile makes of inks, in CIELAB on D50, by
// the bits cyan 8, magenta 4, yellow 2, black 1.
var inkCorners = [16]vector{
	0: {100, 0, 0}, 2: {89, -5, 93}, 4: {48, 74, -3}, 6: {47, 68, 48}, 8: {55, -37, -50}, 10: {50, -66, 26}, 12: {24, 17, -46}, 14: {23, 0, 0},
	1: {16, 0, 0}, 3: {15, 0, 6}, 5: {10, 6, 0}, 7: {9, 5, 3}, 9: {10, -4, -6}, 11: {9, -5, 3}, 13: {5, 1, -5}, 15: {3, 0, 0},
}

// inkProfile is a profile of a press (ICC.1:2001, 6.5.7).
func inkProfile() []byte {
	table := []byte("mft1\x00\x00\x00\x00\x04\x03\x02\x00")
	for i := range 9 {
		v := uint32(0)
		if i%4 == 0 {
			v = 1 << 16
		}
		table = binary.BigEndian.AppendUint32(table, v)
	}
	ramp := make([]byte, 256)
	for i := range ramp {
		ramp[i] = byte(i)
	}
	for range 4 {
		table = append(table, ramp...)
	}
	for _, lab := range inkCorners {
		table = append(table, byte(math.Round(lab[0]*2.55)), byte(lab[1]+128), byte(lab[2]+128))
	}
	for range 3 {
		table = append(table, ramp...)
	}
	return profileOf("CMYK", "Lab ", map[string][]byte{
		"wtpt": append([]byte("XYZ \x00\x00\x00\x00"), []byte{0, 0, 0xf6, 0xd6, 0, 1, 0, 0, 0, 0, 0xd3, 0x2d}...),
		"A2B0": table, "A2B1": table, "desc": []byte("desc\x00\x00\x00\x00not sRGB"),
	})
}

// ofLab is a colour in CIELAB on D50 as sRGB has it, by the matrix of Bradford.
func ofLab(lab vector) color.RGBA {
	f := (lab[0] + 16) / 116
	back := func(v float64) float64 {
		if v > 6.0/29 {
			return v * v * v
		}
		return (116*v - 16) * 27 / 24389
	}
	xyz := vector{0.9642 * back(f+lab[1]/500), back(f), 0.8249 * back(f-lab[2]/200)}
	xyz = matrix3{{0.9555766, -0.0230393, 0.0631636}, {-0.0282895, 1.0099416, 0.0210077}, {0.0122982, -0.0204830, 1.3299098}}.times(xyz)
	v := toXYZ(primariesSRGB).inverse().times(xyz)
	return color.RGBA{encodeSRGB(v[0]), encodeSRGB(v[1]), encodeSRGB(v[2]), 255}
}

func TestProfilesOfGreyAndOfInksAreConvertedToSRGB(t *testing.T) {
	p := newPictures(t)
	icc := func(profile []byte) []byte { return append([]byte("ICC_PROFILE\x00\x01\x01"), profile...) }
	grey := image.NewGray(image.Rect(0, 0, 96, 64))
	levels := []color.RGBA{{20, 20, 20, 255}, {100, 100, 100, 255}, {230, 230, 230, 255}}
	var lighter []color.RGBA
	for x := range 96 {
		for y := range 64 {
			grey.SetGray(x, y, color.Gray{levels[x/32].R})
		}
	}
	for _, c := range levels {
		lighter = append(lighter, inSRGB(c, primariesSRGB, func(v float64) float64 { return v }))
	}
	inks := []color.RGBA{ofLab(inkCorners[1]), ofLab(inkCorners[0]), ofLab(inkCorners[6])}
	black := func(c color.RGBA) color.RGBA { // black point compensation: the darkest of the press is the darkest of the screen
		return c
	}
	inks[0] = black(inks[0])
	turned := pngOf(t, grey)
	inPNG := slices.Concat(turned[:33], chunk("iCCP", append([]byte("p\x00\x00"), deflated(t, greyProfile())...)), turned[33:])
	for _, c := range []struct {
		name   string
		data   []byte
		want   []color.RGBA
		within float64
	}{
		{"a grey JPEG", withSegment(jpegOf(t, grey), markerAPP2, icc(greyProfile())), lighter, 2.5},
		{"a grey PNG", inPNG, lighter, 2.5},
		{"a grey JPEG with a profile of RGB", withSegment(jpegOf(t, grey), markerAPP2, icc(matrixProfile(displayP3))), levels, 3},
		{"a coloured JPEG with a profile of grey", withSegment(jpegOf(t, barsOf(swatches)), markerAPP2, icc(greyProfile())), swatches, 4},
		{"a coloured JPEG with a profile of inks", withSegment(jpegOf(t, barsOf(swatches)), markerAPP2, icc(inkProfile())), swatches, 4},
		{"inks of Adobe", withSegment(seed(t, "cmyk.jpg"), markerAPP2, icc(inkProfile())), inks, 12},
		{"inks of Adobe as YCCK", withSegment(seed(t, "ycck.jpg"), markerAPP2, icc(inkProfile())), inks, 12},
		{"inks the other way round", withSegment(seed(t, "inks.jpg"), markerAPP2, icc(inkProfile())), inks, 12},
		{"inks with a profile of RGB", withSegment(seed(t, "ycck.jpg"), markerAPP2, icc(matrixProfile(displayP3))), bars, 6},
		{"inks with a damaged profile", withSegment(seed(t, "ycck.jpg"), markerAPP2, icc(inkProfile()[:400])), bars, 6},
	} {
		t.Run(c.name, func(t *testing.T) { sameBars(t, p.kept(t, c.data), c.want, c.within) })
	}
}

// A profile that calls itself sRGB and has other primaries is not believed.
func TestAProfileIsJudgedByItsPrimaries(t *testing.T) {
	p := newPictures(t)
	liar := append(matrixProfile(displayP3), "sRGB"...)
	for n, file := range [][]byte{
		withSegment(jpegOf(t, barsOf(swatches)), markerAPP2, append([]byte("ICC_PROFILE\x00\x01\x01"), liar...)),
		slices.Concat(pngOf(t, barsOf(swatches))[:33], chunk("iCCP", append([]byte("p\x00\x00"), deflated(t, liar)...)), pngOf(t, barsOf(swatches))[33:]),
	} {
		t.Run(fmt.Sprint(n), func(t *testing.T) {
			var want []color.RGBA
			for _, s := range swatches {
				want = append(want, inSRGB(s, primariesP3, func(v float64) float64 { return math.Pow(v, 2.2) }))
			}
			sameBars(t, p.kept(t, file), want, 3)
		})
	}
}
