package pictures

import (
	"bytes"
	"encoding/binary"
)

// JPEG markers (ITU-T T.81, table B.1).
const (
	markerSOF0 = 0xc0 // baseline
	markerSOF1 = 0xc1 // extended sequential
	markerSOF2 = 0xc2 // progressive
	markerDHT  = 0xc4
	markerSOI  = 0xd8
	markerEOI  = 0xd9
	markerSOS  = 0xda
	markerDQT  = 0xdb
	markerDRI  = 0xdd
	markerAPP0 = 0xe0
	markerAPP1 = 0xe1
	markerAPPE = 0xee
	markerAPPF = 0xef
	markerCOM  = 0xfe
)

// segments calls each for the segments of a JPEG before its first scan, with
// the marker and the payload, until each returns false or the layout ends. It
// returns where it stopped.
func segments(data []byte, each func(marker byte, payload []byte) bool) int {
	i := 2
	for i+4 <= len(data) && data[i] == 0xff {
		marker := data[i+1]
		if marker == 0xff { // fill
			i++
			continue
		}
		size := int(binary.BigEndian.Uint16(data[i+2:]))
		if marker == markerSOS || size < 2 || i+2+size > len(data) || !each(marker, data[i+4:i+2+size]) {
			break
		}
		i += 2 + size
	}
	return min(i, len(data))
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
