package wire

import (
	"strconv"
	"strings"
	"testing"
)

func TestOnlyHexDigitsAreDecoded(t *testing.T) {
	for c := range 256 {
		got, ok := Unhex(byte(c))
		want, err := strconv.ParseUint(string(rune(c)), 16, 8)
		if ok != (err == nil && c < 0x80) || ok && uint64(got) != want {
			t.Errorf("%#x: %d, %v", c, got, ok)
		}
	}
	for i := range 16 {
		for _, digits := range []string{LowerHex, UpperHex} {
			if got, ok := Unhex(digits[i]); !ok || int(got) != i {
				t.Errorf("%c: %d, %v", digits[i], got, ok)
			}
		}
	}
}

func TestADigestHasItsLengthAndNothingButDigits(t *testing.T) {
	for s, want := range map[string]bool{
		strings.Repeat("0aF", 21) + "9": true, strings.Repeat("a", 63): false, strings.Repeat("a", 65): false, "": false,
		strings.Repeat("a", 63) + "g": false, "+" + strings.Repeat("a", 63): false, strings.Repeat("a", 62) + "é": false,
	} {
		if IsSHA256(s) != want {
			t.Errorf("%q: %v", s, !want)
		}
	}
}
