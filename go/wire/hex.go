package wire

import "crypto/sha256"

// The digits of the numbers that are written in hexadecimal.
const (
	LowerHex = "0123456789abcdef"
	UpperHex = "0123456789ABCDEF"
)

// Unhex returns the value of a hexadecimal digit of either case.
func Unhex(c byte) (value byte, ok bool) {
	switch {
	case '0' <= c && c <= '9':
		return c - '0', true
	case 'a' <= c && c <= 'f':
		return c - 'a' + 10, true
	case 'A' <= c && c <= 'F':
		return c - 'A' + 10, true
	}
	return 0, false
}

// IsSHA256 reports whether a text is a SHA-256 in hexadecimal, of either case.
func IsSHA256(s string) bool {
	if len(s) != 2*sha256.Size {
		return false
	}
	for i := range len(s) {
		if _, ok := Unhex(s[i]); !ok {
			return false
		}
	}
	return true
}
