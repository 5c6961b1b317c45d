package pictures

import (
	"image"
	"image/color"
)

// shrinker scales one plane of samples down, row by row, to the mean of the
// area that each new sample covers. It holds two rows and the new plane, so
// that the memory that scaling takes does not depend on the photo's size.
type shrinker struct {
	to             []byte // the new plane
	stride         int
	width, height  int // of the new plane
	rows           int // of the old one
	starts         []int32
	weights        []uint16 // of old samples for new ones, in 256ths
	row            []uint32 // the row as it comes in, in 256ths
	sum            []uint32 // of the running new row, in 256ths × 65536ths
	at, done       int      // rows that came in; rows that are done
	oldWidth       int
	sameW, sameAll bool
}

// newShrinker scales a plane of oldW by oldH samples into to.
func newShrinker(to []byte, stride, w, h, oldW, oldH int) *shrinker {
	s := &shrinker{to: to, stride: stride, width: w, height: h, rows: oldH, oldWidth: oldW, sameW: w == oldW, sameAll: w == oldW && h == oldH}
	if s.sameAll {
		return s
	}
	s.row, s.sum = make([]uint32, w), make([]uint32, w)
	s.starts = make([]int32, w+1)
	for x := range w {
		// The new sample covers [x·oldW/w, (x+1)·oldW/w). Rounding the running
		// total keeps the weights' sum at 256.
		first, end := x*oldW/w, ((x+1)*oldW+w-1)/w
		total := 0
		s.starts[x] = int32(len(s.weights))
		for i := first; i < end; i++ {
			upTo := (min((i+1)*w, (x+1)*oldW) - x*oldW) * 256 / oldW
			s.weights = append(s.weights, uint16(upTo-total))
			total = upTo
		}
	}
	s.starts[w] = int32(len(s.weights))
	return s
}

// add takes in the next row of the old plane.
func (s *shrinker) add(src []byte) {
	if s.sameAll {
		copy(s.to[s.at*s.stride:][:s.width], src)
		s.at++
		return
	}
	s.across(src)
	// In units of 1/height of an old row, this one spans [at·height,
	// (at+1)·height), and a new one [done·rows, (done+1)·rows).
	from, to := s.at*s.height, (s.at+1)*s.height
	s.at++
	for s.done < s.height {
		start, end := s.done*s.rows, (s.done+1)*s.rows
		if start >= to {
			return
		}
		// The same rounding of the running total as across.
		upTo := (min(to, end) - start) * 65536 / s.rows
		before := (max(from, start) - start) * 65536 / s.rows
		weight := uint32(upTo - before)
		for x, v := range s.row {
			s.sum[x] += v * weight
		}
		if end > to {
			return
		}
		line := s.to[s.done*s.stride:][:s.width]
		for x, v := range s.sum {
			line[x] = byte((v + 1<<23) >> 24)
		}
		clear(s.sum)
		s.done++
	}
}

// across scales one row to the new width.
func (s *shrinker) across(src []byte) {
	if s.sameW {
		for x := range s.row {
			s.row[x] = uint32(src[x]) << 8
		}
		return
	}
	for x := range s.row {
		weights := s.weights[s.starts[x]:s.starts[x+1]]
		from := src[x*s.oldWidth/s.width:][:len(weights)]
		sum := uint32(0)
		for i, weight := range weights {
			sum += uint32(weight) * uint32(from[i])
		}
		s.row[x] = sum
	}
}

// fitted is the size of a picture of w by h within a square of side.
func fitted(w, h, side int) (int, int) {
	longest := max(w, h)
	if longest <= side {
		return w, h
	}
	return max(1, (w*side+longest/2)/longest), max(1, (h*side+longest/2)/longest)
}

// scaler makes a picture of rows of RGB samples, as JPEG stores pictures: with
// colours at half the resolution.
type scaler struct {
	to        *image.YCbCr
	y, cb, cr *shrinker
	line      []byte // a row in YCbCr, plane by plane
}

// newScaler fits a picture of w by h into a square of side.
func newScaler(w, h, side int) *scaler {
	toW, toH := fitted(w, h, side)
	s := &scaler{to: image.NewYCbCr(image.Rect(0, 0, toW, toH), image.YCbCrSubsampleRatio420), line: make([]byte, 3*w)}
	s.y = newShrinker(s.to.Y, s.to.YStride, toW, toH, w, h)
	s.cb = newShrinker(s.to.Cb, s.to.CStride, (toW+1)/2, (toH+1)/2, w, h)
	s.cr = newShrinker(s.to.Cr, s.to.CStride, (toW+1)/2, (toH+1)/2, w, h)
	return s
}

// add takes in the next row.
func (s *scaler) add(rgb []byte) {
	w := len(s.line) / 3
	ys, cbs, crs := s.line[:w], s.line[w:2*w], s.line[2*w:]
	for x := range ys {
		p := rgb[3*x:][:3]
		ys[x], cbs[x], crs[x] = color.RGBToYCbCr(p[0], p[1], p[2])
	}
	s.y.add(ys)
	s.cb.add(cbs)
	s.cr.add(crs)
}

// shrink makes m, with colours at half the resolution, at most side wide and high.
func shrink(m *image.YCbCr, side int) *image.YCbCr {
	oldW, oldH := m.Rect.Dx(), m.Rect.Dy()
	w, h := fitted(oldW, oldH, side)
	if w == oldW && h == oldH {
		return m
	}
	out := image.NewYCbCr(image.Rect(0, 0, w, h), image.YCbCrSubsampleRatio420)
	cw, ch, oldCW, oldCH := (w+1)/2, (h+1)/2, (oldW+1)/2, (oldH+1)/2
	shrinkPlane(newShrinker(out.Y, out.YStride, w, h, oldW, oldH), m.Y, m.YStride)
	shrinkPlane(newShrinker(out.Cb, out.CStride, cw, ch, oldCW, oldCH), m.Cb, m.CStride)
	shrinkPlane(newShrinker(out.Cr, out.CStride, cw, ch, oldCW, oldCH), m.Cr, m.CStride)
	return out
}

func shrinkPlane(s *shrinker, plane []byte, stride int) {
	for row := range s.rows {
		s.add(plane[row*stride:][:s.oldWidth])
	}
}

// turn applies an EXIF orientation, 1 to 8 (CIPA DC-008, 4.6.4).
func turn(m *image.YCbCr, orientation int) *image.YCbCr {
	if orientation < 2 || orientation > 8 {
		return m
	}
	w, h := m.Rect.Dx(), m.Rect.Dy()
	outW, outH := w, h
	if orientation >= 5 {
		outW, outH = h, w
	}
	out := image.NewYCbCr(image.Rect(0, 0, outW, outH), image.YCbCrSubsampleRatio420)
	turnPlane(out.Y, out.YStride, m.Y, m.YStride, w, h, orientation)
	turnPlane(out.Cb, out.CStride, m.Cb, m.CStride, (w+1)/2, (h+1)/2, orientation)
	turnPlane(out.Cr, out.CStride, m.Cr, m.CStride, (w+1)/2, (h+1)/2, orientation)
	return out
}

// turnPlane applies an orientation to a plane of w by h samples.
func turnPlane(to []byte, toStride int, from []byte, stride, w, h, orientation int) {
	outW, outH := w, h
	if orientation >= 5 {
		outW, outH = h, w
	}
	for y := range outH {
		// The samples of a new row lie step apart in the old plane.
		var start, step int
		switch orientation {
		case 2:
			start, step = y*stride+w-1, -1
		case 3:
			start, step = (h-1-y)*stride+w-1, -1
		case 4:
			start, step = (h-1-y)*stride, 1
		case 5:
			start, step = y, stride
		case 6:
			start, step = (h-1)*stride+y, -stride
		case 7:
			start, step = (h-1)*stride+w-1-y, -stride
		case 8:
			start, step = w-1-y, stride
		}
		line := to[y*toStride:][:outW]
		for x := range line {
			line[x] = from[start+x*step]
		}
	}
}
