package engineio

import "encoding/base64"

// decodeBase64 decodes b as Node's Buffer does, which the official server reads with:
// up to the first "=", in both alphabets, with everything passed over that belongs to
// neither, and without the bits that are left of an incomplete byte. Nothing is
// invalid: encoders that break lines (Java's MIME encoder, Android's default one, which
// ends each text with a newline) and those that pad twice or not at all are understood.
func decodeBase64(b []byte) []byte {
	data := make([]byte, base64.StdEncoding.DecodedLen(len(b)))
	if n, err := base64.StdEncoding.Decode(data, b); err == nil {
		return data[:n] // what nearly everybody sends
	}
	data = data[:0]
	var bits uint32
	have := 0 // bits that are not in data yet
	for _, c := range b {
		if c == '=' {
			break
		}
		value := base64Values[c]
		if value == notBase64 {
			continue
		}
		bits = bits<<6 | uint32(value)
		if have += 6; have >= 8 {
			have -= 8
			data = append(data, byte(bits>>have))
		}
	}
	return data
}

// notBase64 marks a byte that is in no alphabet.
const notBase64 = 0xff

// base64Values are the values of the letters of both alphabets (RFC 4648, sections 4
// and 5).
var base64Values = func() (values [256]byte) {
	for i := range values {
		values[i] = notBase64
	}
	const letters = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"
	for i := range len(letters) {
		values[letters[i]] = byte(i)
	}
	values['+'], values['-'] = 62, 62
	values['/'], values['_'] = 63, 63
	return values
}()
