package pictures

import (
	"bytes"
	"encoding/binary"
)

// JPEG markers (ITU-T T.81, table B.1).
const (
	markerSOI  = 0xd8
	markerEOI  = 0xd9
	markerSOS  = 0xda
	markerAPP0 = 0xe0
	markerAPP1 = 0xe1
	markerAPPE = 0xee
	markerAPPF = 0xef
	markerCOM  = 0xfe
)

// segments calls each for the segments of a JPEG before its first scan, with
// the marker and the payload, until each returns false. It returns where the
// scan's marker stands, or -1 where there is none.
func segments(data []byte, each func(marker byte, payload []byte) bool) (scan int) {
	i := 2
	for i+4 <= len(data) {
		if data[i] != 0xff {
			return -1
		}
		marker := data[i+1]
		if marker == 0xff { // fill
			i++
			continue
		}
		if marker == markerSOS {
			return i
		}
		size := int(binary.BigEndian.Uint16(data[i+2:]))
		if size < 2 || i+2+size > len(data) {
			return -1
		}
		if !each(marker, data[i+4:i+2+size]) {
			return -1
		}
		i += 2 + size
	}
	return -1
}

// stripJPEG copies a JPEG without its metadata and without anything behind its
// end. Of the application segments only Adobe's stays, which says what the
// colours mean. It reports false where the file is not laid out plainly; such
// a file is encoded anew.
func stripJPEG(data []byte) ([]byte, bool) {
	out := make([]byte, 0, len(data))
	out = append(out, 0xff, markerSOI)
	scan := segments(data, func(marker byte, payload []byte) bool {
		adobe := marker == markerAPPE && bytes.HasPrefix(payload, []byte("Adobe"))
		if marker >= markerAPP0 && marker <= markerAPPF && !adobe || marker == markerCOM {
			return true
		}
		out = append(out, 0xff, marker)
		out = binary.BigEndian.AppendUint16(out, uint16(len(payload)+2))
		out = append(out, payload...)
		return true
	})
	if scan < 0 {
		return nil, false
	}
	end, ok := endOfScans(data, scan)
	if !ok {
		return nil, false
	}
	return append(out, data[scan:end]...), true
}

// endOfScans returns where the end marker ends that follows the scans. It
// reports false where metadata stands between them.
func endOfScans(data []byte, i int) (int, bool) {
	for i+1 < len(data) {
		if data[i] != 0xff {
			i++
			continue
		}
		marker := data[i+1]
		switch {
		case marker == markerEOI:
			return i + 2, true
		case marker == 0x00, marker == 0xff, marker >= 0xd0 && marker <= 0xd7: // stuffing, fill, restart
			i += 1
			if marker != 0xff {
				i++
			}
		case marker >= markerAPP0 && marker <= markerAPPF, marker == markerCOM:
			return 0, false
		default:
			if i+4 > len(data) {
				return 0, false
			}
			i += 2 + int(binary.BigEndian.Uint16(data[i+2:]))
		}
	}
	return 0, false
}

// exifOrientation returns the orientation that a JPEG's EXIF data names, 1 to
// 8, and 1 where it names none. (CIPA DC-008, tag 0x0112)
func exifOrientation(data []byte) int {
	orientation := 1
	segments(data, func(marker byte, payload []byte) bool {
		if marker != markerAPP1 || !bytes.HasPrefix(payload, []byte("Exif\x00\x00")) {
			return true
		}
		orientation = tiffOrientation(payload[6:])
		return false
	})
	return orientation
}

// tiffOrientation looks through the first directory of TIFF data.
func tiffOrientation(tiff []byte) int {
	if len(tiff) < 8 {
		return 1
	}
	var order binary.ByteOrder = binary.LittleEndian
	if string(tiff[:2]) == "MM" {
		order = binary.BigEndian
	}
	start := uint64(order.Uint32(tiff[4:]))
	if start+2 > uint64(len(tiff)) {
		return 1
	}
	entries := tiff[start+2:]
	for range order.Uint16(tiff[start:]) {
		if len(entries) < 12 {
			return 1
		}
		if order.Uint16(entries) == 0x0112 {
			if v := int(order.Uint16(entries[8:])); v >= 1 && v <= 8 {
				return v
			}
			return 1
		}
		entries = entries[12:]
	}
	return 1
}
