package harness

import (
	"bytes"
	"image"
	"image/color"
	"image/jpeg"
	"math"
	"math/rand/v2"
	"testing"
)

// light is a lamp out of focus.
type light struct{ x, y, radius, r, g, b float64 }

// Scene is a JPEG that looks like a photograph of an evening: lamps out of focus over a dark crowd. The same number
// always gives the same picture.
func Scene(t testing.TB, number, w, h int) []byte {
	t.Helper()
	random := rand.New(rand.NewPCG(uint64(number), 7))
	warm := [][3]float64{{255, 176, 74}, {255, 92, 70}, {255, 224, 160}, {190, 90, 255}, {80, 160, 255}, {255, 120, 190}}
	tint := warm[number%len(warm)]
	lights := make([]light, 46)
	for i := range lights {
		c := warm[random.IntN(len(warm))]
		size := 0.015 + 0.06*random.Float64()*random.Float64()
		lights[i] = light{random.Float64(), 0.62 * random.Float64(), size, c[0], c[1], c[2]}
	}
	type head struct{ x, y, r float64 }
	heads := make([]head, 17)
	for i := range heads {
		heads[i] = head{float64(i)/16 + 0.05*(random.Float64()-0.5), 0.74 + 0.14*random.Float64(), 0.035 + 0.03*random.Float64()}
	}
	m := image.NewRGBA(image.Rect(0, 0, w, h))
	ratio := float64(w) / float64(h)
	for py := range h {
		y := float64(py) / float64(h)
		for px := range w {
			x := float64(px) / float64(w)
			glow := math.Exp(-8 * (math.Pow((x-0.5)*ratio, 2) + math.Pow(y-0.35, 2)))
			r, g, b := 18+tint[0]*0.55*glow, 12+tint[1]*0.5*glow, 26+tint[2]*0.5*glow
			for _, l := range lights {
				d := math.Hypot((x-l.x)*ratio, y-l.y) / l.radius
				if d < 1 {
					k := 0.42 * (0.75 + 0.25*d*d) * math.Min(1, (1-d)*9)
					r, g, b = r+l.r*k, g+l.g*k, b+l.b*k
				}
			}
			dark := 1.0
			for _, c := range heads {
				if math.Hypot((x-c.x)*ratio, y-c.y) < c.r || (y > c.y+c.r*0.7 && math.Abs(x-c.x)*ratio < c.r*(1.1+1.6*(y-c.y))) {
					dark = 0.16 + 0.1*(y-0.7)
				}
			}
			grain := 6 * (random.Float64() - 0.5)
			m.SetRGBA(px, py, color.RGBA{level(r*dark + grain), level(g*dark + grain), level(b*dark + grain), 255})
		}
	}
	var out bytes.Buffer
	if err := jpeg.Encode(&out, m, &jpeg.Options{Quality: 85}); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

func level(v float64) uint8 { return uint8(min(255, max(0, v))) }
