package wire

import (
	"strings"
	"testing"
)

func TestWhatALabelHolds(t *testing.T) {
	const good = "-0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ_abcdefghijklmnopqrstuvwxyz"
	for r := rune(0); r < 0x250; r++ {
		if NotInLabel(r) == strings.ContainsRune(good, r) {
			t.Errorf("%q: %v", r, NotInLabel(r))
		}
	}
}

func TestVisibleASCIIIsVisible(t *testing.T) {
	for r, want := range map[rune]bool{'!': true, '~': true, 'a': true, ' ': false, '\t': false, 0: false, 0x7f: false, 0x80: false, 'é': false, '\ufffd': false} {
		if NotVisible(r) == want {
			t.Errorf("%q: visible is %v", r, !want)
		}
	}
}
