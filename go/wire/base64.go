package wire

import (
	"encoding/base64"
	"strings"
)

// LooseBase64 is what a lenient decoder reads in a text, of either alphabet (RFC
// 4648, sections 4 and 5), with padding or without, and whatever stands between.
func LooseBase64(text string) string {
	plain := strings.Map(func(r rune) rune {
		switch {
		case r == '-':
			return '+'
		case r == '_':
			return '/'
		case r == '+' || r == '/' || '0' <= r && r <= '9' || 'a' <= r && r <= 'z' || 'A' <= r && r <= 'Z':
			return r
		}
		return -1
	}, text)
	if len(plain)%4 == 1 {
		plain = plain[:len(plain)-1]
	}
	decoded, err := base64.RawStdEncoding.DecodeString(plain)
	if err != nil {
		panic(err) // the alphabet is that, and so is the length
	}
	return string(decoded)
}
